//! `teardown`: how fast connections are closed.
//!
//! Connections are set up in batches outside the timed part, then all closed at once by one end, the initiator.
//! `teardown_ns` is RFC 3511 Appendix C: from the initiator's close to the acknowledgement of its FIN, both ends having closed.
//! The rate counts teardowns over the time spent tearing down; processor time is attributed by the same share of the window,
//! because both ends are busy all the time. An abort has no answer: it is over when the initiator is next asked.

mod batch;
mod client;
mod server;
#[cfg(test)]
mod tests;

use std::io;

use self::batch::TeardownTally;
use self::client::Client;
use self::server::Server;
use super::{Measurement, Run, Unsupported, bill};
use crate::config::RunConfig;
use crate::load::addresses::AddressPlan;
use crate::load::outcome::{GeneratorOutcome, Outcome};
use crate::load::{Ends, Script};
use crate::stack::Nanos;

struct Teardown<'a>(&'a RunConfig);

impl Script for Teardown<'_> {
    type Client = Client;
    type Server = Server;

    fn client(&self, ends: &Ends) -> io::Result<Client> {
        Ok(Client::new(self.0, AddressPlan::all(ends)))
    }

    fn server(&self, _ends: &Ends) -> Server {
        Server::new(self.0)
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let outcome = run.drive(&Teardown(run.config))?;
    let mut total = TeardownTally::default();
    for one in &outcome.generators {
        total.add(&one.client.tally);
        total.add(&one.server.tally);
    }
    let mut found = Measurement::default();
    let rate = outcome.rate(|one| {
        (
            sum(one, |tally| tally.completed) as f64,
            sum(one, |tally| tally.busy_ns),
        )
    });
    found.set("teardowns_per_second", rate);
    found.set_bill(&bill::TEARDOWN, &outcome, billed(&outcome, &total));
    found.set_tcp(run, &outcome, total.completed, &total.failures);
    found.set_time_wait(&outcome);
    found.check_rate(&outcome, total.completed, total.failures.total());
    found.set_histogram("teardown_ns", total.times.into_histogram());
    Ok(found)
}

/// One end of a generator is the initiator; the other's tally is empty but for failures.
fn sum<N: std::ops::Add<Output = N>>(
    one: &GeneratorOutcome<TeardownTally, TeardownTally>,
    part: impl Fn(&TeardownTally) -> N,
) -> N {
    part(&one.client.tally) + part(&one.server.tally)
}

/// Teardowns that the whole window would have had at this pace: what the processor time of the window is divided by.
fn billed(outcome: &Outcome<TeardownTally, TeardownTally>, total: &TeardownTally) -> f64 {
    let window: Nanos = outcome.generators.iter().map(|one| one.client.span).sum();
    total.completed as f64 * window as f64 / total.busy_ns as f64
}
