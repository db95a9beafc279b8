//! Requests and responses, over one connection or a new one each, and the server that answers them.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::{Outcome, unless_blocked};

const LISTENER: Token = Token(0);

/// Measures transactions over one connection.
pub(super) fn rr(server: SocketAddr, bytes: usize, seconds: f64) -> Outcome<()> {
    let mut client = Client::new(server, bytes)?;
    let mut stream = client.connect()?;
    measure(seconds, || client.exchange(&mut stream))
}

/// Measures connections with a transaction each.
pub(super) fn crr(server: SocketAddr, bytes: usize, seconds: f64) -> Outcome<()> {
    let mut client = Client::new(server, bytes)?;
    measure(seconds, || {
        let mut stream = client.connect()?;
        client.exchange(&mut stream)?;
        client.close(stream)
    })
}

/// Echoes until it is ended.
pub(super) fn serve(address: SocketAddr) -> Outcome<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(64));
    let mut listener = TcpListener::bind(address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut streams = HashMap::new();
    let mut next = LISTENER.0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let stream = streams.get_mut(&event.token()).ok_or("an event of nobody")?;
                if !echo(stream, &mut buffer)? {
                    streams.remove(&event.token());
                }
                continue;
            }
            while let Some((mut stream, _)) = unless_blocked(listener.accept())? {
                next += 1;
                stream.set_nodelay(true)?;
                poll.registry()
                    .register(&mut stream, Token(next), Interest::READABLE)?;
                streams.insert(Token(next), stream);
            }
        }
    }
}

/// Echoes what is there; `false` when the client has closed.
fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> Outcome<bool> {
    while let Some(length) = unless_blocked(stream.read(buffer))? {
        if length == 0 {
            return Ok(false);
        }
        stream.write_all(&buffer[..length])?;
    }
    Ok(true)
}

struct Client {
    server: SocketAddr,
    poll: Poll,
    events: Events,
    message: Vec<u8>,
}

impl Client {
    fn new(server: SocketAddr, bytes: usize) -> io::Result<Self> {
        Ok(Self {
            server,
            poll: Poll::new()?,
            events: Events::with_capacity(8),
            message: vec![0; bytes],
        })
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.server)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(1), interest)?;
        while unless_not_connected(stream.peer_addr())?.is_none() {
            self.poll.poll(&mut self.events, None)?;
        }
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn exchange(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&self.message)?;
        let mut received = 0;
        while received < self.message.len() {
            match unless_blocked(stream.read(&mut self.message[received..]))? {
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(length) => received += length,
                None => self.poll.poll(&mut self.events, None)?,
            }
        }
        Ok(())
    }

    /// Until the server has closed, too.
    fn close(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.shutdown(Shutdown::Write)?;
        loop {
            match unless_blocked(stream.read(&mut self.message))? {
                Some(0) => return Ok(()),
                Some(_) => return Err(ErrorKind::InvalidData.into()),
                None => self.poll.poll(&mut self.events, None)?,
            }
        }
    }
}

fn unless_not_connected<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(None),
        other => other.map(Some),
    }
}

fn measure(seconds: f64, mut operation: impl FnMut() -> io::Result<()>) -> Outcome<()> {
    let mut times = Vec::new();
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds));
    while start.elapsed() < length {
        let before = Instant::now();
        operation()?;
        times.push(before.elapsed());
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    println!("{rate:.0} {:.2}", times[times.len() / 2].as_secs_f64() * 1e6);
    Ok(())
}
