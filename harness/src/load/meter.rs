//! What a thread did to its run between the first and the last step of the window, apart from its operations.

use super::Phase;
use crate::measure::{allocations, cpu};

/// What was counted of one thread, or of several together.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Metered {
    /// Heap allocations.
    pub(crate) allocations: u64,
    /// Nanoseconds for which the thread could have run and had no core; `None` where the kernel does not tell.
    pub(crate) waited_ns: Option<u64>,
    /// Processor time.
    pub(crate) cpu_ns: u64,
}

impl Metered {
    fn now() -> Self {
        Self {
            allocations: allocations::on_this_thread(),
            waited_ns: cpu::waited_on_this_thread_ns(),
            cpu_ns: cpu::thread_ns(),
        }
    }

    fn since(self, earlier: Self) -> Self {
        let waited = self.waited_ns.zip(earlier.waited_ns);
        Self {
            allocations: self.allocations - earlier.allocations,
            waited_ns: waited.map(|(now, then)| now.saturating_sub(then)),
            cpu_ns: self.cpu_ns - earlier.cpu_ns,
        }
    }

    /// Two threads together.
    pub(super) fn and(self, other: Self) -> Self {
        let waited = self.waited_ns.zip(other.waited_ns);
        Self {
            allocations: self.allocations + other.allocations,
            waited_ns: waited.map(|(one, other)| one + other),
            cpu_ns: self.cpu_ns + other.cpu_ns,
        }
    }
}

/// Meters the calling thread.
pub(super) struct Meter {
    phase: Phase,
    start: Metered,
    pub(super) metered: Metered,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::OpenIdle,
            start: Metered::default(),
            metered: Metered::default(),
        }
    }

    /// A step of `phase` is about to run.
    pub(super) fn before(&mut self, phase: Phase) {
        if self.phase == Phase::Measure && phase != Phase::Measure {
            self.metered = Metered::now().since(self.start);
        }
    }

    /// A step of `phase` has run; what it allocated to begin the window is not counted.
    pub(super) fn after(&mut self, phase: Phase) {
        if phase == Phase::Measure && self.phase != Phase::Measure {
            self.start = Metered::now();
            // Asking the kernel allocates; that is not the run's doing.
            self.start.allocations = allocations::on_this_thread();
        }
        self.phase = phase;
    }
}
