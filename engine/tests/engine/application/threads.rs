//! Drivers that sleep on threads of their own and programs on many others: a wakeup that gets lost leaves somebody waiting for ever.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time;

use handfast::application::asynchronous::{Network, TcpListener, TcpStream, network};
use handfast::engine::Engine;
use handfast::engine::driver::Driver;
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::socket::{SocketConfig, SocketDevice};
use handfast::link::wait::Waiter;
use handfast::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::pattern;
use crate::support::{Family, config};

const CONNECTIONS: usize = 40;
const ROUNDS: usize = 50;

/// An engine on a thread of its own. With `spin`, it looks for calls a while before it sleeps; without, it sleeps at every chance.
fn start(
    secret: u8,
    address: std::net::IpAddr,
    wire: SocketConfig,
    spin: Duration,
) -> (Network, JoinHandle<()>) {
    let (network, station) = network();
    let run = move || {
        let pool = FramePool::new(PoolConfig::default());
        let device = SocketDevice::new(wire, pool.clone()).expect("the address was free a moment ago");
        let engine = Engine::new(&config(secret, address), pool, device);
        let mut driver = Driver::new(engine, station, [secret; 16]);
        let mut waiter = Waiter::new(spin).expect("a descriptor");
        let start = time::Instant::now();
        driver
            .run(&mut waiter, || Instant::ZERO + start.elapsed().into())
            .expect("a device with a descriptor");
    };
    (network, thread::spawn(run))
}

fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 10_000];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// Asks again and again, each time for more, and checks what comes back.
async fn ask(clients: Network, at: SocketAddr, number: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(&clients, at).await?;
    for round in 0..ROUNDS {
        let question = pattern(1 + (number + round * round * 7) % 20_000);
        let mut answer = vec![0; question.len()];
        let (mut receive, mut send) = stream.split();
        let (sent, received) =
            futures_util::future::join(send.write_all(&question), receive.read_exact(&mut answer)).await;
        sent?;
        received?;
        assert!(answer == question, "round {round} of connection {number}");
    }
    stream.shutdown().await?;
    assert_eq!(stream.read(&mut [0; 1]).await?, 0);
    Ok(())
}

fn exchange(spin: Duration) {
    let at = SocketAddr::new(Family::V4.server(), 7);
    let ports = [free_address(), free_address()];
    let wire = |own: usize| SocketConfig {
        local: ports[own],
        peer: Some(ports[1 - own]),
        ..SocketConfig::default()
    };
    let (clients, client_thread) = start(1, Family::V4.client(), wire(0), spin);
    let (servers, server_thread) = start(2, Family::V4.server(), wire(1), spin);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(&servers, at).await.expect("a port");
        let serving = tokio::spawn(async move {
            let mut tasks = Vec::new();
            for _ in 0..CONNECTIONS {
                let (stream, _) = listener.accept().await?;
                tasks.push(tokio::spawn(echo(stream)));
            }
            for task in tasks {
                task.await.expect("no panic")?;
            }
            io::Result::Ok(())
        });
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|number| tokio::spawn(ask(clients.clone(), at, number)))
            .collect();
        for task in asking {
            task.await.expect("no panic").expect("a whole connection");
        }
        serving.await.expect("no panic").expect("whole connections");
    });
    drop((clients, servers));
    client_thread.join().expect("no panic");
    server_thread.join().expect("no panic");
}

#[test]
fn nobody_waits_for_ever_when_drivers_sleep_at_every_chance() {
    exchange(Duration::ZERO);
}

#[test]
fn nobody_waits_for_ever_when_drivers_look_around_before_they_sleep() {
    exchange(Duration::from_micros(30));
}
