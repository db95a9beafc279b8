//! The device of the engine under test: packets are injected into it and taken out of it as bytes.

use std::collections::VecDeque;

use handfast::frame::{FramePool, PacketQueue, Purpose};
use handfast::link::{Capabilities, Device, DeviceCounters, Medium};
use handfast::time::Instant;

use super::meter::Meter;
use super::subject::Sent;

/// A wire whose other end is the script. It trusts nobody's checksums and cuts no segments.
#[derive(Debug)]
pub(super) struct Wire {
    mtu: u32,
    pool: FramePool,
    arriving: VecDeque<Vec<u8>>,
    pub(super) sent: VecDeque<Sent>,
    counters: DeviceCounters,
    /// Counts for a script that asks; each packet has to be read for it.
    pub(super) meter: Option<Meter>,
}

impl Wire {
    pub(super) fn new(mtu: u32, pool: FramePool) -> Self {
        Self {
            mtu,
            pool,
            arriving: VecDeque::new(),
            sent: VecDeque::new(),
            counters: DeviceCounters::default(),
            meter: None,
        }
    }

    /// Lets a packet arrive with the next poll.
    pub(super) fn inject(&mut self, bytes: Vec<u8>, now: Instant) {
        if let Some(meter) = &mut self.meter {
            meter.arrives(&bytes, now);
        }
        self.arriving.push_back(bytes);
    }
}

impl Device for Wire {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            medium: Medium::Ip,
            mtu: self.mtu,
            verifies_checksums: false,
            computes_checksums: false,
            max_segment: 0,
            gathers: true,
        }
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let mut received = 0;
        while batch.room() > 0
            && let Some(bytes) = self.arriving.pop_front()
        {
            let Some(frame) = self.pool.copy(Purpose::Receive, &bytes) else {
                self.counters.dropped += 1;
                continue;
            };
            if let Some(packet) = batch.push()
                && packet.push_piece(frame.freeze()).is_ok()
            {
                received += 1;
            }
        }
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let taken = batch.len();
        for packet in batch.iter() {
            let mut bytes = vec![0; packet.len()];
            if packet.copy_into(&mut bytes).is_some() {
                if let Some(meter) = &mut self.meter {
                    meter.sent(&bytes);
                }
                self.sent.push_back(Sent { at: now, bytes });
            }
        }
        batch.clear();
        self.counters.sent += taken as u64;
        taken
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}
