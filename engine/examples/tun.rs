//! A web page from the engine, for any program of this machine: the engine is the host 10.9.0.2 behind a TUN interface.
//!
//! ```text
//! $ sudo cargo run --release --example tun &
//! $ sudo ip address add 10.9.0.1/24 dev handfast0
//! $ curl http://10.9.0.2/
//! ```

use std::fs::File;
use std::io::Read as _;
use std::time;

use handfast::application::{Event, Read, TcpHandle};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::wait::Waiter;
use handfast::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Answers whatever is asked. Nothing is taken for a request before a line is complete.
fn answer(engine: &mut Engine<TunDevice>, connection: TcpHandle) {
    const PAGE: &[u8] =
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nThis came without the kernel's TCP.\n";
    loop {
        match engine.tcp_receive_chunk(connection, usize::MAX) {
            Ok(Read::Data(chunk)) if chunk.contains(&b'\n') => {
                drop(chunk);
                if engine.tcp_send(connection, PAGE).is_ok() {
                    // The rest of the request is read, or the close would be a reset.
                    while let Ok(Read::Data(_)) = engine.tcp_receive_chunk(connection, usize::MAX) {}
                }
                return engine.tcp_close(connection);
            }
            Ok(Read::Data(_)) => {}
            Ok(Read::End) | Err(_) => return engine.tcp_close(connection),
            Ok(Read::WouldBlock) => return,
        }
    }
}

fn main() -> Outcome<()> {
    let mut secret = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let pool = FramePool::new(PoolConfig::default());
    let interface = TunConfig {
        name: "handfast0".to_owned(),
        ..TunConfig::default()
    };
    let device = TunDevice::new(&interface, pool.clone())?;
    println!(
        "`ip address add 10.9.0.1/24 dev {}`, then http://10.9.0.2/",
        device.name()
    );
    let config = Config::new(secret, [AddressBlock::single("10.9.0.2".parse()?)]);
    let mut engine = Engine::new(&config, pool, device);
    let listener = engine.tcp_listen("10.9.0.2:80".parse()?, 128)?;
    // For 50 µs after each packet the thread looks for the next one before it sleeps.
    let mut waiter = Waiter::new(Duration::from_micros(50))?;
    let start = time::Instant::now();
    loop {
        let now = Instant::ZERO + start.elapsed().into();
        let progress = engine.poll(now, Budget::default());
        while let Some(event) = engine.poll_event() {
            match event {
                Event::Tcp(connection, _) => answer(&mut engine, connection),
                _ => while engine.tcp_accept(listener).is_some() {},
            }
        }
        engine.wait(&mut waiter, now, progress)?;
    }
}
