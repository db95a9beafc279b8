//! One TCP socket and what is known of it without asking the kernel again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::SockRef;

use super::super::{Gone, Ready, Received};
use super::{Options, Tally};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// Shut down by this end; waits for the end of the peer's stream.
    Closing,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) phase: Phase,
    /// Epoll announced something to read, and no read has emptied the socket since.
    readable: bool,
    /// Epoll announced the end of the peer's stream, which comes after the data not yet read.
    peer_closed: bool,
    /// The end of the peer's stream was read.
    at_end: bool,
    /// The last write was cut short; epoll will announce room.
    blocked: bool,
}

impl Connection {
    pub(super) fn new(stream: std::net::TcpStream, phase: Phase) -> Self {
        Self::from_mio(TcpStream::from_std(stream), phase)
    }

    pub(super) fn accepted(stream: TcpStream) -> Self {
        Self::from_mio(stream, Phase::Open)
    }

    fn from_mio(stream: TcpStream, phase: Phase) -> Self {
        Self {
            stream,
            phase,
            readable: false,
            peer_closed: false,
            at_end: false,
            blocked: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Takes note of an epoll event without error and says what it means for the application.
    pub(super) fn advance(
        &mut self,
        event: &mio::event::Event,
        options: &Options,
        scratch: &mut [u8],
        tally: &mut Tally,
    ) -> Ready {
        let mut ready = Ready::default();
        if event.is_readable() || event.is_read_closed() {
            self.readable = true;
            self.peer_closed |= event.is_read_closed();
        }
        if self.phase == Phase::Closing {
            return self.drain(scratch, tally);
        }
        if self.phase == Phase::Connecting {
            if !event.is_writable() {
                return ready;
            }
            if options.confirms_connect && !self.confirm_connected(tally) {
                return Ready::FAILED;
            }
            self.phase = Phase::Open;
            ready = ready | Ready::CONNECTED;
        }
        if self.readable && !self.at_end {
            ready = ready | Ready::READABLE;
        }
        if self.blocked && event.is_writable() {
            self.blocked = false;
            ready = ready | Ready::WRITABLE;
        }
        ready
    }

    fn confirm_connected(&self, tally: &mut Tally) -> bool {
        tally.system_calls += 1;
        matches!(self.stream.take_error(), Ok(None))
    }

    /// Writes until `length` is reached or the socket takes no more.
    pub(super) fn send(
        &mut self,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
        scratch: &mut [u8],
        tally: &mut Tally,
    ) -> Result<usize, Gone> {
        let mut sent = 0;
        while sent < length && !self.blocked {
            let chunk = (length - sent).min(scratch.len());
            fill(&mut scratch[..chunk]);
            tally.system_calls += 1;
            let taken = match self.stream.write(&scratch[..chunk]) {
                Ok(taken) => taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(Gone),
            };
            self.blocked = taken < chunk;
            sent += taken;
        }
        tally.payload_bytes += sent as u64;
        Ok(sent)
    }

    /// Reads once, and not at all when the socket is known to be empty.
    pub(super) fn receive(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<Received, Gone> {
        if self.at_end {
            return Ok(Received::EndOfStream);
        }
        if !self.readable {
            return Ok(Received::WouldBlock);
        }
        match self.read(buffer, tally) {
            Ok(0) => {
                self.at_end = true;
                Ok(Received::EndOfStream)
            }
            Ok(length) => {
                // A short read has emptied the socket, unless the end of the stream is still to be read.
                self.readable = length == buffer.len() || self.peer_closed;
                Ok(Received::Bytes(length))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Received::WouldBlock)
            }
            Err(_) => Err(Gone),
        }
    }

    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> io::Result<usize> {
        loop {
            tally.system_calls += 1;
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Sends the FIN. Returns [`Ready::CLOSED`] or [`Ready::FAILED`] when dropping the socket is all that is left,
    /// and nothing when the peer's FIN is awaited.
    pub(super) fn close(&mut self, scratch: &mut [u8], tally: &mut Tally) -> Ready {
        if self.at_end || self.phase == Phase::Connecting {
            return Ready::CLOSED;
        }
        tally.system_calls += 1;
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return Ready::FAILED;
        }
        self.phase = Phase::Closing;
        // Data left unread would turn the close into a reset.
        self.drain(scratch, tally)
    }

    /// Discards what arrives after the application has given the connection up.
    fn drain(&mut self, scratch: &mut [u8], tally: &mut Tally) -> Ready {
        loop {
            match self.receive(scratch, tally) {
                Ok(Received::Bytes(_)) => {}
                Ok(Received::WouldBlock) => return Ready::default(),
                Ok(Received::EndOfStream) => return Ready::CLOSED,
                Err(Gone) => return Ready::FAILED,
            }
        }
    }

    /// Drops the socket with a RST in place of a FIN.
    pub(super) fn reset(self) {
        // Failing means that the peer was faster.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
