//! How long data may stay unacknowledged before the connection is given up: R2 of RFC 9293 section 3.8.3, for one connection (MUST-21).

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::Flags as Has;
use crate::config::UserTimeout;
use crate::time::{Duration, Instant};

/// The limit of one connection that has its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// `None`: for ever.
    limit: Option<Duration>,
    /// Since when the peer has acknowledged nothing.
    stalled_since: Instant,
}

impl Tcp {
    /// Gives a connection a limit of its own, or the engine's number of retransmissions again.
    pub(crate) fn set_user_timeout(&mut self, id: Id, timeout: UserTimeout) -> Result<(), StreamError> {
        let connection = self
            .connections
            .lookup(id.index, id.generation)
            .ok_or(StreamError::NoConnection)?;
        if connection.flags.has(Has::DETACHED) {
            return Err(StreamError::ShutDown);
        }
        let limit = match timeout {
            UserTimeout::ByRetransmissions => {
                if let Some(rare) = self.rare(id.index) {
                    rare.patience = None;
                }
                return Ok(());
            }
            UserTimeout::After(limit) => Some(limit),
            UserTimeout::Never => None,
        };
        // What is outstanding already is timed from its next timeout on.
        connection.retries = 0;
        self.rare_or_new(id.index).patience = Some(Patience {
            limit,
            stalled_since: Instant::ZERO,
        });
        Ok(())
    }

    /// Whether a connection whose retransmission timer has just run out, after `retries` of at most `most`, is to be given up.
    pub(super) fn is_out_of_patience(&mut self, index: u32, most: u8, now: Instant) -> bool {
        let connection = self.connections.get(index);
        let (retries, rto) = (connection.retries, connection.rtt.rto());
        if connection.flags.has(Has::ORPHAN) && retries >= most {
            return true;
        }
        let silent_since = self.silent_since(index);
        let Some(patience) = self.own_patience(index) else {
            return retries >= most;
        };
        if retries == 0 {
            let one_timeout_ago = Instant::from_nanos(now.as_nanos().saturating_sub(rto.as_nanos()));
            patience.stalled_since = silent_since.unwrap_or(one_timeout_ago);
        }
        let limit = patience.limit;
        limit.is_some_and(|limit| now.saturating_since(patience.stalled_since) >= limit)
    }

    /// When the retransmission timer, which was to run out at `next`, has to run out for the limit's sake.
    pub(super) fn before_patience_ends(&mut self, index: u32, next: Instant) -> Instant {
        if self.connections.get(index).retries == 0 {
            return next;
        }
        let since = self
            .own_patience(index)
            .map_or(Instant::ZERO, |patience| patience.stalled_since);
        let end = self.patience_ends(index, since);
        end.map_or(next, |end| end.min(next))
    }

    /// When a connection with a limit of its own is to be given up, whose peer has acknowledged nothing `since` then.
    pub(super) fn patience_ends(&mut self, index: u32, since: Instant) -> Option<Instant> {
        self.own_patience(index)?.limit.map(|limit| since + limit)
    }

    /// Since when the peer has acknowledged nothing, when that is longer than a timeout: a tail loss probe has put it off.
    fn silent_since(&self, index: u32) -> Option<Instant> {
        let loss = self.queues.loss.peek(self.connections.get(index).loss)?;
        loss.silent_since()
    }

    fn own_patience(&mut self, index: u32) -> Option<&mut Patience> {
        self.rare(index)?.patience.as_mut()
    }
}
