//! The attacker's place on the path.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use handfast::frame::{FramePool, PacketQueue, Purpose, SMALL_SLOT, Size};
use handfast::link::ethernet::MacAddress;
use handfast::link::memory::LocalEnd;
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::{Duration, Instant};

use super::mutation::{mutate, quote, spoil_a_byte, turned_round};
use crate::support::random::Random;

/// Packets that he remembers, of each direction.
const MEMORY: usize = 64;
/// How long a packet is on its way.
const DELAY: Duration = Duration::from_micros(100);

#[derive(Clone)]
struct Bytes {
    bytes: Vec<u8>,
    segment_size: u16,
}

/// A device whose received packets go through the attacker's hands.
pub(super) struct Forger {
    device: LocalEnd,
    link_header: usize,
    random: Random,
    pool: FramePool,
    touches: Touches,
    incoming: PacketQueue,
    heard: VecDeque<Bytes>,
    said: VecDeque<Bytes>,
    waiting: VecDeque<(Instant, Bytes)>,
    delivered: u64,
}

/// How many packets he will touch yet, at both ends. Each of his may be answered, and he answers each of those: with no end to it, it would be
/// he who talks for ever.
pub(super) type Touches = Rc<Cell<usize>>;

impl Forger {
    pub(super) fn new(device: LocalEnd, random: Random, pool: FramePool, touches: Touches) -> Self {
        Self {
            link_header: device.capabilities().medium.header_len(),
            device,
            random,
            pool,
            touches,
            incoming: PacketQueue::with_capacity(64),
            heard: VecDeque::new(),
            said: VecDeque::new(),
            waiting: VecDeque::new(),
            delivered: 0,
        }
    }

    /// Packets that came out of his hands.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    fn meddle(&mut self, now: Instant, packet: Bytes) {
        let due = now + DELAY;
        let Some(left) = self.touches.get().checked_sub(1) else {
            return self.waiting.push_back((due, packet));
        };
        self.touches.set(left);
        remember(&mut self.heard, &packet);
        match self.random.below(100) {
            0..4 => {}
            4..10 => self.waiting.extend([(due, packet.clone()), (due, packet)]),
            10..30 => {
                let changed = self.changed(packet);
                self.waiting.push_back((due, changed));
            }
            30..33 => self.waiting.push_front((due, packet)),
            33..36 => {
                let changed = self.changed(packet.clone());
                self.waiting.extend([(due, packet), (due, changed)]);
            }
            _ => self.waiting.push_back((due, packet)),
        }
        if self.random.below(6) == 0 {
            let made_up = self.make_up();
            self.waiting.extend(made_up.map(|packet| (due, packet)));
        }
    }

    fn changed(&mut self, mut packet: Bytes) -> Bytes {
        for _ in 0..=self.random.below(3) {
            if self.random.below(10) == 0 {
                spoil_a_byte(&mut packet.bytes, &mut self.random);
            }
            let mut datagram = packet.bytes.split_off(self.link_header.min(packet.bytes.len()));
            mutate(&mut datagram, &mut self.random);
            packet.bytes.append(&mut datagram);
        }
        packet
    }

    /// What is made of the datagram in a frame, in a frame back to who sent it.
    fn reply(&mut self, to: &Bytes, make: fn(&[u8], &mut Random) -> Vec<u8>) -> Vec<u8> {
        let (link, datagram) = to.bytes.split_at(self.link_header.min(to.bytes.len()));
        let mut frame = link.to_vec();
        if let Some((destination, source)) = frame.get_mut(..12).map(|addresses| addresses.split_at_mut(6)) {
            destination.swap_with_slice(source);
        }
        if !datagram.is_empty() {
            frame.append(&mut make(datagram, &mut self.random));
        }
        frame
    }

    /// A packet that nobody sent now: an old one, one sent back to who sent it, an ICMP error about one.
    fn make_up(&mut self) -> Option<Bytes> {
        let (heard, said) = (self.heard.len(), self.said.len());
        if heard == 0 || said == 0 {
            return None;
        }
        let old = self.heard[self.random.below(heard)].clone();
        let own = self.said[self.random.below(said)].clone();
        Some(match self.random.below(4) {
            0 => old,
            1 => self.changed(old),
            2 => Bytes {
                bytes: self.reply(&own, |datagram, _| turned_round(datagram)),
                ..own
            },
            _ => Bytes {
                bytes: self.reply(&own, quote),
                segment_size: 0,
            },
        })
    }

    fn deliver(&mut self, packet: &Bytes, batch: &mut PacketQueue) {
        let len = packet.bytes.len();
        let size = if len <= SMALL_SLOT {
            Size::Small
        } else {
            Size::Large
        };
        // One more that is lost.
        let Some(mut frame) = self.pool.allocate(Purpose::Receive, size) else {
            return;
        };
        let Some(target) = frame.extend(len) else { return };
        target.copy_from_slice(&packet.bytes);
        let slot = batch.push().expect("there was room");
        slot.segment_size = packet.segment_size;
        assert!(slot.push_piece(frame.freeze()).is_ok());
    }
}

fn remember(memory: &mut VecDeque<Bytes>, packet: &Bytes) {
    if memory.len() == MEMORY {
        memory.pop_front();
    }
    memory.push_back(packet.clone());
}

fn copied(batch: &PacketQueue, index: usize) -> Option<Bytes> {
    let packet = batch.get(index)?;
    let mut bytes = vec![0; packet.len()];
    packet.copy_into(&mut bytes);
    Some(Bytes {
        bytes,
        segment_size: packet.segment_size,
    })
}

impl Device for Forger {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.device.hardware_address()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.receive(now, &mut self.incoming);
        while let Some(packet) = copied(&self.incoming, 0) {
            self.incoming.pop_front();
            self.meddle(now, packet);
        }
        let before = batch.len();
        while batch.len() < batch.capacity() {
            let Some((_, packet)) = self.waiting.pop_front_if(|(due, _)| *due <= now) else {
                break;
            };
            self.deliver(&packet, batch);
        }
        self.delivered += (batch.len() - before) as u64;
        batch.len() - before
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        if self.touches.get() > 0 {
            let packets = (0..batch.len()).filter_map(|index| copied(batch, index));
            packets.for_each(|packet| remember(&mut self.said, &packet));
        }
        self.device.transmit(now, batch)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, _)| *due)
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}
