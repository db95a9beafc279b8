//! What a run takes of the machine's memory, told before the kernel has to end programs to get it back.

use super::{pool, presize};
use crate::config::{Closer, RunConfig};
use crate::measure::environment::available_memory;
use crate::stack::{Side, Unsupported};

/// Bytes of a connection at one end: state, index, handle and timer, with what is sized ahead.
const CONNECTION: u64 = 384;
/// Bytes of a TIME_WAIT entry and its share of the index.
const TIME_WAIT_ENTRY: u64 = 40;

/// Refuses a run that would take more memory than is free.
///
/// # Errors
/// [`Unsupported`] says how much it would take.
pub(crate) fn check(run: &RunConfig) -> Result<(), Unsupported> {
    match available_memory() {
        Some(available) => fits(run, available),
        None => Ok(()),
    }
}

fn fits(run: &RunConfig, available: u64) -> Result<(), Unsupported> {
    let needed = needed(run);
    if needed <= u128::from(available) {
        return Ok(());
    }
    let RunConfig {
        generators,
        connections,
        idle,
        time_wait,
        ..
    } = run;
    Err(Unsupported(format!(
        "{generators} generators with {connections} connections each, {idle} idle ones and {time_wait} TIME_WAIT entries take about \
         {} GiB of memory, and {:.1} GiB are free: ask for fewer",
        needed.div_ceil(1 << 30),
        available as f64 / f64::from(1 << 30)
    )))
}

/// Bytes that both ends of all generators come to use.
fn needed(run: &RunConfig) -> u128 {
    let pool = pool();
    let frames = pool.small_slots as u128 * 2048 + pool.large_slots as u128 * 65_536;
    let generators = u128::from(run.generators);
    let connections = generators * u128::from(run.connections) + u128::from(run.idle);
    let closing = match run.closer {
        Closer::Client => Side::Client,
        Closer::Server => Side::Server,
    };
    let entries = generators * u128::from(presize(run, closing));
    2 * generators * frames + 2 * connections * u128::from(CONNECTION) + entries * u128::from(TIME_WAIT_ENTRY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, PathKind, ScenarioKind, StackKind};

    const GIB: u64 = 1 << 30;

    fn run(change: impl FnOnce(&mut RunConfig)) -> RunConfig {
        let options = Options::default();
        let mut run = RunConfig::effective(
            ScenarioKind::Crr,
            StackKind::Engine,
            PathKind::Memory,
            64,
            &options,
        );
        change(&mut run);
        run
    }

    #[test]
    fn what_does_not_fit_says_what_it_would_take() {
        let fits = |run: &RunConfig| fits(run, 8 * GIB);
        assert!(fits(&run(|_| ())).is_ok(), "the defaults are small");
        assert!(fits(&run(|run| run.idle = 3_000_000)).is_ok());
        for many in [
            run(|run| run.generators = 1000),
            run(|run| run.connections = u32::MAX),
            run(|run| run.idle = u64::MAX / 4),
            run(|run| run.time_wait = 2_000_000_000),
        ] {
            let Err(Unsupported(reason)) = fits(&many) else {
                panic!("{many:?} fits")
            };
            assert!(
                reason.contains("GiB of memory, and 8.0 GiB are free: ask for fewer"),
                "{reason}"
            );
        }
    }
}
