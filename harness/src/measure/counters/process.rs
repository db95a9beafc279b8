//! What the kernel bills the process for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys;

/// Of all threads of the process.
#[derive(Clone, Copy, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProcessCounters {
    /// Processor time outside of the kernel.
    pub(crate) user_seconds: f64,
    /// Processor time inside of the kernel, softirqs that borrowed a thread included.
    pub(crate) system_seconds: f64,
    /// Times that a thread gave its core up to wait.
    pub(crate) voluntary_switches: u64,
    /// Times that the kernel took the core away from a thread.
    pub(crate) involuntary_switches: u64,
    /// Page faults that needed no disk.
    pub(crate) minor_faults: u64,
    /// Page faults that needed one.
    pub(crate) major_faults: u64,
}

/// The bill so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage(sys::Usage);

impl Usage {
    pub(super) fn of_process() -> Option<Self> {
        sys::usage_of_process().ok().map(Self)
    }

    pub(super) fn since(self, earlier: Self) -> ProcessCounters {
        let (now, then) = (self.0, earlier.0);
        ProcessCounters {
            user_seconds: (now.user - then.user.min(now.user)).as_secs_f64(),
            system_seconds: (now.system - then.system.min(now.system)).as_secs_f64(),
            voluntary_switches: now.voluntary_switches - then.voluntary_switches,
            involuntary_switches: now.involuntary_switches - then.involuntary_switches,
            minor_faults: now.minor_faults - then.minor_faults,
            major_faults: now.major_faults - then.major_faults,
        }
    }
}
