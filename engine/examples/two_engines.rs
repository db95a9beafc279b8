//! Two engines on one thread, joined by a wire in memory: connect, ask, answer, close, and look at TIME_WAIT.
//!
//! The engine reads no clock, so this runs in virtual time: a minute passes in no time.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use handfast::application::Read;
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::{self, LocalEnd, WireConfig};
use handfast::time::{Duration, Instant};

fn engine(address: IpAddr, secret: [u8; 32], device: LocalEnd) -> Engine<LocalEnd> {
    let config = Config::new(secret, [AddressBlock::single(address)]);
    Engine::new(&config, FramePool::new(PoolConfig::default()), device)
}

/// Polls both ends until neither has anything left to do at `now`.
fn settle(client: &mut Engine<LocalEnd>, server: &mut Engine<LocalEnd>, now: Instant) {
    let mut busy = true;
    while busy {
        busy = false;
        for end in [&mut *client, &mut *server] {
            busy |= !end.poll(now, Budget::default()).is_idle();
            busy |= end.next_deadline().is_some_and(|deadline| deadline <= now);
            // An application acts on events; here it is known what comes next.
            while end.poll_event().is_some() {}
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let at: SocketAddr = "10.0.0.2:7".parse()?;
    let (near, far) = memory::pair(WireConfig::default());
    // Secrets must be random outside of examples: they protect sequence numbers, ports and the flow table.
    let mut client = engine("10.0.0.1".parse()?, [1; 32], near);
    let mut server = engine(at.ip(), [2; 32], far);
    let mut now = Instant::ZERO;

    let listener = server.tcp_listen(at, 128)?;
    let asking = client.tcp_connect(None, at)?;
    settle(&mut client, &mut server, now);
    let answering = server.tcp_accept(listener).ok_or("no connection to accept")?;
    println!("connected: {:?}", client.tcp_addresses(asking));

    client.tcp_send(asking, b"ping")?;
    settle(&mut client, &mut server, now);
    if let Read::Data(chunk) = server.tcp_receive_chunk(answering, usize::MAX)? {
        // The chunk is the memory that the client wrote to: sending it back copies nothing either.
        println!("server received {:?}", String::from_utf8_lossy(&chunk));
        server.tcp_send_payload(answering, chunk.payload())?;
    }
    settle(&mut client, &mut server, now);
    let mut answer = [0; 16];
    if let Read::Data(length) = client.tcp_receive(asking, &mut answer)? {
        println!("client received {:?}", String::from_utf8_lossy(&answer[..length]));
    }

    client.tcp_close(asking); // Who closes first waits in TIME_WAIT.
    settle(&mut client, &mut server, now);
    server.tcp_close(answering);
    settle(&mut client, &mut server, now);
    println!("after the close: {:?}", client.time_wait());

    now += Duration::from_secs(61);
    settle(&mut client, &mut server, now);
    println!("a minute later:  {:?}", client.time_wait());
    Ok(())
}
