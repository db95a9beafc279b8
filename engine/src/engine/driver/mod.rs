//! What runs an engine for the sockets of [`application::asynchronous`](crate::application::asynchronous).

mod datagrams;
mod line;
mod listeners;
mod ports;
mod task;

#[cfg(target_os = "linux")]
use std::io;
use std::sync::Arc;
use std::task::Waker;

use self::line::Line;
use self::ports::Ports;
use super::{Budget, Engine, Progress};
use crate::application::asynchronous::{Call, Door, Failure, Pipe, Post, Stage, Station};
use crate::application::{Event, ListenerHandle, TcpHandle, UdpHandle};
use crate::link::Device;
#[cfg(target_os = "linux")]
use crate::link::wait::Waiter;
use crate::time::Instant;

/// Moves bytes between an engine and the sockets that programs hold, wherever those are.
///
/// ```text
///   program                            driver                        engine
///   TcpStream ──lock── what it shares ──lock── turn ── poll, events, send, receive
///       └── calls the driver when there is something for it to do ──┘
/// ```
///
/// A turn costs what there is to do: it looks at the sockets that called and at those that the engine has news of. It holds the lock of one
/// socket at a time, and wakes nobody while it does.
///
/// A thread of its own calls [`Driver::run`]; [`Driver::drive`] is a task of the caller's executor. Whoever wants to do it otherwise, as tests do
/// in virtual time, calls [`Driver::turn`], and sleeps
/// until [`Driver::next_deadline`], a packet, or the waker that [`Driver::may_sleep`] was given.
#[derive(Debug)]
pub struct Driver<D: Device> {
    engine: Engine<D>,
    station: Station,
    lines: Vec<Option<Line>>,
    doors: Vec<Option<(ListenerHandle, Arc<Door>)>>,
    posts: Vec<Option<(UdpHandle, Arc<Post>)>>,
    /// Sockets in the three tables.
    sockets: usize,
    /// Datagram sockets that found no room in the engine.
    crowded: Vec<UdpHandle>,
    ports: Ports,
    calls: Vec<Call>,
    woken: Vec<Waker>,
}

impl<D: Device> Driver<D> {
    /// A driver of `engine` for the sockets of `station`'s network. `secret` decides which ports sockets get that ask for any: unpredictable, and new at
    /// each start (RFC 6056).
    pub fn new(engine: Engine<D>, station: Station, secret: [u8; 16]) -> Self {
        Self {
            engine,
            station,
            lines: Vec::new(),
            doors: Vec::new(),
            posts: Vec::new(),
            sockets: 0,
            crowded: Vec::new(),
            ports: Ports::new(secret),
            calls: Vec::new(),
            woken: Vec::new(),
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine<D> {
        &self.engine
    }

    /// The engine, for changing it. Its sockets are the driver's; others can be had beside them only if their events are not missed.
    pub fn engine_mut(&mut self) -> &mut Engine<D> {
        &mut self.engine
    }

    /// Does what sockets called for, polls the engine, and brings its news to the sockets.
    pub fn turn(&mut self, now: Instant, budget: Budget) -> Progress {
        self.answer_calls(now);
        self.poll(now, budget)
    }

    fn poll(&mut self, now: Instant, budget: Budget) -> Progress {
        let progress = self.engine.poll(now, budget);
        self.relieve();
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Tcp(handle, ready) => self.on_news(handle, ready),
                Event::Acceptable(handle) => self.admit(handle),
                Event::Udp(handle) => self.exchange(handle),
            }
        }
        self.woken.drain(..).for_each(Waker::wake);
        progress
    }

    /// Does what sockets called for; `false` when none has.
    fn answer_calls(&mut self, now: Instant) -> bool {
        let mut calls = std::mem::take(&mut self.calls);
        self.station.mailbox().collect(&mut calls);
        let called = !calls.is_empty();
        // Spans that begin with a call begin now, not when the engine was polled last.
        self.engine.now = self.engine.now.max(now);
        for call in calls.drain(..) {
            match call {
                Call::Pipe(pipe) => self.answer_pipe(pipe),
                Call::Door(door) => self.answer_door(door),
                Call::Post(post) => self.answer_post(post),
            }
        }
        self.calls = calls;
        self.woken.drain(..).for_each(Waker::wake);
        called
    }

    fn answer_pipe(&mut self, pipe: Arc<Pipe>) {
        let stage = {
            let mut state = pipe.lock();
            state.visited();
            state.stage
        };
        match stage {
            Stage::Wanted { local, limit } => self.connect(pipe, local, limit),
            Stage::Connecting(handle) | Stage::Open(handle) => self.serve(handle),
            Stage::Gone => {}
        }
    }

    /// When the engine wants the next turn although nobody calls and no packet arrives.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.must_retry() {
            return Some(self.engine.now);
        }
        self.engine.next_deadline()
    }

    /// Whether a datagram is to be tried once more at once, since the device is not what it waits for.
    fn must_retry(&self) -> bool {
        !self.crowded.is_empty() && !self.engine.has_refused()
    }

    /// Has `alarm` woken when a socket calls; `false` when one has called already, so that the next turn is due.
    pub fn may_sleep(&self, alarm: &Waker) -> bool {
        self.station.mailbox().may_sleep(alarm)
    }

    /// Whether nobody needs the engine any more: all sockets and [`Network`](crate::application::asynchronous::Network)s are dropped, and all
    /// connections closed. TIME_WAIT is not waited for.
    pub fn is_finished(&self) -> bool {
        self.sockets == 0
            && self.engine.tcp_memory().connections == 0
            && self.station.mailbox().is_forsaken()
            && self.engine.next_deadline() != Some(self.engine.now)
    }

    /// Runs until [`Driver::is_finished`], asleep while there is nothing to do. `clock` tells the time.
    ///
    /// # Errors
    /// As [`Engine::wait`]. The sockets fail when the driver is dropped after that.
    #[cfg(target_os = "linux")]
    pub fn run(&mut self, waiter: &mut Waiter, mut clock: impl FnMut() -> Instant) -> io::Result<()> {
        while !self.is_finished() {
            self.run_once(waiter, clock(), None)?;
        }
        Ok(())
    }

    /// A turn, and a sleep until the next is due, but no longer than until `latest`.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    #[cfg(target_os = "linux")]
    pub fn run_once(&mut self, waiter: &mut Waiter, now: Instant, latest: Option<Instant>) -> io::Result<()> {
        let called = self.answer_calls(now);
        let progress = self.poll(now, Budget::default());
        if called || !progress.is_idle() {
            waiter.note_work(now);
        }
        // Whoever is awake looks for calls by himself; an alarm would cost the callers a system call.
        if waiter.is_spinning(now) || self.must_retry() || self.is_finished() {
            return Ok(());
        }
        if self.may_sleep(&Waker::from(waiter.waker())) {
            self.engine.wait_until(waiter, now, progress, latest)?;
        }
        Ok(())
    }
}

impl<D: Device> Drop for Driver<D> {
    fn drop(&mut self) {
        for call in self.station.mailbox().close() {
            call.fail();
        }
        let lines = self.lines.drain(..).flatten();
        lines.for_each(|line| line.pipe().fail(Failure::NoDriver));
        let doors = self.doors.drain(..).flatten();
        doors.for_each(|(_, door)| door.fail(Failure::NoDriver));
        let posts = self.posts.drain(..).flatten();
        posts.for_each(|(_, post)| post.fail(Failure::NoDriver));
    }
}

/// The entry of a slot, for which the table grows.
fn entry<T>(table: &mut Vec<Option<T>>, slot: u32) -> &mut Option<T> {
    let slot = slot as usize;
    if table.len() <= slot {
        table.resize_with(slot + 1, || None);
    }
    &mut table[slot]
}

/// The connections.
impl<D: Device> Driver<D> {
    /// Brings the driver's end of a connection up to date with the stream's.
    fn serve(&mut self, handle: TcpHandle) {
        let Some(Some(line)) = self.lines.get_mut(handle.slot() as usize) else {
            return;
        };
        if line.handle() == handle && line.serve(&mut self.engine, &mut self.woken).is_break() {
            self.lines[handle.slot() as usize] = None;
            self.sockets -= 1;
        }
    }

    fn add_line(&mut self, handle: TcpHandle, pipe: Arc<Pipe>) {
        *entry(&mut self.lines, handle.slot()) = Some(Line::new(handle, pipe));
        self.sockets += 1;
    }
}
