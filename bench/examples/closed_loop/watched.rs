//! A socket, and the wait for it.

use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;

pub(super) struct Watched<S> {
    pub(super) socket: S,
    poll: Poll,
    events: Events,
}

impl<S: Source> Watched<S> {
    pub(super) fn new(mut socket: S, interest: Interest) -> Outcome<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, Token(0), interest)?;
        Ok(Self {
            socket,
            poll,
            events: Events::with_capacity(8),
        })
    }

    /// Waits for something else from now on.
    pub(super) fn watch_for(&mut self, interest: Interest) -> Outcome<()> {
        let registry = self.poll.registry();
        Ok(registry.reregister(&mut self.socket, Token(0), interest)?)
    }

    pub(super) fn wait(&mut self, at_most: Option<Duration>) -> Outcome<()> {
        Ok(self.poll.poll(&mut self.events, at_most)?)
    }
}
