//! One neighbour.

use crate::internet::address::Address;
use crate::link::ethernet::MacAddress;
use crate::time::Instant;

/// How well a neighbour is known (RFC 4861 section 7.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) enum State {
    /// It is being asked for its hardware address.
    Incomplete,
    /// It has answered lately.
    Reachable,
    /// It may have moved; that matters when it is needed next.
    Stale,
    /// It was needed; somebody may still confirm it.
    Delay,
    /// It is being asked whether it is still there.
    Probe,
    /// Configured: never asked, never changed, never forgotten.
    Static,
}

/// Names an entry for as long as it is that of the same neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::internet) struct Token {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Token {
    /// Names no entry.
    pub(in crate::internet) const NONE: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug)]
pub(in crate::internet) struct Entry {
    pub(in crate::internet) address: Address,
    /// Meaningless while incomplete.
    pub(in crate::internet) mac: MacAddress,
    pub(in crate::internet) state: State,
    pub(in crate::internet) is_router: bool,
    /// Needed since the hand of the clock passed.
    pub(super) is_used: bool,
    /// Solicitations since the last answer.
    pub(super) tries: u8,
    /// When the state ends, unless it is stale or static.
    pub(super) until: Instant,
    /// When `mac` was taken over.
    pub(super) changed_at: Instant,
    /// When it was last certain to be there; from then on it may be suspected after a while.
    pub(super) confirmed_at: Instant,
}

impl Entry {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            mac: MacAddress([0; 6]),
            state: State::Incomplete,
            is_router: false,
            is_used: true,
            tries: 0,
            until: Instant::ZERO,
            changed_at: Instant::ZERO,
            confirmed_at: Instant::ZERO,
        }
    }

    /// Whether packets can go to it.
    pub(in crate::internet) fn is_resolved(&self) -> bool {
        self.state != State::Incomplete
    }

    /// Whether the end of the state is to be acted upon; that of a reachable neighbour is noticed when it is needed.
    pub(super) fn has_timer(&self) -> bool {
        matches!(self.state, State::Incomplete | State::Delay | State::Probe)
    }

    /// It has said something: an answer to us, which proves that it hears us, or anything else.
    pub(super) fn settle(&mut self, is_answer: bool, reachable_until: Instant) {
        if is_answer {
            (self.state, self.until) = (State::Reachable, reachable_until);
        } else {
            self.state = State::Stale;
        }
    }
}
