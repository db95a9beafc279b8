//! What an actor counts, and when it counts for the result.

use super::phase::Phase;
use crate::stack::ConnectError;

/// A tally of which only the part counted in [`Phase::Measure`] is kept. Outside of that phase counting goes on, so that the
/// common path has no branch for it.
#[derive(Debug)]
pub(crate) struct Windowed<T> {
    blank: T,
    /// What is being counted.
    pub(crate) current: T,
    measured: Option<T>,
}

impl<T: Clone> Windowed<T> {
    /// Starts at `blank`, and again when the window begins.
    pub(crate) fn new(blank: T) -> Self {
        Self {
            current: blank.clone(),
            blank,
            measured: None,
        }
    }

    /// Tells which phase begins.
    pub(crate) fn enter(&mut self, phase: Phase) {
        match phase {
            Phase::Measure => self.current = self.blank.clone(),
            Phase::Drain => self.measured = Some(std::mem::replace(&mut self.current, self.blank.clone())),
            _ => {}
        }
    }

    /// The part of the window; blank when there was none.
    pub(crate) fn into_measured(self) -> T {
        self.measured.unwrap_or(self.blank)
    }
}

/// Operations that did not succeed, by cause.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Failures {
    /// No free port towards the destination (EADDRNOTAVAIL).
    pub(crate) ports_exhausted: u64,
    /// The stack has no room for the connection.
    pub(crate) too_many_connections: u64,
    /// `connect` was refused otherwise.
    pub(crate) other: u64,
    /// An established or half-open connection broke: refused, reset or timed out.
    pub(crate) broken: u64,
    /// Still outstanding when the drain was over.
    pub(crate) unended: u64,
}

impl Failures {
    pub(crate) fn refused(&mut self, error: ConnectError) {
        match error {
            ConnectError::PortsExhausted => self.ports_exhausted += 1,
            ConnectError::TooManyConnections => self.too_many_connections += 1,
            ConnectError::Other(_) => self.other += 1,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.ports_exhausted + self.too_many_connections + self.other + self.broken + self.unended
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.ports_exhausted += other.ports_exhausted;
        self.too_many_connections += other.too_many_connections;
        self.other += other.other;
        self.broken += other.broken;
        self.unended += other.unended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_window_counts() {
        let mut tally = Windowed::new(100);
        tally.current += 1;
        tally.enter(Phase::WarmUp);
        tally.enter(Phase::Measure);
        tally.current += 20;
        tally.enter(Phase::Drain);
        tally.current += 300;
        assert_eq!(tally.into_measured(), 120);
    }

    #[test]
    fn without_a_window_nothing_counts() {
        let mut tally = Windowed::new(0);
        tally.current += 1;
        assert_eq!(tally.into_measured(), 0);
    }
}
