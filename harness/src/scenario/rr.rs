//! `rr`: request and response on open connections.
//!
//! Every connection has one request outstanding; with more than [`MOST_OUTSTANDING`] connections so many have, and requests go
//! round all of them in turn. An open loop sends requests when it wants to, on any connection that is free. `latency_ns` is from the request's send to the last byte of its response.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::io;

use self::client::{Client, RrTally};
use self::server::Server;
use super::{Measurement, Run, Unsupported, bill};
use crate::config::RunConfig;
use crate::load::addresses::AddressPlan;
use crate::load::open_loop;
use crate::load::{Ends, Script};

/// Requests outstanding at one time, at most.
const MOST_OUTSTANDING: u32 = 256;

struct Rr<'a>(&'a RunConfig);

impl Script for Rr<'_> {
    type Client = Client;
    type Server = Server;

    fn client(&self, ends: &Ends) -> io::Result<Client> {
        let open_loop = open_loop::Plan::of(self.0).map(|plan| plan.of_generator(ends.generator));
        Ok(Client::new(self.0, AddressPlan::all(ends)).started_by(open_loop))
    }

    fn server(&self, _ends: &Ends) -> Server {
        Server::new(self.0.message)
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let outcome = run.drive(&Rr(run.config))?;
    let mut total = RrTally::default();
    for one in &outcome.generators {
        total.add(&one.client.tally);
    }
    let asked = u64::from(run.config.connections) * outcome.generators.len() as u64;
    if total.opened < asked && !outcome.interrupted {
        return Err(Unsupported(format!(
            "only {} of {asked} connections could be opened",
            total.opened
        )));
    }
    let mut found = Measurement::default();
    let completed = outcome.rate(|one| (one.client.tally.completed as f64, one.client.span));
    found.set("transactions_per_second", completed);
    found.set_bill(&bill::TRANSACTION, &outcome, total.completed as f64);
    found.set_count("connections_open", Some(total.opened));
    found.set_tcp(run, &outcome, total.completed, &total.failures);
    found.check_rate(&outcome, total.completed, total.failures.total());
    if let Some(open_loop) = total.open_loop {
        found.set_open_loop(run.config, &outcome, open_loop, completed, |tally| {
            (tally.open_loop.as_ref(), Some(tally.operation_ns))
        });
    } else {
        let outstanding = run.config.connections.min(MOST_OUTSTANDING);
        let in_flight = u64::from(outstanding) * outcome.generators.len() as u64;
        found.check_littles_law(&outcome, in_flight, |tally| tally.operation_ns);
    }
    found.set_histogram("latency_ns", total.latency.into_histogram());
    Ok(found)
}
