//! Who waits for one thing to become true of a socket.

use std::task::Waker;

/// The task that called a `poll_` method last, and every future that waits. All of them are woken, and then nobody waits any more.
///
/// Wakers that are not needed any more are given back, to be dropped when no lock is held: with a waker may go the task, and with the task
/// the socket itself.
#[derive(Default, Debug)]
pub(crate) struct Wakers {
    polled: Option<Waker>,
    /// Few at a time: what waits for one thing of one socket.
    futures: Vec<(u64, Waker)>,
    next_key: u64,
}

impl Wakers {
    /// Puts the task in the place of the one that polled before, as the contract of the `poll_` methods is.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.polled {
            Some(polled) if polled.will_wake(waker) => None,
            _ => self.polled.replace(waker.clone()),
        }
    }

    /// Has a future wait, which is known by its key from the second time on.
    pub(crate) fn wait(&mut self, key: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let known = *key.get_or_insert_with(|| {
            self.next_key += 1;
            self.next_key
        });
        match self.futures.iter_mut().find(|(key, _)| *key == known) {
            Some((_, waiting)) if waiting.will_wake(waker) => None,
            Some((_, waiting)) => Some(std::mem::replace(waiting, waker.clone())),
            None => {
                self.futures.push((known, waker.clone()));
                None
            }
        }
    }

    /// Forgets a future that waits no more.
    pub(crate) fn forget(&mut self, key: u64) -> Option<Waker> {
        let at = self.futures.iter().position(|(known, _)| *known == key)?;
        Some(self.futures.swap_remove(at).1)
    }

    /// Moves everybody to `woken`, to be woken when no lock is held.
    pub(crate) fn take(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.polled.take());
        woken.extend(self.futures.drain(..).map(|(_, waker)| waker));
    }
}
