//! One message each way on a connection.

use crate::stack::{Conn, Gone, Received, Stack};

/// What a message is made of; its length is what is checked.
const FILLER: u8 = 0x5a;

/// What is left to send and to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exchange {
    to_send: u32,
    to_receive: u32,
}

/// What reading has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// There is more to come.
    Partly,
    /// The whole message is here, and the end of the stream was not met.
    Message,
    /// The peer has closed.
    EndOfStream,
}

impl Exchange {
    /// `message` bytes are to be sent and as many expected.
    pub(crate) fn request(message: u32) -> Self {
        Self {
            to_send: message,
            to_receive: message,
        }
    }

    /// `message` bytes are expected, and none are to be sent yet.
    pub(crate) fn awaiting(message: u32) -> Self {
        Self {
            to_send: 0,
            to_receive: message,
        }
    }

    /// An answer of `message` bytes is to be sent, and the next request of `message` bytes expected after it.
    pub(crate) fn answer(&mut self, message: u32) {
        *self = Self::request(message);
    }

    /// Sends what the stack takes. True when nothing is left to send.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn send(&mut self, stack: &mut dyn Stack, conn: Conn) -> Result<bool, Gone> {
        if self.to_send > 0 {
            let sent = stack.send(conn, self.to_send as usize, &mut |bytes| bytes.fill(FILLER))?;
            self.to_send -= sent as u32;
        }
        Ok(self.to_send == 0)
    }

    /// Reads until the message is complete or nothing more is there. A peer that has sent its message is silent until it is
    /// answered, so nothing is left unread then but the end of the stream.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn receive(&mut self, stack: &mut dyn Stack, conn: Conn) -> Result<Heard, Gone> {
        while self.to_receive > 0 {
            match stack.receive(conn, self.to_receive as usize, &mut consume)? {
                Received::Bytes(length) => self.to_receive -= length as u32,
                Received::WouldBlock => return Ok(Heard::Partly),
                Received::EndOfStream => return Ok(Heard::EndOfStream),
            }
        }
        Ok(Heard::Message)
    }
}

/// Whether the peer has closed; what it may still have sent is discarded.
///
/// # Errors
/// When the connection is gone.
pub(crate) fn peer_closed(stack: &mut dyn Stack, conn: Conn) -> Result<bool, Gone> {
    loop {
        match stack.receive(conn, usize::from(u16::MAX), &mut consume)? {
            Received::Bytes(_) => {}
            Received::WouldBlock => return Ok(false),
            Received::EndOfStream => return Ok(true),
        }
    }
}

/// Touches the message, as an application would.
fn consume(bytes: &[u8]) {
    std::hint::black_box(bytes.iter().fold(0_u8, |sum, byte| sum ^ byte));
}
