//! When an event may happen.

use handfast::time::{Duration, Instant};

use crate::script::host::{START, script_time};
use crate::script::tree::{Nanos, When};

/// The first and the last moment of an event. For a call these are when it starts and when it returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// The call may take time.
    pub(super) blocks: bool,
    /// Any time will do.
    pub(super) any: bool,
}

/// How long to wait for something that can happen at any time.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Window {
    /// When an event is due if the one before happened at `base`.
    pub(super) fn of(when: When, base: Instant) -> Self {
        let after = |start: Instant, span: Nanos| start + Duration::from_nanos(span);
        let (first, last) = match when {
            When::Absolute(time) => (after(START, time), after(START, time)),
            When::Relative(span) => (after(base, span), after(base, span)),
            When::Any => (base, base + PATIENCE),
            When::AbsoluteRange(first, last) | When::AbsoluteCall(first, last) => {
                (after(START, first), after(START, last))
            }
            When::RelativeRange(first, last) | When::RelativeCall(first, last) => {
                (after(base, first), after(base, last))
            }
        };
        Self {
            first,
            last,
            blocks: matches!(when, When::AbsoluteCall(..) | When::RelativeCall(..)),
            any: when == When::Any,
        }
    }

    /// The window with a tolerance on both sides.
    pub(super) fn widened(self, tolerance: Duration) -> Self {
        Self {
            first: self.first - tolerance,
            last: self.last + tolerance,
            ..self
        }
    }

    pub(super) fn contains(&self, at: Instant) -> bool {
        self.any || (self.first <= at && at <= self.last)
    }
}

/// Script time, for people.
pub(super) fn seconds(at: Instant) -> String {
    let nanos = script_time(at).as_nanos();
    format!("{}.{:06} s", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000)
}

/// Packetdrill's tolerance: 4 ms or an eighth of the pause before the event.
pub(super) const LENIENT_MICROS: u64 = 4_000;
/// In thousandths.
pub(super) const LENIENT_PERMILLE: u64 = 125;
/// A step of the engine's timers, 2^20 ns, rounded up: a timer runs out at the end of a step.
pub(super) const EXACT_MICROS: u64 = 1_049;
