//! Calls, and waiting for those that block.

use handfast::time::Instant;

use super::Runner;
use super::time::{self, Window};
use crate::script::lexer::Position;
use crate::script::sockets::{self, Attempt, Outcome, Progress};
use crate::script::subject::Subject;
use crate::script::tree::{Call, Event};
use crate::script::verdict::Stop;

/// A call that has not returned yet.
pub(super) struct Blocked {
    at: Position,
    call: Call,
    progress: Progress,
    started: Instant,
    window: Window,
}

impl Blocked {
    pub(super) fn at(&self) -> Position {
        self.at
    }
}

impl<S: Subject> Runner<S> {
    /// Makes a call.
    pub(super) fn call(
        &mut self,
        event: &Event,
        call: &Call,
        window: Window,
    ) -> Result<(), (Position, Stop)> {
        let at = |stop| (event.at, stop);
        let now = self.subject.now();
        self.note(now, event.at, &call.to_string());
        let mut progress = Progress::default();
        match self.subject.attempt(call, &mut progress).map_err(at)? {
            Attempt::Returned(outcome) => {
                check(call, outcome).map_err(at)?;
                if window.blocks {
                    self.check_return(event.at, now, window)?;
                }
                Ok(())
            }
            Attempt::Blocks if window.blocks => {
                self.blocked = Some(Blocked {
                    at: event.at,
                    call: call.clone(),
                    progress,
                    started: now,
                    window,
                });
                Ok(())
            }
            Attempt::Blocks => self.wait_within_tolerance(event.at, call, progress, window),
        }
    }

    /// A call that the script expects to return at once may take as long as the tolerance.
    fn wait_within_tolerance(
        &mut self,
        at: Position,
        call: &Call,
        progress: Progress,
        window: Window,
    ) -> Result<(), (Position, Stop)> {
        self.blocked = Some(Blocked {
            at,
            call: call.clone(),
            progress,
            started: self.subject.now(),
            window,
        });
        self.await_blocked()
    }

    /// Tries the call that waits once more.
    pub(super) fn look_again(&mut self) -> Result<(), (Position, Stop)> {
        let Some(mut blocked) = self.blocked.take() else {
            return Ok(());
        };
        let attempt = self
            .subject
            .attempt(&blocked.call, &mut blocked.progress)
            .map_err(|stop| (blocked.at, stop))?;
        let Attempt::Returned(outcome) = attempt else {
            self.blocked = Some(blocked);
            return Ok(());
        };
        let now = self.subject.now();
        self.note(now, blocked.at, &format!("{} returns", blocked.call.name));
        check(&blocked.call, outcome).map_err(|stop| (blocked.at, stop))?;
        self.check_return(blocked.at, blocked.started, blocked.window)?;
        // What the call did may have made work.
        self.subject.settle().map_err(|stop| (blocked.at, stop))
    }

    /// When the call that waits gives up by itself.
    pub(super) fn blocked_until(&self) -> Option<Instant> {
        self.blocked.as_ref()?.progress.until()
    }

    /// Lets time pass until the call that waits has returned, or should have.
    pub(super) fn await_blocked(&mut self) -> Result<(), (Position, Stop)> {
        let Some(blocked) = &self.blocked else {
            return Ok(());
        };
        let tolerance = self.tolerance(blocked.started, blocked.window.last);
        let limit = blocked.window.widened(tolerance).last;
        while self.blocked.is_some() && self.step(limit)? {}
        match &self.blocked {
            None => Ok(()),
            Some(blocked) => {
                let reason = format!(
                    "{} still blocks at {}",
                    blocked.call.name,
                    time::seconds(self.subject.now())
                );
                Err((blocked.at, Stop::failed(reason)))
            }
        }
    }

    fn check_return(&self, at: Position, started: Instant, window: Window) -> Result<(), (Position, Stop)> {
        let now = self.subject.now();
        let tolerance = self.tolerance(started, window.last);
        let returns = Window {
            first: window.last,
            ..window
        };
        if returns.widened(tolerance).contains(now) {
            return Ok(());
        }
        let reason = format!(
            "the call returned at {}, not at {}",
            time::seconds(now),
            time::seconds(window.last)
        );
        Err((at, Stop::failed(reason)))
    }
}

/// Whether a call returned what the script says.
fn check(call: &Call, outcome: Outcome) -> Result<(), Stop> {
    let wanted = match &call.result {
        None => return Ok(()),
        Some(result) => {
            sockets::value(result).ok_or_else(|| Stop::unsupported(format!("result {result}")))?
        }
    };
    let same_error = match (&call.error, outcome.error) {
        (None, _) => true,
        (Some(wanted), Some(found)) => wanted == found || is_alias(wanted, found),
        (Some(_), None) => false,
    };
    if wanted == outcome.value && same_error {
        return Ok(());
    }
    let shown =
        |value: i64, error: Option<&str>| format!("{value} {}", error.unwrap_or_default()).trim().to_owned();
    Err(Stop::Failed {
        reason: format!("{} returned something else", call.name),
        compared: Some((
            shown(wanted, call.error.as_deref()),
            shown(outcome.value, outcome.error),
        )),
    })
}

fn is_alias(wanted: &str, found: &str) -> bool {
    wanted == "EWOULDBLOCK" && found == "EAGAIN"
}
