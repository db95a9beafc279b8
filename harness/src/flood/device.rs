//! A device that a flood comes out of besides what it receives.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use handfast::frame::{Checksum, Packet, PacketQueue};
use handfast::internet::{ipv6, protocol};
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::Instant;
use handfast::transport::tcp::segment::Flags;

use super::Plan;
use super::syn::{self, Syns};
use crate::load::arrivals::Schedule;

/// Packets that wait for the device at most.
const OUTGOING: usize = 256;

/// What came of a flood so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tally {
    /// SYNs that were received by who is flooded.
    pub(crate) syns: u64,
    /// Answers of each kind to addresses that nobody has. SYN-ACKs that were sent again count again.
    pub(crate) syn_acks: u64,
    pub(crate) resets: u64,
}

/// A device of IP packets, with the SYNs of a flood behind what it receives. What goes to their sources is swallowed and counted; all
/// else passes untouched.
///
/// SYNs are due by a schedule that begins with the first [`Device::receive`] and never slips: those for which a batch has no room come
/// with the next one.
#[derive(Debug)]
pub(crate) struct Flooded<D> {
    device: D,
    schedule: Schedule,
    has_begun: bool,
    syns: Syns,
    /// Packets for others, without those that were swallowed.
    outgoing: PacketQueue,
    tally: Rc<Cell<Tally>>,
}

impl<D: Device> Flooded<D> {
    /// Floods `device`, and counts in `tally`.
    pub(crate) fn new(device: D, plan: Plan, tally: Rc<Cell<Tally>>) -> Self {
        let (schedule, syns) = plan.flood();
        Self {
            device,
            schedule,
            has_begun: false,
            syns,
            outgoing: PacketQueue::with_capacity(OUTGOING),
            tally,
        }
    }

    fn count(&self, change: impl FnOnce(&mut Tally)) {
        let mut tally = self.tally.get();
        change(&mut tally);
        self.tally.set(tally);
    }

    /// Appends SYNs that are due as far as there is room, and returns how many.
    fn flood(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        if !self.has_begun {
            self.schedule.begin(now.as_nanos());
            self.has_begun = true;
        }
        let before = batch.len();
        let vouched = self.device.capabilities().verifies_checksums;
        while batch.room() > 0 && self.schedule.due(now.as_nanos()).is_some() {
            let packet = batch.push().expect("there is room");
            let syn = self.syns.next().expect("it is endless");
            syn.write(packet.set_header_len(syn.len()));
            packet.checksum = if vouched {
                Checksum::Offloaded
            } else {
                Checksum::InPacket
            };
        }
        let added = batch.len() - before;
        self.count(|tally| tally.syns += added as u64);
        added
    }

    /// Counts a packet when it goes to where the flood comes from. False for all others.
    fn swallow(&self, packet: &Packet) -> bool {
        let Some(flags) = flags_to_source(packet.contiguous()) else {
            return false;
        };
        self.count(|tally| {
            tally.syn_acks += u64::from(flags.contains(Flags::SYN | Flags::ACK));
            tally.resets += u64::from(flags.contains(Flags::RST));
        });
        true
    }
}

/// The flags of a TCP segment to an address of the flood's; `None` for whatever else it is.
fn flags_to_source(bytes: &[u8]) -> Option<Flags> {
    let (target, transport) = tcp_to(bytes)?;
    syn::is_source(target)
        .then(|| bytes.get(transport + 13).copied().map(Flags))
        .flatten()
}

/// Whom a packet is for, and where its TCP header begins; `None` when it has none, or one behind extension headers.
fn tcp_to(bytes: &[u8]) -> Option<(IpAddr, usize)> {
    match bytes.first()? >> 4 {
        4 if *bytes.get(9)? == protocol::TCP => {
            let target: [u8; 4] = *bytes.get(16..)?.first_chunk()?;
            Some((target.into(), usize::from(bytes[0] & 0xf) * 4))
        }
        6 if *bytes.get(6)? == protocol::TCP => {
            let target: [u8; 16] = *bytes.get(24..)?.first_chunk()?;
            Some((target.into(), ipv6::HEADER_LEN))
        }
        _ => None,
    }
}

impl<D: Device> Device for Flooded<D> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.transmit(now, &mut self.outgoing);
        self.device.receive(now, batch) + self.flood(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let before = batch.len();
        while let Some(packet) = batch.get(0) {
            if self.swallow(packet) {
                batch.pop_front();
                continue;
            }
            if self.outgoing.room() == 0 {
                self.device.transmit(now, &mut self.outgoing);
            }
            if self.outgoing.take_from(batch, 1) == 0 {
                break;
            }
        }
        self.device.transmit(now, &mut self.outgoing);
        before - batch.len()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let due = Instant::from_nanos(self.schedule.next());
        Some(self.device.next_deadline().map_or(due, |other| other.min(due)))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.device.descriptor()
    }

    fn is_gone(&self) -> bool {
        self.device.is_gone()
    }

    /// Of the device inside, so without what was swallowed, and without the flood.
    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}
