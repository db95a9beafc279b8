//! UDP sockets: found by port in one step, with bounded queues.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::frame::Payload;
use crate::internet::address::Address;
use crate::transport::tcp::{ConnectionError, Id};

/// Why a socket could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has that address and port.
    #[error("another socket has that address and port")]
    InUse,
    /// As many sockets as `UdpConfig::sockets` are open.
    #[error("as many sockets as configured are open; raise UdpConfig::sockets")]
    TooManySockets,
    /// The address is not one of the engine's.
    #[error("the address is not one of the engine's own")]
    InvalidAddress,
}

/// A received datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Its bytes, where they arrived.
    pub payload: Payload,
    pub(super) source: Address,
    pub(super) source_port: u16,
    pub(super) destination: Address,
}

impl Datagram {
    /// Who sent it.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.source.into(), self.source_port)
    }

    /// Which of our addresses it was sent to.
    pub fn destination(&self) -> std::net::IpAddr {
        self.destination.into()
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    address: Address,
    port: u16,
    open: bool,
    announced: bool,
    generation: u32,
    next_on_port: u16,
    queue: VecDeque<Datagram>,
    queued_bytes: u32,
    error: Option<ConnectionError>,
}

impl Socket {
    pub(super) fn address(&self) -> Address {
        self.address
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    #[inline]
    pub(super) fn has_room(&self, bytes: u32, max_datagrams: usize, max_bytes: u32) -> bool {
        self.queue.len() < max_datagrams && self.queued_bytes.saturating_add(bytes) <= max_bytes
    }

    /// Queues a datagram; gives the socket's name when the application must be told.
    #[inline]
    pub(super) fn push(&mut self, index: u32, datagram: Datagram) -> Option<Id> {
        self.queued_bytes += datagram.payload.len() as u32;
        self.queue.push_back(datagram);
        self.announce(index)
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Datagram> {
        let datagram = self.queue.pop_front()?;
        self.queued_bytes -= datagram.payload.len() as u32;
        Some(datagram)
    }

    pub(super) fn report(&mut self, index: u32, error: ConnectionError) -> Option<Id> {
        self.error = Some(error);
        self.announce(index)
    }

    pub(super) fn take_error(&mut self) -> Option<ConnectionError> {
        self.error.take()
    }

    #[inline]
    fn announce(&mut self, index: u32) -> Option<Id> {
        let first = !std::mem::replace(&mut self.announced, true);
        first.then_some(Id {
            index,
            generation: self.generation,
        })
    }

    pub(super) fn announced(&mut self) {
        self.announced = false;
    }
}

const NOBODY: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Sockets {
    slots: Vec<Socket>,
    by_port: Box<[u16]>,
    capacity: usize,
}

impl Sockets {
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            slots: Vec::new(),
            by_port: vec![NOBODY; 1 << 16].into_boxed_slice(),
            capacity: (capacity as usize).min(usize::from(NOBODY)),
        }
    }

    pub(super) fn bind(&mut self, address: Address, port: u16) -> Result<Id, BindError> {
        if self
            .on_port(port)
            .any(|index| self.slots[index].address == address)
        {
            return Err(BindError::InUse);
        }
        let free = self.slots.iter().position(|socket| !socket.open);
        let index = free.unwrap_or(self.slots.len());
        if index == self.capacity {
            return Err(BindError::TooManySockets);
        }
        let generation = free.map_or(0, |index| self.slots[index].generation);
        let socket = Socket {
            address,
            port,
            open: true,
            announced: false,
            generation,
            next_on_port: std::mem::replace(&mut self.by_port[usize::from(port)], index as u16),
            queue: VecDeque::with_capacity(64),
            queued_bytes: 0,
            error: None,
        };
        match free {
            Some(index) => self.slots[index] = socket,
            None => self.slots.push(socket),
        }
        Ok(Id {
            index: index as u32,
            generation,
        })
    }

    pub(super) fn close(&mut self, id: Id) {
        let Some(socket) = self.lookup(id) else { return };
        socket.open = false;
        socket.generation = socket.generation.wrapping_add(1);
        socket.queue.clear();
        socket.queued_bytes = 0;
        let (port, next) = (socket.port, socket.next_on_port);
        let before = self
            .on_port(port)
            .find(|&before| self.slots[before].next_on_port == id.index as u16);
        match before {
            Some(before) => self.slots[before].next_on_port = next,
            None => self.by_port[usize::from(port)] = next,
        }
    }

    fn on_port(&self, port: u16) -> impl Iterator<Item = usize> {
        let index = |id: u16| (id != NOBODY).then_some(usize::from(id));
        std::iter::successors(index(self.by_port[usize::from(port)]), move |&at| {
            index(self.slots[at].next_on_port)
        })
    }

    /// The socket for an address and port: one on that very address before one on all.
    #[inline]
    pub(super) fn find(&self, address: &Address, port: u16) -> Option<u32> {
        let mut any = None;
        let mut at = self.by_port[usize::from(port)];
        while at != NOBODY {
            let socket = &self.slots[usize::from(at)];
            if socket.address == *address {
                return Some(at.into());
            }
            if socket.address.is_unspecified() {
                any = Some(at.into());
            }
            at = socket.next_on_port;
        }
        any
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> &mut Socket {
        &mut self.slots[index as usize]
    }

    pub(super) fn lookup(&mut self, id: Id) -> Option<&mut Socket> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|socket| socket.open && socket.generation == id.generation)
    }
}
