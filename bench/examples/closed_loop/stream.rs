//! One connection with bytes in one direction, and the reader of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Type};

use crate::{Outcome, unless_blocked};

const WORD: usize = size_of::<u64>();
const READ: usize = 64 << 10;
/// Linux's own, whatever the machine's default is: BBR takes a fifth of the bits of CUBIC from a loopback device.
const CONGESTION_CONTROL: &[u8] = b"cubic";

/// A socket, and the wait for it.
struct Socket {
    stream: TcpStream,
    poll: Poll,
    events: Events,
}

impl Socket {
    fn new(mut stream: TcpStream) -> Outcome<Self> {
        let poll = Poll::new()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(0), interest)?;
        Ok(Self {
            stream,
            poll,
            events: Events::with_capacity(8),
        })
    }

    /// Writes all of `bytes`.
    fn write(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            match unless_blocked(self.stream.write(bytes))? {
                Some(taken) => bytes = &bytes[taken..],
                None => self.poll.poll(&mut self.events, None)?,
            }
        }
        Ok(())
    }

    /// Reads what is there, up to the length of `bytes`; 0 is the end.
    fn read(&mut self, bytes: &mut [u8]) -> Outcome<usize> {
        loop {
            if let Some(length) = unless_blocked(self.stream.read(bytes))? {
                return Ok(length);
            }
            self.poll.poll(&mut self.events, None)?;
        }
    }
}

/// Reads one connection to its end, and closes when the other end has. Each word of it is to be its own number when `checks`.
pub(super) fn read(address: SocketAddr, checks: bool) -> Outcome<()> {
    let (stream, _) = std::net::TcpListener::bind(address)?.accept()?;
    stream.set_nonblocking(true)?;
    let mut socket = Socket::new(TcpStream::from_std(stream))?;
    let mut buffer = vec![0; WORD + READ];
    let (mut kept, mut number) = (0, 0);
    loop {
        let length = socket.read(&mut buffer[kept..kept + READ])?;
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
    stream.set_nonblocking(true)?;
    let mut socket = Socket::new(TcpStream::from_std(stream.into()))?;
    let mut buffer = vec![0; bytes - bytes % WORD];
    let (mut number, mut written) = (0, 0);
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    while start.elapsed() < length {
        if makes {
            make(&mut buffer, &mut number);
        }
        socket.write(&buffer)?;
        written += buffer.len() as u64;
    }
    socket.stream.shutdown(Shutdown::Write)?;
    socket.read(&mut buffer)?;
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
