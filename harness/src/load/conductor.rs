//! Leads all generators from phase to phase, and measures the window as a whole.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Phase;
use super::phase::SharedPhase;
use super::placement::UsedCores;
use super::pulse::{Pulse, Told, Watch};
use super::witness::{Look, Witness};
use crate::config::{PathKind, RunConfig, ScenarioKind};
use crate::measure::counters::Counters;
use crate::measure::cpu;
use crate::measure::machine::{Machine, SoftirqThreads, Use};
use crate::path::lab::{self, Lab};
use crate::stack::Nanos;

/// The longest that filling tables may take, and again the longest that the load's own connections may take.
const FILL_AT_MOST: Duration = Duration::from_secs(30);
/// The longest that outstanding operations may take to end.
const DRAIN_AT_MOST: Duration = Duration::from_secs(1);
const DRAIN_OVER_WIRE: Duration = Duration::from_secs(10);
const SHORTEST_WARM_UP: Duration = Duration::from_millis(100);
/// Between two looks at threads that fill or drain.
const FILL_LOOK: Duration = Duration::from_millis(1);
/// Between two looks at threads under load, which are disturbed as little as a progress bar allows: a core that expects a timer within its
/// tick does not switch the tick off before it sleeps. With 20 ms one request after the other was faster by a sixth than without a look.
const LOAD_LOOK: Duration = Duration::from_millis(200);
/// The same where somebody is told of intervals.
const INTERVAL_LOOK: Duration = Duration::from_millis(20);

/// What the conductor and the generators tell each other.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) phase: SharedPhase,
    /// More threads than cores: who has nothing to do lets others run.
    pub(super) crowded: bool,
    /// For each end, the last phase in which it had reached what the phase is for.
    settled: Vec<AtomicU8>,
    given_up: AtomicBool,
    /// Leads the others, and is woken when it has reason to look at them.
    conductor: Thread,
    /// Of the ends, when somebody looks on.
    pub(super) pulse: Option<Pulse>,
}

const NEVER: u8 = u8::MAX;

impl Control {
    /// The thread that calls is to be the conductor.
    pub(super) fn new(ends: usize, crowded: bool, every: Option<Duration>) -> Self {
        Self {
            phase: SharedPhase::new(Phase::OpenIdle),
            crowded,
            settled: (0..ends).map(|_| AtomicU8::new(NEVER)).collect(),
            given_up: AtomicBool::new(false),
            conductor: thread::current(),
            pulse: every.map(|every| Pulse::new(ends, every)),
        }
    }

    /// End number `end` says whether it has settled in `phase`.
    pub(super) fn report(&self, end: usize, phase: Phase, settled: bool) {
        let mark = if settled { phase as u8 } else { NEVER };
        // The line stays shared with the conductor's core while nothing changes.
        if self.settled[end].load(Ordering::Relaxed) != mark {
            self.settled[end].store(mark, Ordering::Release);
            if settled {
                self.conductor.unpark();
            }
        }
    }

    /// A generator could not start; the run ends.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.conductor.unpark();
    }

    fn all_settled(&self, phase: Phase) -> bool {
        self.settled
            .iter()
            .all(|mark| mark.load(Ordering::Acquire) == phase as u8)
    }

    fn any_settled(&self, phase: Phase) -> bool {
        self.settled
            .iter()
            .any(|mark| mark.load(Ordering::Acquire) == phase as u8)
    }
}

/// The window as the process saw it.
#[derive(Default, Debug)]
pub(super) struct Window {
    pub(super) cpu_ns: u64,
    pub(super) machine: Option<MachineUse>,
    pub(super) counters: Counters,
    /// An interface of the lab that is no longer there.
    pub(super) missing_device: Option<&'static str>,
    pub(super) interrupted: bool,
}

/// What cores did in the window; `None` in [`Window`] where the kernel does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct MachineUse {
    /// All of the machine's.
    pub(crate) all: Use,
    /// Those that the generators' threads are pinned to.
    pub(crate) used: Use,
}

pub(super) struct Conductor<'a> {
    pub(super) control: &'a Control,
    pub(super) cores: &'a UsedCores<'a>,
    pub(super) stop: &'a AtomicBool,
    pub(super) watch: &'a Watch<'a>,
    pub(super) witness: &'a Witness,
}

impl Conductor<'_> {
    /// Leads through the given filling phases and all others. Blocks until the threads are told that they are done.
    pub(super) fn lead(&self, config: &RunConfig, fills: &[Phase]) -> Window {
        // Whoever panics while threads wait for the next phase would leave them waiting.
        let _done = Finally(self.control);
        for &fill in fills {
            self.wait_until_settled(fill, FILL_AT_MOST / fills.len() as u32);
        }
        self.wait_until_settled(Phase::Prepare, FILL_AT_MOST);
        let window = self.load(config);
        self.wait_for_all(Phase::Drain, drain(config), &|| false);
        window
    }

    fn load(&self, config: &RunConfig) -> Window {
        let duration = config.duration;
        let warm_up = warm_up(config);
        let whole = (warm_up + duration).as_secs_f64();
        if self.is_stopped() {
            self.control.phase.set(Phase::Drain);
            return Window {
                interrupted: true,
                ..Window::default()
            };
        }
        let softirq_threads = SoftirqThreads::find();
        self.pass(Phase::WarmUp, warm_up, &mut |elapsed| {
            (self.watch.progress)(elapsed.as_secs_f64() / whole);
        });
        let counted_before = self.witness.before();
        let mut told = Told::new(self.control.pulse.as_ref());
        let mut counted_last: Option<Look> = None;
        let (before, machine_before) = (cpu::process_ns(), Machine::now(&softirq_threads));
        self.pass(Phase::Measure, duration, &mut |elapsed| {
            (self.watch.progress)((warm_up + elapsed).as_secs_f64() / whole);
            told.look(elapsed, self.watch, &mut || {
                let now = self.witness.after();
                let then = counted_last.as_ref().unwrap_or(&counted_before);
                let kernel = self.witness.counted(then, &now).into();
                counted_last = Some(now);
                kernel
            });
        });
        let (after, machine_after) = (cpu::process_ns(), Machine::now(&softirq_threads));
        let interrupted = self.is_stopped();
        // Before the tables are read, which takes the better part of a millisecond.
        self.control.phase.set(Phase::Drain);
        Window {
            cpu_ns: after - before,
            machine: machine_after
                .zip(machine_before)
                .map(|(after, before)| self.machine_use(&after, &before)),
            counters: self.witness.counted(&counted_before, &self.witness.after()),
            missing_device: lab::built().and_then(Lab::missing_device),
            interrupted,
        }
    }

    fn machine_use(&self, after: &Machine, before: &Machine) -> MachineUse {
        MachineUse {
            all: after.since(before, |_| true),
            used: after.since(before, |core| self.cores.contain(core)),
        }
    }

    /// Lets `phase` last for `duration`, or until it is to end early.
    fn pass(&self, phase: Phase, duration: Duration, told: &mut dyn FnMut(Duration)) {
        self.control
            .phase
            .set_until(phase, cpu::now() + duration.as_nanos() as Nanos);
        let look = if self.control.pulse.is_some() {
            INTERVAL_LOOK
        } else {
            LOAD_LOOK
        };
        let start = Instant::now();
        loop {
            let elapsed = start.elapsed();
            told(elapsed.min(duration));
            let over = phase == Phase::Measure && self.control.any_settled(phase);
            if elapsed >= duration || over || self.is_stopped() {
                return;
            }
            thread::park_timeout(look.min(duration - elapsed));
        }
    }

    fn wait_until_settled(&self, phase: Phase, at_most: Duration) {
        self.control.phase.set(phase);
        (self.watch.progress)(0.0);
        self.wait_for_all(phase, at_most, &|| self.is_stopped());
    }

    fn wait_for_all(&self, phase: Phase, at_most: Duration, stopped: &dyn Fn() -> bool) {
        let start = Instant::now();
        while !self.control.all_settled(phase) && start.elapsed() < at_most && !stopped() {
            if self.control.given_up.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(FILL_LOOK);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.control.given_up.load(Ordering::Acquire)
    }
}

/// How long outstanding operations may take: over an emulated link they wait for its delay and for retransmissions.
fn drain(config: &RunConfig) -> Duration {
    if config.link.is_some() {
        DRAIN_OVER_WIRE
    } else {
        DRAIN_AT_MOST
    }
}

/// What passes before the window. Nothing where a bounded set of four-tuples fills, because the filling is what is measured.
pub(crate) fn warm_up(config: &RunConfig) -> Duration {
    let fills_tuples = config.path != PathKind::Memory || config.pressure.bounds_tuples();
    if config.scenario == ScenarioKind::TimeWait && fills_tuples {
        return Duration::ZERO;
    }
    (config.duration / 10).max(SHORTEST_WARM_UP)
}

/// Tells the threads that they are done, whatever happens.
struct Finally<'a>(&'a Control);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Done);
    }
}
