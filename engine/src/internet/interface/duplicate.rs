//! Whether an IPv6 address that is to be ours is somebody's already (RFC 4862 section 5.4).

use super::Interface;
use crate::config::AddressBlock;
use crate::internet::address::Address;
use crate::time::{Duration, Instant};

/// `RETRANS_TIMER`: how long an owner has to object.
const OBJECTION_TIME: Duration = Duration::from_millis(1_000);

/// Addresses that are not ours yet. Of a block, the one that it was made with stands for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tentative {
    block: AddressBlock,
    asked: u8,
    pub(super) due: Instant,
}

impl Interface {
    /// Begins to ask for these addresses, with the next look at the timers.
    pub(super) fn begin_detection(&mut self, blocks: Vec<AddressBlock>) {
        self.tentative.extend(blocks.into_iter().map(|block| Tentative {
            block,
            asked: 0,
            due: Instant::ZERO,
        }));
    }

    /// Asks for what is due, and adds to `assigned` what nobody has objected to.
    pub(super) fn run_detection(&mut self, now: Instant, assigned: &mut Vec<AddressBlock>) {
        for index in (0..self.tentative.len()).rev() {
            let tentative = self.tentative[index];
            if now < tentative.due {
                continue;
            }
            if tentative.asked == self.detect_transmits {
                assigned.push(self.tentative.remove(index).block);
                continue;
            }
            self.tentative[index] = Tentative {
                asked: tentative.asked + 1,
                due: now + OBJECTION_TIME,
                ..tentative
            };
            let target = tentative.block.preferred();
            self.send_solicitation(&Address::UNSPECIFIED, &target, None);
        }
        // The first of the family is the default source, so they come back in the order of configuration.
        assigned.reverse();
    }

    /// Whether this is an address that we are asking for.
    pub(super) fn is_tentative(&self, address: &Address) -> bool {
        self.tentative
            .iter()
            .any(|tentative| tentative.block.preferred() == *address)
    }

    /// Somebody has, or wants, an address that was to be ours: it never will be (RFC 4862 section 5.4.5).
    pub(super) fn give_way(&mut self, address: &Address) {
        self.counters.address_conflicts += 1;
        self.tentative
            .retain(|tentative| tentative.block.preferred() != *address);
    }
}
