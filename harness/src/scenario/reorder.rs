//! `reorder`: numbered datagrams through a path that holds some of them back (see [`crate::load::holdback`]), and what
//! RFC 4737 and RFC 5236 say of their arrival.

mod receiver;
mod sender;

use std::io;

use hdrhistogram::Histogram;

use self::receiver::Receiver;
use self::sender::Sender;
use super::{Measurement, Run, Unsupported, bill};
use crate::config::{Pairing, PathKind, RunConfig, StackKind};
use crate::load::pace::Pace;
use crate::load::quiet::Silence;
use crate::load::{Ends, Script};
use crate::measure::reordering::Reordering;
use crate::report::PERCENTILES;

/// Bytes of a datagram that are used: number and send time.
const HEADER: usize = 16;
/// The number of a datagram that does not count. Those that count are numbered from 1.
const UNNUMBERED: u64 = 0;
/// From so many datagrams on, a path that holds back one in ten must show it.
const ENOUGH: u64 = 1000;
/// The part that is reordered at least when one datagram in ten was held back.
const LEAST_REORDERED: f64 = 0.01;

/// Where datagrams are held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Impairment {
    /// By a relay between two sockets of the kernel.
    Relay,
    /// By the device under the stack.
    Device,
    /// By an emulated link, or not at all: its own record tells.
    Wire,
    /// Before they are sent: nothing on the way could, and datagrams of one flow stay in their order there.
    Sender,
}

struct Reorder {
    length: usize,
    seed: u64,
    impairment: Impairment,
    keep_sequence: bool,
    pace: Option<Pace>,
}

impl Script for Reorder {
    type Client = Sender;
    type Server = Receiver;

    fn client(&self, ends: &Ends) -> io::Result<Sender> {
        Sender::new(
            ends,
            self.length,
            self.impairment,
            self.seed + u64::from(ends.generator),
            self.pace,
        )
    }

    fn server(&self, ends: &Ends) -> Receiver {
        let silence = Silence::new(self.impairment == Impairment::Wire);
        Receiver::new(ends.listen_addresses[0], silence, self.keep_sequence)
    }
}

fn impairment(stacks: Pairing, config: &RunConfig) -> Impairment {
    match (config.path, stacks.server) {
        (PathKind::Wire, _) => Impairment::Wire,
        (PathKind::Memory | PathKind::Loopback, StackKind::Engine) => Impairment::Device,
        (PathKind::Loopback, _) => Impairment::Relay,
        _ => Impairment::Sender,
    }
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let length = run.config.message as usize;
    if length < HEADER {
        return Err(Unsupported(format!(
            "number and send time need {HEADER} bytes, and the message has {length}"
        )));
    }
    let script = Reorder {
        length,
        seed: run.config.seed,
        impairment: impairment(run.stack, run.config),
        pace: Pace::of(run.config),
        keep_sequence: run.watch.keep_sequence,
    };
    let mut outcome = run.drive(&script)?;
    let mut found = Measurement::default();
    let total = outcome
        .generators
        .iter_mut()
        .filter_map(|one| {
            let (watched, sent) = (one.server.tally.take()?, one.client.tally);
            found
                .sequences
                .extend(watched.sequence.map(|sequence| (sequence, sent)));
            Some(watched.observer.finish(sent))
        })
        .reduce(|mut sum, more| {
            sum.add(&more);
            sum
        })
        .expect("a run has at least one generator");
    let seconds = outcome.shortest_span() as f64 / 1e9;
    found.set("datagrams_per_second", total.arrivals as f64 / seconds);
    found.set_bill(&bill::DATAGRAM, &outcome, total.arrivals as f64);
    found.set("reordered_ratio", total.reordered_ratio());
    found.set_losses(&outcome, total.lost);
    found.set_count("duplicated", Some(total.duplicates));
    found.set("reordering_free_run_mean", total.order.runs.mean());
    found.set_stack(run, &outcome, total.arrivals);
    found.distributions = total.distributions();
    found.check_rate(&outcome, total.distinct, 0);
    if script.impairment != Impairment::Wire {
        check_impaired(&mut found, &total);
    }
    found.set("pdv_ns", delay_variation(&total.delay));
    found.set_histogram("delay_ns", total.delay);
    Ok(found)
}

/// PDV of RFC 8219 section 7.3.1: D_99.9 − D_min of a flow's one-way delays, in nanoseconds. `None` with too few for the percentile.
fn delay_variation(delays: &Histogram<u64>) -> Option<f64> {
    let (_, quantile, fewest) = PERCENTILES[2];
    (delays.len() >= fewest).then(|| (delays.value_at_quantile(quantile) - delays.min()) as f64)
}

fn check_impaired(found: &mut Measurement, total: &Reordering) {
    let reordered = total.reordered_ratio().unwrap_or(0.0);
    if total.distinct >= ENOUGH && reordered < LEAST_REORDERED {
        found.invalid(format!(
            "only {:.2} % of the datagrams arrived out of order although one in ten was to be held back: the impairment was not in the path",
            100.0 * reordered
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::recorder::Recorder;

    #[test]
    fn delay_variation_is_what_all_but_one_of_a_thousand_took_beyond_the_least() {
        let mut delays = Recorder::new();
        (0..9_989).for_each(|_| delays.record(1_000));
        (0..10).for_each(|_| delays.record(5_000));
        assert_eq!(
            delay_variation(&delays.clone().into_histogram()),
            None,
            "one too few"
        );
        delays.record(900_000);
        let found = delay_variation(&delays.into_histogram()).expect("enough");
        assert!((3_980.0..4_020.0).contains(&found), "{found}");
    }
}
