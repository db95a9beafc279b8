//! Keep-alives (RFC 9293 section 3.8.4). They are off unless the application asks, so what they need lies outside of the connection.

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::{Connection, ConnectionError, Deadline, Flags as Has, NO_QUEUE};
use super::output::Text;
use super::segment::Flags;
use crate::config::KeepAlive;
use crate::internet::Output;
use crate::time::{Duration, Instant};

/// The shortest pause before a question, and between two, as Linux has it.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What is known of one connection that is kept alive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    rule: KeepAlive,
    /// When the last segment of the peer came in.
    heard_at: Instant,
    /// Probes that nothing has answered yet.
    unanswered: u8,
}

impl Tcp {
    /// Switches keep-alives of a connection on (MUST-24, MUST-27) or off.
    pub(crate) fn set_keep_alive(
        &mut self,
        now: Instant,
        id: Id,
        rule: Option<KeepAlive>,
    ) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if connection.flags.has(Has::DETACHED) {
            return Err(StreamError::ShutDown);
        }
        let Some(rule) = rule else {
            if connection.flags.take(Has::KEEPS_ALIVE) {
                if connection.state.is_synchronized() {
                    connection.quiet_at = Deadline::NEVER;
                }
                self.watches.remove(&id.index);
            }
            return Ok(());
        };
        connection.flags.set(Has::KEEPS_ALIVE);
        let rule = KeepAlive {
            idle: rule.idle.max(SHORTEST_PAUSE),
            interval: rule.interval.max(SHORTEST_PAUSE),
            ..rule
        };
        let watch = Watch {
            rule,
            heard_at: now,
            unanswered: 0,
        };
        let is_open = connection.state.is_synchronized();
        self.watches.insert(id.index, watch);
        // Until the connection is open, the deadline is that of the attempt.
        if is_open {
            self.look_again(id.index, now + rule.idle);
        }
        Ok(())
    }

    /// The connection is open: from now on quiet counts, if it is kept alive.
    pub(super) fn begin_watch(&mut self, index: u32, now: Instant) {
        if let Some(watch) = self.watches.get_mut(&index) {
            watch.heard_at = now;
            let idle = watch.rule.idle;
            self.look_again(index, now + idle);
        }
    }

    /// A segment has arrived for a connection that is kept alive, or to which urgent data was announced.
    #[cold]
    pub(super) fn note_heard(&mut self, index: u32, now: Instant) {
        if self.connections.get(index).flags.has(Has::HEARS_URGENT) {
            self.forget_urgent_if_read(index);
        }
        if let Some(watch) = self.watches.get_mut(&index) {
            watch.heard_at = now;
            watch.unanswered = 0;
        }
    }

    /// The connection is over, or nobody asks any more.
    pub(super) fn forget_keep_alive(&mut self, index: u32) {
        if self.connections.get_mut(index).flags.take(Has::KEEPS_ALIVE) {
            self.watches.remove(&index);
        }
    }

    /// It is time to ask whether the peer is still there: only when it was quiet for all that time and owes no acknowledgment (MUST-26).
    pub(super) fn on_quiet(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.quiet_at = Deadline::NEVER;
        let Some(watch) = self.watches.get_mut(&index) else {
            return;
        };
        let quiet_since = watch.heard_at + watch.rule.idle;
        if is_busy(connection) {
            let later = out.now + watch.rule.interval;
            return self.look_again(index, later);
        }
        if quiet_since > out.now && watch.unanswered == 0 {
            return self.look_again(index, quiet_since);
        }
        // One probe that is lost proves nothing (MUST-29).
        if watch.unanswered >= watch.rule.probes {
            // Whoever is there after all learns of it, as Linux has it.
            self.send_reset(out, index);
            return self.fail(index, ConnectionError::TimedOut);
        }
        watch.unanswered += 1;
        let later = out.now + watch.rule.interval;
        self.probe_peer(out, index);
        self.look_again(index, later);
    }

    /// A segment without data that the peer has no choice but to acknowledge (SHLD-12).
    fn probe_peer(&mut self, out: &mut Output<'_>, index: u32) {
        let seq = self.connections.get(index).snd_nxt - 1;
        self.counters.keep_alive_probes += 1;
        if self.emit(out, index, Flags::ACK, seq, Text::None).is_none() {
            self.counters.replies_lost += 1;
        }
    }

    fn look_again(&mut self, index: u32, at: Instant) {
        self.connections.get_mut(index).quiet_at = Deadline::at(at);
        self.arm(index, at);
    }
}

/// Whether the retransmission timer sees to it that the peer is heard of, or the handshake is not over.
fn is_busy(connection: &Connection) -> bool {
    !connection.state.is_synchronized() || !connection.all_acknowledged() || connection.send != NO_QUEUE
}
