use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

use super::*;

const NOW: Instant = Instant::from_secs(5);

fn sleeper() -> Waiter {
    Waiter::new(Duration::ZERO).unwrap()
}

#[test]
fn a_deadline_that_has_come_needs_no_sleep() {
    for deadline in [Instant::ZERO, NOW] {
        assert_eq!(sleeper().wait(NOW, Some(deadline), &[]).unwrap(), Wakeup::Due);
    }
}

#[test]
fn a_deadline_ends_the_sleep() {
    let soon = NOW + Duration::from_micros(10);
    assert_eq!(sleeper().wait(NOW, Some(soon), &[]).unwrap(), Wakeup::Due);
}

#[test]
fn the_poller_spins_for_the_configured_time_after_work() {
    let mut waiter = Waiter::new(Duration::from_micros(50)).unwrap();
    waiter.note_work(NOW);
    let last_moment = NOW + Duration::from_nanos(49_999);
    assert_eq!(waiter.wait(NOW, None, &[]).unwrap(), Wakeup::Spinning);
    assert_eq!(waiter.wait(last_moment, None, &[]).unwrap(), Wakeup::Spinning);
    let afterwards = NOW + Duration::from_micros(50);
    assert_eq!(
        waiter.wait(afterwards, Some(afterwards), &[]).unwrap(),
        Wakeup::Due
    );
}

#[test]
fn calls_before_the_sleep_end_it_once() {
    let mut waiter = sleeper();
    let waker = waiter.waker();
    for _ in 0..3 {
        waker.clone().wake();
    }
    assert_eq!(waiter.wait(NOW, None, &[]).unwrap(), Wakeup::Called);
    let soon = Some(NOW + Duration::from_micros(1));
    assert_eq!(waiter.wait(NOW, soon, &[]).unwrap(), Wakeup::Due);
}

/// Without a deadline nothing but the other thread can end a sleep, and each of its calls ends exactly one.
#[test]
fn a_sleeping_thread_wakes_up_for_calls_and_for_nothing_else() {
    let mut waiter = sleeper();
    let waker = waiter.waker();
    let (asked, request) = mpsc::channel::<()>();
    let caller = thread::spawn(move || {
        for () in request {
            waker.wake();
        }
    });
    for _ in 0..100 {
        asked.send(()).unwrap();
        assert_eq!(waiter.wait(NOW, None, &[]).unwrap(), Wakeup::Called);
    }
    drop(asked);
    caller.join().unwrap();
    let soon = Some(NOW + Duration::from_micros(1));
    assert_eq!(
        waiter.wait(NOW, soon, &[]).unwrap(),
        Wakeup::Due,
        "no call is left over"
    );
}

#[test]
fn a_descriptor_ends_the_sleep_when_it_is_readable_or_if_asked_for_writable() {
    let (near, far) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let watch = |writable| Watch {
        descriptor: near.as_fd(),
        writable,
    };
    let soon = Some(NOW + Duration::from_micros(1));
    assert_eq!(sleeper().wait(NOW, soon, &[watch(false)]).unwrap(), Wakeup::Due);
    assert_eq!(sleeper().wait(NOW, None, &[watch(true)]).unwrap(), Wakeup::Ready);
    far.send(b"packet").unwrap();
    assert_eq!(sleeper().wait(NOW, None, &[watch(false)]).unwrap(), Wakeup::Ready);
}

#[test]
fn more_descriptors_than_can_be_watched_are_refused() {
    let (near, _far) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let watch = Watch {
        descriptor: near.as_fd(),
        writable: false,
    };
    let error = sleeper().wait(NOW, None, &[watch; MAX_WATCHES + 1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// A device whose interface was removed reports an error for ever, and must not keep its thread awake for that.
#[test]
fn an_error_that_stays_ends_sleeps_only_for_a_while() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut waiter = sleeper();
    let waker = waiter.waker();
    let soon = Some(NOW + Duration::from_micros(10));
    // A pipe that nobody reads can be written to as well, which is not asked for here.
    let watches = [Watch::readable(writer.as_fd())];
    for _ in 0..MAX_FAILURES {
        assert_eq!(waiter.wait(NOW, soon, &watches).unwrap(), Wakeup::Ready);
    }
    assert_eq!(waiter.wait(NOW, soon, &watches).unwrap(), Wakeup::Due);
    waker.wake();
    assert_eq!(waiter.wait(NOW, None, &watches).unwrap(), Wakeup::Called);
    assert_eq!(waiter.wait(NOW, soon, &[]).unwrap(), Wakeup::Due);
    assert_eq!(
        waiter.wait(NOW, soon, &watches).unwrap(),
        Wakeup::Ready,
        "it is asked anew"
    );
}
