//! An engine with nothing to do does nothing: no device of the kernel wakes it up without reason, and none makes it poll.

use std::net::TcpStream;
use std::thread;

use handfast::engine::Budget;
use handfast::link::wait::{Waiter, Wakeup, Watch};
use handfast::time::{Duration, Instant};

use super::lines::{Kind, Setting};
use crate::support::Family;
use crate::support::namespace::isolated;

/// Times in an hour that an engine may wake up whose only connection is silent: for what the kernel says as an interface comes up, reports of
/// groups, and the ages of its neighbours.
const FEW: usize = 50;

/// The hour passes in virtual time, from deadline to deadline; what is asked for in between is whether the descriptor would have ended a sleep.
fn wakeups_in_an_hour(kind: Kind) -> Option<usize> {
    let setting = Setting {
        kind,
        mtu: 1500,
        offloads: true,
    };
    let mut host = setting.lay()?.host(Family::V4);
    let (listener, at) = host.listen();
    let client = thread::spawn(move || TcpStream::connect(at).expect("the engine accepts"));
    host.accept(listener);
    let _silent = host.run_until_finished(client);
    let mut waiter = Waiter::new(Duration::ZERO).expect("a waiter");
    let mut now = host.now();
    let end = now + Duration::from_secs(3600);
    let mut wakeups = 0;
    while let Some(later) = sleep(&mut host.engine, &mut waiter, now, end) {
        (now, wakeups) = (later, wakeups + 1);
        assert!(
            wakeups < 100 * FEW,
            "{kind:?} spins: {:#?}",
            host.engine.counters()
        );
    }
    Some(wakeups)
}

/// Polls, and says when it has to be done again; `None` when that is behind `end`.
fn sleep<D: handfast::link::Device>(
    engine: &mut handfast::engine::Engine<D>,
    waiter: &mut Waiter,
    now: Instant,
    end: Instant,
) -> Option<Instant> {
    engine.poll(now, Budget::default());
    while engine.poll_event().is_some() {}
    let watch = engine.device().descriptor().map(Watch::readable);
    // The shortest sleep that is one.
    let moment = Some(now + Duration::from_nanos(1));
    let ended = waiter.wait(now, moment, watch.as_slice()).expect("a sleep");
    if ended == Wakeup::Ready {
        return Some(now);
    }
    engine
        .next_deadline()
        .map(|deadline| deadline.max(now))
        .filter(|&deadline| deadline <= end)
}

#[test]
fn an_engine_with_a_silent_connection_sleeps_over_every_device() {
    for kind in Kind::every() {
        isolated(move || {
            if let Some(wakeups) = wakeups_in_an_hour(kind) {
                assert!(wakeups <= FEW, "{kind:?}: {wakeups} wake-ups");
            }
        });
    }
}
