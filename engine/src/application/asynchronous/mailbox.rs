//! How sockets call the driver, and how the driver sleeps without missing a call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::{Door, Pipe, Post};

/// A socket that has something for the driver to do. One that has called is not called for again before the driver has come.
#[derive(Debug)]
pub(crate) enum Call {
    Pipe(Arc<Pipe>),
    Door(Arc<Door>),
    Post(Arc<Post>),
}

/// The sockets that call, and the alarm of a driver that sleeps. Both are behind one lock, so that no call falls between a driver's last look
/// and his sleep.
#[derive(Debug)]
pub(crate) struct Mailbox(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    calls: Vec<Call>,
    alarm: Option<Waker>,
    /// Nobody comes for the calls any more.
    closed: bool,
    /// How many [`Network`]s there are.
    networks: usize,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the driver; `false` when there is none any more.
    pub(crate) fn post(&self, call: Call) -> bool {
        let mut inside = self.lock();
        if inside.closed {
            return false;
        }
        inside.calls.push(call);
        wake(inside);
        true
    }

    /// Moves all calls to `calls`, which is empty. The alarm is not needed any more: the driver is awake.
    pub(crate) fn collect(&self, calls: &mut Vec<Call>) {
        debug_assert!(calls.is_empty(), "calls are answered before the next come");
        let mut inside = self.lock();
        std::mem::swap(&mut inside.calls, calls);
        let alarm = inside.alarm.take();
        drop(inside);
        drop(alarm);
    }

    /// Sets the alarm that the next call goes off with; `false` when there is a call already.
    pub(crate) fn may_sleep(&self, alarm: &Waker) -> bool {
        let mut inside = self.lock();
        if !inside.calls.is_empty() {
            return false;
        }
        if !inside.alarm.as_ref().is_some_and(|set| set.will_wake(alarm)) {
            let replaced = inside.alarm.replace(alarm.clone());
            drop(inside);
            drop(replaced);
        }
        true
    }

    /// Whether nobody can make a socket any more, and no call waits.
    pub(crate) fn is_forsaken(&self) -> bool {
        let inside = self.lock();
        inside.networks == 0 && inside.calls.is_empty()
    }

    /// Takes no more calls, and gives those that wait.
    pub(crate) fn close(&self) -> Vec<Call> {
        let mut inside = self.lock();
        inside.closed = true;
        std::mem::take(&mut inside.calls)
    }
}

/// Lets go of the lock, then wakes the driver if he sleeps.
fn wake(mut inside: MutexGuard<'_, Inside>) {
    let alarm = inside.alarm.take();
    drop(inside);
    if let Some(alarm) = alarm {
        alarm.wake();
    }
}

/// What sockets are made with, from any thread. Clones stand for the same engine, whose driver may end when all of them and all sockets are gone.
#[derive(Debug)]
pub struct Network(Arc<Mailbox>);

impl Network {
    pub(super) fn mailbox(&self) -> Arc<Mailbox> {
        self.0.clone()
    }
}

impl Clone for Network {
    fn clone(&self) -> Self {
        self.0.lock().networks += 1;
        Self(self.0.clone())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        inside.networks -= 1;
        if inside.networks == 0 {
            wake(inside);
        }
    }
}

/// The engine's end of a [`Network`]; for [`Driver::new`](crate::engine::driver::Driver::new), in the thread of the engine. When it is dropped
/// instead, every socket fails.
#[derive(Debug)]
pub struct Station(Arc<Mailbox>);

impl Station {
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.0
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        for call in self.0.close() {
            call.fail();
        }
    }
}

impl Call {
    /// Ends the socket, which nobody will come for.
    pub(crate) fn fail(self) {
        use super::Failure::NoDriver;
        match self {
            Self::Pipe(pipe) => pipe.fail(NoDriver),
            Self::Door(door) => door.fail(NoDriver),
            Self::Post(post) => post.fail(NoDriver),
        }
    }
}

/// A network without an engine yet: what programs make sockets with, and what the engine's driver is made with. Sockets may be asked for at once.
pub fn network() -> (Network, Station) {
    let mailbox = Arc::new(Mailbox(Mutex::new(Inside {
        calls: Vec::new(),
        alarm: None,
        closed: false,
        networks: 1,
    })));
    (Network(mailbox.clone()), Station(mailbox))
}
