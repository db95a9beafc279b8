//! `udp`: one-way datagrams of one flow. Received datagrams count; what was sent in the window and had not arrived when the
//! drain was over is lost.
//!
//! In an open loop a datagram carries the time at which it was to be sent and that at which it was, so that the receiver knows how long
//! it took.

mod payload;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::io;

use self::receiver::{Receiver, ReceiverTally};
use self::sender::{Sender, SenderTally};
use super::{Measurement, Run, Unsupported, bill};
use crate::load::open_loop::{self, OpenTally};
use crate::load::outcome::Outcome;
use crate::load::pace::Pace;
use crate::load::{Ends, Script};

/// Datagrams in one call.
const BATCH: usize = 64;

struct Udp {
    length: usize,
    /// What starts datagrams; `None` when they are sent as fast as they go.
    open_loop: Option<open_loop::Plan>,
    /// What the path allows.
    pace: Option<Pace>,
}

impl Script for Udp {
    type Client = Sender;
    type Server = Receiver;

    fn client(&self, ends: &Ends) -> io::Result<Sender> {
        Ok(Sender::new(self, ends))
    }

    fn server(&self, ends: &Ends) -> Receiver {
        Receiver::new(self, ends)
    }
}

type Done = Outcome<SenderTally, ReceiverTally>;

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    if run.config.message == 0 {
        return Err(Unsupported(
            "a datagram needs a byte that says whether it counts".into(),
        ));
    }
    let outcome = run.drive(&Udp {
        length: run.config.message as usize,
        open_loop: open_loop::Plan::of(run.config),
        pace: Pace::of(run.config),
    })?;
    let sum = |part: fn(&ReceiverTally) -> u64| {
        outcome
            .generators
            .iter()
            .map(|one| part(&one.server.tally))
            .sum::<u64>()
    };
    let (received, counted) = (sum(|tally| tally.received), sum(|tally| tally.counted));
    let sent: u64 = outcome.generators.iter().map(|one| one.client.tally.sent).sum();
    let mut found = Measurement::default();
    let rate = outcome.rate(|one| (one.server.tally.received as f64, one.server.span));
    found.set("datagrams_per_second", rate);
    found.set_bill(&bill::DATAGRAM, &outcome, received as f64);
    found.set_count("sent", Some(sent));
    found.set_losses(&outcome, sent.saturating_sub(counted));
    found.set_stack(run, &outcome, received);
    found.check_rate(&outcome, received, 0);
    if let Some(total) = total(&outcome) {
        found.set_open_loop(run.config, &outcome, total, rate, |tally| {
            (tally.open_loop.as_ref(), None)
        });
    }
    Ok(found)
}

/// What all senders offered, with how long it took until it was received; `None` for a closed loop.
fn total(outcome: &Done) -> Option<OpenTally> {
    let mut total = None;
    for one in &outcome.generators {
        let offered = one.client.tally.open_loop.as_ref()?;
        let sum: &mut OpenTally = total.get_or_insert_default();
        sum.add(offered);
        if let Some(delays) = &one.server.tally.delays {
            sum.response.merge(&delays.response);
            sum.service.merge(&delays.service);
        }
    }
    total
}
