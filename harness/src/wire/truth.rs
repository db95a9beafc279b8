//! What was done to packets: counts always, and each packet where a log is asked for.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::recorder::Recorder;
use crate::stack::Nanos;

/// What was done to the packets of a run, from its first to its last.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Truths {
    /// From client to server.
    pub(crate) forward: Report,
    /// From server to client.
    pub(crate) back: Report,
}

/// What was done to the packets of one direction. Offered is passed, corrupted and dropped together, and what is still in flight.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    /// TCP and UDP packets that were sent.
    pub(crate) offered: u64,
    /// Those that were delivered as they were sent.
    pub(crate) passed: u64,
    pub(crate) dropped_by_loss: u64,
    pub(crate) dropped_by_queue: u64,
    /// Passed ones that were delivered twice.
    pub(crate) duplicated: u64,
    /// Delivered with one bit flipped.
    pub(crate) corrupted: u64,
    /// Passed ones that were delivered after one that was sent later (RFC 4737 §3.3).
    pub(crate) reordered: u64,
    /// Still on the way when the run was over.
    pub(crate) in_flight: u64,
    /// Packets of other protocols, such as ARP, which are passed on at once and not numbered.
    pub(crate) bypassed: u64,
    /// Packets that the receiving device refused: none, or the counts do not tell everything.
    pub(crate) refused: u64,
    /// Packets that the sender's device dropped before they came here; null where the kernel does not tell.
    pub(crate) overrun: Option<u64>,
    /// From a packet's sending to when it was due.
    pub(crate) delay: Option<Spread>,
    /// From when a packet was due to when it was delivered: what the emulator's own thread adds.
    pub(crate) lateness: Option<Spread>,
}

/// A distribution of nanoseconds, to three significant digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Spread {
    pub(crate) min_ns: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) max_ns: u64,
}

impl Report {
    /// Why the counts do not tell everything that was done to packets; `None` when they do.
    pub(crate) fn gap(&self) -> Option<String> {
        let overrun = self.overrun.unwrap_or(0);
        (overrun + self.refused > 0).then(|| {
            format!(
                "the wire did not keep up: {overrun} packets were dropped in front of it and {} behind it",
                self.refused
            )
        })
    }
}

impl Spread {
    fn of(recorder: Recorder) -> Option<Self> {
        let all = recorder.into_histogram();
        (!all.is_empty()).then(|| Self {
            min_ns: all.min(),
            p50_ns: all.value_at_quantile(0.5),
            p99_ns: all.value_at_quantile(0.99),
            max_ns: all.max(),
        })
    }
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    InFlight,
    Passed,
    Duplicated,
    Corrupted,
    Loss,
    Queue,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in-flight",
            Self::Passed => "passed",
            Self::Duplicated => "duplicated",
            Self::Corrupted => "corrupted",
            Self::Loss => "dropped-by-loss",
            Self::Queue => "dropped-by-queue",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    sent: Nanos,
    bytes: u32,
    verdict: Verdict,
    due: Option<Nanos>,
}

/// What is being written down of one direction.
#[derive(Debug)]
pub(super) struct Truth {
    counts: Report,
    delay: Recorder,
    lateness: Recorder,
    /// The number that follows the highest one that was passed.
    next_expected: u64,
    /// One for each packet, in the order of their numbers.
    log: Option<Vec<Line>>,
}

impl Truth {
    pub(super) fn new(keeps_log: bool) -> Self {
        Self {
            counts: Report::default(),
            delay: Recorder::new(),
            lateness: Recorder::new(),
            next_expected: 0,
            log: keeps_log.then(Vec::new),
        }
    }

    pub(super) fn offered(&mut self, sent: Nanos, bytes: u32) {
        self.counts.offered += 1;
        if let Some(log) = &mut self.log {
            log.push(Line {
                sent,
                bytes,
                verdict: Verdict::InFlight,
                due: None,
            });
        }
    }

    pub(super) fn dropped(&mut self, number: u64, by: Verdict) {
        match by {
            Verdict::Loss => self.counts.dropped_by_loss += 1,
            _ => self.counts.dropped_by_queue += 1,
        }
        self.note(number, by, None);
    }

    /// A packet sent at `sent` that was due at `due` is delivered at `now`.
    pub(super) fn delivered(&mut self, number: u64, verdict: Verdict, times: [Nanos; 3]) {
        let [sent, due, now] = times;
        self.delay.record(due - sent);
        self.lateness.record(now - due);
        if verdict == Verdict::Corrupted {
            self.counts.corrupted += 1;
        } else {
            self.counts.passed += 1;
            self.counts.duplicated += u64::from(verdict == Verdict::Duplicated);
            self.counts.reordered += u64::from(number < self.next_expected);
            self.next_expected = self.next_expected.max(number + 1);
        }
        self.note(number, verdict, Some(due));
    }

    pub(super) fn bypassed(&mut self) {
        self.counts.bypassed += 1;
    }

    pub(super) fn refused(&mut self) {
        self.counts.refused += 1;
    }

    fn note(&mut self, number: u64, verdict: Verdict, due: Option<Nanos>) {
        if let Some(log) = &mut self.log {
            let line = &mut log[number as usize - 1];
            (line.verdict, line.due) = (verdict, due);
        }
    }

    pub(super) fn report(&self) -> Report {
        let counts = &self.counts;
        let ended = counts.passed + counts.corrupted + counts.dropped_by_loss + counts.dropped_by_queue;
        Report {
            in_flight: counts.offered - ended,
            delay: Spread::of(self.delay.clone()),
            lateness: Spread::of(self.lateness.clone()),
            ..counts.clone()
        }
    }

    /// Lines of `direction,number,sent_ns,bytes,verdict,due_ns`; the last is empty for a packet that was never due.
    pub(super) fn write(&self, direction: &str, to: &mut dyn Write) -> io::Result<()> {
        for (number, line) in (1..).zip(self.log.iter().flatten()) {
            let due = line.due.map_or(String::new(), |due| due.to_string());
            let Line { sent, bytes, .. } = line;
            writeln!(
                to,
                "{direction},{number},{sent},{bytes},{},{due}",
                line.verdict.name()
            )?;
        }
        Ok(())
    }
}
