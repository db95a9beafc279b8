//! One end of a TCP connection: an application that does what its plan says, and believes nothing that it is told.

mod transfer;

use std::net::SocketAddr;

use handfast::application::{ConnectionError, Readiness, RxChunk, StreamError, TcpHandle};
use handfast::engine::Engine;
use handfast::link::Device;
use handfast::time::{Duration, Instant};

use crate::plan::{EndPlan, Ending};
use crate::stream::Stream;

pub(crate) type AnyEngine = Engine<Box<dyn Device>>;

/// How soon an application asks again for what nobody will tell it of: a slot of the pool.
const RETRY: Duration = Duration::from_millis(10);

/// What became of an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It goes on.
    Pending,
    /// Everything was sent and read.
    Complete,
    /// It closed before the peer had said everything, as planned.
    ClosedOutright,
    /// It aborted, as planned.
    Aborted,
    /// The connection failed.
    Failed(ConnectionError),
}

/// What an end does just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The handshake is under way.
    Connecting,
    Open,
    /// The handle is given up; one last event follows.
    Closing,
    Over,
}

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) dialogue: usize,
    pub(crate) role: usize,
    pub(crate) handle: TcpHandle,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) outcome: Outcome,
    /// How the last event of a connection that was complete called it, if it was a failure.
    pub(crate) failed_late: bool,
    plan: EndPlan,
    says: Stream,
    hears: Stream,
    /// Octets that the peer has to say.
    expects: u64,
    stage: Stage,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    has_shut_down: bool,
    has_read_all: bool,
    is_closed: bool,
    /// A paced reader's next bite, or what was refused without an event to come.
    wakes_at: Option<Instant>,
    reads_at: Instant,
    kept: Vec<(Instant, u64, RxChunk)>,
}

impl End {
    pub(crate) fn new(of: &Beginning<'_>, handle: TcpHandle, connected: bool) -> Self {
        let number = |role: usize| (of.dialogue * 2 + role) as u64;
        Self {
            dialogue: of.dialogue,
            role: of.role,
            handle,
            local: of.local,
            remote: of.remote,
            outcome: Outcome::Pending,
            failed_late: false,
            plan: of.plan.clone(),
            says: Stream::new(of.seed, number(of.role)),
            hears: Stream::new(of.seed, number(1 - of.role)),
            expects: of.expects,
            stage: if connected { Stage::Open } else { Stage::Connecting },
            sent: 0,
            received: 0,
            has_shut_down: false,
            has_read_all: false,
            is_closed: false,
            wakes_at: None,
            reads_at: Instant::ZERO,
            kept: Vec::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over && self.kept.is_empty()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// When the end wants its turn although nothing happens.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let kept = self.kept.iter().map(|(until, ..)| *until);
        kept.chain(self.wakes_at).min()
    }

    pub(crate) fn on_event(&mut self, ready: Readiness) -> Result<(), String> {
        match self.stage {
            // Whoever closes with octets unread hears of the end of a connection that is gone.
            Stage::Over if self.outcome == Outcome::ClosedOutright && !self.is_closed => {}
            Stage::Over => return Err(format!("{ready:?} after its last event")),
            Stage::Closing if ready.contains(Readiness::CLOSED) || ready.contains(Readiness::FAILED) => {
                self.failed_late = ready.contains(Readiness::FAILED);
                self.stage = Stage::Over;
            }
            Stage::Connecting if ready.contains(Readiness::CONNECTED) => self.stage = Stage::Open,
            _ => {}
        }
        self.is_closed |= ready.contains(Readiness::CLOSED) || ready.contains(Readiness::FAILED);
        Ok(())
    }

    /// Does whatever can be done now.
    pub(crate) fn run(&mut self, engine: &mut AnyEngine, now: Instant) -> Result<(), String> {
        self.wakes_at = None;
        self.give_back(now)?;
        match self.stage {
            Stage::Over => return self.is_forgotten(engine),
            Stage::Closing => return Ok(()),
            Stage::Connecting => {
                if let Some(error) = engine.tcp_error(self.handle) {
                    self.fail(engine, error);
                }
                if self.aborts_now() {
                    self.abort(engine);
                }
                return Ok(());
            }
            Stage::Open => {}
        }
        let moved = self.write(engine, now).and_then(|()| self.read(engine, now));
        match moved {
            Ok(()) => self.conclude(engine),
            Err(Trouble::Connection(error)) => {
                self.fail(engine, error);
                Ok(())
            }
            Err(Trouble::Engine(complaint)) => Err(complaint),
        }
    }

    fn aborts_now(&self) -> bool {
        matches!(self.plan.ending, Ending::Abort(after) if self.sent + self.received >= after)
    }

    fn conclude(&mut self, engine: &mut AnyEngine) -> Result<(), String> {
        if self.aborts_now() {
            self.abort(engine);
            return self.is_forgotten(engine);
        }
        let all_sent = self.sent == self.plan.sends;
        if self.plan.ending == Ending::CloseOutright && all_sent {
            return self.close(engine, Outcome::ClosedOutright);
        }
        let shuts_down = match self.plan.ending {
            Ending::AfterPeer => all_sent && self.has_read_all,
            _ => all_sent,
        };
        if shuts_down && !self.has_shut_down {
            self.shut_down(engine)?;
        }
        if self.has_shut_down && self.has_read_all {
            return self.close(engine, Outcome::Complete);
        }
        Ok(())
    }

    fn shut_down(&mut self, engine: &mut AnyEngine) -> Result<(), String> {
        self.has_shut_down = true;
        engine
            .tcp_shutdown(self.handle)
            .map_err(|error| format!("a living connection cannot be shut down: {error}"))?;
        match engine.tcp_send(self.handle, b"late") {
            Err(StreamError::ShutDown | StreamError::Failed(_)) => Ok(()),
            other => Err(format!("to send after the shutdown gave {other:?}")),
        }
    }

    fn close(&mut self, engine: &mut AnyEngine, outcome: Outcome) -> Result<(), String> {
        self.outcome = outcome;
        engine.tcp_close(self.handle);
        // Twice does nothing.
        engine.tcp_close(self.handle);
        if engine.tcp_state(self.handle).is_none() {
            self.stage = Stage::Over;
            return self.is_forgotten(engine);
        }
        self.stage = Stage::Closing;
        match engine.tcp_send(self.handle, b"late") {
            Err(_) => Ok(()),
            Ok(taken) => Err(format!("{taken} octets were taken after the close")),
        }
    }

    fn abort(&mut self, engine: &mut AnyEngine) {
        engine.tcp_abort(self.handle);
        self.outcome = Outcome::Aborted;
        self.stage = Stage::Over;
    }

    fn fail(&mut self, engine: &mut AnyEngine, error: ConnectionError) {
        self.outcome = Outcome::Failed(error);
        engine.tcp_close(self.handle);
        self.stage = Stage::Over;
    }

    /// Every use of a handle whose connection is gone is answered with an error.
    fn is_forgotten(&self, engine: &mut AnyEngine) -> Result<(), String> {
        let handle = self.handle;
        engine.tcp_close(handle);
        engine.tcp_abort(handle);
        let answers = [
            engine.tcp_send(handle, b"stale").err(),
            engine.tcp_receive(handle, &mut [0; 8]).err(),
            engine.tcp_shutdown(handle).err(),
            engine.tcp_set_no_delay(handle, true).err(),
            engine.tcp_set_keep_alive(handle, None).err(),
        ];
        let all_refused = answers
            .iter()
            .all(|answer| *answer == Some(StreamError::NoConnection));
        if !all_refused || engine.tcp_state(handle).is_some() || engine.tcp_info(handle).is_some() {
            return Err(format!("a stale handle was answered with {answers:?}"));
        }
        Ok(())
    }
}

/// What an end starts from.
#[derive(Debug)]
pub(crate) struct Beginning<'a> {
    pub(crate) seed: u64,
    pub(crate) dialogue: usize,
    pub(crate) role: usize,
    pub(crate) plan: &'a EndPlan,
    pub(crate) expects: u64,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// Why an end does not go on.
#[derive(Debug)]
enum Trouble {
    /// The connection failed.
    Connection(ConnectionError),
    /// The engine does what it must not.
    Engine(String),
}
