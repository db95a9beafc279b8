//! Sleeping until there is something to do.

use std::io;

use super::{Engine, Progress};
use crate::link::Device;
use crate::link::wait::{Waiter, Wakeup, Watch};
use crate::time::Instant;

impl<D: Device> Engine<D> {
    /// Sleeps until a packet arrives, a [`Waker`](crate::link::wait::Waker) calls, or the engine wants to be polled; not at all while the last
    /// work is less than the waiter's spin ago. To be called with what [`Engine::poll`] returned, when all events are handled. A device that
    /// refused packets is waited for without spinning.
    ///
    /// A thread that runs several engines uses [`Waiter::wait`] with all their descriptors and deadlines.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the device has no descriptor, so that nothing would end the sleep for a packet, and what the system
    /// says.
    pub fn wait(&self, waiter: &mut Waiter, now: Instant, progress: Progress) -> io::Result<Wakeup> {
        self.wait_until(waiter, now, progress, None)
    }

    /// Sleeps as [`Engine::wait`] does, but no longer than until `latest`.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    pub fn wait_until(
        &self,
        waiter: &mut Waiter,
        now: Instant,
        progress: Progress,
        latest: Option<Instant>,
    ) -> io::Result<Wakeup> {
        if !progress.is_idle() {
            waiter.note_work(now);
        }
        let blocked = self.has_refused();
        let deadline = if blocked {
            self.next_timer()
        } else {
            self.next_deadline()
        };
        let Some(descriptor) = self.device.descriptor() else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this device has no descriptor to wait for: poll it, or give both its ends to one thread",
            ));
        };
        let watch = Watch {
            descriptor,
            writable: blocked,
        };
        let deadline = [deadline, latest].into_iter().flatten().min();
        waiter.wait(now, deadline, &[watch])
    }
}
