//! `packets`: what the engine adds to a device of the kernel.
//!
//! The kernel sends bursts of UDP datagrams, and each comes back: by turns from the bare loop over the device (receive, swap addresses,
//! transmit) and from the engine's UDP over the same device, all in one thread. Counted is the thread's processor time in turns of the answering end
//! that moved packets; sending a burst and hearing the answers is not in it, nor what other programs do meanwhile. What the kernel does in that time
//! for a packet on its way (veth, softirq, the receiving socket) is in both figures alike.

mod bursts;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::bursts::{Bursts, Tally};
use super::{Measurement, Run, Unsupported};
use crate::load;
use crate::path::lab::{self, Lab};
use crate::stack::reflect::{self, By};

/// Before the window: caches and tables are warm, and neighbours know each other.
const WARM_UP: Duration = Duration::from_millis(100);
/// Fewer answers than this say nothing about a rate.
const FEWEST: u64 = 100;

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    load::pin_to_first_core();
    let mut bursts = Bursts::new(reflect::open(run.config)?, run.config)?;
    bursts.make_acquaintance()?;
    let begin = Instant::now();
    let whole = WARM_UP + run.config.duration;
    let mut counted = [Tally::default(); 2];
    let mut is_counted = false;
    let mut looked = Duration::ZERO;
    while begin.elapsed() < whole && !run.stop.load(Ordering::Relaxed) {
        if !is_counted && begin.elapsed() >= WARM_UP {
            (counted, is_counted) = ([Tally::default(); 2], true);
        }
        // A, B, B, A: what comes second finds other caches than what comes first.
        for by in [By::Engine, By::Bare, By::Bare, By::Engine] {
            counted[by as usize].add(bursts.burst(by)?);
        }
        let elapsed = begin.elapsed();
        if elapsed > looked + Duration::from_millis(50) {
            looked = elapsed;
            (run.watch.progress)((elapsed.as_secs_f64() / whole.as_secs_f64()).min(1.0));
        }
    }
    let [bare, engine] = counted;
    let mut found = figures(&bare, &engine, is_counted);
    found.check_cable(lab::built().and_then(Lab::missing_device));
    Ok(found)
}

fn figures(bare: &Tally, engine: &Tally, is_counted: bool) -> Measurement {
    let mut found = Measurement::default();
    found.set("packets_per_second", engine.rate());
    found.set("bare_packets_per_second", bare.rate());
    found.set(
        "engine_to_bare",
        engine.rate().zip(bare.rate()).map(|(engine, bare)| engine / bare),
    );
    found.set("system_calls_per_packet", engine.system_calls_each());
    found.set("bare_system_calls_per_packet", bare.system_calls_each());
    found.set_count("lost", Some(bare.lost() + engine.lost()));
    if !is_counted {
        found.invalid("the run was stopped before its measured window began".into());
    }
    for (tally, who) in [(bare, "the bare loop"), (engine, "the engine")] {
        if tally.answered < FEWEST {
            found.invalid(format!(
                "{who} sent only {} packets back in the measured window; at least {FEWEST} are needed for a rate",
                tally.answered
            ));
        }
        if tally.wrong > 0 {
            found.invalid(format!(
                "{} answers of {who} were not what had been sent",
                tally.wrong
            ));
        }
    }
    found
}

/// The names of all figures.
#[cfg(test)]
pub(super) fn reported() -> impl Iterator<Item = &'static str> {
    let nothing = Tally::default();
    figures(&nothing, &nothing, true).metrics.into_keys()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answered: u64, ns: u64, system_calls: u64) -> Tally {
        Tally {
            sent: answered + 1,
            answered,
            heard: answered,
            wrong: 0,
            ns,
            system_calls,
        }
    }

    #[test]
    fn the_ratio_is_of_rates_in_the_processor_time_of_who_answers() {
        let found = figures(&tally(1000, 2_000_000, 100), &tally(500, 1_250_000, 100), true);
        let figure = |name: &str| found.metrics[name];
        assert_eq!(figure("bare_packets_per_second"), Some(500_000.0));
        assert_eq!(figure("packets_per_second"), Some(400_000.0));
        assert_eq!(figure("engine_to_bare"), Some(0.8));
        assert_eq!(figure("bare_system_calls_per_packet"), Some(0.1));
        assert_eq!(figure("system_calls_per_packet"), Some(0.2));
        assert_eq!(figure("lost"), Some(2.0));
        assert!(found.invalid_reasons.is_empty(), "{:?}", found.invalid_reasons);
    }

    #[test]
    fn too_few_answers_and_wrong_ones_are_no_figures() {
        let garbled = Tally {
            wrong: 1,
            ..tally(1000, 1, 1)
        };
        let found = figures(&tally(99, 1, 1), &garbled, false);
        assert_eq!(found.invalid_reasons.len(), 3, "{:?}", found.invalid_reasons);
        assert_eq!(
            figures(&Tally::default(), &garbled, true).metrics["engine_to_bare"],
            None
        );
    }
}
