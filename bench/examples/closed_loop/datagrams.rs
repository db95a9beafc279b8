//! Datagrams in one direction, and their receiver.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Interest;
use mio::net::UdpSocket;

use crate::watched::Watched;
use crate::{Outcome, unless_blocked};

/// Every byte of every datagram.
const MARK: u8 = 1;
const LARGEST: usize = 64 << 10;
/// How long to wait for the receiver's count before it is asked for again.
const PATIENCE: Duration = Duration::from_millis(100);
const ASKED: usize = 20;

/// Receives until it is ended, reads every byte, and answers a datagram of none with the number of those that came intact.
pub(super) fn receive(address: SocketAddr) -> Outcome<()> {
    let mut socket = Watched::new(UdpSocket::bind(address)?, Interest::READABLE)?;
    let mut buffer = vec![0; LARGEST];
    let mut intact = 0_u64;
    loop {
        match unless_blocked(socket.socket.recv_from(&mut buffer))? {
            Some((0, asks)) => drop(socket.socket.send_to(&intact.to_le_bytes(), asks)?),
            Some((length, _)) => {
                intact += u64::from(buffer[..length].iter().fold(MARK, |all, byte| all & byte));
            }
            None => socket.wait(None)?,
        }
    }
}

/// Sends datagrams of that size for that long, and prints how many a second came, and how many at all.
pub(super) fn send(receiver: SocketAddr, bytes: usize, seconds: f64) -> Outcome<()> {
    let any = SocketAddr::new(receiver.ip(), 0);
    let mut socket = Watched::new(UdpSocket::bind(any)?, Interest::READABLE | Interest::WRITABLE)?;
    let mut datagram = vec![0; bytes];
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    while start.elapsed() < length {
        datagram.fill(MARK);
        while unless_blocked(socket.socket.send_to(&datagram, receiver))?.is_none() {
            socket.wait(None)?;
        }
    }
    let took = start.elapsed();
    let came = ask(&mut socket, receiver)?;
    println!("{:.0} {came}", came as f64 / took.as_secs_f64());
    Ok(())
}

/// How many came; behind what is on its way.
fn ask(socket: &mut Watched<UdpSocket>, receiver: SocketAddr) -> Outcome<u64> {
    socket.watch_for(Interest::READABLE)?;
    let mut count = [0; size_of::<u64>()];
    for _ in 0..ASKED {
        socket.socket.send_to(&[], receiver)?;
        socket.wait(Some(PATIENCE))?;
        if unless_blocked(socket.socket.recv(&mut count))?.is_some() {
            return Ok(u64::from_le_bytes(count));
        }
    }
    Err("the receiver does not answer".into())
}
