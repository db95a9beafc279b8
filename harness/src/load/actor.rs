//! What a scenario gives to the load generators.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::phase::Phase;
use super::pulse::Beat;
use crate::stack::{Event, Nanos, Stack};

/// When an actor wants its next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// At once: there is work that no event will announce.
    Now,
    /// When the stack has an event, and at this time in any case; the thread may sleep until then.
    At(Nanos),
    /// When the stack has an event; the thread may sleep until then.
    OnEvent,
}

/// The program of one end. Deterministic: all it knows of time is `now`.
pub(crate) trait Actor {
    /// What it has counted.
    type Tally: Send;

    /// Binds what the actor needs beside the listeners that every server end has.
    ///
    /// # Errors
    /// What the stack answered; the scenario is then unsupported on it.
    fn open(&mut self, _stack: &mut dyn Stack) -> io::Result<()> {
        Ok(())
    }

    /// A phase begins. Every phase from [`Phase::Prepare`] on is announced, in order.
    fn enter(&mut self, phase: Phase, now: Nanos);

    /// Handles the events of one poll, and starts what is to be started.
    fn step(&mut self, stack: &mut dyn Stack, phase: Phase, now: Nanos, events: &[Event]) -> Next;

    /// Whether the actor has reached what `phase` is for: in [`Phase::Prepare`] and [`Phase::Drain`] the next phase begins
    /// when all actors have, in [`Phase::Measure`] the window ends early when one has.
    fn settled(&self, phase: Phase) -> bool;

    /// Says what was counted since the window began, for those who look on; nothing unless it has something to say.
    fn tell(&self, _beat: &mut Beat) {}

    /// What was counted in [`Phase::Measure`].
    fn into_tally(self) -> Self::Tally;
}

/// Where the two ends of one generator are.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Number of the generator, from zero.
    pub(crate) generator: u32,
    /// Sources that the client may connect from.
    pub(crate) client_addresses: Vec<IpAddr>,
    /// Addresses at which the server listens.
    pub(crate) listen_addresses: Vec<SocketAddr>,
    /// Destinations that reach the server.
    pub(crate) server_addresses: Vec<SocketAddr>,
}

/// A scenario: the two programs that each generator runs.
pub(crate) trait Script: Sync {
    type Client: Actor;
    type Server: Actor;

    /// # Errors
    /// Why this client cannot run between these ends.
    fn client(&self, ends: &Ends) -> io::Result<Self::Client>;
    fn server(&self, ends: &Ends) -> Self::Server;
}
