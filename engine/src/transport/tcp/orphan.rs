//! How long what the application has given up, or waits for, may take: lingering, orphans, FIN-WAIT-2, attempts to connect.
//!
//! All of it is one deadline of the connection, [`Connection::quiet_at`], for no two of these can run at a time.

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::{Connection, ConnectionError, Deadline, Flags as Has};
use super::state::State;
use crate::internet::Output;
use crate::time::{Duration, Instant};

impl Tcp {
    /// Says how long the connection may take to deliver what is queued once it is closed; zero means that closing resets it.
    pub(crate) fn set_linger(&mut self, id: Id, limit: Option<Duration>) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).linger = limit;
        Ok(())
    }

    /// Gives an attempt to connect so much time, from now on or from the first SYN.
    pub(crate) fn set_connect_timeout(
        &mut self,
        id: Id,
        limit: Duration,
        now: Instant,
    ) -> Result<(), StreamError> {
        let connection = self.open_connection(id)?;
        let has_begun = !connection.all_acknowledged();
        if !matches!(connection.state, State::SynSent | State::SynReceived) {
            return Ok(());
        }
        if has_begun {
            self.limit_attempt(id.index, now + limit);
        } else {
            self.rare_or_new(id.index).connect_timeout = Some(limit);
        }
        Ok(())
    }

    /// The first SYN is sent.
    pub(super) fn begin_attempt(&mut self, index: u32, now: Instant) {
        let own = self.rare(index).and_then(|rare| rare.connect_timeout);
        if let Some(limit) = own.or(self.config.connect_timeout) {
            self.limit_attempt(index, now + limit);
        }
    }

    /// An attempt to connect fails at `end`.
    fn limit_attempt(&mut self, index: u32, end: Instant) {
        self.connections.get_mut(index).quiet_at = Deadline::at(end);
        self.arm(index, end);
    }

    /// The handshake is over, and something runs that was to limit it, or that waits for its end.
    #[cold]
    pub(super) fn end_attempt(&mut self, index: u32, now: Instant) {
        self.connections.get_mut(index).quiet_at = Deadline::NEVER;
        self.begin_watch(index, now);
    }

    /// The connection that the application may still change.
    pub(super) fn open_connection(&mut self, id: Id) -> Result<&mut Connection, StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if connection.flags.has(Has::DETACHED) {
            return Err(StreamError::ShutDown);
        }
        Ok(connection)
    }

    /// The application has given the handle up, and lets the connection linger for so long if there is a limit. False when the connection
    /// may not go on without it.
    #[inline]
    pub(super) fn orphan(&mut self, index: u32, linger: Option<Duration>, now: Instant) -> bool {
        self.connections.get_mut(index).flags.set(Has::ORPHAN);
        self.orphans += 1;
        if self.orphans > self.config.orphans {
            self.counters.orphans_refused += 1;
            return false;
        }
        if let Some(limit) = linger {
            self.forget_keep_alive(index);
            let end = now + limit;
            self.connections.get_mut(index).quiet_at = Deadline::at(end);
            self.arm(index, end);
        }
        true
    }

    /// How long a connection lingers; `None` without a limit.
    #[inline]
    pub(super) fn lingers(&mut self, index: u32) -> Option<Duration> {
        self.rare(index)?.linger
    }

    /// Says how long the connection, once it is closed, waits for the peer's FIN.
    pub(crate) fn set_fin_wait_2(&mut self, id: Id, limit: Duration) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).fin_wait_2 = Some(limit);
        Ok(())
    }

    /// An orphan's FIN is acknowledged: that of the peer is waited for, but not for ever. False when it is not waited for at all: then the
    /// connection is over, and the peer is told.
    pub(super) fn await_fin(&mut self, out: &mut Output<'_>, index: u32) -> bool {
        let own = self.rare(index).and_then(|rare| rare.fin_wait_2);
        let limit = own.unwrap_or(self.config.fin_wait_2);
        if limit == Duration::ZERO {
            self.counters.fin_wait_2_timeouts += 1;
            self.send_reset(out, index);
            self.finish(index);
            return false;
        }
        let end = Deadline::at(out.now + limit);
        let lingers = self.lingers(index).is_some();
        let connection = self.connections.get_mut(index);
        connection.quiet_at = if lingers {
            connection.quiet_at.min(end)
        } else {
            end
        };
        if let Some(end) = connection.quiet_at.instant() {
            self.arm(index, end);
        }
        true
    }

    /// The deadline that all of these share is over. True when the connection is.
    pub(super) fn on_quiet_deadline(&mut self, out: &mut Output<'_>, index: u32) -> bool {
        let connection = self.connections.get(index);
        let (state, is_orphan) = (connection.state, connection.flags.has(Has::ORPHAN));
        match state {
            State::SynSent | State::SynReceived => self.fail(index, ConnectionError::TimedOut),
            State::FinWait2 if is_orphan => {
                self.counters.fin_wait_2_timeouts += 1;
                self.finish(index);
            }
            _ if is_orphan && self.lingers(index).is_some() => {
                self.counters.linger_timeouts += 1;
                self.send_reset(out, index);
                self.fail(index, ConnectionError::TimedOut);
            }
            _ => {
                self.on_quiet(out, index);
                return false;
            }
        }
        true
    }
}
