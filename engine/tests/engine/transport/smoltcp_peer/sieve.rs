//! A device that loses one segment of each kind that it is told, on the way in.

use handfast::frame::PacketQueue;
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::Instant;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A segment that is lost, the first time that it comes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    /// A SYN, with ACK or without.
    Syn,
    /// The acknowledgment that completes a handshake.
    Third,
    Fin,
    /// The acknowledgment that comes after a FIN of the same end: that of the other FIN.
    Last,
    /// The so-manieth segment with text, counted from 1.
    Text(u32),
}

/// Loses segments that arrive.
pub(crate) struct Sieve<D> {
    device: D,
    losses: Vec<Lost>,
    arrived: PacketQueue,
    fin_seen: bool,
    syn_seen: bool,
    texts: u32,
}

impl<D: Device> Sieve<D> {
    pub(crate) fn new(device: D, losses: &[Lost]) -> Self {
        Self {
            device,
            losses: losses.to_vec(),
            arrived: PacketQueue::with_capacity(super::wire::DEPTH),
            fin_seen: false,
            syn_seen: false,
            texts: 0,
        }
    }

    /// Whether everything was lost that should be.
    pub(crate) fn is_done(&self) -> bool {
        self.losses.is_empty()
    }

    fn loses(&mut self, packet: &[u8]) -> bool {
        let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let flags = packet[header + 13];
        let text = packet.len() - header - usize::from(packet[header + 12] >> 4) * 4;
        self.texts += u32::from(text > 0);
        let is_bare = flags & (SYN | FIN) == 0 && flags & ACK != 0 && text == 0;
        let kind = match () {
            () if flags & SYN != 0 => Lost::Syn,
            () if flags & FIN != 0 => Lost::Fin,
            () if is_bare && self.fin_seen => Lost::Last,
            () if is_bare && self.syn_seen => Lost::Third,
            () => Lost::Text(self.texts),
        };
        self.syn_seen = flags & SYN != 0;
        self.fin_seen |= flags & FIN != 0;
        let known = self.losses.iter().position(|lost| *lost == kind);
        known.map(|at| self.losses.remove(at)).is_some()
    }
}

impl<D: Device> Device for Sieve<D> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.receive(now, &mut self.arrived);
        let before = batch.len();
        while let Some(packet) = self.arrived.get(0) {
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).expect("as long as the packet");
            if self.loses(&bytes) {
                self.arrived.pop_front();
            } else if batch.take_from(&mut self.arrived, 1) == 0 {
                break;
            }
        }
        batch.len() - before
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.transmit(now, batch)
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}
