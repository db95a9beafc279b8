//! What the scenarios have in common that open and close one connection after another.

use std::io;

use super::{Measurement, Run, bill};
use crate::load::addresses::AddressPlan;
use crate::load::cycle::{Client, Cycle, CycleTally, Occupancy, Scale, Server};
use crate::load::open_loop;
use crate::load::outcome::Outcome;
use crate::load::{Ends, Script};
use crate::measure::cpu;

/// A client that keeps a number of connections in flight, and the server that it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycles {
    pub(super) cycle: Cycle,
    /// Use one source and one destination, so that the port space can fill.
    pub(super) single_pair: bool,
    /// Record set-up times against the number of TIME_WAIT entries.
    pub(super) occupancy: Option<Scale>,
    /// Follow what becomes of so many four-tuples.
    pub(super) tuples: Option<u64>,
    /// What starts connections; `None` when the end of one starts the next.
    pub(super) open_loop: Option<open_loop::Plan>,
}

impl Cycles {
    /// Connections over all addresses, with the set-up time alone recorded.
    pub(super) fn plain(cycle: Cycle) -> Self {
        Self {
            cycle,
            single_pair: false,
            occupancy: None,
            tuples: None,
            open_loop: None,
        }
    }
}

impl Script for Cycles {
    type Client = Client;
    type Server = Server;

    fn client(&self, ends: &Ends) -> io::Result<Client> {
        let plan = if self.single_pair {
            AddressPlan::single(ends)
        } else {
            AddressPlan::all(ends)
        };
        let client = Client::with_occupancy(self.cycle, plan, self.occupancy.map(Occupancy::new))
            .started_by(self.open_loop.map(|plan| plan.of_generator(ends.generator)));
        Ok(match self.tuples {
            Some(space) => client.watching_tuples(space, cpu::now),
            None => client,
        })
    }

    fn server(&self, _ends: &Ends) -> Server {
        Server::new(self.cycle)
    }
}

/// The tallies of all generators added up.
pub(super) fn total(outcome: &Outcome<CycleTally, ()>) -> CycleTally {
    let mut total = CycleTally::default();
    for one in &outcome.generators {
        let tally = &one.client.tally;
        total.completed += tally.completed;
        total.attempts += tally.attempts;
        total.operation_ns += tally.operation_ns;
        total.failures.add(&tally.failures);
        total.setup.merge(&tally.setup);
        match (&mut total.occupancy, &tally.occupancy) {
            (Some(sum), Some(more)) => sum.merge(more),
            (sum, more) => *sum = sum.take().or_else(|| more.clone()),
        }
        match (&mut total.open_loop, &tally.open_loop) {
            (Some(sum), Some(more)) => sum.add(more),
            (sum, more) => *sum = sum.take().or_else(|| more.clone()),
        }
        match (&mut total.tuples, &tally.tuples) {
            (Some(sum), Some(more)) => sum.merge(more),
            (sum, more) => *sum = sum.take().or_else(|| more.clone()),
        }
    }
    total
}

/// The figures that `connect`, `crr` and `time-wait` share.
pub(super) fn report(run: &Run<'_>, outcome: &Outcome<CycleTally, ()>, total: &CycleTally) -> Measurement {
    let mut found = Measurement::default();
    let completed = outcome.rate(|one| (one.client.tally.completed as f64, one.client.span));
    found.set("connections_per_second", completed);
    found.set_bill(&bill::CONNECTION, outcome, total.completed as f64);
    found.set_histogram("setup_ns", total.setup.clone().into_histogram());
    found.set_tcp(run, outcome, total.completed, &total.failures);
    found.set_time_wait(outcome);
    found
}

/// Runs connections over all addresses and checks that the load was what it was to be.
pub(super) fn measure(run: &Run<'_>, message: u32) -> Result<Measurement, super::Unsupported> {
    let cycle = Cycle {
        time_wait_limit: run.time_wait_limit(),
        ..Cycle::of(run.config, message)
    };
    let script = Cycles {
        open_loop: open_loop::Plan::of(run.config),
        ..Cycles::plain(cycle)
    };
    let outcome = run.drive(&script)?;
    let total = total(&outcome);
    let mut found = report(run, &outcome, &total);
    found.check_rate(&outcome, total.completed, total.failures.total());
    match total.open_loop {
        Some(open_loop) => {
            let completed = outcome.rate(|one| (one.client.tally.completed as f64, one.client.span));
            found.set_open_loop(run.config, &outcome, open_loop, completed, |tally| {
                (tally.open_loop.as_ref(), Some(tally.operation_ns))
            });
        }
        None => {
            let in_flight = u64::from(cycle.in_flight) * outcome.generators.len() as u64;
            found.check_littles_law(&outcome, in_flight, |tally| tally.operation_ns);
        }
    }
    Ok(found)
}
