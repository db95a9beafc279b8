//! What scenarios report of an open loop.

#[cfg(test)]
mod tests;

use super::Measurement;
use crate::load::open_loop::OpenTally;
use crate::load::outcome::Outcome;

impl Measurement {
    /// What all generators together offered, and what became of it. `of` is the tally of one generator.
    pub(super) fn set_open_loop<C, S>(
        &mut self,
        outcome: &Outcome<C, S>,
        total: OpenTally,
        of: impl Fn(&C) -> Option<&OpenTally>,
    ) {
        let offered = outcome.rate(|one| {
            let offered = of(&one.client.tally).map_or(0, |tally| tally.offered);
            (offered as f64, one.client.span)
        });
        self.set("offered_per_second", offered);
        self.set_count("dropped_arrivals", Some(total.dropped));
        self.set_histogram("response_ns", total.response.into_histogram());
        self.set_histogram("service_ns", total.service.into_histogram());
        self.set_histogram("lag_ns", total.lag.into_histogram());
    }
}
