//! The driver's end of listeners.

use std::net::SocketAddr;
use std::sync::Arc;

use super::ports::ATTEMPTS;
use super::{Driver, entry};
use crate::application::asynchronous::{Door, Failure, Pipe, PipeState, Shared, Stage};
use crate::application::{ListenerHandle, TcpHandle};
use crate::link::Device;

impl<D: Device> Driver<D> {
    pub(super) fn answer_door(&mut self, door: Arc<Door>) {
        let (handle, dropped) = {
            let mut state = door.lock();
            state.visited();
            (state.handle, state.dropped)
        };
        match handle {
            None if dropped => {}
            None => self.listen(door),
            Some(handle) if dropped => self.close_door(handle, &door),
            Some(handle) => {
                if let Some(limit) = door.lock().defers.take() {
                    // A listener that the program holds is open.
                    let _ = self.engine.tcp_set_defer_accept(handle, limit);
                }
                self.admit(handle);
            }
        }
    }

    fn listen(&mut self, door: Arc<Door>) {
        let (at, backlog) = {
            let state = door.lock();
            (state.at, state.backlog)
        };
        match self.listen_at(at, backlog) {
            Ok((handle, at)) => {
                let mut state = door.lock();
                (state.handle, state.at) = (Some(handle), at);
                state.wake(&mut self.woken);
                drop(state);
                *entry(&mut self.doors, handle.slot()) = Some((handle, door));
                self.sockets += 1;
            }
            Err(failure) => door.fail(failure),
        }
    }

    fn listen_at(
        &mut self,
        mut at: SocketAddr,
        backlog: usize,
    ) -> Result<(ListenerHandle, SocketAddr), Failure> {
        if at.port() != 0 {
            let listener = self.engine.tcp_listen(at, backlog);
            return listener
                .map(|handle| (handle, at))
                .map_err(|_| Failure::ListenerExists(at));
        }
        for _ in 0..ATTEMPTS {
            at.set_port(self.ports.next());
            if let Ok(handle) = self.engine.tcp_listen(at, backlog) {
                return Ok((handle, at));
            }
        }
        Err(Failure::NoFreePort)
    }

    /// Accepts connections as far as the program's end has room.
    pub(super) fn admit(&mut self, handle: ListenerHandle) {
        let Some(Some((known, door))) = self.doors.get(handle.slot() as usize) else {
            return;
        };
        if *known != handle {
            return;
        }
        let door = door.clone();
        // Only the driver brings connections, so room that there is stays.
        while door.lock().takes_connection()
            && let Some(connection) = self.engine.tcp_accept(handle)
        {
            if let Some(pipe) = self.receive_caller(connection, &door) {
                let mut state = door.lock();
                state.accepted.push_back(pipe);
                state.wake(&mut self.woken);
            }
        }
    }

    fn receive_caller(&mut self, connection: TcpHandle, door: &Door) -> Option<Arc<Pipe>> {
        let (local, remote) = self.engine.tcp_addresses(connection)?;
        let state = PipeState::new(Stage::Open(connection), Some(local), remote);
        let pipe = Shared::new(door.mailbox().clone(), state);
        self.add_line(connection, pipe.clone());
        // What the engine had to say before there was a stream is found by looking.
        self.serve(connection);
        Some(pipe)
    }

    fn close_door(&mut self, handle: ListenerHandle, door: &Door) {
        self.engine.tcp_close_listener(handle);
        *entry(&mut self.doors, handle.slot()) = None;
        self.sockets -= 1;
        let waiting = std::mem::take(&mut door.lock().accepted);
        for pipe in waiting {
            if let Stage::Open(connection) = pipe.lock().stage {
                self.engine.tcp_abort(connection);
                *entry(&mut self.lines, connection.slot()) = None;
                self.sockets -= 1;
            }
        }
    }
}
