//! A wire that loses, doubles, damages, reorders, delays and throttles, the same way for the same seed.

mod config;
mod random;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(unix)]
use std::os::fd::BorrowedFd;

pub use self::config::{ImpairConfig, ImpairError, MAX_PLACES};
use self::random::SplitMix64;
use self::wire::{Rate, Wire};
use super::ethernet::MacAddress;
use super::{Capabilities, Device, DeviceCounters, offload};
use crate::frame::{Checksum, FramePool, Packet, PacketQueue, Purpose, SMALL_SLOT, Size};
use crate::time::{Duration, Instant};

/// Packets taken from the device at a time.
const BATCH: usize = 64;

/// What has been done to packets. An impairment that hits counts once for each packet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ImpairCounters {
    /// Lost on purpose.
    pub lost: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Arrived with a bit flipped.
    pub corrupted: u64,
    /// Held back for others to pass.
    pub reordered: u64,
    /// Arrived later than they came in: by delay, jitter or rate.
    pub delayed: u64,
    /// Lost because the wire was full.
    pub overflowed: u64,
}

/// A device whose **received** packets are impaired; what it sends passes untouched. Wrap both ends to impair both directions.
///
/// Packets wait in a bounded store, and [`Device::next_deadline`] says when the next is due. Same seed, same packets and same
/// times give the same result. While any impairment is set, the device takes no virtual segments, so that what is
/// lost or reordered is a packet; and with corruption it neither computes nor verifies checksums, because a trusted wire would
/// deliver damaged bytes as valid. That binds the sender at this end, so the other end should be wrapped alike; a packet that still
/// comes in with its checksum left to the device has it completed before it is damaged.
#[derive(Debug)]
pub struct Impair<D> {
    device: D,
    config: ImpairConfig,
    pool: FramePool,
    dice: Dice,
    rate: Option<Rate>,
    wire: Wire,
    incoming: PacketQueue,
    twin: PacketQueue,
    impaired: ImpairCounters,
    delivered: u64,
    dropped: u64,
    copied_bytes: u64,
}

impl<D: Device> Impair<D> {
    /// Wraps `device`. Frames for damaged packets come from `pool`.
    ///
    /// # Errors
    /// [`ImpairConfig::validate`].
    pub fn new(device: D, config: ImpairConfig, pool: FramePool) -> Result<Self, ImpairError> {
        config.validate()?;
        Ok(Self {
            device,
            dice: Dice::new(config.seed),
            rate: config.bits_per_second.map(Rate::new),
            wire: Wire::new(config.capacity, config.places as usize),
            config,
            pool,
            incoming: PacketQueue::with_capacity(BATCH),
            twin: PacketQueue::with_capacity(1),
            impaired: ImpairCounters::default(),
            delivered: 0,
            dropped: 0,
            copied_bytes: 0,
        })
    }

    /// What has been done to packets so far.
    pub fn impaired(&self) -> ImpairCounters {
        self.impaired
    }

    /// Decides the fate of the packet in front of `incoming` and sees to it.
    fn admit(&mut self, now: Instant) {
        let fate = self.dice.roll(&self.config);
        if fate.lost {
            self.impaired.lost += 1;
            return self.incoming.pop_front();
        }
        if let Some(random) = fate.flip.clone()
            && !self.corrupt(random)
        {
            self.dropped += 1;
            return self.incoming.pop_front();
        }
        if fate.duplicated {
            self.impaired.duplicated += 1;
            let packet = self.incoming.get(0).expect("there is a packet in front");
            copy_packet(packet, self.twin.push().expect("a twin is placed at once"));
        }
        self.place(now, &fate);
    }

    /// Puts the packet in front of `incoming`, and its twin if it has one, on the wire.
    fn place(&mut self, now: Instant, fate: &Fate) {
        for (source, places) in [(&mut self.incoming, fate.places), (&mut self.twin, None)] {
            let Some(packet) = source.get(0) else { return };
            let sent = match &mut self.rate {
                Some(rate) => rate.departure(now, packet.len()),
                None => now,
            };
            let due = sent + self.config.delay + fate.jitter;
            if !self.wire.has_room() {
                source.pop_front();
                self.impaired.overflowed += 1;
                continue;
            }
            self.impaired.delayed += u64::from(due > now);
            match places {
                Some(places) => {
                    self.impaired.reordered += 1;
                    self.wire.hold(source, due, places, now + self.config.hold_limit);
                }
                None => self.wire.append(source, due),
            }
        }
    }

    /// Replaces the packet in front of `incoming` by a copy with one bit flipped, which `random` chooses. `false` without a frame.
    fn corrupt(&mut self, mut random: SplitMix64) -> bool {
        let packet = self.incoming.get_mut(0).expect("there is a packet in front");
        let len = packet.len();
        let size = if len <= SMALL_SLOT {
            Size::Small
        } else {
            Size::Large
        };
        let Some(mut frame) = self.pool.allocate(Purpose::Receive, size) else {
            return false;
        };
        let Some(bytes) = frame.extend(len).filter(|bytes| !bytes.is_empty()) else {
            return false;
        };
        packet.copy_into(bytes);
        if packet.checksum == Checksum::Offloaded {
            let link_header = self.device.capabilities().medium.header_len();
            offload::complete_checksum(bytes.get_mut(link_header..).unwrap_or_default());
        }
        let bit = random.below(len as u64 * 8) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        let segment_size = packet.segment_size;
        packet.reset();
        packet.segment_size = segment_size;
        let pushed = packet.push_piece(frame.freeze());
        debug_assert!(pushed.is_ok(), "an empty packet takes a piece");
        self.copied_bytes += len as u64;
        self.impaired.corrupted += 1;
        true
    }
}

impl<D: Device> Device for Impair<D> {
    fn capabilities(&self) -> Capabilities {
        let device = self.device.capabilities();
        if self.config.is_transparent() {
            return device;
        }
        let faithful = self.config.corruption == 0.0;
        Capabilities {
            verifies_checksums: device.verifies_checksums && faithful,
            computes_checksums: device.computes_checksums && faithful,
            max_segment: 0,
            ..device
        }
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.device.hardware_address()
    }

    fn hear(&mut self, addresses: &[MacAddress]) {
        self.device.hear(addresses);
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        if self.config.is_transparent() {
            let received = self.device.receive(now, batch);
            self.delivered += received as u64;
            return received;
        }
        self.wire.release_overdue(now);
        self.device.receive(now, &mut self.incoming);
        while !self.incoming.is_empty() {
            self.admit(now);
        }
        let delivered = self.wire.deliver(now, batch);
        self.delivered += delivered as u64;
        delivered
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.transmit(now, batch)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let wire = self.wire.next_deadline();
        wire.into_iter().chain(self.device.next_deadline()).min()
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.device.descriptor()
    }

    /// The wrapped device's, but `received` are the packets that came out of the impaired wire, and `dropped` includes
    /// those that found it full. Losses on purpose are in [`Impair::impaired`] alone.
    fn is_gone(&self) -> bool {
        self.device.is_gone()
    }

    fn counters(&self) -> DeviceCounters {
        let device = self.device.counters();
        DeviceCounters {
            received: self.delivered,
            dropped: device.dropped + self.dropped + self.impaired.overflowed,
            copied_bytes: device.copied_bytes + self.copied_bytes,
            ..device
        }
    }
}

/// What is to happen to one packet.
struct Fate {
    lost: bool,
    duplicated: bool,
    /// What chooses the bit to flip.
    flip: Option<SplitMix64>,
    places: Option<u64>,
    jitter: Duration,
}

/// One sequence for each impairment. Each gives as many numbers for a packet whatever comes of them.
#[derive(Debug)]
struct Dice {
    loss: SplitMix64,
    duplication: SplitMix64,
    corruption: SplitMix64,
    reordering: SplitMix64,
    jitter: SplitMix64,
}

impl Dice {
    fn new(seed: u64) -> Self {
        let mut seeds = SplitMix64::new(seed);
        Self {
            loss: seeds.fork(),
            duplication: seeds.fork(),
            corruption: seeds.fork(),
            reordering: seeds.fork(),
            jitter: seeds.fork(),
        }
    }

    fn roll(&mut self, config: &ImpairConfig) -> Fate {
        let (corrupted, bit) = (self.corruption.chance(config.corruption), self.corruption.fork());
        let reordered = self.reordering.chance(config.reordering);
        let places = 1 + self.reordering.below(u64::from(config.places));
        let jitter_bound = config.jitter.as_nanos().saturating_add(1);
        Fate {
            lost: self.loss.chance(config.loss),
            duplicated: self.duplication.chance(config.duplication),
            flip: corrupted.then_some(bit),
            places: reordered.then_some(places),
            jitter: Duration::from_nanos(self.jitter.below(jitter_bound)),
        }
    }
}

fn copy_packet(from: &Packet, to: &mut Packet) {
    to.copy_header(from);
    to.checksum = from.checksum;
    to.segment_size = from.segment_size;
    to.transport_offset = from.transport_offset;
    for piece in from.body() {
        let pushed = to.push_piece(piece.clone());
        debug_assert!(pushed.is_ok(), "as many pieces fit as the original has");
    }
}
