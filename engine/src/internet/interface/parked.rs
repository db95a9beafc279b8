//! Packets that wait until a neighbour has answered.

use std::collections::VecDeque;

use super::neighbour::Token;
use crate::frame::Packet;

/// A line of waiting packets, bounded in all and for each neighbour; the oldest makes way.
#[derive(Debug)]
pub(super) struct Parked {
    line: VecDeque<(Token, Packet)>,
    limit: usize,
    limit_per_neighbour: usize,
}

impl Parked {
    /// At least one packet waits for a neighbour (RFC 1122 section 2.3.2.2, RFC 4861 section 7.2.2).
    pub(super) fn new(limit: usize, limit_per_neighbour: usize) -> Self {
        let limit = limit.max(1);
        Self {
            line: VecDeque::with_capacity(limit),
            limit,
            limit_per_neighbour: limit_per_neighbour.max(1),
        }
    }

    /// Adds a packet. Gives back the one that made way, if one had to.
    pub(super) fn push(&mut self, neighbour: Token, packet: Packet) -> Option<Packet> {
        let mut same = (0..self.line.len()).filter(|&index| self.line[index].0 == neighbour);
        let first = same.next();
        let is_full = first.is_some() && same.count() + 1 >= self.limit_per_neighbour;
        let evicted = match first {
            Some(index) if is_full => self.line.remove(index),
            _ if self.line.len() >= self.limit => self.line.pop_front(),
            _ => None,
        };
        self.line.push_back((neighbour, packet));
        evicted.map(|(_, packet)| packet)
    }

    /// Takes out the first packet for which `goes` holds.
    pub(super) fn take(&mut self, goes: impl Fn(Token) -> bool) -> Option<(Token, Packet)> {
        let index = self.line.iter().position(|(neighbour, _)| goes(*neighbour))?;
        self.line.remove(index)
    }
}
