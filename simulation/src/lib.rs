//! Whole networks of engines in virtual time, from one seed.
//!
//! A [`Plan`] is drawn from the seed: two to four hosts, links with faults whose distribution differs from seed to seed, and applications that
//! talk TCP and UDP over IPv4 and IPv6 in every manner and order. [`run`] lets it happen and checks, after every step:
//!
//! - what the engine holds ([`Engine::check_invariants`](handfast::engine::Engine::check_invariants));
//! - what it sends, by a referee on the wire that shares no code with it: lengths and checksums, the peer's window, its own window's edge,
//!   the initial window, and that nothing is sent again before anybody can have known that it was lost;
//! - what its applications hear: every octet once and in order, or a reason that the faults of this seed explain; no event behind the last
//!   one, and an error for every use of a handle whose connection is gone;
//! - that everything ends within a time that the faults explain, that TIME_WAIT lasts its 60 s, and that nothing is left at last.
//!
//! The same seed gives the same packets at the same times: [`Report::trace`] is a number made of all of them.

mod end;
mod host;
mod network;
pub mod plan;
mod random;
mod referee;
mod segment;
mod stream;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use handfast::time::Instant;

pub use self::plan::Plan;
pub use self::referee::Traced;
use self::world::{Problem, World};

/// What happened in a simulation that kept all rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// All packets, their bytes and their times, as one number.
    pub trace: u64,
    /// Packets sent and received.
    pub packets: u64,
    /// Turns that hosts took.
    pub turns: u64,
    /// When the applications were done, in virtual time from the start.
    pub finished_at: Instant,
}

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {seed} at {at:?}: {what}")]
pub struct Failure {
    /// What reproduces it.
    pub seed: u64,
    /// Virtual time from the start.
    pub at: Instant,
    /// What is wrong.
    pub what: String,
}

/// Runs a plan.
///
/// # Errors
/// The first broken rule. A panic of the engine is one.
pub fn run(plan: &Plan) -> Result<Report, Failure> {
    play(plan, &[], false).map(|(report, _)| report)
}

/// Runs a plan and tells what was sent, in a form that depends neither on the clocks' epoch nor on keys and addresses.
///
/// # Errors
/// As [`run`].
pub fn trace(plan: &Plan) -> Result<Vec<Traced>, Failure> {
    play(plan, &[], true).map(|(_, trace)| trace)
}

/// Runs a plan and keeps the packets of each host as a pcapng file in memory, whatever the outcome is.
pub fn capture(plan: &Plan) -> (Result<Report, Failure>, Vec<Vec<u8>>) {
    let tapes: Vec<_> = plan
        .hosts
        .iter()
        .map(|_| Rc::new(RefCell::new(Vec::new())))
        .collect();
    let outcome = play(plan, &tapes, false).map(|(report, _)| report);
    (outcome, tapes.iter().map(|tape| tape.take()).collect())
}

fn play(plan: &Plan, tapes: &[host::Tape], traces: bool) -> Result<(Report, Vec<Traced>), Failure> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan, tapes, traces);
        let report = world.run()?;
        Ok((report, world.trace()))
    }));
    let problem = match result {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(problem)) => problem,
        Err(panic) => Problem {
            at: Instant::ZERO,
            what: format!("panic: {}", message(panic.as_ref())),
        },
    };
    Err(Failure {
        seed: plan.seed,
        at: problem.at,
        what: problem.what,
    })
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a message",
    }
}
