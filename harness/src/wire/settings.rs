//! What a link does to packets, as `--link` says it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parse;
use crate::stack::Nanos;

/// Both directions of a wire.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Links {
    /// From client to server.
    pub(crate) forward: Link,
    /// From server to client.
    pub(crate) back: Link,
    /// Whether what is done to each packet is written down.
    pub(crate) log: bool,
}

/// One direction of a wire, as settings that follow one another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub(crate) struct Link {
    text: String,
    /// Each from so many nanoseconds after the first packet on; the first from 0 on, ascending.
    steps: Vec<(Nanos, Settings)>,
}

/// What holds at a time.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Settings {
    /// Bits in a second; `None` takes no time.
    pub(crate) rate: Option<u64>,
    pub(crate) delay: Nanos,
    pub(crate) jitter: Option<Jitter>,
    pub(crate) loss: Loss,
    /// Probabilities, from 0 to 1.
    pub(crate) duplicate: f64,
    pub(crate) corrupt: f64,
    pub(crate) reorder: Option<Reorder>,
    pub(crate) queue: QueueSettings,
}

/// What is added to the delay. It keeps the order of packets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Jitter {
    pub(crate) spread: Nanos,
    pub(crate) shape: Shape,
}

/// How jitter is distributed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// From −spread to +spread.
    Uniform,
    /// With spread as the standard deviation.
    Normal,
    /// Spread × (u^(−1/3) − 1): never negative, half of spread in the mean, with a heavy tail.
    Pareto,
}

/// Which packets are lost before they reach the queue.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Loss {
    /// Each by itself.
    Bernoulli(f64),
    /// By a chain of two states, which takes a step for every packet (Gilbert, Elliott).
    GilbertElliott {
        /// From good to bad, and from bad to good.
        worsens: f64,
        recovers: f64,
        lost_in_bad: f64,
        lost_in_good: f64,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::Bernoulli(0.0)
    }
}

/// Which packets others overtake, by being held for longer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Reorder {
    /// Each with this probability.
    Delay { probability: f64, held: Nanos },
    /// Every so many-th.
    Gap { every: u64, held: Nanos },
    /// By paths that take turns, each longer than the one before it.
    Paths { count: u64, longer: Nanos },
}

/// The queue in front of the rate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct QueueSettings {
    pub(crate) limit: Limit,
    pub(crate) discipline: Discipline,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            limit: Limit::Packets(1000),
            discipline: Discipline::TailDrop,
        }
    }
}

impl QueueSettings {
    /// Whether a packet that finds the link idle passes without a look: RED and CoDel have to see every one.
    pub(super) fn is_plain(&self) -> bool {
        self.discipline == Discipline::TailDrop
    }
}

/// What a queue holds at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    Packets(u64),
    Bytes(u64),
}

/// Which packets a queue drops.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Discipline {
    /// Those that find it full.
    TailDrop,
    /// Random early detection (Floyd, Jacobson 1993); lengths in the limit's unit.
    Red {
        low: f64,
        high: f64,
        most: f64,
        weight: f64,
    },
    /// RFC 8289.
    Codel { target: Nanos, interval: Nanos },
}

impl Link {
    pub(super) fn new(text: &str, steps: Vec<(Nanos, Settings)>) -> Self {
        Self {
            text: text.to_owned(),
            steps,
        }
    }

    /// What holds so many nanoseconds after the first packet.
    pub(crate) fn at(&self, elapsed: Nanos) -> &Settings {
        let after = self.steps.partition_point(|(from, _)| *from <= elapsed);
        &self.steps[after.max(1) - 1].1
    }

    /// The lowest rate of all settings, in bits in a second.
    pub(crate) fn lowest_rate(&self) -> Option<u64> {
        self.steps.iter().filter_map(|(_, settings)| settings.rate).min()
    }
}

/// A link that does nothing to packets.
impl Default for Link {
    fn default() -> Self {
        Self::new("", vec![(0, Settings::default())])
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        parse::steps(text).map(|steps| Self::new(text, steps))
    }
}

impl TryFrom<String> for Link {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Link> for String {
    fn from(link: Link) -> Self {
        link.text
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}
