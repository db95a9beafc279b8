//! An echo server and its client with the traits of tokio: two engines on threads of their own, IP packets inside UDP datagrams over 127.0.0.1,
//! and a program that sees streams. No privilege is needed.

use std::{io, thread, time};

use handfast::application::asynchronous::{Network, TcpListener, TcpStream, network};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Engine, driver::Driver};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::link::wait::Waiter;
use handfast::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An engine on a thread of its own, for as long as somebody holds its network or a socket of it. The secrets of a real one are random.
fn start(
    address: &'static str,
    secret: u8,
    wire: SocketConfig,
) -> (Network, thread::JoinHandle<Outcome<()>>) {
    let (network, station) = network();
    let run = move || -> Outcome<()> {
        let pool = FramePool::new(PoolConfig::default());
        let device = SocketDevice::new(wire, pool.clone())?;
        let config = Config::new([secret; 32], [AddressBlock::single(address.parse()?)]);
        let mut driver = Driver::new(Engine::new(&config, pool, device), station, [secret; 16]);
        // For 20 µs after each packet the thread looks for the next one before it sleeps.
        let mut waiter = Waiter::new(Duration::from_micros(20))?;
        let start = time::Instant::now();
        Ok(driver.run(&mut waiter, || Instant::ZERO + start.elapsed().into())?)
    };
    (network, thread::spawn(run))
}

async fn echo(listener: TcpListener) -> io::Result<()> {
    let (mut stream, from) = listener.accept().await?;
    println!("{from} is here");
    let (mut receive, mut send) = stream.split();
    tokio::io::copy(&mut receive, &mut send).await?;
    send.shutdown().await
}

async fn ask(mut stream: TcpStream) -> io::Result<String> {
    stream.write_all(b"Is anybody there?").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn main() -> Outcome<()> {
    let ports = [free_port()?, free_port()?];
    let wire = |own: usize| SocketConfig {
        local: ports[own],
        peer: Some(ports[1 - own]),
        ..SocketConfig::default()
    };
    let (clients, client_thread) = start("10.0.0.1", 1, wire(0));
    let (servers, server_thread) = start("10.0.0.2", 2, wire(1));
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(async {
            let at = "10.0.0.2:7".parse()?;
            let server = tokio::spawn(echo(TcpListener::bind(&servers, at).await?));
            println!("echo: {}", ask(TcpStream::connect(&clients, at).await?).await?);
            Outcome::Ok(server.await??)
        })?;
    drop((clients, servers));
    client_thread.join().expect("no panic")?;
    server_thread.join().expect("no panic")
}

/// An address that was free a moment ago.
fn free_port() -> io::Result<std::net::SocketAddr> {
    std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()
}
