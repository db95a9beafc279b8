//! A bounded queue of packets that are built, handed over and consumed in place.

use super::Packet;

/// A first-in first-out queue of [`Packet`]s with fixed storage: nothing is allocated and no packet moves while it is filled or read,
/// and whole queues change hands by a swap of pointers.
#[derive(Debug)]
pub struct PacketQueue {
    slots: Box<[Packet]>,
    head: usize,
    len: usize,
}

impl PacketQueue {
    /// A queue for `capacity` packets, rounded up to a power of two.
    pub fn with_capacity(capacity: usize) -> Self {
        let slots = (0..capacity.max(1).next_power_of_two())
            .map(|_| Packet::default())
            .collect();
        Self {
            slots,
            head: 0,
            len: 0,
        }
    }

    /// Packets in the queue.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Packets that can still be added.
    #[inline]
    pub fn room(&self) -> usize {
        self.slots.len() - self.len
    }

    /// Packets that the queue can hold.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn position(&self, index: usize) -> usize {
        (self.head + index) & (self.slots.len() - 1)
    }

    /// The packet `index` places behind the first. `None` past the last.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&Packet> {
        (index < self.len).then(|| &self.slots[self.position(index)])
    }

    /// As [`PacketQueue::get`], for writing.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Packet> {
        let position = self.position(index);
        (index < self.len).then(|| &mut self.slots[position])
    }

    /// The packets from first to last.
    pub fn iter(&self) -> impl Iterator<Item = &Packet> {
        let (wrapped, first) = self.slots.split_at(self.head);
        let at_end = self.len.min(first.len());
        first[..at_end].iter().chain(&wrapped[..self.len - at_end])
    }

    /// The packets from first to last in two stretches, for writing; the second is empty unless the queue reaches round the end of its storage.
    #[inline]
    pub(crate) fn as_mut_slices(&mut self) -> [&mut [Packet]; 2] {
        let (wrapped, first) = self.slots.split_at_mut(self.head);
        let at_end = self.len.min(first.len());
        [&mut first[..at_end], &mut wrapped[..self.len - at_end]]
    }

    /// Adds an empty packet at the end and gives it to be built in place. `None` when the queue is full.
    #[inline]
    pub fn push(&mut self) -> Option<&mut Packet> {
        if self.room() == 0 {
            return None;
        }
        let position = self.position(self.len);
        self.len += 1;
        let packet = &mut self.slots[position];
        packet.begin();
        Some(packet)
    }

    /// Takes back the packet that was added last.
    pub fn pop_back(&mut self) {
        if self.len > 0 {
            self.len -= 1;
            let position = self.position(self.len);
            self.slots[position].release_body();
        }
    }

    /// Drops the first packet.
    #[inline]
    pub fn pop_front(&mut self) {
        if self.len > 0 {
            self.slots[self.head].release_body();
            self.skip_front();
        }
    }

    #[inline]
    fn skip_front(&mut self) {
        self.len -= 1;
        // An empty queue starts over, so that few packets keep to few cache lines.
        self.head = if self.len == 0 { 0 } else { self.position(1) };
    }

    /// Drops all packets.
    pub fn clear(&mut self) {
        for stretch in self.as_mut_slices() {
            for packet in stretch {
                packet.release_body();
            }
        }
        self.len = 0;
        self.head = 0;
    }

    /// Moves up to `limit` packets from the front of `source` to the end of this queue, as far as there is room, and returns how many.
    /// O(1) when everything moves into an empty queue of the same capacity.
    pub fn take_from(&mut self, source: &mut Self, limit: usize) -> usize {
        let count = limit.min(source.len).min(self.room());
        if count == source.len && self.is_empty() && self.capacity() == source.capacity() {
            std::mem::swap(self, source);
            return count;
        }
        for _ in 0..count {
            let position = self.position(self.len);
            self.slots[position].take_over(&mut source.slots[source.head]);
            self.len += 1;
            source.skip_front();
        }
        count
    }
}
