//! The driver as a task of the caller's executor, rather than a thread of its own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::Driver;
use crate::engine::Budget;
use crate::link::Device;
use crate::time::Instant;

impl<D: Device> Driver<D> {
    /// Runs until [`Driver::is_finished`], on the executor that polls the future: one for tasks that stay on their thread, as an engine does
    /// (`LocalSet`, `block_on`). Dropping the future is dropping the driver: every socket fails.
    ///
    /// `clock` tells the time. `pause` is awaited when there is nothing to do, with when the engine wants to go on at the latest; it is to end by
    /// then, and when the device has packets ([`Device::descriptor`]), by whatever timer and reactor the executor has. It may end early: an
    /// executor that never sleeps just yields there. A socket that calls ends the pause by itself. Between two turns others have theirs.
    ///
    /// ```
    /// # use handfast::{engine::driver::Driver, link::Device, time::Instant};
    /// async fn on_an_executor_that_never_sleeps<D: Device>(driver: Driver<D>) {
    ///     let start = std::time::Instant::now();
    ///     let clock = || Instant::ZERO + start.elapsed().into();
    ///     driver.drive(clock, async |_| tokio::task::yield_now().await).await;
    /// }
    /// ```
    pub async fn drive(
        mut self,
        mut clock: impl FnMut() -> Instant,
        mut pause: impl AsyncFnMut(Option<Instant>),
    ) {
        while !self.is_finished() {
            let progress = self.turn(clock(), Budget::default());
            if self.is_finished() {
                break;
            }
            if progress.is_idle() {
                self.rest(pause(self.next_deadline())).await;
            } else {
                yield_once().await;
            }
        }
    }

    /// Waits until the pause is over or a socket calls.
    async fn rest(&self, pause: impl Future<Output = ()>) {
        let mut pause = pin!(pause);
        poll_fn(|context| {
            if self.may_sleep(context.waker()) {
                pause.as_mut().poll(context)
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

/// Lets the executor's other tasks go on first.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
