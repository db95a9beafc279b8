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

#[cfg(test)]
mod tests {
    use super::*;

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
