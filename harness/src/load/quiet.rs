//! When nothing more is expected to arrive.

use crate::stack::Nanos;
use crate::wire;

/// Silence of a path without delay.
const QUIET: Nanos = 10_000_000;
/// Silence of an emulated link that is empty: its thread may have to wait for a core before it takes the last datagram.
const QUIET_AFTER_WIRE: Nanos = 200_000_000;

/// When something arrived last, and what time it is.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Silence {
    last: Nanos,
    now: Nanos,
    over_wire: bool,
}

impl Silence {
    pub(crate) fn new(over_wire: bool) -> Self {
        Self {
            over_wire,
            ..Self::default()
        }
    }

    /// Starts again, as if something had arrived.
    pub(crate) fn restart(&mut self, now: Nanos) {
        self.last = now;
    }

    /// So many datagrams had arrived at `now`.
    pub(crate) fn looked(&mut self, now: Nanos, received: usize) {
        self.now = now;
        if received > 0 || (self.over_wire && wire::in_flight() > 0) {
            self.last = now;
        }
    }

    /// Whether it has lasted long enough.
    pub(crate) fn is_long(&self) -> bool {
        let enough = if self.over_wire { QUIET_AFTER_WIRE } else { QUIET };
        self.now >= self.last + enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_from_the_last_arrival() {
        for (over_wire, enough) in [(false, QUIET), (true, QUIET_AFTER_WIRE)] {
            let mut silence = Silence::new(over_wire);
            silence.restart(7);
            silence.looked(100, 1);
            silence.looked(99 + enough, 0);
            assert!(!silence.is_long());
            silence.looked(100 + enough, 0);
            assert!(silence.is_long());
        }
    }
}
