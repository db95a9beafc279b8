//! The harness's one clock, and processor time.

use std::sync::LazyLock;

use rustix::time::{ClockId, clock_gettime};

use crate::stack::Nanos;

/// What the monotonic clock read when the process first asked.
static ORIGIN: LazyLock<u64> = LazyLock::new(|| read(ClockId::Monotonic));

/// Nanoseconds since the process first asked, on the monotonic clock: the same origin for every thread.
pub(crate) fn now() -> Nanos {
    let origin = *ORIGIN;
    read(ClockId::Monotonic) - origin
}

/// Processor time of the whole process, user and system, in nanoseconds.
///
/// Work that the kernel does for the process in a softirq on another core is not in it.
pub(crate) fn process_ns() -> u64 {
    read(ClockId::ProcessCPUTime)
}

/// Processor time of the calling thread, user and system, in nanoseconds.
///
/// What a softirq does while it borrows the thread is in it, whomever it is done for.
pub(crate) fn thread_ns() -> u64 {
    read(ClockId::ThreadCPUTime)
}

/// Does some work, and tells the processor time that the calling thread spent on it, in nanoseconds.
///
/// Reading that clock is a system call, half of which or so is in the figure.
pub(crate) fn spent<T>(work: impl FnOnce() -> T) -> (T, Nanos) {
    let begin = thread_ns();
    let result = work();
    (result, thread_ns() - begin)
}

/// Nanoseconds for which the calling thread could have run since it started and had to wait for a core; `None` where the kernel does
/// not tell.
pub(crate) fn waited_on_this_thread_ns() -> Option<u64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // These clocks start at zero and never go below it.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_never_run_backwards() {
        for clock in [now, process_ns, thread_ns] {
            let before = clock();
            let sum = (0..10_000_u64).fold(0, |sum, n| std::hint::black_box(sum + n));
            assert!(clock() >= before, "after summing to {sum}");
        }
    }

    #[test]
    fn waiting_for_a_core_only_ever_adds_up() {
        let Some(before) = waited_on_this_thread_ns() else {
            eprintln!("SKIPPED: the kernel does not tell how long a thread waits for a core");
            return;
        };
        assert!(waited_on_this_thread_ns().is_some_and(|after| after >= before));
    }

    #[test]
    fn a_thread_is_not_billed_for_another() {
        let before = thread_ns();
        let others = std::thread::spawn(|| {
            let start = thread_ns();
            while thread_ns() < start + 10_000_000 {}
            thread_ns() - start
        });
        let worked = others.join().expect("no panic");
        assert!(thread_ns() - before < worked);
    }

    #[test]
    fn waiting_for_others_costs_less_than_they_spend() {
        let (theirs, ours) = spent(|| {
            let others = std::thread::spawn(|| {
                spent(|| (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n)))
            });
            others.join().expect("no panic").1
        });
        assert!(ours < theirs, "{ours} {theirs}");
    }

    #[test]
    fn work_takes_processor_time() {
        let before = process_ns();
        let sum = (0..10_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        assert!(process_ns() > before, "after folding to {sum}");
    }
}
