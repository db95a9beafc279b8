//! What two applications do, written so that any stack can do it, and what they see of it.

use handfast::time::{Duration, Instant};

use super::ends::{End, Got, Standing};
use super::sieve::Lost;

/// One thing that an application does; the next one follows when it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// Writes so many bytes.
    Send(usize),
    /// Reads so many bytes.
    Receive(usize),
    /// Reads to the end of the stream.
    ReceiveAll,
    /// Closes the sending direction.
    Shutdown,
    Abort,
    Pause(Duration),
}

/// What an application sees. The order counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Connected,
    /// So many bytes have come since the beginning, and they are the right ones.
    Got(usize),
    /// The end of the stream.
    End,
    /// Refused, reset or timed out.
    Failed,
}

/// A whole exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Programme {
    pub(crate) name: &'static str,
    /// Nobody listens where the client connects to.
    pub(crate) refuses: bool,
    pub(crate) mtu: u32,
    /// Bytes of the receive buffers.
    pub(crate) buffer: usize,
    pub(crate) keep_alive: bool,
    pub(crate) client: &'static [Act],
    pub(crate) server: &'static [Act],
    /// What is lost on the way to the client, and to the server.
    pub(crate) lost: [&'static [Lost]; 2],
}

impl Programme {
    pub(crate) const DEFAULT: Self = Self {
        name: "",
        refuses: false,
        mtu: 1500,
        buffer: 64 << 10,
        keep_alive: false,
        client: &[],
        server: &[],
        lost: [&[], &[]],
    };
}

/// The byte of a stream at a place; the sequence does not repeat within a window.
fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// An application at one end.
pub(crate) struct Application {
    acts: &'static [Act],
    /// Bytes of the act that goes on.
    moved: usize,
    sent: usize,
    received: usize,
    until: Option<Instant>,
    pub(crate) seen: Vec<Seen>,
}

impl Application {
    pub(crate) fn new(acts: &'static [Act]) -> Self {
        Self {
            acts,
            moved: 0,
            sent: 0,
            received: 0,
            until: None,
            seen: Vec::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.acts.is_empty()
    }

    /// When it goes on by itself.
    pub(crate) fn wakes(&self) -> Option<Instant> {
        self.until
    }

    /// Does as much as can be done now.
    pub(crate) fn work(&mut self, end: &mut dyn End, now: Instant) {
        match end.standing() {
            Standing::Opening => return,
            Standing::Open => {
                if self.seen.is_empty() {
                    self.seen.push(Seen::Connected);
                }
            }
            Standing::Failed if self.seen.is_empty() => self.fail(),
            Standing::Failed => {}
        }
        while let Some(act) = self.acts.first().copied() {
            if !self.act(act, end, now) {
                return;
            }
            self.acts = self.acts.get(1..).unwrap_or_default();
            self.moved = 0;
        }
    }

    fn fail(&mut self) {
        self.seen.push(Seen::Failed);
        self.acts = &[];
    }

    /// Goes on with an act, and tells whether it is done.
    fn act(&mut self, act: Act, end: &mut dyn End, now: Instant) -> bool {
        match act {
            Act::Send(bytes) => self.send(bytes, end),
            Act::Receive(bytes) => self.receive(Some(bytes), end),
            Act::ReceiveAll => self.receive(None, end),
            Act::Shutdown => {
                end.shutdown();
                true
            }
            Act::Abort => {
                end.abort();
                true
            }
            Act::Pause(span) => {
                let until = *self.until.get_or_insert(now + span);
                if now >= until {
                    self.until = None;
                }
                now >= until
            }
        }
    }

    fn send(&mut self, bytes: usize, end: &mut dyn End) -> bool {
        while self.moved < bytes {
            let len = (bytes - self.moved).min(4099);
            let piece: Vec<u8> = (self.sent..self.sent + len).map(byte_at).collect();
            match end.send(&piece) {
                Some(0) => return false,
                Some(taken) => {
                    self.moved += taken;
                    self.sent += taken;
                }
                None => {
                    self.fail();
                    return false;
                }
            }
        }
        true
    }

    /// Reads so many bytes, or to the end.
    fn receive(&mut self, bytes: Option<usize>, end: &mut dyn End) -> bool {
        let mut buffer = [0; 5003];
        loop {
            let left = bytes.map_or(buffer.len(), |bytes| bytes - self.moved);
            if left == 0 {
                self.seen.push(Seen::Got(self.received));
                return true;
            }
            let room = left.min(buffer.len());
            match end.receive(&mut buffer[..room]) {
                Got::Bytes(count) => {
                    let wrong = buffer[..count]
                        .iter()
                        .zip(self.received..)
                        .find(|&(&byte, at)| byte != byte_at(at));
                    assert_eq!(wrong, None, "the first wrong byte and its place");
                    self.moved += count;
                    self.received += count;
                }
                Got::Nothing => return false,
                Got::End => {
                    self.seen.extend([Seen::Got(self.received), Seen::End]);
                    return true;
                }
                Got::Failure => {
                    self.seen.push(Seen::Got(self.received));
                    self.fail();
                    return false;
                }
            }
        }
    }
}
