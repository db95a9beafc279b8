//! What a list of sequence numbers, in their order of arrival, says of loss, duplication and reordering.

mod reading;
mod table;

use std::collections::BTreeMap;
use std::io::BufRead;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::reading::Unreadable;
pub(crate) use self::table::findings;
use crate::measure::reordering::{Arrival, Observer, Thresholds, spread};

/// Names the format of a [`Replay`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum ReplayFormat {
    #[serde(rename = "handfast.replay-seq/1")]
    Replay1,
}

/// What a list came to: `arrivals = distinct + duplicated + too_old + implausible`, and `sent = distinct + lost`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Replay {
    pub(crate) schema: ReplayFormat,
    /// Datagrams sent: as told, else the highest number that came and is believed.
    pub(crate) sent: u64,
    /// Datagrams that arrived, copies included.
    pub(crate) arrivals: u64,
    /// Distinct datagrams that arrived.
    pub(crate) distinct: u64,
    /// Datagrams that never came; an upper bound when arrivals were too old to be told apart.
    pub(crate) lost: u64,
    /// Copies beyond the first.
    pub(crate) duplicated: u64,
    /// First copies that came late (RFC 4737 §3.3).
    pub(crate) reordered: u64,
    /// The same among those that arrived (RFC 4737 §4.1); null when none arrived.
    pub(crate) reordered_ratio: Option<f64>,
    /// Arrivals too far behind to tell a first copy from another.
    pub(crate) too_old: u64,
    /// Arrivals too far ahead to be believed.
    pub(crate) implausible: u64,
    /// RFC 5236 DT and BT.
    pub(crate) threshold: u64,
    /// The metrics of RFC 4737, RFC 5236 and RFC 5560 by name, as the scenario `reorder` reports them, and the one-way delay
    /// `delay_ns`. What the list has no times or bytes for has a count of 0.
    pub(crate) distributions: BTreeMap<String, Value>,
}

/// Observes a whole list. `sent` is how many were sent, where that is known.
///
/// # Errors
/// At a line that tells no arrival, when nothing says how many were sent, and when more came than that.
pub(crate) fn replay(list: impl BufRead, sent: Option<u64>, threshold: u16) -> Result<Replay, Unreadable> {
    let mut observer = Observer::new(Thresholds {
        displacement: usize::from(threshold),
        occupancy: usize::from(threshold),
        ..Thresholds::default()
    });
    let (mut highest, mut all_have_bytes) = (None, true);
    reading::each_line(list, |line| {
        let bytes = line.bytes.unwrap_or(0);
        all_have_bytes &= line.bytes.is_some();
        if observer.observe(line.sequence, line.received_ns, line.sent_ns, bytes) != Arrival::Implausible {
            highest = highest.max(Some(line.sequence));
        }
    })?;
    if let (Some(sent), Some(highest)) = (sent, highest)
        && sent < highest
    {
        return Err(Unreadable(format!(
            "--sent {sent}: number {highest} arrived, so that at least {highest} were sent"
        )));
    }
    let Some(sent) = sent.or(highest) else {
        return Err(Unreadable(
            "there is no sequence number in it that is believed: --sent K says how many were sent".to_owned(),
        ));
    };
    let found = observer.finish(sent);
    let named = found.distributions().into_iter();
    let mut distributions: BTreeMap<String, Value> =
        named.map(|(name, value)| (name.to_owned(), value)).collect();
    distributions.insert("delay_ns".to_owned(), spread(&found.delay));
    if !all_have_bytes {
        distributions.insert("byte_offset".to_owned(), serde_json::json!({ "count": 0 }));
    }
    Ok(Replay {
        schema: ReplayFormat::Replay1,
        sent,
        arrivals: found.arrivals,
        distinct: found.distinct,
        lost: found.lost,
        duplicated: found.duplicates,
        reordered: found.order.reordered,
        reordered_ratio: found.reordered_ratio(),
        too_old: found.beyond_window,
        implausible: found.implausible,
        threshold: u64::from(threshold),
        distributions,
    })
}
