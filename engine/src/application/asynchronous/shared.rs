//! What a socket and the driver both hold: state under a lock that nobody keeps while he waits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Failure;
use super::mailbox::{Call, Mailbox};
use super::wakers::Wakers;

/// The state of one kind of socket.
pub(crate) trait State: Sized {
    /// The call that brings the driver to this socket.
    fn call(socket: Arc<Shared<Self>>) -> Call;

    /// Whether the driver is to look at the socket, and whether he has been called.
    fn bell(&mut self) -> &mut Bell;

    /// Ends the socket, and tells everybody who waits.
    fn fail(&mut self, failure: Failure, woken: &mut Vec<Waker>);
}

/// Keeps a socket from calling the driver twice for one visit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Bell {
    #[default]
    Quiet,
    /// There is something for the driver to do.
    Wanted,
    /// He was called and has not come yet.
    Rung,
}

impl Bell {
    pub(crate) fn want(&mut self) {
        if *self == Self::Quiet {
            *self = Self::Wanted;
        }
    }

    fn ring(&mut self) -> bool {
        let wanted = *self == Self::Wanted;
        if wanted {
            *self = Self::Rung;
        }
        wanted
    }
}

/// A socket's state, and where its driver is called.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    mailbox: Arc<Mailbox>,
    state: Mutex<S>,
}

impl<S: State> Shared<S> {
    pub(crate) fn new(mailbox: Arc<Mailbox>, state: S) -> Arc<Self> {
        Arc::new(Self {
            mailbox,
            state: Mutex::new(state),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Does something to the state, and calls the driver if he has to know.
    pub(crate) fn act<T>(self: &Arc<Self>, action: impl FnOnce(&mut S) -> T) -> T {
        let mut state = self.lock();
        let result = action(&mut state);
        let rings = state.bell().ring();
        drop(state);
        if rings && !self.mailbox.post(S::call(self.clone())) {
            self.fail(Failure::NoDriver);
        }
        result
    }

    /// Ends the socket.
    pub(crate) fn fail(&self, failure: Failure) {
        let mut woken = Vec::new();
        self.lock().fail(failure, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Tries `attempt`; while there is nothing to be had, the task waits as the one that polled `wakers` last.
    pub(crate) fn poll<T>(
        self: &Arc<Self>,
        context: &Context<'_>,
        wakers: fn(&mut S) -> &mut Wakers,
        attempt: impl FnOnce(&mut S) -> Poll<T>,
    ) -> Poll<T> {
        let (result, _replaced) = self.act(|state| match attempt(state) {
            Poll::Pending => (Poll::Pending, wakers(state).poll(context.waker())),
            ready => (ready, None),
        });
        result
    }

    /// Waits until `attempt` succeeds.
    pub(crate) fn until<T, A>(
        self: &Arc<Self>,
        wakers: fn(&mut S) -> &mut Wakers,
        attempt: A,
    ) -> Until<'_, S, A>
    where
        A: FnMut(&mut S) -> Poll<T> + Unpin,
    {
        Until {
            shared: self,
            wakers,
            attempt,
            key: None,
        }
    }
}

/// A future that tries until it succeeds. Any number of them wait for one thing; one that is dropped has done nothing.
pub(crate) struct Until<'a, S: State, A> {
    shared: &'a Arc<Shared<S>>,
    wakers: fn(&mut S) -> &mut Wakers,
    attempt: A,
    key: Option<u64>,
}

impl<S, A, T> Future for Until<'_, S, A>
where
    S: State,
    A: FnMut(&mut S) -> Poll<T> + Unpin,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        let (result, _replaced) = this.shared.act(|state| match (this.attempt)(state) {
            Poll::Pending => {
                let wakers = (this.wakers)(state);
                (Poll::Pending, wakers.wait(&mut this.key, context.waker()))
            }
            ready => (ready, None),
        });
        result
    }
}

impl<S: State, A> Drop for Until<'_, S, A> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let forgotten = (self.wakers)(&mut self.shared.lock()).forget(key);
            drop(forgotten);
        }
    }
}
