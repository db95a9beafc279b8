//! What the cores of the machine were busy with, whoever kept them so: the run, the kernel's softirq threads, other programs.

use std::fs;

/// A hundredth of a second, in which Linux counts for programs whatever its own clock is.
const TICK_NS: u64 = 10_000_000;

/// What the cores have done since the machine started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Machine(Vec<Core>);

/// Nanoseconds of one core; from ticks, so in steps of 10 ms, but for those of its softirq thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Core {
    number: usize,
    /// With whatever: user, system, interrupts and softirqs.
    busy: u64,
    /// In softirqs, in whichever thread.
    softirq: u64,
    /// The hypervisor had given the core to somebody else.
    stolen: u64,
    /// Of the thread that does softirqs when there are too many for those that they interrupt; `None` where it cannot be seen.
    softirq_thread: Option<u64>,
}

/// What some cores did between two looks, in nanoseconds of core time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Use {
    /// With whatever: user, system, interrupts and softirqs.
    pub(crate) busy_ns: u64,
    /// In the kernel's softirq threads (ksoftirqd). Where they cannot be seen, all softirqs count as theirs.
    pub(crate) softirq_threads_ns: u64,
    /// The hypervisor had given the cores to somebody else.
    pub(crate) stolen_ns: u64,
}

impl Machine {
    /// Looks at all cores; `None` where the kernel does not tell. `threads` must have been found beforehand, because that takes time.
    pub(crate) fn now(threads: &SoftirqThreads) -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?, |core| {
            threads.ran_ns(core)
        })
    }

    /// The lines `cpuN`: user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted already.
    fn read(statistics: &str, softirq_thread: impl Fn(usize) -> Option<u64>) -> Option<Self> {
        let cores: Vec<Core> = statistics.lines().filter_map(core).collect();
        let with_thread = |core: Core| Core {
            softirq_thread: softirq_thread(core.number),
            ..core
        };
        (!cores.is_empty()).then(|| Self(cores.into_iter().map(with_thread).collect()))
    }

    /// What the cores for which `counts` is true have done since `earlier`.
    pub(crate) fn since(&self, earlier: &Self, counts: impl Fn(usize) -> bool) -> Use {
        let mut sum = Use::default();
        for now in self.0.iter().filter(|core| counts(core.number)) {
            // A core that was switched on in between has done nothing before.
            let then = earlier.0.iter().find(|core| core.number == now.number);
            sum.add(*now, then.copied().unwrap_or_default());
        }
        sum
    }
}

impl Use {
    fn add(&mut self, now: Core, then: Core) {
        self.busy_ns += now.busy.saturating_sub(then.busy);
        self.stolen_ns += now.stolen.saturating_sub(then.stolen);
        self.softirq_threads_ns += match now.softirq_thread {
            Some(ran) => ran.saturating_sub(then.softirq_thread.unwrap_or(0)),
            None => now.softirq.saturating_sub(then.softirq),
        };
    }

    /// Nanoseconds of other programs on these cores, of which the run itself took `own_ns`. Softirq threads are no other program: they
    /// carry the run's own packets.
    pub(crate) fn others_ns(&self, own_ns: u64) -> u64 {
        self.busy_ns
            .saturating_sub(own_ns)
            .saturating_sub(self.softirq_threads_ns)
    }
}

fn core(line: &str) -> Option<Core> {
    let (name, fields) = line.split_once(' ')?;
    let number = name.strip_prefix("cpu")?.parse().ok()?;
    let ticks: Vec<u64> = fields
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = ticks[..] else {
        return None;
    };
    Some(Core {
        number,
        busy: (user + nice + system + irq + softirq) * TICK_NS,
        softirq: softirq * TICK_NS,
        stolen: stolen * TICK_NS,
        softirq_thread: None,
    })
}

/// The kernel's threads `ksoftirqd/N`, one for each core. A container does not see them.
#[derive(Debug, Default)]
pub(crate) struct SoftirqThreads(Vec<(usize, String)>);

impl SoftirqThreads {
    /// Looks through the names of all processes.
    pub(crate) fn find() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let threads = entries.filter_map(|entry| {
            let statistics = fs::read_to_string(entry.path().join("stat")).ok()?;
            let schedule = entry
                .path()
                .join("schedstat")
                .into_os_string()
                .into_string()
                .ok()?;
            Some((softirq_thread_of(&statistics)?, schedule))
        });
        Self(threads.collect())
    }

    /// Nanoseconds for which the thread of core number `core` has run.
    fn ran_ns(&self, core: usize) -> Option<u64> {
        let (_, file) = self.0.iter().find(|(number, _)| *number == core)?;
        let schedule = fs::read_to_string(file).ok()?;
        schedule.split_ascii_whitespace().next()?.parse().ok()
    }
}

/// The core whose softirqs a process does, when it is such a thread: a child of the kernel's own process 2, because any program may take
/// the name.
fn softirq_thread_of(statistics: &str) -> Option<usize> {
    let (_, named) = statistics.split_once(" (ksoftirqd/")?;
    let (core, rest) = named.split_once(") ")?;
    let parent = rest.split_ascii_whitespace().nth(1)?;
    (parent == "2").then(|| core.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
