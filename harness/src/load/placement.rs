//! Which core a generator's thread runs on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may run on, in order.
#[derive(Clone, Debug)]
pub(super) struct Cores(Vec<usize>);

impl Cores {
    /// Those of the calling thread; empty when the system does not tell, and then nothing is pinned.
    pub(super) fn allowed() -> Self {
        let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        Self(
            (0..CpuSet::MAX_CPU)
                .filter(|&core| allowed.is_set(core))
                .collect(),
        )
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Those that the first `threads` threads are pinned to.
    pub(super) fn used(&self, threads: usize) -> UsedCores<'_> {
        UsedCores(&self.0[..threads.min(self.count())])
    }

    /// Pins the calling thread to the core that is `thread`'s turn. A system that refuses leaves it where it was.
    pub(super) fn pin(&self, thread: usize) {
        if self.0.is_empty() {
            return;
        }
        let mut one = CpuSet::new();
        one.set(self.0[thread % self.0.len()]);
        // A run that is not pinned is noisier, not wrong.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Pins the calling thread to the first core that this process may run on.
pub(crate) fn pin_to_first_core() {
    Cores::allowed().pin(0);
}

/// Lets the process run wherever its parent may, whose thread that started it may have been pinned.
pub(super) fn follow_parent() {
    if let Ok(allowed) = sched_getaffinity(rustix::process::getppid()) {
        // A process that stays where it is is slower, not wrong.
        let _ = sched_setaffinity(None, &allowed);
    }
}

/// The cores that a run's threads are pinned to; none where nothing is pinned.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsedCores<'a>(&'a [usize]);

impl UsedCores<'_> {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contain(&self, core: usize) -> bool {
        self.0.contains(&core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_cores_are_used_than_there_are_threads_or_cores() {
        let cores = Cores(vec![2, 5]);
        let used = |threads| [2, 5, 7].map(|core| cores.used(threads).contain(core));
        assert_eq!(used(1), [true, false, false]);
        assert_eq!(used(3), [true, true, false]);
        assert_eq!(cores.used(3).count(), 2);
    }

    #[test]
    fn threads_take_the_cores_in_turn() {
        let cores = Cores::allowed();
        for thread in [0, 1, cores.count()] {
            let cores = cores.clone();
            let pinned = std::thread::spawn(move || {
                cores.pin(thread);
                Cores::allowed().0
            });
            assert_eq!(pinned.join().expect("no panic"), [cores_of(thread)]);
        }
        fn cores_of(thread: usize) -> usize {
            let all = Cores::allowed();
            all.0[thread % all.count()]
        }
    }
}
