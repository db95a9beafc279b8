//! Runs a scenario's actors on pinned threads, and leads them through the phases.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::addresses::AddressPlan;
use super::conductor::{Conductor, Control};
use super::end::{End, EndOutcome};
use super::fill::{Acceptor, Fill, Filled, Opener};
use super::flooder::Flooder;
use super::holders;
use super::idleness::Idleness;
use super::meter::{Meter, Metered};
use super::outcome::{GeneratorOutcome, Outcome, Sides};
use super::placement::Cores;
use super::pulse::{Slot, Watch};
use super::witness::Witness;
use super::{Actor, Ends, Next, Phase, Script};
use crate::config::{Pairing, Placement, RunConfig, ScenarioKind, StackKind};
use crate::measure::cpu;
use crate::path::namespace;
use crate::stack::{self, MakeEnd, Nanos, Stack, Unsupported};

/// Connections that a listener may hold before they are accepted: Linux's own ceiling (`somaxconn`).
const BACKLOG: usize = 4096;
/// How long an end of a thread of its own sleeps at most while it fills and drains, so that it notices the next phase.
const SHORT_SLEEP: Duration = Duration::from_millis(1);
/// The same under load, whose end it knows: for a run that ends early. Timers change what they are to wait for: on a virtual machine, whose
/// host is called when a core's timer is set or switched off, a transaction cost a third more processor time with sleeps of 1 ms than
/// without a limit, and a tenth less with sleeps of 20 ms.
const LONG_SLEEP: Duration = Duration::from_millis(500);
/// The same where somebody looks on, who expects something of each interval.
const WATCHED_SLEEP: Duration = Duration::from_millis(20);
/// Nanoseconds by which a system may wake a thread up too late, twice the usual slack of Linux's timers.
const LATE_WAKING: Nanos = 100_000;

/// Runs `script` on `kind`: fills tables, warms up, measures for `config.duration`, lets what is outstanding end.
///
/// `stop` ends the window early; `watch` is told where the run stands.
///
/// # Errors
/// When the stack cannot be made, or refuses to listen or bind.
#[expect(clippy::type_complexity, reason = "the two tallies belong to the script")]
pub(crate) fn run<S: Script>(
    script: &S,
    stacks: Pairing,
    config: &RunConfig,
    stop: &AtomicBool,
    watch: &Watch<'_>,
) -> Result<Outcome<<S::Client as Actor>::Tally, <S::Server as Actor>::Tally>, Unsupported> {
    let cores = Cores::allowed();
    let flooder = Flooder::of(stacks, config)?;
    let loading = config.generators as usize * threads_of_generator(config);
    let threads = loading + usize::from(flooder.is_some());
    let witness = Witness::of(stacks, config);
    let ends = 2 * config.generators as usize;
    let control = Control::new(ends, threads > cores.count(), watch.every);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..config.generators)
            .map(|generator| {
                let worker = Worker {
                    script,
                    stacks,
                    config,
                    control: &control,
                    cores: &cores,
                    generator,
                };
                scope.spawn(move || worker.run())
            })
            .collect();
        let flooding = flooder.map(|flooder| {
            let (cores, control) = (&cores, &control);
            scope.spawn(move || {
                cores.pin(loading);
                flooder.run(control)
            })
        });
        let used = cores.used(threads);
        let window = Conductor {
            control: &control,
            cores: &used,
            stop,
            watch,
            witness: &witness,
        }
        .lead(config, &needed_fills(stacks, config));
        let generators = workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect::<Result<_, _>>()?;
        let flood = flooding.map(|flooding| {
            flooding
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        Ok(Outcome {
            generators,
            flood,
            cpu_ns: window.cpu_ns,
            machine: window.machine,
            cores: used.count(),
            counters: window.counters,
            missing_device: window.missing_device,
            interrupted: window.interrupted,
        })
    })
}

fn threads_of_generator(config: &RunConfig) -> usize {
    match config.placement {
        Placement::SameCore => 1,
        Placement::Split => 2,
    }
}

/// TIME_WAIT entries that this stack may hold at most: half of the host's table for the kernel, whose other half belongs to
/// everybody else.
pub(crate) fn time_wait_limit(stacks: Pairing) -> Option<u64> {
    if !stacks.has_kernel() {
        return None;
    }
    let table: u64 = namespace::sysctl("net.ipv4.tcp_max_tw_buckets")?.parse().ok()?;
    Some(table / 2)
}

fn needed_fills(stacks: Pairing, config: &RunConfig) -> Vec<Phase> {
    let fill = fill_of(stacks, config, 0);
    [Phase::OpenIdle, Phase::FillTimeWait]
        .into_iter()
        .filter(|&phase| fill.is_needed_in(phase))
        .collect()
}

/// What generator number `generator` fills in: its share of what the run is to find.
fn fill_of(stacks: Pairing, config: &RunConfig, generator: u32) -> Fill {
    let share = |total: u64| {
        let generators = u64::from(config.generators.max(1));
        total / generators + u64::from(u64::from(generator) < total % generators)
    };
    let own = if config.scenario == ScenarioKind::Idle {
        config.connections
    } else {
        0
    };
    let keeps_time_wait = !matches!(stacks.client, StackKind::Smoltcp | StackKind::Null);
    let time_wait = if keeps_time_wait { config.time_wait } else { 0 };
    Fill {
        idle: share(config.idle) + u64::from(own),
        time_wait: share(time_wait.min(time_wait_limit(stacks).unwrap_or(u64::MAX))),
        closer: config.closer,
        headroom: if own > 0 { 0 } else { config.connections },
    }
}

/// One generator, on its thread or two.
struct Worker<'a, S> {
    script: &'a S,
    stacks: Pairing,
    config: &'a RunConfig,
    control: &'a Control,
    cores: &'a Cores,
    generator: u32,
}

type ClientEnd<S> = End<Opener, <S as Script>::Client>;
type ServerEnd<S> = End<Acceptor, <S as Script>::Server>;
type WorkerOutcome<S> =
    GeneratorOutcome<<<S as Script>::Client as Actor>::Tally, <<S as Script>::Server as Actor>::Tally>;

impl<S: Script> Worker<'_, S> {
    fn run(&self) -> Result<WorkerOutcome<S>, Unsupported> {
        let outcome = match self.config.placement {
            Placement::SameCore => self.run_same_core(),
            Placement::Split => self.run_split(),
        };
        if outcome.is_err() {
            self.control.give_up();
        }
        outcome
    }

    fn run_same_core(&self) -> Result<WorkerOutcome<S>, Unsupported> {
        self.cores.pin(self.generator as usize);
        let pair = stack::pair(self.stacks, self.config, self.generator)?;
        let ends = self.ends(
            pair.client_addresses,
            pair.listen_addresses,
            pair.server_addresses,
        );
        let server = self.server_end(pair.server, &ends).map_err(refused)?;
        let client = self.client_end(pair.client, &ends).map_err(refused)?;
        Ok(drive_both(self.control, self.generator, client, server))
    }

    fn run_split(&self) -> Result<WorkerOutcome<S>, Unsupported> {
        let pair = stack::split_pair(self.stacks, self.config, self.generator)?;
        let ends = self.ends(
            pair.client_addresses,
            pair.listen_addresses,
            pair.server_addresses,
        );
        let listening = Barrier::new(2);
        thread::scope(|scope| {
            let server = scope.spawn(|| self.run_split_server(pair.server, &ends, &listening));
            let client = self.run_split_client(pair.client, &ends, &listening);
            let server = server
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let (client, server) = (client?, server?);
            Ok(GeneratorOutcome {
                client: client.end,
                server: server.end,
                metered: client.metered.and(server.metered),
                sides: Some(Sides {
                    client_ns: client.metered.cpu_ns,
                    server_ns: server.metered.cpu_ns,
                    client_idle_ns: client.idle_ns,
                    server_idle_ns: server.idle_ns,
                }),
            })
        })
    }

    fn run_split_client(
        &self,
        make: MakeEnd,
        ends: &Ends,
        listening: &Barrier,
    ) -> Result<ThreadOutcome<<S::Client as Actor>::Tally>, Unsupported> {
        let thread = 2 * self.generator as usize;
        self.cores.pin(thread);
        let end = self.client_end(make(), ends);
        listening.wait();
        let end = end.map_err(|error| self.give_up(error))?;
        Ok(drive_one(self.control, thread, end))
    }

    fn run_split_server(
        &self,
        make: MakeEnd,
        ends: &Ends,
        listening: &Barrier,
    ) -> Result<ThreadOutcome<<S::Server as Actor>::Tally>, Unsupported> {
        let thread = 2 * self.generator as usize + 1;
        self.cores.pin(thread);
        let end = self.server_end(make(), ends);
        listening.wait();
        let end = end.map_err(|error| self.give_up(error))?;
        Ok(drive_one(self.control, thread, end))
    }

    /// Says at once that nothing will come of this run, because the other thread only ends when the conductor knows.
    fn give_up(&self, error: io::Error) -> Unsupported {
        self.control.give_up();
        refused(error)
    }

    fn ends(
        &self,
        client_addresses: Vec<std::net::IpAddr>,
        listen_addresses: Vec<std::net::SocketAddr>,
        server_addresses: Vec<std::net::SocketAddr>,
    ) -> Ends {
        Ends {
            generator: self.generator,
            client_addresses,
            listen_addresses,
            server_addresses,
        }
    }

    fn client_end(&self, stack: Box<dyn Stack>, ends: &Ends) -> io::Result<ClientEnd<S>> {
        let fill = fill_of(self.stacks, self.config, self.generator);
        End::open(
            stack,
            Opener::new(fill, AddressPlan::all(ends), self.holders()),
            self.script.client(ends)?,
            self.slot(0),
        )
    }

    fn server_end(&self, mut stack: Box<dyn Stack>, ends: &Ends) -> io::Result<ServerEnd<S>> {
        for &address in &ends.listen_addresses {
            stack.listen(address, BACKLOG)?;
        }
        let fill = fill_of(self.stacks, self.config, self.generator);
        End::open(stack, Acceptor::new(fill), self.script.server(ends), self.slot(1))
    }

    fn holders(&self) -> Option<holders::Plan> {
        holders::Plan::of(self.stacks, self.config, self.generator)
    }

    /// Where the client (0) or the server (1) tells those who look on.
    fn slot(&self, end: usize) -> Option<Slot> {
        let pulse = self.control.pulse.as_ref()?;
        Some(pulse.slot(2 * self.generator as usize + end))
    }
}

fn refused(error: io::Error) -> Unsupported {
    Unsupported(format!("the stack could not listen or bind ({error})"))
}

/// Both ends in turn, without waiting: the processor is theirs.
fn drive_both<F, G, C, S>(
    control: &Control,
    generator: u32,
    mut client: End<F, C>,
    mut server: End<G, S>,
) -> GeneratorOutcome<C::Tally, S::Tally>
where
    F: Actor<Tally = Filled>,
    G: Actor<Tally = Filled>,
    C: Actor,
    S: Actor,
{
    let first = 2 * generator as usize;
    let mut meter = Meter::new();
    loop {
        let phase = control.phase.get();
        meter.before(phase);
        let now = cpu::now();
        client.step(phase, now);
        server.poll(now, Duration::ZERO);
        let now = cpu::now();
        server.step(phase, now);
        client.poll(now, Duration::ZERO);
        meter.after(phase);
        control.report(first, phase, client.settled());
        control.report(first + 1, phase, server.settled());
        if phase == Phase::Done {
            break;
        }
        if control.crowded && client.is_quiet() && server.is_quiet() {
            thread::yield_now();
        }
    }
    GeneratorOutcome {
        client: client.into_outcome(),
        server: server.into_outcome(),
        metered: meter.metered,
        sides: None,
    }
}

/// What a thread with one end has done in the window.
struct ThreadOutcome<T> {
    end: EndOutcome<T>,
    metered: Metered,
    /// Nanoseconds in which it had nothing to do.
    idle_ns: Nanos,
}

/// How long a thread may sleep that nothing wakes up, in a phase that ends at `ends_at`.
fn longest_sleep(control: &Control, phase: Phase, ends_at: Nanos, now: Nanos) -> Duration {
    if !phase.loads() {
        return SHORT_SLEEP;
    }
    let longest = if control.pulse.is_some() {
        WATCHED_SLEEP
    } else {
        LONG_SLEEP
    };
    Duration::from_nanos(ends_at.saturating_sub(now)).clamp(SHORT_SLEEP, longest)
}

/// How long a thread may sleep in wait for an event. Close to a time that the actor named it does not: systems wake up late.
fn patience(longest: Duration, next: Next, now: Nanos) -> Duration {
    match next {
        Next::Now => Duration::ZERO,
        Next::At(time) => Duration::from_nanos(time.saturating_sub(now + LATE_WAKING)).min(longest),
        Next::OnEvent => longest,
    }
}

/// One end on a thread of its own, which sleeps where the stack can.
fn drive_one<F, A>(control: &Control, thread: usize, mut end: End<F, A>) -> ThreadOutcome<A::Tally>
where
    F: Actor<Tally = Filled>,
    A: Actor,
{
    let (mut meter, mut idleness) = (Meter::new(), Idleness::default());
    loop {
        let (phase, ends_at) = control.phase.with_end();
        meter.before(phase);
        let now = cpu::now();
        idleness.turn(phase, now, end.is_quiet());
        let longest = longest_sleep(control, phase, ends_at, now);
        let wait = patience(longest, end.step(phase, now), now);
        meter.after(phase);
        control.report(thread, phase, end.settled());
        if phase == Phase::Done {
            break;
        }
        end.poll(now, wait);
        if control.crowded && end.is_quiet() {
            thread::yield_now();
        }
    }
    ThreadOutcome {
        end: end.into_outcome(),
        metered: meter.metered,
        idle_ns: idleness.idle_ns(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(20);

    #[test]
    fn nobody_sleeps_past_the_time_of_the_next_operation() {
        let wait = |next, now| patience(LONGEST, next, now);
        assert_eq!(wait(Next::Now, 5), Duration::ZERO);
        assert_eq!(wait(Next::OnEvent, 5), LONGEST);
        assert_eq!(wait(Next::At(1_000), 5_000), Duration::ZERO, "overdue");
        assert_eq!(
            wait(Next::At(90_000), 5_000),
            Duration::ZERO,
            "too close to sleep"
        );
        assert_eq!(wait(Next::At(505_000), 5_000), Duration::from_micros(400));
        assert_eq!(wait(Next::At(Nanos::MAX), 5_000), LONGEST);
    }

    #[test]
    fn nobody_sleeps_past_the_end_of_the_load() {
        let alone = Control::new(2, false, None);
        let longest = |phase, ends_at, now| longest_sleep(&alone, phase, ends_at, now);
        assert_eq!(
            longest(Phase::Measure, 7_000_000, 4_000_000),
            Duration::from_millis(3)
        );
        assert_eq!(longest(Phase::Measure, 2_000_000_000, 0), LONG_SLEEP);
        assert_eq!(
            longest(Phase::WarmUp, 7_000_000, 7_000_001),
            SHORT_SLEEP,
            "the next phase is due"
        );
        assert_eq!(longest(Phase::Drain, 2_000_000_000, 0), SHORT_SLEEP);
        let watched = Control::new(2, false, Some(Duration::from_secs(1)));
        assert_eq!(
            longest_sleep(&watched, Phase::Measure, 2_000_000_000, 0),
            WATCHED_SLEEP
        );
    }
}
