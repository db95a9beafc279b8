//! The wire in memory between two smoltcp interfaces: queues of recycled buffers, in one thread or between two.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Packets that a wire in one thread holds in each direction before the sender has to wait.
const LOCAL_DEPTH: usize = 1024;
/// The same between threads, where buffers go round in turn: fewer of them stay in the cache.
const THREAD_DEPTH: usize = 256;

/// A buffer and how much of it is a packet.
#[derive(Debug)]
pub(in crate::stack) struct Packet {
    pub(super) bytes: Box<[u8]>,
    pub(super) length: usize,
}

impl Packet {
    fn empty(mtu: usize) -> Self {
        Self {
            bytes: vec![0; mtu].into_boxed_slice(),
            length: 0,
        }
    }
}

/// One end of a wire.
pub(in crate::stack) trait Wire: Debug {
    /// Whether there is room to start a new packet. Replies are sent without asking, so that two ends that wait for
    /// each other's room cannot deadlock.
    fn has_room(&self) -> bool;
    /// A buffer to build a packet in.
    fn buffer(&self) -> Packet;
    /// Returns `false` when the packet had to be dropped.
    fn send(&self, packet: Packet) -> bool;
    fn receive(&self) -> Option<Packet>;
    /// Takes back a buffer that [`Wire::receive`] gave.
    fn recycle(&self, packet: Packet);
}

type Queue = Rc<RefCell<VecDeque<Packet>>>;

/// A wire whose ends share a thread.
#[derive(Debug)]
pub(in crate::stack) struct LocalWire {
    mtu: usize,
    outbound: Queue,
    inbound: Queue,
    free: Rc<RefCell<Vec<Packet>>>,
}

impl LocalWire {
    pub(in crate::stack) fn pair(mtu: usize) -> (Self, Self) {
        let queue = || Rc::new(RefCell::new(VecDeque::with_capacity(LOCAL_DEPTH)));
        let (there, back) = (queue(), queue());
        let free = Rc::new(RefCell::new(Vec::with_capacity(2 * LOCAL_DEPTH)));
        let client = Self {
            mtu,
            outbound: Rc::clone(&there),
            inbound: Rc::clone(&back),
            free: Rc::clone(&free),
        };
        (
            client,
            Self {
                mtu,
                outbound: back,
                inbound: there,
                free,
            },
        )
    }
}

impl Wire for LocalWire {
    fn has_room(&self) -> bool {
        self.outbound.borrow().len() < LOCAL_DEPTH
    }

    fn buffer(&self) -> Packet {
        self.free
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Packet::empty(self.mtu))
    }

    fn send(&self, packet: Packet) -> bool {
        self.outbound.borrow_mut().push_back(packet);
        true
    }

    fn receive(&self) -> Option<Packet> {
        self.inbound.borrow_mut().pop_front()
    }

    fn recycle(&self, packet: Packet) {
        self.free.borrow_mut().push(packet);
    }
}

/// A wire whose ends are in two threads. Buffers go home to the end that sent them.
#[derive(Debug)]
pub(in crate::stack) struct ThreadWire {
    mtu: usize,
    outbound: SyncSender<Packet>,
    inbound: Receiver<Packet>,
    returning: SyncSender<Packet>,
    returned: Receiver<Packet>,
    free: RefCell<Vec<Packet>>,
}

impl ThreadWire {
    pub(in crate::stack) fn pair(mtu: usize) -> (Self, Self) {
        let (there_in, there_out) = sync_channel(2 * THREAD_DEPTH);
        let (back_in, back_out) = sync_channel(2 * THREAD_DEPTH);
        let (there_return, there_home) = sync_channel(2 * THREAD_DEPTH);
        let (back_return, back_home) = sync_channel(2 * THREAD_DEPTH);
        let end = |outbound, inbound, returning, returned| Self {
            mtu,
            outbound,
            inbound,
            returning,
            returned,
            free: RefCell::new((0..THREAD_DEPTH).map(|_| Packet::empty(mtu)).collect()),
        };
        (
            end(there_in, back_out, back_return, there_home),
            end(back_in, there_out, there_return, back_home),
        )
    }

    fn welcome_returned(&self) {
        self.free.borrow_mut().extend(self.returned.try_iter());
    }
}

impl Wire for ThreadWire {
    fn has_room(&self) -> bool {
        if self.free.borrow().is_empty() {
            self.welcome_returned();
        }
        !self.free.borrow().is_empty()
    }

    fn buffer(&self) -> Packet {
        if self.has_room() {
            self.free.borrow_mut().pop().expect("has_room found one")
        } else {
            Packet::empty(self.mtu)
        }
    }

    fn send(&self, packet: Packet) -> bool {
        self.outbound.try_send(packet).is_ok()
    }

    fn receive(&self) -> Option<Packet> {
        self.inbound.try_recv().ok()
    }

    fn recycle(&self, packet: Packet) {
        // A full channel means that more buffers were made than go round: this one is let go.
        let _ = self.returning.try_send(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(wire: &impl Wire, number: u8) -> Packet {
        let mut packet = wire.buffer();
        packet.bytes[0] = number;
        packet.length = 1;
        packet
    }

    fn packets_arrive_in_order_and_room_returns(near: &impl Wire, far: &impl Wire) {
        let mut sent = 0u32;
        while near.has_room() {
            assert!(near.send(numbered(near, sent as u8)));
            sent += 1;
        }
        assert!(sent > 16, "only {sent} packets fit");
        for expected in 0..sent {
            let packet = far.receive().expect("sent");
            assert_eq!((packet.bytes[0], packet.length), (expected as u8, 1));
            far.recycle(packet);
        }
        assert!(far.receive().is_none());
        assert!(near.has_room());
        assert!(near.receive().is_none(), "the directions are separate");
    }

    #[test]
    fn a_local_wire_keeps_order() {
        let (near, far) = LocalWire::pair(64);
        packets_arrive_in_order_and_room_returns(&near, &far);
        packets_arrive_in_order_and_room_returns(&far, &near);
    }

    #[test]
    fn a_wire_between_threads_keeps_order() {
        let (near, far) = ThreadWire::pair(64);
        packets_arrive_in_order_and_room_returns(&near, &far);
        packets_arrive_in_order_and_room_returns(&far, &near);
    }
}
