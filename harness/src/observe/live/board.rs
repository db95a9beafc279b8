//! What a live view shows: where the comparison is, the run that goes on, and what the runs before it came to.

use std::collections::VecDeque;

use super::bins::Bins;
use crate::observe::{Figures, Interval, RunEnded, Standing, Whereabouts, operation};
use crate::report::units;

/// Rates that are kept of a run: as many as a wide terminal has columns.
const RATES: usize = 400;

/// Everything that is shown.
#[derive(Clone, Default, Debug)]
pub(super) struct Board {
    pub(super) standing: Option<Standing>,
    /// Runs of each column.
    pub(super) runs: u32,
    /// The part of the comparison that is over, 0 to 1.
    pub(super) part: f64,
    /// Operations per second of the intervals of this run, the latest at the end.
    pub(super) rates: VecDeque<u64>,
    /// The latest interval of this run.
    pub(super) last: Option<Figures>,
    /// The latencies of the intervals of this run; from the intended starts in an open loop.
    pub(super) bins: Bins,
    /// Failed in the intervals of this run.
    pub(super) failed: u64,
    /// Arrivals that an open loop dropped in them; `None` in a closed one.
    pub(super) dropped: Option<u64>,
    valid: u32,
    invalid: u32,
    unsupported: u32,
    /// Why the latest run that does not count does not.
    pub(super) reason: Option<String>,
}

impl Board {
    pub(super) fn arrive(&mut self, at: &Whereabouts<'_>) {
        self.part = at.part;
        self.runs = at.runs;
        self.turn_to(at.standing);
    }

    pub(super) fn add(&mut self, standing: &Standing, interval: &Interval) {
        self.turn_to(standing);
        if self.rates.len() == RATES {
            self.rates.pop_front();
        }
        self.rates.push_back(interval.per_second as u64);
        self.failed += interval.failed;
        if let Some(dropped) = interval.dropped_arrivals {
            self.dropped = Some(self.dropped.unwrap_or(0) + dropped);
        }
        self.bins.add(if interval.responses.is_empty() {
            &interval.latencies
        } else {
            &interval.responses
        });
        self.last = Some(Figures::of(interval));
    }

    pub(super) fn end(&mut self, standing: &Standing, ended: &RunEnded) {
        let reason = match ended {
            RunEnded::Valid => {
                self.valid += 1;
                return;
            }
            RunEnded::Invalid(reason) => {
                self.invalid += 1;
                reason
            }
            RunEnded::Unsupported(reason) => {
                self.unsupported += 1;
                reason
            }
        };
        let first = reason.lines().next().unwrap_or_default();
        self.reason = Some(format!("{}, run {}: {first}", standing.stack, standing.run));
    }

    /// Another run begins with nothing; what the runs came to stays.
    fn turn_to(&mut self, standing: &Standing) {
        if self.standing.as_ref() != Some(standing) {
            self.standing = Some(standing.clone());
            self.rates.clear();
            self.last = None;
            self.bins = Bins::default();
            self.failed = 0;
            self.dropped = None;
        }
    }

    /// Which run goes on.
    pub(super) fn title(&self) -> String {
        let Some(standing) = &self.standing else {
            return "nothing runs yet".to_owned();
        };
        let Standing {
            name,
            stack,
            path,
            placement,
            connections,
            run,
            ..
        } = standing;
        let runs = self.runs;
        format!("{name} on {stack} ({path}, {placement}, connections {connections}), run {run} of {runs}")
    }

    /// The rate of the latest interval.
    pub(super) fn rate(&self) -> String {
        match (&self.standing, &self.last) {
            (Some(standing), Some(last)) => {
                let operations = operation(standing.scenario);
                format!("{} {operations}/s", units::scaled(last.per_second))
            }
            _ => "no interval is over yet".to_owned(),
        }
    }

    /// What the times are that are shown.
    pub(super) fn kind_of_time(&self) -> &'static str {
        match self.last.as_ref().and_then(|last| last.response_ns.as_ref()) {
            Some(_) => "response",
            None => "latency",
        }
    }

    /// Percentiles of the latest interval; in an open loop from the intended starts, as users wait.
    pub(super) fn latency(&self) -> String {
        let last = self.last.as_ref();
        let Some(latency) = last.and_then(|last| last.response_ns.as_ref().or(last.latency_ns.as_ref()))
        else {
            return "–".to_owned();
        };
        let values = [
            ("p50", latency.p50),
            ("p99", latency.p99),
            ("p99.9", latency.p999),
            ("max", latency.max),
        ];
        let shown = values.map(|(name, value)| format!("{name} {}", units::nanoseconds(value as f64)));
        shown.join("  ")
    }

    /// TIME_WAIT entries, what failed, and what an open loop dropped.
    pub(super) fn counts(&self) -> String {
        let entries = self.last.as_ref().and_then(|last| last.time_wait);
        let entries = entries.map_or("–".to_owned(), |entries| entries.to_string());
        let dropped = self
            .dropped
            .map_or_else(String::new, |dropped| format!("  dropped {dropped}"));
        format!("TIME_WAIT {entries}  failed {}{dropped}", self.failed)
    }

    /// What the runs came to so far.
    pub(super) fn verdict(&self) -> String {
        let Self {
            valid,
            invalid,
            unsupported,
            ..
        } = self;
        format!("{valid} valid  {invalid} invalid  {unsupported} unsupported")
    }

    /// Whether a run does not count.
    pub(super) fn is_spoilt(&self) -> bool {
        self.invalid > 0
    }
}
