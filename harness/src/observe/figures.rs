//! What an interval came to, short enough to be kept for hours.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::Serialize;

use super::Interval;
use crate::measure::counters::KernelCounters;
use crate::measure::recorder::{empty_histogram, from_buckets};

/// An interval of the measured window of a run.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(crate) struct Figures {
    /// Seconds since the window began.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// Completed in the interval: connections, teardowns, transactions, bytes or datagrams.
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) failed: u64,
    /// Arrivals of an open loop that found no room to wait in; null in a closed loop.
    pub(crate) dropped_arrivals: Option<u64>,
    /// TIME_WAIT entries held at the end of the interval; null where the stack cannot tell.
    pub(crate) time_wait: Option<u64>,
    /// Of the operations that ended in the interval; null where none did, or where the scenario has none.
    pub(crate) latency_ns: Option<LatencyOfInterval>,
    /// The same from the intended starts of an open loop, which is what users waited; null in a closed loop.
    pub(crate) response_ns: Option<LatencyOfInterval>,
    /// What the kernel counted in the interval.
    pub(crate) kernel: KernelCounters,
    /// The latencies as HdrHistogram's V2 encoding has them, compressed: some hundred bytes. Documents leave them to interval logs.
    #[serde(skip)]
    encoded: Vec<u8>,
}

/// Percentiles of one interval, which say less than those of a run. They must not be averaged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub(crate) struct LatencyOfInterval {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Figures {
    pub(crate) fn of(interval: &Interval) -> Self {
        let histogram = from_buckets(&interval.latencies);
        Self {
            from: interval.from,
            to: interval.to,
            operations: interval.operations,
            per_second: interval.per_second,
            failed: interval.failed,
            dropped_arrivals: interval.dropped_arrivals,
            time_wait: interval.time_wait,
            latency_ns: LatencyOfInterval::of(&histogram),
            response_ns: LatencyOfInterval::of(&from_buckets(&interval.responses)),
            kernel: interval.kernel.clone(),
            encoded: encode(&histogram),
        }
    }

    /// All latencies of the interval.
    pub(crate) fn histogram(&self) -> Histogram<u64> {
        let decoded = Deserializer::new().deserialize(&mut self.encoded.as_slice());
        decoded.unwrap_or_else(|_| empty_histogram())
    }
}

impl LatencyOfInterval {
    /// `None` for no latencies.
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        })
    }
}

fn encode(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut encoded = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut encoded)
        .expect("memory takes every histogram");
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn an_interval_is_kept_short_and_whole() {
        let interval = fixtures::interval();
        let kept = Figures::of(&interval);
        assert_eq!(kept.histogram(), from_buckets(&interval.latencies));
        assert_eq!(kept.latency_ns.as_ref().map(|latency| latency.count), Some(1001));
        assert!(kept.encoded.len() < 200, "{} bytes", kept.encoded.len());
        let silent = Figures::of(&Interval::default());
        assert_eq!((&silent.latency_ns, silent.histogram().len()), (&None, 0));
    }
}
