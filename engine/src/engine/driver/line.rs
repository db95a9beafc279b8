//! The driver's end of a connection.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Waker;

use super::{Driver, Engine};
use crate::application::asynchronous::{Failure, Piece, Pipe, PipeState, Setting, Stage, State as _};
use crate::application::{ConnectionError, Read, Readiness, RxChunk, StreamError, TcpHandle};
use crate::link::Device;
use crate::time::Duration;

/// More than a stream holds: a stream that is dropped hands everything over at once, so that the engine's rules for closed connections hold for it.
const UNLIMITED: u32 = 1 << 30;

/// A connection that a stream stands for.
#[derive(Debug)]
pub(super) struct Line {
    handle: TcpHandle,
    pipe: Arc<Pipe>,
    /// What the stream was given. The window reopens when the program has done with it.
    held: VecDeque<RxChunk>,
    /// Bytes that the program has done with, of the first of `held`.
    returned: usize,
    /// The FIN is queued.
    shut: bool,
    /// The engine has said its last word of the connection.
    over: bool,
}

impl Line {
    pub(super) fn new(handle: TcpHandle, pipe: Arc<Pipe>) -> Self {
        Self {
            handle,
            pipe,
            held: VecDeque::new(),
            returned: 0,
            shut: false,
            over: false,
        }
    }

    pub(super) fn handle(&self) -> TcpHandle {
        self.handle
    }

    pub(super) fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Moves what can be moved; breaks when the connection is the engine's alone.
    pub(super) fn serve<D: Device>(
        &mut self,
        engine: &mut Engine<D>,
        woken: &mut Vec<Waker>,
    ) -> ControlFlow<()> {
        let pipe = self.pipe.clone();
        let mut state = pipe.lock();
        self.credit(&mut state);
        if matches!(state.stage, Stage::Open(_)) {
            self.apply_settings(engine, &mut state);
            self.receive(engine, &mut state, woken);
        }
        if state.dropped {
            let flow = self.close(engine, &mut state, woken);
            if flow.is_break() {
                state.stage = Stage::Gone;
            }
            return flow;
        }
        if matches!(state.stage, Stage::Open(_)) {
            self.send(engine, &mut state, woken);
        }
        ControlFlow::Continue(())
    }

    fn credit(&mut self, state: &mut PipeState) {
        self.returned += std::mem::take(&mut state.credit);
        while let Some(first) = self.held.front()
            && first.len() <= self.returned
        {
            self.returned -= first.len();
            self.held.pop_front();
        }
    }

    /// A connection that is over has nothing to set.
    fn apply_settings<D: Device>(&self, engine: &mut Engine<D>, state: &mut PipeState) {
        for setting in state.settings.drain(..) {
            let _ = apply(engine, self.handle, setting);
        }
    }

    fn receive<D: Device>(&mut self, engine: &mut Engine<D>, state: &mut PipeState, woken: &mut Vec<Waker>) {
        let mut news = false;
        // What a connection leaves behind is brought at once, so that its failure can come right behind it.
        while state.takes_piece() || (self.over && !state.ended && !state.dropped) {
            match engine.tcp_receive_chunk(self.handle, usize::MAX) {
                Ok(Read::Data(chunk)) => {
                    state.incoming.push_back(Piece::new(chunk.payload()));
                    self.held.push_back(chunk);
                }
                Ok(Read::End) => state.ended = true,
                Ok(Read::WouldBlock) => break,
                Err(error) => {
                    fail(state, failure(error), woken);
                    break;
                }
            }
            news = true;
        }
        if news {
            state.wake_readers(woken);
        }
    }

    fn send<D: Device>(&mut self, engine: &mut Engine<D>, state: &mut PipeState, woken: &mut Vec<Waker>) {
        while !state.outgoing.is_empty() {
            let (first, _) = state.outgoing.as_slices();
            let length = first.len();
            match engine.tcp_send(self.handle, first) {
                Ok(taken) => {
                    if taken > 0 {
                        state.sent(taken, woken);
                    }
                    if taken < length {
                        return;
                    }
                }
                Err(error) => return fail(state, failure(error), woken),
            }
        }
        if state.shut && !self.shut {
            self.shut = true;
            // A connection that is over needs no FIN.
            let _ = engine.tcp_shutdown(self.handle);
        }
    }

    fn close<D: Device>(
        &mut self,
        engine: &mut Engine<D>,
        state: &mut PipeState,
        woken: &mut Vec<Waker>,
    ) -> ControlFlow<()> {
        if !self.over && matches!(state.stage, Stage::Open(_)) {
            if !state.incoming.is_empty() {
                engine.tcp_abort(self.handle);
                return ControlFlow::Break(());
            }
            if !state.outgoing.is_empty() {
                let _ = engine.tcp_set_send_buffer(self.handle, UNLIMITED);
                self.send(engine, state, woken);
            }
            if !state.outgoing.is_empty() {
                // The pool is exhausted; the engine tells when it is not.
                return ControlFlow::Continue(());
            }
        }
        engine.tcp_close(self.handle);
        ControlFlow::Break(())
    }

    /// The engine has news.
    fn note<D: Device>(&mut self, engine: &mut Engine<D>, ready: Readiness, woken: &mut Vec<Waker>) {
        let mut state = self.pipe.lock();
        if ready.contains(Readiness::CONNECTED) {
            let ends = engine.tcp_addresses(self.handle);
            state.opened(self.handle, ends, woken);
        }
        self.over |= ready.contains(Readiness::CLOSED) || ready.contains(Readiness::FAILED);
        if ready.contains(Readiness::FAILED)
            && !matches!(state.stage, Stage::Open(_))
            && let Some(error) = engine.tcp_error(self.handle)
        {
            fail(&mut state, error.into(), woken);
        }
    }
}

impl<D: Device> Driver<D> {
    pub(super) fn on_news(&mut self, handle: TcpHandle, ready: Readiness) {
        if let Some(Some(line)) = self.lines.get_mut(handle.slot() as usize)
            && line.handle == handle
        {
            line.note(&mut self.engine, ready, &mut self.woken);
            self.serve(handle);
        }
    }

    pub(super) fn connect(&mut self, pipe: Arc<Pipe>, local: Option<IpAddr>, limit: Option<Duration>) {
        let mut state = pipe.lock();
        state.stage = Stage::Gone;
        if state.dropped {
            return;
        }
        match self.engine.tcp_connect(local, state.remote) {
            Ok(handle) => {
                if let Some(limit) = limit {
                    let _ = self.engine.tcp_set_connect_timeout(handle, limit);
                }
                state.stage = Stage::Connecting(handle);
                drop(state);
                self.add_line(handle, pipe);
            }
            Err(error) => fail(&mut state, error.into(), &mut self.woken),
        }
    }
}

fn fail(state: &mut PipeState, failure: Failure, woken: &mut Vec<Waker>) {
    state.fail(failure, woken);
}

fn failure(error: StreamError) -> Failure {
    match error {
        StreamError::Failed(error) => error.into(),
        StreamError::ShutDown => Failure::ShutDown,
        // The driver names none that it has closed.
        StreamError::NoConnection => ConnectionError::Reset.into(),
    }
}

fn apply<D: Device>(
    engine: &mut Engine<D>,
    connection: TcpHandle,
    setting: Setting,
) -> Result<(), StreamError> {
    match setting {
        Setting::NoDelay(off) => engine.tcp_set_no_delay(connection, off),
        Setting::KeepAlive(questions) => engine.tcp_set_keep_alive(connection, questions),
        Setting::Linger(limit) => engine.tcp_set_linger(connection, limit),
        Setting::UserTimeout(timeout) => engine.tcp_set_user_timeout(connection, timeout),
        Setting::Diffserv(field) => engine.tcp_set_diffserv(connection, field),
        Setting::SendBuffer(bytes) => engine.tcp_set_send_buffer(connection, bytes),
        Setting::ReceiveBuffer(bytes) => engine.tcp_set_receive_buffer(connection, bytes),
        Setting::Pacing(pacing) => engine.tcp_set_pacing(connection, pacing),
        Setting::Congestion(algorithm) => engine.tcp_set_congestion(connection, algorithm),
        Setting::Cork(corked) => engine.tcp_set_cork(connection, corked),
        Setting::UnsentLowWater(bytes) => engine.tcp_set_unsent_low_water(connection, bytes),
        Setting::WindowClamp(bytes) => engine.tcp_set_window_clamp(connection, bytes),
        Setting::FinWait2(limit) => engine.tcp_set_fin_wait_2(connection, limit),
    }
}
