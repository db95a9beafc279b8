//! `syn-flood`: what a flood of SYNs (RFC 4987) leaves of a server to those who mean it.
//!
//! In memory the flood comes out of the server's own device; over veth a thread of its own sends it from the client's host.
//!
//! Connections go as those of `crr`, first in a quiet window of half the length, on ends of its own, and then in one with the flood, which
//! began with the ends and so has filled the half-open table before the window. What the flood brought and what it was answered is counted
//! between the two ends of the window; so are connections that failed, which are a finding here and no reason not to count.

use super::cycles::{self, Cycles};
use super::{Measurement, Run, Unsupported};
use crate::config::{RunConfig, StackKind};
use crate::load::cycle::{Cycle, CycleTally};
use crate::load::flooder::Flooding;
use crate::load::outcome::Outcome;
use crate::load::pulse::Watch;
use crate::stack::StackCounters;

/// The part of the flood that has to arrive.
const LEAST_DELIVERED: f64 = 0.95;
/// The quiet window as a part of all measured time.
const QUIET: f64 = 1.0 / 3.0;

type Found = Outcome<CycleTally, ()>;

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    let quiet = drive_quiet(run)?;
    let flooded = drive_flooded(run)?;
    let (quiet_total, total) = (cycles::total(&quiet), cycles::total(&flooded));
    let mut reference = Measurement::default();
    reference.check_rate(&quiet, quiet_total.completed, quiet_total.failures.total());
    let mut found = cycles::report(run, &flooded, &total);
    for reason in reference.invalid_reasons {
        found.invalid(format!("of the quiet window: {reason}"));
    }
    found.set_quiet(&quiet, quiet_total, &flooded);
    found.set("success_ratio", success(total.completed, total.failures.total()));
    let arrived = arrived(run, &flooded);
    found.set_flood(&flooded, arrived);
    if found.check_window(&flooded) {
        let asked = run.config.flood.map_or(0.0, f64::from);
        found.check_flood(&flooded, arrived, asked);
    }
    let in_flight = u64::from(run.config.connections) * flooded.generators.len() as u64;
    found.check_littles_law(&flooded, in_flight, |tally| tally.operation_ns);
    Ok(found)
}

fn drive_quiet(run: &Run<'_>) -> Result<Found, Unsupported> {
    let config = RunConfig {
        flood: None,
        duration: run.config.duration / 2,
        ..run.config.clone()
    };
    let progress = |part: f64| (run.watch.progress)(QUIET * part);
    let quiet = Run {
        stack: run.stack,
        config: &config,
        stop: run.stop,
        watch: &Watch {
            progress: &progress,
            every: None,
            ..*run.watch
        },
    };
    quiet.drive(&load(&quiet))
}

fn drive_flooded(run: &Run<'_>) -> Result<Found, Unsupported> {
    let progress = |part: f64| (run.watch.progress)(QUIET + (1.0 - QUIET) * part);
    let flooded = Run {
        watch: &Watch {
            progress: &progress,
            ..*run.watch
        },
        ..*run
    };
    flooded.drive(&load(&flooded))
}

fn load(run: &Run<'_>) -> Cycles {
    Cycles::plain(Cycle::of(run.config, run.config.message))
}

/// The part of the connections that succeeded; `None` when none was tried.
fn success(completed: u64, failed: u64) -> Option<f64> {
    super::summary::ratio(Some(completed), Some(completed + failed))
}

fn rate(outcome: &Found) -> f64 {
    outcome.rate(|one| (one.client.tally.completed as f64, one.client.span))
}

/// Counts of a window, and how long it was.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    syns: u64,
    per_second: f64,
}

/// SYNs that arrived in the window, over all generators.
fn arrived(run: &Run<'_>, outcome: &Found) -> Arrived {
    match outcome.flood {
        Some(flood) => over_devices(run, outcome, &flood),
        None => in_memory(outcome),
    }
}

fn in_memory(outcome: &Found) -> Arrived {
    let syns = |counters: &StackCounters| counters.flood_syns.unwrap_or(0);
    Arrived {
        syns: outcome.grown(|counters| counters.flood_syns).unwrap_or(0),
        per_second: outcome.rate(|one| {
            let server = &one.server;
            ((syns(&server.after) - syns(&server.before)) as f64, server.span)
        }),
    }
}

/// What was sent, less what was dropped on the way: at the device, and in front of an engine that did not take it in time. A kernel always
/// takes it, and what its listener drops has arrived.
fn over_devices(run: &Run<'_>, outcome: &Found, flood: &Flooding) -> Arrived {
    let dropped = |counters: &StackCounters| counters.dropped.unwrap_or(0);
    let servers = outcome.generators.iter().map(|one| &one.server);
    let missed = if run.stack.server == StackKind::Engine {
        servers
            .map(|server| dropped(&server.after) - dropped(&server.before))
            .sum()
    } else {
        0
    };
    let syns = flood.syns.saturating_sub(flood.dropped.unwrap_or(0) + missed);
    Arrived {
        syns,
        per_second: syns as f64 * 1e9 / flood.span.max(1) as f64,
    }
}

/// Bytes of a half-open connection of the kernel's, `request_sock_TCP` in `slabinfo` of Linux 6.18 on x86-64. An estimate: its place in
/// the table of all connections costs nothing more, and its timer is in it.
const REQUEST_SOCKET: u64 = 320;

impl Measurement {
    /// What the flooded window is compared with.
    fn set_quiet(&mut self, quiet: &Found, total: CycleTally, flooded: &Found) {
        self.set("quiet_connections_per_second", rate(quiet));
        self.set("kept_ratio", rate(flooded) / rate(quiet));
        self.set_histogram("quiet_setup_ns", total.setup.into_histogram());
    }

    fn set_flood(&mut self, outcome: &Found, arrived: Arrived) {
        let sent = outcome.flood;
        self.set_count("flood_syns", Some(arrived.syns));
        let answers = outcome.grown(|counters| counters.flood_syn_acks);
        self.set_count("flood_syn_acks", answers.or(sent.and_then(|flood| flood.answers)));
        self.set_count("flood_resets", outcome.grown(|counters| counters.flood_resets));
        let cpu_ns = sent.map(|flood| flood.cpu_ns as f64 / flood.syns as f64);
        self.set("flood_cpu_ns_per_syn", cpu_ns);
        self.set_count(
            "syn_cookies_sent",
            outcome.grown(|counters| counters.syn_cookies_sent),
        );
        self.set_count(
            "syn_cookies_accepted",
            outcome.grown(|counters| counters.syn_cookies_accepted),
        );
        self.set_half_open(outcome);
    }

    fn set_half_open(&mut self, outcome: &Found) {
        let (peak, bytes) = match outcome.flood.and_then(|flood| flood.half_open) {
            Some(of_kernel) => (Some(of_kernel), Some(of_kernel * REQUEST_SOCKET)),
            None => (
                outcome.held(|counters| counters.half_open_peak),
                outcome.held(|counters| counters.half_open_bytes),
            ),
        };
        self.set_count("half_open_peak", peak);
        self.set_count("half_open_bytes", bytes);
    }

    /// A flood that did not arrive says nothing about who withstood it.
    fn check_flood(&mut self, outcome: &Found, arrived: Arrived, asked: f64) {
        let delivered = arrived.per_second;
        self.set("flood_ratio", delivered / asked);
        let window = outcome.shortest_span() as f64 / 1e9;
        self.invalid_reasons
            .extend(short_of_flood(delivered, asked, window));
    }
}

/// Why a flood of `asked` SYNs per second was none when so many arrived, in a window of so many seconds. Independent arrivals may be
/// fewer by chance: within three standard deviations they are as many as were asked for.
fn short_of_flood(delivered: f64, asked: f64, window: f64) -> Option<String> {
    let chance = 3.0 * (asked / window).sqrt();
    (delivered + chance < LEAST_DELIVERED * asked).then(|| {
        format!(
            "short_of_flood: {asked:.0} SYNs/s were asked for and {delivered:.0} delivered ({:.1} %, at least {:.0} % are to be): who sends \
             them, or the end that is flooded, had no time for more; ask for a smaller --flood",
            100.0 * delivered / asked,
            100.0 * LEAST_DELIVERED
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_that_did_not_arrive_is_none() {
        let reason = short_of_flood(94_000.0, 100_000.0, 1.0).expect("six of a hundred are missing");
        assert!(
            reason.starts_with("short_of_flood: 100000 SYNs/s") && reason.contains("94.0 %"),
            "{reason}"
        );
        assert_eq!(short_of_flood(96_000.0, 100_000.0, 1.0), None);
        assert_eq!(short_of_flood(85.0, 100.0, 1.0), None, "that may be chance");
        assert!(short_of_flood(0.0, 100.0, 1.0).is_some());
    }

    #[test]
    fn success_is_of_what_was_tried() {
        assert_eq!(success(3, 1), Some(0.75));
        assert_eq!(success(0, 0), None);
    }
}
