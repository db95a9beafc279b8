//! The wire in memory between two smoltcp interfaces: queues of recycled buffers, without checksums.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

const MTU: usize = 1500;
/// Packets that wait in a direction before the sender has to.
const DEPTH: usize = 1024;

type Buffers<Q> = Rc<RefCell<Q>>;

/// One end of the wire.
#[derive(Debug)]
pub struct WireEnd {
    outgoing: Buffers<VecDeque<Vec<u8>>>,
    incoming: Buffers<VecDeque<Vec<u8>>>,
    free: Buffers<Vec<Vec<u8>>>,
}

/// Both ends of a wire.
pub fn pair() -> (WireEnd, WireEnd) {
    let direction = || Rc::new(RefCell::new(VecDeque::with_capacity(DEPTH)));
    let (there, back, free) = (direction(), direction(), Rc::new(RefCell::new(Vec::new())));
    let end = |outgoing: &Buffers<_>, incoming: &Buffers<_>| WireEnd {
        outgoing: Rc::clone(outgoing),
        incoming: Rc::clone(incoming),
        free: Rc::clone(&free),
    };
    (end(&there, &back), end(&back, &there))
}

impl phy::Device for WireEnd {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, ToSend<'_>)> {
        let packet = self.incoming.borrow_mut().pop_front()?;
        Some((Received { wire: self, packet }, ToSend(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<ToSend<'_>> {
        (self.outgoing.borrow().len() < DEPTH).then_some(ToSend(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

/// A packet that has arrived.
#[derive(Debug)]
pub struct Received<'a> {
    wire: &'a WireEnd,
    packet: Vec<u8>,
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.packet);
        self.wire.free.borrow_mut().push(self.packet);
        result
    }
}

/// Leave to send a packet.
#[derive(Debug)]
pub struct ToSend<'a>(&'a WireEnd);

impl phy::TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let recycled = self.0.free.borrow_mut().pop();
        let mut packet = recycled.unwrap_or_else(|| Vec::with_capacity(MTU));
        packet.resize(length, 0);
        let result = write(&mut packet);
        self.0.outgoing.borrow_mut().push_back(packet);
        result
    }
}
