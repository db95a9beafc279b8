//! Many packets that are alike but for their source: made once, and changed so that no checksum has to be computed anew.

use crate::support::Family;
use crate::support::peer::Segment;

/// A packet whose source changes.
pub(crate) struct Flood {
    family: Family,
    packet: Vec<u8>,
}

impl Flood {
    pub(crate) fn of(segment: &Segment, family: Family) -> Self {
        Self {
            family,
            packet: segment.encode(family),
        }
    }

    /// The packet from the `number`-th of 2³² sources.
    pub(crate) fn from(&mut self, number: u32) -> &[u8] {
        let (host, port) = ((number >> 16) as u16, number as u16);
        // Identification (the flow label for IPv6, which no checksum covers), the low half of the source address, and where TCP begins.
        let (identification, address, tcp) = match self.family {
            Family::V4 => (Some(4), 14, 20),
            Family::V6 => (None, 22, 40),
        };
        let change = host.wrapping_sub(self.word(address));
        if change != 0 {
            let before = self.word(address);
            if let Some(at) = identification {
                self.compensate(at, before, host);
            }
            self.compensate(tcp + 4, before, host);
            self.put(address, host);
        }
        let before = self.word(tcp);
        self.compensate(tcp + 6, before, port);
        self.put(tcp, port);
        &self.packet
    }

    /// Changes the word at `at` so that the sum stays when `before` becomes `after` elsewhere.
    fn compensate(&mut self, at: usize, before: u16, after: u16) {
        let sum = ones_sum(ones_sum(self.word(at), before), !after);
        self.put(at, sum);
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.packet[at], self.packet[at + 1]])
    }

    fn put(&mut self, at: usize, word: u16) {
        self.packet[at..at + 2].copy_from_slice(&word.to_be_bytes());
    }
}

/// The sum in ones' complement.
fn ones_sum(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}
