//! One smoltcp socket in use, and what the application was told of it.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};

use super::super::{Gone, Ready, Received};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Connecting,
    /// Taken from a listener by a SYN; the handshake is not over.
    Accepting,
    Open,
    /// Closed by this end first.
    Closing,
    /// Closed by this end after the peer.
    LastAck,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: SocketHandle,
    pub(super) local_port: Option<u16>,
    phase: Phase,
    /// Bytes that can be read and were announced.
    announced: usize,
    end_announced: bool,
    /// The last send was cut short.
    blocked: bool,
}

impl Connection {
    /// What [`Connection::advance`] returns for a handshake that came to nothing before the application knew of it.
    pub(super) const NEVER_WAS: Ready = Ready(Ready::ACCEPTED.0 | Ready::FAILED.0);

    pub(super) fn new(socket: SocketHandle, phase: Phase, local_port: Option<u16>) -> Self {
        Self {
            socket,
            local_port,
            phase,
            announced: 0,
            end_announced: false,
            blocked: false,
        }
    }

    /// What became true of the connection since it was last looked at.
    pub(super) fn advance(&mut self, socket: &mut Socket<'_>) -> Ready {
        match self.phase {
            Phase::Connecting => match socket.state() {
                State::SynSent | State::SynReceived => Ready::default(),
                State::Closed => Ready::FAILED,
                _ => {
                    self.phase = Phase::Open;
                    Ready::CONNECTED | self.progress(socket)
                }
            },
            Phase::Accepting => match socket.state() {
                State::SynReceived => Ready::default(),
                // smoltcp returns to listening after a reset; another socket does that here.
                State::Listen | State::Closed => Self::NEVER_WAS,
                _ => {
                    self.phase = Phase::Open;
                    Ready::ACCEPTED | self.progress(socket)
                }
            },
            Phase::Open => match socket.state() {
                State::Closed => Ready::FAILED,
                _ => self.progress(socket),
            },
            Phase::Closing => {
                discard(socket);
                match socket.state() {
                    State::TimeWait => Ready::CLOSED,
                    State::Closed => Ready::FAILED,
                    _ => Ready::default(),
                }
            }
            Phase::LastAck => match socket.state() {
                State::Closed => Ready::CLOSED,
                _ => Ready::default(),
            },
        }
    }

    fn progress(&mut self, socket: &Socket<'_>) -> Ready {
        let mut ready = Ready::default();
        let readable = socket.recv_queue();
        let ended = socket.state() == State::CloseWait;
        if readable > self.announced || (ended && !self.end_announced) {
            ready = ready | Ready::READABLE;
        }
        self.announced = readable;
        self.end_announced |= ended;
        if self.blocked && socket.can_send() {
            self.blocked = false;
            ready = ready | Ready::WRITABLE;
        }
        ready
    }

    /// Fills the send buffer, which is a ring, in up to two pieces.
    pub(super) fn send(
        &mut self,
        socket: &mut Socket<'_>,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<usize, Gone> {
        let mut sent = 0;
        while sent < length {
            let piece = socket.send(|room| {
                let piece = room.len().min(length - sent);
                fill(&mut room[..piece]);
                (piece, piece)
            });
            match piece {
                Ok(0) => break,
                Ok(piece) => sent += piece,
                Err(_) => return Err(Gone),
            }
        }
        self.blocked = sent < length;
        Ok(sent)
    }

    pub(super) fn receive(
        &mut self,
        socket: &mut Socket<'_>,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        let read = socket.recv(|bytes| {
            let piece = bytes.len().min(limit);
            if piece > 0 {
                consume(&bytes[..piece]);
            }
            (piece, piece)
        });
        self.announced = socket.recv_queue();
        match read {
            Ok(0) => Ok(Received::WouldBlock),
            Ok(length) => Ok(Received::Bytes(length)),
            Err(RecvError::Finished) => Ok(Received::EndOfStream),
            Err(RecvError::InvalidState) => Err(Gone),
        }
    }

    /// Sends the FIN. Returns `true` when nothing more is awaited.
    pub(super) fn close(&mut self, socket: &mut Socket<'_>) -> bool {
        let state = socket.state();
        socket.close();
        self.phase = match state {
            State::CloseWait => Phase::LastAck,
            _ => Phase::Closing,
        };
        matches!(state, State::SynSent)
    }
}

/// Keeps the window open for a peer that still sends to an application that has gone.
fn discard(socket: &mut Socket<'_>) {
    while socket.can_recv() {
        if socket.recv(|bytes| (bytes.len(), ())).is_err() {
            return;
        }
    }
}
