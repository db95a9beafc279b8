//! What scenarios report of an open loop, and when its figures do not count.

#[cfg(test)]
mod tests;

use super::Measurement;
use crate::config::RunConfig;
use crate::load::open_loop::OpenTally;
use crate::load::outcome::{Busy, Outcome};
use crate::measure::recorder::Recorder;
use crate::stack::Nanos;

/// The part of what was offered that has to be achieved.
const LEAST_ACHIEVED: f64 = 0.99;
/// How far the mean number in flight may be from rate × mean response time.
const LITTLES_LAW: f64 = 0.05;
/// Nanoseconds that a generator may be late in one of a hundred operations, at least and at most; between them the mean time between two
/// of its arrivals.
const LATE: (f64, f64) = (100e3, 10e6);
/// From this part of the window on the end that asks was the limit, when the other one was busy for less than the second part.
const BUSY: f64 = 0.95;
const IDLES: f64 = 0.5;

/// What decides whether an open loop's figures count. Times are nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Found {
    offered: f64,
    achieved: f64,
    /// Length of the window in seconds.
    window: f64,
    /// Mean number of operations in flight, those that waited included; `None` where nobody knows.
    in_flight: Option<f64>,
    /// Operations of the window that ended, and the mean of their response and service times.
    responses: u64,
    response_mean: f64,
    service_mean: f64,
    lag_p99: u64,
    service_p99: u64,
    /// Mean time between two arrivals at one generator.
    gap: f64,
    busy: Option<Busy>,
}

impl Measurement {
    /// What all generators together offered, and what became of it. `of` is the tally of one generator, and `in_flight` the time of its
    /// operations inside the window, where the client knows when they end.
    pub(super) fn set_open_loop<C, S>(
        &mut self,
        config: &RunConfig,
        outcome: &Outcome<C, S>,
        total: OpenTally,
        achieved: f64,
        of: impl Fn(&C) -> (Option<&OpenTally>, Option<Nanos>),
    ) {
        let offered = outcome.rate(|one| {
            let offered = of(&one.client.tally).0.map_or(0, |tally| tally.offered);
            (offered as f64, one.client.span)
        });
        let knows = outcome
            .generators
            .iter()
            .all(|one| of(&one.client.tally).1.is_some());
        let in_flight = knows.then(|| self.set_in_flight(outcome, |tally| of(tally).1.unwrap_or_default()));
        let busy = outcome.busy();
        self.set("offered_per_second", offered);
        self.set("achieved_per_second", achieved);
        self.set_count("dropped_arrivals", Some(total.dropped));
        self.set("client_busy_ratio", busy.map(|busy| busy.client));
        self.set("server_busy_ratio", busy.map(|busy| busy.server));
        let [response, service, lag] =
            [total.response, total.service, total.lag].map(Recorder::into_histogram);
        let rate = config
            .open_loop
            .map_or(f64::INFINITY, |load| f64::from(load.rate));
        let found = Found {
            offered,
            achieved,
            window: outcome.shortest_span() as f64 / 1e9,
            in_flight,
            responses: response.len(),
            response_mean: response.mean(),
            service_mean: service.mean(),
            lag_p99: lag.value_at_quantile(0.99),
            service_p99: service.value_at_quantile(0.99),
            gap: 1e9 * f64::from(config.generators) / rate,
            busy,
        };
        if found.window > 0.0 {
            self.invalid_reasons.extend(found.reasons());
        }
        self.set_histogram("response_ns", response);
        self.set_histogram("service_ns", service);
        self.set_histogram("lag_ns", lag);
    }
}

impl Found {
    fn reasons(&self) -> impl Iterator<Item = String> {
        [self.late(), self.busy(), self.short(), self.little()]
            .into_iter()
            .flatten()
    }

    /// The generator came late by itself: in more than one of a hundred operations by more than the time between two of them, and by more
    /// than the stack then took. Where both ends share a thread its turn is as long as the stack makes it, and so is the service.
    fn late(&self) -> Option<String> {
        let late = self.lag_p99 as f64;
        let (least, most) = LATE;
        (late > self.gap.clamp(least, most) && self.lag_p99 > self.service_p99).then(|| {
            format!(
                "client_bound: the load generator itself was {:.3} ms late in one of a hundred operations (`lag_ns_p99`), and the stack took {:.3} ms \
                 (`service_ns_p99`); offer less, use more --generators, or measure when the machine is quiet",
                late / 1e6,
                self.service_p99 as f64 / 1e6
            )
        })
    }

    /// The end that asks had work for all of the window, while the one that answers had none for half of it.
    fn busy(&self) -> Option<String> {
        let busy = self.busy?;
        (busy.client >= BUSY && busy.server < IDLES).then(|| {
            format!(
                "client_bound: the end that asks, with the load generator in its threads, was busy for {:.0} % of the window (`client_busy_ratio`) and the \
                 one that answers for {:.0} % (`server_busy_ratio`); offer less, or use more --generators",
                100.0 * busy.client,
                100.0 * busy.server
            )
        })
    }

    /// Operations that are in service when the window ends are not missing.
    fn short(&self) -> Option<String> {
        let in_service = self.achieved * self.service_mean / 1e9;
        let explained = self.achieved + (1.0 + in_service) / self.window;
        (explained < LEAST_ACHIEVED * self.offered).then(|| {
            format!(
                "short_of_rate: {:.0} operations/s were offered and {:.0} achieved ({:.1} %, at least {:.0} % are to be); offer less, or allow \
                 more --connections in flight",
                self.offered,
                self.achieved,
                100.0 * self.achieved / self.offered,
                100.0 * LEAST_ACHIEVED
            )
        })
    }

    /// Little's law holds where as much ends as begins: else the figures depend on how long the window is.
    fn little(&self) -> Option<String> {
        let in_flight = self.in_flight?;
        let by_law = self.responses as f64 / self.window * self.response_mean / 1e9;
        let off = (in_flight - by_law).abs() / by_law;
        (off > LITTLES_LAW).then(|| {
            format!(
                "little: {in_flight:.2} operations were in flight in the mean (`in_flight_mean`), but rate × mean response time comes to {by_law:.2} \
                 ({:.0} % off): there was no steady state; offer less, or make --duration longer",
                100.0 * off
            )
        })
    }
}
