//! One connection with bytes in one direction, and the reader of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::Interest;
use mio::net::TcpStream;
use socket2::{Domain, Type};

use crate::watched::Watched;
use crate::{Outcome, unless_blocked};

const WORD: usize = size_of::<u64>();
const READ: usize = 64 << 10;
/// Linux's own, whatever the machine's default is: BBR takes a fifth of the bits of CUBIC from a loopback device.
const CONGESTION_CONTROL: &[u8] = b"cubic";

/// Writes all of `bytes`.
fn write_all(stream: &mut Watched<TcpStream>, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match unless_blocked(stream.socket.write(bytes))? {
            Some(taken) => bytes = &bytes[taken..],
            None => stream.wait(None)?,
        }
    }
    Ok(())
}

/// Reads what is there, up to the length of `bytes`; 0 is the end.
fn read_some(stream: &mut Watched<TcpStream>, bytes: &mut [u8]) -> Outcome<usize> {
    loop {
        if let Some(length) = unless_blocked(stream.socket.read(bytes))? {
            return Ok(length);
        }
        stream.wait(None)?;
    }
}

fn watched(stream: std::net::TcpStream) -> Outcome<Watched<TcpStream>> {
    stream.set_nonblocking(true)?;
    Watched::new(
        TcpStream::from_std(stream),
        Interest::READABLE | Interest::WRITABLE,
    )
}

/// Reads one connection to its end, and closes when the other end has. Each word of it is to be its own number when `checks`.
pub(super) fn read(address: SocketAddr, checks: bool) -> Outcome<()> {
    let (stream, _) = std::net::TcpListener::bind(address)?.accept()?;
    let mut stream = watched(stream)?;
    let mut buffer = vec![0; WORD + READ];
    let (mut kept, mut number) = (0, 0);
    loop {
        let length = read_some(&mut stream, &mut buffer[kept..kept + READ])?;
        if length == 0 {
            return Ok(());
        }
        if checks {
            let held = kept + length;
            let whole = held - held % WORD;
            check(&buffer[..whole], &mut number)?;
            buffer.copy_within(whole..held, 0);
            kept = held - whole;
        }
    }
}

fn check(bytes: &[u8], number: &mut u64) -> Outcome<()> {
    let (words, _) = bytes.as_chunks::<WORD>();
    let wrong = words.iter().zip(*number..).fold(0, |wrong, (word, number)| {
        wrong | (u64::from_le_bytes(*word) ^ number)
    });
    *number += words.len() as u64;
    if wrong == 0 {
        Ok(())
    } else {
        Err("a byte is wrong".into())
    }
}

/// Writes for that long, waits until all is read, and prints what it came to.
pub(super) fn write(address: SocketAddr, bytes: usize, seconds: f64, makes: bool) -> Outcome<()> {
    let stream = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    stream.set_tcp_congestion(CONGESTION_CONTROL)?;
    stream.connect(&address.into())?;
    let mut stream = watched(stream.into())?;
    let mut buffer = vec![0; bytes - bytes % WORD];
    let (mut number, mut written) = (0, 0);
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    while start.elapsed() < length {
        if makes {
            make(&mut buffer, &mut number);
        }
        write_all(&mut stream, &buffer)?;
        written += buffer.len() as u64;
    }
    stream.socket.shutdown(Shutdown::Write)?;
    read_some(&mut stream, &mut buffer)?;
    let rate = written as f64 * 8.0 / start.elapsed().as_secs_f64();
    println!("{:.3} {written}", rate / 1e9);
    Ok(())
}

fn make(bytes: &mut [u8], number: &mut u64) {
    let (words, _) = bytes.as_chunks_mut::<WORD>();
    for word in words {
        *word = number.to_le_bytes();
        *number += 1;
    }
}
