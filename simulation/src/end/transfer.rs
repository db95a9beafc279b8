//! Octets in and out.

use handfast::application::{Read, StreamError};
use handfast::frame::Size;
use handfast::time::{Duration, Instant};

use super::{AnyEngine, End, RETRY, Trouble};
use crate::plan::Access;

/// How long what was read is kept in the slot where it arrived.
const KEPT: Duration = Duration::from_millis(20);
/// Turns after which an application lets others have theirs.
const TURNS: usize = 64;

impl End {
    pub(super) fn write(&mut self, engine: &mut AnyEngine, now: Instant) -> Result<(), Trouble> {
        while self.sent < self.plan.sends && !self.aborts_now() {
            let length = (self.plan.sends - self.sent).min(self.plan.write as u64) as usize;
            let taken = match self.plan.writes {
                Access::Copying => {
                    let mut bytes = vec![0; length];
                    self.says.fill(self.sent, &mut bytes);
                    engine.tcp_send(self.handle, &bytes)
                }
                Access::InPlace => self.write_in_place(engine, length),
                Access::Kept => self.write_payload(engine, length, now),
            };
            match taken {
                Ok(0) => return Ok(()),
                Ok(taken) => self.sent += taken as u64,
                Err(StreamError::Failed(error)) => return Err(Trouble::Connection(error)),
                Err(error) => {
                    return Err(Trouble::Engine(format!(
                        "a living connection refuses octets: {error}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn write_in_place(&self, engine: &mut AnyEngine, length: usize) -> Result<usize, StreamError> {
        let (says, mut at) = (self.says, self.sent);
        engine.tcp_send_with(self.handle, length, &mut |target| {
            says.fill(at, target);
            at += target.len() as u64;
        })
    }

    fn write_payload(
        &mut self,
        engine: &mut AnyEngine,
        length: usize,
        now: Instant,
    ) -> Result<usize, StreamError> {
        let Some(mut frame) = engine.allocate(Size::Small) else {
            self.wakes_at = Some(now + RETRY);
            return Ok(0);
        };
        let length = length.min(frame.tailroom());
        self.says.fill(
            self.sent,
            frame.extend(length).expect("the tailroom was asked for"),
        );
        let refused = engine.tcp_send_payload(self.handle, frame.freeze())?;
        Ok(if refused.is_none() { length } else { 0 })
    }

    pub(super) fn read(&mut self, engine: &mut AnyEngine, now: Instant) -> Result<(), Trouble> {
        for _ in 0..TURNS {
            if self.has_read_all || self.aborts_now() || self.waits_for_its_next_bite(now) {
                return Ok(());
            }
            let bite = self.plan.reading.bite;
            let read = match self.plan.reading.access {
                Access::Copying => self.read_copy(engine, bite),
                Access::InPlace => self.read_in_place(engine, bite),
                Access::Kept => self.read_chunk(engine, bite, now),
            };
            match read {
                Ok(Read::Data(octets)) => self.took(octets, now)?,
                Ok(Read::WouldBlock) => return Ok(()),
                Ok(Read::End) => self.on_end()?,
                Err(trouble) => return Err(trouble),
            }
        }
        self.wakes_at = Some(now);
        Ok(())
    }

    fn waits_for_its_next_bite(&mut self, now: Instant) -> bool {
        let waits = now < self.reads_at;
        if waits {
            self.wakes_at = Some(self.wakes_at.map_or(self.reads_at, |at| at.min(self.reads_at)));
        }
        waits
    }

    fn read_copy(&self, engine: &mut AnyEngine, bite: usize) -> Result<Read<u64>, Trouble> {
        let mut bytes = vec![0; bite];
        let read = engine.tcp_receive(self.handle, &mut bytes).map_err(trouble)?;
        if let Read::Data(length) = read {
            self.check(self.received, &bytes[..length])?;
            return Ok(Read::Data(length as u64));
        }
        Ok(without_data(&read))
    }

    fn read_in_place(&self, engine: &mut AnyEngine, bite: usize) -> Result<Read<u64>, Trouble> {
        let (mut at, mut wrong) = (self.received, Ok(()));
        let read = engine
            .tcp_receive_with(self.handle, bite, &mut |bytes| {
                if wrong.is_ok() {
                    wrong = self.check(at, bytes);
                }
                at += bytes.len() as u64;
            })
            .map_err(trouble)?;
        wrong?;
        Ok(match read {
            Read::Data(length) => Read::Data(length as u64),
            other => without_data(&other),
        })
    }

    fn read_chunk(
        &mut self,
        engine: &mut AnyEngine,
        bite: usize,
        now: Instant,
    ) -> Result<Read<u64>, Trouble> {
        let read = engine.tcp_receive_chunk(self.handle, bite).map_err(trouble)?;
        if let Read::Data(chunk) = read {
            let length = chunk.len() as u64;
            self.kept.push((now + KEPT, self.received, chunk));
            return Ok(Read::Data(length));
        }
        Ok(without_data(&read))
    }

    fn check(&self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        match self.hears.first_wrong(at, bytes) {
            Some(wrong) => Err(Trouble::Engine(format!(
                "octet {wrong} of the peer's stream is wrong"
            ))),
            None => Ok(()),
        }
    }

    fn took(&mut self, octets: u64, now: Instant) -> Result<(), Trouble> {
        self.received += octets;
        self.reads_at = now + self.plan.reading.pause;
        if octets == 0 || self.received > self.expects {
            return Err(Trouble::Engine(format!(
                "{octets} octets were read, {} of {} in all",
                self.received, self.expects
            )));
        }
        Ok(())
    }

    /// The end of the stream may only come behind everything that the peer has to say.
    fn on_end(&mut self) -> Result<(), Trouble> {
        if self.received != self.expects {
            return Err(Trouble::Engine(format!(
                "the peer's stream ended after {} of {} octets",
                self.received, self.expects
            )));
        }
        self.has_read_all = true;
        Ok(())
    }

    /// Chunks that were kept long enough still say what they said when they came.
    pub(super) fn give_back(&mut self, now: Instant) -> Result<(), String> {
        let hears = self.hears;
        for (_, at, chunk) in self.kept.extract_if(.., |(until, ..)| *until <= now) {
            if let Some(wrong) = hears.first_wrong(at, &chunk) {
                return Err(format!(
                    "octet {wrong} of the peer's stream is wrong, or was changed while it was held"
                ));
            }
        }
        Ok(())
    }
}

fn trouble(error: StreamError) -> Trouble {
    match error {
        StreamError::Failed(error) => Trouble::Connection(error),
        other => Trouble::Engine(format!("a living connection cannot be read: {other}")),
    }
}

fn without_data<T>(read: &Read<T>) -> Read<u64> {
    match read {
        Read::End => Read::End,
        _ => Read::WouldBlock,
    }
}
