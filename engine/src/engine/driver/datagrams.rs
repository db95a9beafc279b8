//! The driver's end of datagram sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use super::ports::ATTEMPTS;
use super::{Driver, entry};
use crate::application::asynchronous::{Failure, Piece, Post, PostState};
use crate::application::{BindError, SendError, UdpHandle};
use crate::link::Device;

impl<D: Device> Driver<D> {
    pub(super) fn answer_post(&mut self, post: Arc<Post>) {
        let (handle, dropped) = {
            let mut state = post.lock();
            state.visited();
            (state.handle, state.dropped)
        };
        match handle {
            None if dropped => {}
            None => self.bind(post),
            Some(handle) => {
                self.exchange(handle);
                if dropped {
                    self.engine.udp_close(handle);
                    *entry(&mut self.posts, handle.slot()) = None;
                    self.sockets -= 1;
                }
            }
        }
    }

    fn bind(&mut self, post: Arc<Post>) {
        let at = post.lock().at;
        match self.bind_at(at) {
            Ok((handle, at)) => {
                let mut state = post.lock();
                (state.handle, state.at) = (Some(handle), at);
                state.wake_writers(&mut self.woken);
                drop(state);
                *entry(&mut self.posts, handle.slot()) = Some((handle, post));
                self.sockets += 1;
            }
            Err(failure) => post.fail(failure),
        }
    }

    fn bind_at(&mut self, mut at: SocketAddr) -> Result<(UdpHandle, SocketAddr), Failure> {
        if at.port() != 0 {
            return Ok((self.engine.udp_bind(at)?, at));
        }
        for _ in 0..ATTEMPTS {
            at.set_port(self.ports.next());
            match self.engine.udp_bind(at) {
                Ok(handle) => return Ok((handle, at)),
                Err(BindError::InUse) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::NoFreePort)
    }

    /// Moves datagrams in both directions.
    pub(super) fn exchange(&mut self, handle: UdpHandle) {
        let Some(Some((known, post))) = self.posts.get(handle.slot() as usize) else {
            return;
        };
        if *known != handle {
            return;
        }
        let post = post.clone();
        let mut state = post.lock();
        self.receive_datagrams(handle, &mut state);
        self.send_datagrams(handle, &mut state, Patience::Some);
    }

    fn receive_datagrams(&mut self, handle: UdpHandle, state: &mut PostState) {
        let mut news = false;
        while state.takes_datagram()
            && let Some(datagram) = self.engine.udp_receive(handle)
        {
            let from = datagram.source();
            state.arrived(Piece::new(datagram.payload), from);
            news = true;
        }
        if let Some(error) = self.engine.udp_take_error(handle) {
            news |= state.report(error.into());
        }
        if news {
            state.wake_readers(&mut self.woken);
        }
    }

    fn send_datagrams(&mut self, handle: UdpHandle, state: &mut PostState, patience: Patience) {
        let mut moved = false;
        while let Some((bytes, to)) = state.outgoing.front() {
            match self.engine.udp_send(handle, *to, bytes) {
                Err(SendError::NoRoom) if patience == Patience::Some => {
                    if !self.crowded.contains(&handle) {
                        self.crowded.push(handle);
                    }
                    break;
                }
                // Nothing that could be waited for makes room: the datagram is lost, as datagrams are.
                Ok(()) | Err(SendError::NoRoom) => {}
                Err(error) => {
                    state.news = Some(error.into());
                    state.wake_readers(&mut self.woken);
                }
            }
            state.sent();
            moved = true;
        }
        if moved {
            state.wake_writers(&mut self.woken);
        }
    }

    /// Tries datagrams again that found no room before the engine was polled.
    pub(super) fn relieve(&mut self) {
        if self.crowded.is_empty() {
            return;
        }
        let patience = if self.engine.has_refused() {
            Patience::Some
        } else {
            Patience::None
        };
        for handle in std::mem::take(&mut self.crowded) {
            if let Some(Some((known, post))) = self.posts.get(handle.slot() as usize)
                && *known == handle
            {
                let post = post.clone();
                let mut state = post.lock();
                self.send_datagrams(handle, &mut state, patience);
            }
        }
    }
}

/// Whether a datagram that finds no room is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Patience {
    None,
    Some,
}
