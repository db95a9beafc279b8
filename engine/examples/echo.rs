//! An echo server and its client: two engines that send each other IP packets inside UDP datagrams over 127.0.0.1.
//! No privilege is needed, and the thread sleeps until a packet arrives or a timer is due.

use std::time;

use handfast::application::{Event, Read, Readiness, TcpHandle};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::link::wait::{Waiter, Watch};
use handfast::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
type End = Engine<SocketDevice>;

fn engine(address: &str, secret: u8, wire: SocketConfig) -> Outcome<End> {
    let pool = FramePool::new(PoolConfig::default());
    let device = SocketDevice::new(wire, pool.clone())?;
    let config = Config::new([secret; 32], [AddressBlock::single(address.parse()?)]);
    Ok(Engine::new(&config, pool, device))
}

/// The server sends back the very memory in which a request arrived.
fn answer(server: &mut End, connection: TcpHandle) -> Outcome<()> {
    match server.tcp_receive_chunk(connection, usize::MAX) {
        Ok(Read::Data(chunk)) => drop(server.tcp_send_payload(connection, chunk.payload())?),
        Ok(Read::End) => server.tcp_close(connection),
        Ok(Read::WouldBlock) | Err(_) => {}
    }
    Ok(())
}

fn ask(client: &mut End, connection: TcpHandle, ready: Readiness) -> Outcome<()> {
    if ready.contains(Readiness::CONNECTED) {
        client.tcp_send(connection, b"Is anybody there?")?;
    }
    if let Ok(Read::Data(chunk)) = client.tcp_receive_chunk(connection, usize::MAX) {
        println!("echo: {}", String::from_utf8_lossy(&chunk));
        client.tcp_close(connection);
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let wire = SocketConfig::default();
    let mut server = engine("10.0.0.2", 2, wire)?; // Its peer is whoever sends to its socket first.
    let peer = Some(server.device().local_address()?);
    let mut client = engine("10.0.0.1", 1, SocketConfig { peer, ..wire })?;
    let listener = server.tcp_listen("10.0.0.2:7".parse()?, 128)?;
    client.tcp_connect(None, "10.0.0.2:7".parse()?)?;
    let mut waiter = Waiter::new(Duration::ZERO)?;
    let start = time::Instant::now();
    while client.time_wait().len == 0 {
        let now = Instant::ZERO + start.elapsed().into();
        server.poll(now, Budget::default());
        while let Some(event) = server.poll_event() {
            match event {
                Event::Tcp(connection, _) => answer(&mut server, connection)?,
                _ => while server.tcp_accept(listener).is_some() {},
            }
        }
        client.poll(now, Budget::default());
        while let Some(Event::Tcp(connection, ready)) = client.poll_event() {
            ask(&mut client, connection, ready)?;
        }
        let deadlines = [server.next_deadline(), client.next_deadline()];
        let descriptors = [server.device().descriptor(), client.device().descriptor()];
        let watches: Vec<_> = descriptors.into_iter().flatten().map(Watch::readable).collect();
        waiter.wait(now, deadlines.into_iter().flatten().min(), &watches)?;
    }
    println!("{:?}", client.counters().device);
    Ok(())
}
