//! Sleeping until there is something to do: a packet, a call from another thread, or a deadline.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use crate::time::{Duration, Instant};

/// Descriptors that one sleep can watch beside its own.
pub const MAX_WATCHES: usize = 7;

/// Sleeps that an error may end before it counts as one that stays, as of a device whose interface was removed. A passing one is cleared by
/// the device sooner.
const MAX_FAILURES: u32 = 256;

/// What puts a thread to sleep and ends its sleep. One for each thread, whatever number of engines it runs.
///
/// After work it does not sleep at once but lets the caller poll on for a while ([`Waiter::new`]): the next packet often comes sooner than a
/// sleeping thread wakes up. An engine that stays idle uses no processor time.
#[derive(Debug)]
pub struct Waiter {
    alarm: Arc<Alarm>,
    spin: Duration,
    spin_until: Instant,
    /// Sleeps in a row that ended because a descriptor reports an error and nothing else.
    failures: u32,
}

/// Ends the sleep of a [`Waiter`] from any thread: the present one, or the next if it is awake.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Alarm>);

/// The event descriptor that a sleep watches beside all others.
#[derive(Debug)]
struct Alarm(OwnedFd);

/// Why a wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wakeup {
    /// There was work a moment ago, so there was no sleep.
    Spinning,
    /// A descriptor became ready.
    Ready,
    /// A [`Waker`] called.
    Called,
    /// The deadline has come.
    Due,
    /// A signal was handled.
    Interrupted,
}

/// A descriptor that is to end a sleep when it is readable.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// What is watched.
    pub descriptor: BorrowedFd<'a>,
    /// Whether that it is writable ends the sleep, too.
    pub writable: bool,
}

impl<'a> Watch<'a> {
    /// Watches for packets.
    pub fn readable(descriptor: BorrowedFd<'a>) -> Self {
        Self {
            descriptor,
            writable: false,
        }
    }
}

impl Waiter {
    /// A waiter that does not sleep while the last work is less than `spin` ago; zero for one that always sleeps.
    ///
    /// # Errors
    /// What the system says when it gives no descriptor (`eventfd(2)`).
    pub fn new(spin: Duration) -> io::Result<Self> {
        let alarm = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self {
            alarm: Arc::new(Alarm(alarm)),
            spin,
            spin_until: Instant::ZERO,
            failures: 0,
        })
    }

    /// What other threads end the sleep with.
    pub fn waker(&self) -> Waker {
        Waker(self.alarm.clone())
    }

    /// Says that there was work at `now`.
    pub fn note_work(&mut self, now: Instant) {
        self.spin_until = now + self.spin;
    }

    /// Whether the last work is so short ago that [`Waiter::wait`] would not sleep.
    pub fn is_spinning(&self, now: Instant) -> bool {
        now < self.spin_until
    }

    /// Sleeps from `now` until one of `watches` is ready, a [`Waker`] calls, or the deadline comes; for ever without one. `now` is the
    /// caller's time, of which the deadline is. A descriptor with an error is ready, but one that never gets rid of it is not watched any
    /// more for as long as that lasts.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for more than [`MAX_WATCHES`], and what `ppoll(2)` says.
    pub fn wait(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
        watches: &[Watch<'_>],
    ) -> io::Result<Wakeup> {
        if self.is_spinning(now) {
            return Ok(Wakeup::Spinning);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(Wakeup::Due);
        }
        if watches.len() > MAX_WATCHES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} descriptors are more than {MAX_WATCHES}", watches.len()),
            ));
        }
        let mut polled = [(); 1 + MAX_WATCHES].map(|()| PollFd::new(&self.alarm.0, PollFlags::IN));
        for (polled, watch) in polled[1..].iter_mut().zip(watches) {
            let writable = if watch.writable {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            *polled = PollFd::from_borrowed_fd(watch.descriptor, PollFlags::IN | writable);
        }
        let polled = &mut polled[..1 + watches.len()];
        let timeout = timeout(now, deadline);
        let mut ended = poll(polled, timeout.as_ref());
        let has_news = |watch: &PollFd<'_>| !watch.revents().is_empty() && !has_failed(watch);
        if polled.iter().any(has_news) || !polled.iter().any(has_failed) {
            self.failures = 0;
        } else if self.failures < MAX_FAILURES {
            self.failures += 1;
        } else {
            for failed in polled[1..].iter_mut().filter(|watch| has_failed(watch)) {
                *failed = PollFd::new(&self.alarm.0, PollFlags::empty());
            }
            ended = poll(polled, timeout.as_ref());
        }
        match ended {
            Ok(0) => return Ok(Wakeup::Due),
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Wakeup::Interrupted),
            Err(error) => return Err(error.into()),
        }
        if polled[0].revents().is_empty() {
            return Ok(Wakeup::Ready);
        }
        // One read takes all calls so far; another thread's waiter cannot have been faster, there is one for each alarm.
        rustix::io::read(&self.alarm.0, &mut [0; 8])?;
        Ok(Wakeup::Called)
    }
}

fn has_failed(watch: &PollFd<'_>) -> bool {
    let found = watch.revents();
    !found.is_empty() && !found.intersects(PollFlags::IN | PollFlags::OUT)
}

/// The span until the deadline; as long as the system can say when it is longer.
fn timeout(now: Instant, deadline: Option<Instant>) -> Option<Timespec> {
    let span = core::time::Duration::from(deadline?.saturating_since(now));
    Timespec::try_from(span).ok()
}

impl Waker {
    /// Ends the sleep. Calls that come before it has ended count as one.
    pub fn wake(&self) {
        self.0.ring();
    }
}

impl Alarm {
    fn ring(&self) {
        // Only a counter that is full is refused, and that wakes as well.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl task::Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

impl From<Waker> for task::Waker {
    /// For what knows futures but no descriptors.
    fn from(waker: Waker) -> Self {
        Self::from(waker.0)
    }
}

#[cfg(test)]
mod tests;
