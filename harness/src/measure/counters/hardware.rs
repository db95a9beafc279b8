//! Counters of the processor, where it has any that may be read.

use std::fs::File;
use std::io::{self, Read};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sys::{self, CountedEvent};

/// Of all threads of the run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HardwareCounters {
    pub(crate) cycles: u64,
    pub(crate) instructions: u64,
    pub(crate) cache_misses: u64,
    pub(crate) branch_misses: u64,
    /// Whether the kernel's work for these threads is in it, which the system may refuse to count.
    pub(crate) with_kernel: bool,
}

impl HardwareCounters {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            cycles: self.cycles - earlier.cycles.min(self.cycles),
            instructions: self.instructions - earlier.instructions.min(self.instructions),
            cache_misses: self.cache_misses - earlier.cache_misses.min(self.cache_misses),
            branch_misses: self.branch_misses - earlier.branch_misses.min(self.branch_misses),
            with_kernel: self.with_kernel,
        }
    }
}

/// Open counters of the calling thread and of all that it starts afterwards.
#[derive(Debug)]
pub(crate) struct Hardware(Result<Open, String>);

#[derive(Debug)]
struct Open {
    /// Cycles, instructions, cache misses, branch misses.
    events: [File; 4],
    with_kernel: bool,
}

impl Hardware {
    /// Opens them, or learns why there are none.
    pub(crate) fn open() -> Self {
        let opened = open_all(true).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => open_all(false),
            _ => Err(error),
        });
        Self(opened.map_err(|error| {
            format!(
                "the system gives no counters of the processor ({error}); virtual machines often have none"
            )
        }))
    }

    /// Why there are none.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    pub(super) fn read(&self) -> Option<HardwareCounters> {
        let open = self.0.as_ref().ok()?;
        let [cycles, instructions, cache_misses, branch_misses] = &open.events;
        Some(HardwareCounters {
            cycles: value(cycles)?,
            instructions: value(instructions)?,
            cache_misses: value(cache_misses)?,
            branch_misses: value(branch_misses)?,
            with_kernel: open.with_kernel,
        })
    }
}

fn open_all(with_kernel: bool) -> io::Result<Open> {
    let open = |event| sys::count_event(event, with_kernel).map(File::from);
    Ok(Open {
        events: [
            open(CountedEvent::Cycles)?,
            open(CountedEvent::Instructions)?,
            open(CountedEvent::CacheMisses)?,
            open(CountedEvent::BranchMisses)?,
        ],
        with_kernel,
    })
}

/// The count so far, extrapolated where events had to take turns in the processor.
fn value(mut event: &File) -> Option<u64> {
    let mut bytes = [0; 24];
    event.read_exact(&mut bytes).ok()?;
    let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_ne_bytes).ok();
    extrapolated(word(0)?, word(8)?, word(16)?)
}

/// `None` when the event never had its turn.
fn extrapolated(count: u64, enabled: u64, running: u64) -> Option<u64> {
    match running {
        0 if enabled > 0 => None,
        _ if running >= enabled => Some(count),
        _ => Some((count as f64 * enabled as f64 / running as f64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_ran_half_the_time_counts_twice() {
        assert_eq!(extrapolated(100, 10, 10), Some(100));
        assert_eq!(extrapolated(100, 10, 5), Some(200));
        assert_eq!(extrapolated(0, 10, 0), None);
    }

    /// The kernel's own clock of a thread as an event: it takes no counter of the processor, which many machines lack.
    #[test]
    fn an_event_counts_the_threads_that_are_started_later_too() {
        let event = match sys::count_event(CountedEvent::TaskClock, false) {
            Ok(event) => File::from(event),
            Err(error) => {
                eprintln!("SKIPPED: events of the kernel cannot be counted here ({error})");
                return;
            }
        };
        let before = value(&event).expect("it runs");
        let worker = std::thread::spawn(|| {
            let start = crate::measure::cpu::thread_ns();
            while crate::measure::cpu::thread_ns() < start + 5_000_000 {}
        });
        worker.join().expect("no panic");
        let counted = value(&event).expect("it runs") - before;
        assert!(counted >= 5_000_000, "{counted} ns");
    }
}
