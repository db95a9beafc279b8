//! What all generators have done in the window, and sums over them.

use super::conductor::MachineUse;
use super::end::EndOutcome;
use super::flooder::Flooding;
use super::meter::Metered;
use crate::measure::counters::Counters;
use crate::stack::{Nanos, StackCounters};

/// What one generator has done in the window.
#[derive(Debug)]
pub(crate) struct GeneratorOutcome<C, S> {
    pub(crate) client: EndOutcome<C>,
    pub(crate) server: EndOutcome<S>,
    /// Of its threads in the window.
    pub(crate) metered: Metered,
    /// Processor time of each end's thread in the window; `None` when they share one.
    pub(crate) sides: Option<Sides>,
}

impl<C, S> GeneratorOutcome<C, S> {
    /// The windows of all of its threads together.
    fn thread_span(&self) -> Nanos {
        let of_server = self.sides.map_or(0, |_| self.server.span);
        self.client.span + of_server
    }
}

/// What the threads of the two sides did in the window, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sides {
    /// Processor time.
    pub(crate) client_ns: u64,
    pub(crate) server_ns: u64,
    /// The time of turns for which the stack had no event, slept or not.
    pub(crate) client_idle_ns: u64,
    pub(crate) server_idle_ns: u64,
}

/// For which part of the window the threads of the two sides were busy, 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Busy {
    pub(crate) client: f64,
    pub(crate) server: f64,
}

/// What all generators have done in the window.
#[derive(Debug)]
pub(crate) struct Outcome<C, S> {
    pub(crate) generators: Vec<GeneratorOutcome<C, S>>,
    /// What came of a flood that was sent beside the load; `None` when there was none.
    pub(crate) flood: Option<Flooding>,
    /// Processor time of the process in the window, user and system.
    pub(crate) cpu_ns: u64,
    /// What cores of the machine did in the window; `None` where the kernel does not tell.
    pub(crate) machine: Option<MachineUse>,
    /// How many cores the generators' threads were pinned to.
    pub(crate) cores: usize,
    /// What the system counted in the window.
    pub(crate) counters: Counters,
    /// An interface that packets go through and that was gone at the end of the window.
    pub(crate) missing_device: Option<&'static str>,
    /// Whether the run was stopped before its time.
    pub(crate) interrupted: bool,
}

/// The counters of one end around the window.
#[derive(Clone, Copy, Debug)]
struct Counted {
    before: StackCounters,
    after: StackCounters,
    time_wait_peak: Option<u64>,
}

impl<T> EndOutcome<T> {
    fn counted(&self) -> Counted {
        Counted {
            before: self.before,
            after: self.after,
            time_wait_peak: self.time_wait_peak,
        }
    }
}

impl<C, S> Outcome<C, S> {
    /// Idle connections that other processes held and that broke.
    pub(crate) fn idle_lost(&self) -> u64 {
        self.generators.iter().map(|one| one.client.filled.lost).sum()
    }

    fn ends(&self) -> impl Iterator<Item = Counted> {
        self.generators
            .iter()
            .flat_map(|one| [one.client.counted(), one.server.counted()])
    }

    /// How much a counter has grown in the window, over all ends that have it; `None` when no end has.
    pub(crate) fn grown(&self, counter: impl Fn(&StackCounters) -> Option<u64>) -> Option<u64> {
        sum(self
            .ends()
            .map(|end| Some(counter(&end.after)?.saturating_sub(counter(&end.before)?))))
    }

    /// How much a counter has grown from the window's begin until the drain was over, over the clients and over the servers that have it.
    pub(crate) fn grown_until_drained(
        &self,
        counter: impl Fn(&StackCounters) -> Option<u64>,
    ) -> [Option<u64>; 2] {
        let growth = |before: &StackCounters, last: &StackCounters| {
            Some(counter(last)?.saturating_sub(counter(before)?))
        };
        let of_clients = self
            .generators
            .iter()
            .map(|one| growth(&one.client.before, &one.client.last));
        let of_servers = self
            .generators
            .iter()
            .map(|one| growth(&one.server.before, &one.server.last));
        [sum(of_clients), sum(of_servers)]
    }

    /// A level at the end of the window, over all ends that have it; `None` when no end has.
    pub(crate) fn held(&self, level: impl Fn(&StackCounters) -> Option<u64>) -> Option<u64> {
        sum(self.ends().map(|end| level(&end.after)))
    }

    /// The most TIME_WAIT entries held, over all ends that have any.
    pub(crate) fn time_wait_peak(&self) -> Option<u64> {
        sum(self.ends().map(|end| end.time_wait_peak))
    }

    /// Processor time of one side's threads, over all generators; `None` when the sides share threads.
    pub(crate) fn side_ns(&self, side: impl Fn(Sides) -> u64) -> Option<u64> {
        self.generators.iter().map(|one| one.sides.map(&side)).sum()
    }

    /// For which part of the window each side's threads were at work: had the processor, and something to do. `None` when the sides share
    /// threads.
    pub(crate) fn busy(&self) -> Option<Busy> {
        let ratio = |work: fn(Sides) -> (u64, u64), span: fn(&GeneratorOutcome<C, S>) -> Nanos| {
            let busy: Option<u64> = self
                .generators
                .iter()
                .map(|one| {
                    let (cpu_ns, idle_ns) = work(one.sides?);
                    Some(cpu_ns.min(span(one).saturating_sub(idle_ns)))
                })
                .sum();
            let spans: Nanos = self.generators.iter().map(span).sum();
            (spans > 0).then_some(busy? as f64 / spans as f64)
        };
        Some(Busy {
            client: ratio(
                |sides| (sides.client_ns, sides.client_idle_ns),
                |one| one.client.span,
            )?,
            server: ratio(
                |sides| (sides.server_ns, sides.server_idle_ns),
                |one| one.server.span,
            )?,
        })
    }

    pub(crate) fn allocations(&self) -> u64 {
        self.generators.iter().map(|one| one.metered.allocations).sum()
    }

    /// The part of the window for which the generators' threads could have run and had no core, 0 to 1, the mean of all: somebody else
    /// had it.
    pub(crate) fn core_wait_ratio(&self) -> Option<f64> {
        let waited: Option<u64> = self.generators.iter().map(|one| one.metered.waited_ns).sum();
        let spans: Nanos = self.generators.iter().map(GeneratorOutcome::thread_span).sum();
        (spans > 0).then(|| Some(waited? as f64 / spans as f64)).flatten()
    }

    /// The part of the generators' cores that other programs had in the window, 0 to 1. The run's own threads are none, nor are the
    /// kernel's softirq threads, which carry its packets.
    pub(crate) fn other_programs_ratio(&self) -> Option<f64> {
        self.part_of_cores(|machine| machine.used.others_ns(self.cpu_ns))
    }

    /// The part of the window for which the hypervisor had given the generators' cores to somebody else, 0 to 1.
    pub(crate) fn stolen_ratio(&self) -> Option<f64> {
        self.part_of_cores(|machine| machine.used.stolen_ns)
    }

    fn part_of_cores(&self, ns: impl Fn(MachineUse) -> u64) -> Option<f64> {
        let whole = self.cores as u64 * self.shortest_span();
        let part = ns(self.machine?);
        (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
    }

    /// The shortest window of all ends, in nanoseconds.
    pub(crate) fn shortest_span(&self) -> Nanos {
        let spans = self
            .generators
            .iter()
            .flat_map(|one| [one.client.span, one.server.span]);
        spans.min().unwrap_or(0)
    }

    /// Sum of the generators' rates: each counts `amount` over its own nanoseconds. Zero for one without a window.
    pub(crate) fn rate(&self, amount: impl Fn(&GeneratorOutcome<C, S>) -> (f64, Nanos)) -> f64 {
        let rates = self.generators.iter().map(amount).filter(|&(_, span)| span > 0);
        rates.map(|(amount, span)| amount * 1e9 / span as f64).sum()
    }
}

fn sum(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    values
        .flatten()
        .fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::fill::Filled;
    use crate::measure::machine::Use;

    fn end(tally: u64, span: Nanos, retransmitted: Option<(u64, u64)>) -> EndOutcome<u64> {
        let counters = |value: Option<u64>| StackCounters {
            retransmitted_segments: value,
            ..Default::default()
        };
        EndOutcome {
            tally,
            filled: Filled::default(),
            span,
            before: counters(retransmitted.map(|(before, _)| before)),
            after: counters(retransmitted.map(|(_, after)| after)),
            last: counters(retransmitted.map(|(_, after)| after + 1)),
            time_wait_peak: retransmitted.map(|(_, after)| after),
        }
    }

    fn metered(allocations: u64, waited_ns: u64) -> Metered {
        Metered {
            allocations,
            waited_ns: Some(waited_ns),
            cpu_ns: 0,
        }
    }

    fn sides(client_ns: u64, server_ns: u64) -> Option<Sides> {
        Some(Sides {
            client_ns,
            server_ns,
            client_idle_ns: 0,
            server_idle_ns: 0,
        })
    }

    #[test]
    fn a_side_is_billed_for_its_own_threads_and_for_none_that_both_share() {
        let mut outcome = outcome();
        assert_eq!(outcome.side_ns(|sides| sides.client_ns), Some(33));
        assert_eq!(outcome.side_ns(|sides| sides.server_ns), Some(44));
        outcome.generators[1].sides = None;
        assert_eq!(outcome.side_ns(|sides| sides.client_ns), None);
    }

    fn outcome() -> Outcome<u64, u64> {
        let generators = vec![
            GeneratorOutcome {
                client: end(1000, 1_000_000_000, Some((5, 8))),
                server: end(0, 1_000_000_000, None),
                metered: metered(2, 100_000_000),
                sides: sides(3, 4),
            },
            GeneratorOutcome {
                client: end(500, 250_000_000, Some((1, 2))),
                server: end(0, 260_000_000, None),
                metered: metered(3, 25_000_000),
                sides: sides(30, 40),
            },
        ];
        Outcome {
            generators,
            flood: None,
            cpu_ns: 0,
            machine: None,
            cores: 2,
            counters: Counters::default(),
            missing_device: None,
            interrupted: false,
        }
    }

    #[test]
    fn each_generator_counts_over_its_own_window() {
        let rate = outcome().rate(|one| (one.client.tally as f64, one.client.span));
        assert!((rate - 3000.0).abs() < 1e-6, "{rate}");
        assert_eq!(outcome().shortest_span(), 250_000_000);
        assert_eq!(outcome().allocations(), 5);
    }

    #[test]
    fn a_thread_that_spins_is_not_busy_and_neither_is_one_that_sleeps() {
        let mut outcome = outcome();
        for one in &mut outcome.generators {
            one.client.span = 1000;
            one.server.span = 1000;
            one.sides = Some(Sides {
                client_ns: 1000,
                server_ns: 300,
                client_idle_ns: 900,
                server_idle_ns: 0,
            });
        }
        let busy = outcome.busy().expect("threads of their own");
        assert_eq!((busy.client, busy.server), (0.1, 0.3));
        outcome.generators[1].sides = None;
        assert_eq!(outcome.busy(), None);
    }

    #[test]
    fn waiting_for_a_core_is_shared_by_the_threads_that_could_wait() {
        let mut outcome = outcome();
        assert_eq!(
            outcome.core_wait_ratio(),
            Some(125e6 / 2510e6),
            "two threads each"
        );
        for one in &mut outcome.generators {
            one.sides = None;
        }
        assert_eq!(outcome.core_wait_ratio(), Some(0.1));
    }

    #[test]
    fn others_are_judged_by_the_cores_that_the_run_uses() {
        let mut outcome = outcome();
        assert_eq!(outcome.other_programs_ratio(), None, "the kernel does not tell");
        outcome.cpu_ns = 100_000_000;
        outcome.machine = Some(MachineUse {
            all: Use::default(),
            used: Use {
                busy_ns: 400_000_000,
                softirq_threads_ns: 200_000_000,
                stolen_ns: 50_000_000,
            },
        });
        assert_eq!(
            outcome.other_programs_ratio(),
            Some(0.2),
            "100 ms of two cores × 250 ms"
        );
        assert_eq!(outcome.stolen_ratio(), Some(0.1));
        outcome.cores = 0;
        assert_eq!(outcome.stolen_ratio(), None, "no core is the run's own");
    }

    #[test]
    fn counters_are_summed_over_the_ends_that_have_them() {
        assert_eq!(
            outcome().grown(|counters| counters.retransmitted_segments),
            Some(4)
        );
        assert_eq!(
            outcome().held(|counters| counters.retransmitted_segments),
            Some(10)
        );
        assert_eq!(outcome().time_wait_peak(), Some(10));
        assert_eq!(outcome().grown(|counters| counters.system_calls), None);
        let with_the_drain = outcome().grown_until_drained(|counters| counters.retransmitted_segments);
        assert_eq!(with_the_drain, [Some(6), None], "of clients and of servers");
    }
}
