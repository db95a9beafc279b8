//! The places for neighbours: found by address in one step, fixed in number, given away by a clock.

use super::entry::{Entry, State, Token};
use crate::arch::tuple_hash::TupleHasher;
use crate::internet::address::Address;
use crate::link::ethernet::MacAddress;
use crate::time::Instant;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot {
    generation: u32,
    /// The next in the chain of a bucket, or in the list of free slots.
    next: u32,
    entry: Option<Entry>,
}

/// A chained hash table with a fixed number of slots. Neighbours choose their addresses, so the hash is keyed.
#[derive(Debug)]
pub(super) struct Table {
    hasher: TupleHasher,
    buckets: Box<[u32]>,
    slots: Vec<Slot>,
    free: u32,
    hand: usize,
}

impl Table {
    pub(super) fn new(secret: [u8; 32], capacity: usize, fixed: &[(Address, MacAddress)]) -> Self {
        let capacity = capacity + fixed.len();
        let mut table = Self {
            hasher: TupleHasher::new(secret),
            buckets: vec![NONE; capacity.next_power_of_two()].into(),
            slots: (0..capacity as u32)
                .map(|slot| Slot {
                    generation: 0,
                    next: if slot + 1 < capacity as u32 {
                        slot + 1
                    } else {
                        NONE
                    },
                    entry: None,
                })
                .collect(),
            free: if capacity == 0 { NONE } else { 0 },
            hand: 0,
        };
        for (address, mac) in fixed {
            if table.find(address).is_none()
                && let Some(token) = table.insert(address)
                && let Some(entry) = table.get_mut(token)
            {
                (entry.state, entry.mac) = (State::Static, *mac);
            }
        }
        table
    }

    pub(super) fn is_full(&self) -> bool {
        self.free == NONE
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The entry in a slot, if there is one.
    pub(super) fn at(&self, slot: usize) -> Option<Token> {
        let found = self.slots.get(slot).filter(|slot| slot.entry.is_some())?;
        Some(Token {
            slot: slot as u32,
            generation: found.generation,
        })
    }

    pub(super) fn find(&self, address: &Address) -> Option<Token> {
        let mut slot = self.buckets[self.bucket(address)];
        while let Some(here) = self.slots.get(slot as usize) {
            if here.entry.as_ref().is_some_and(|entry| entry.address == *address) {
                let generation = here.generation;
                return Some(Token { slot, generation });
            }
            slot = here.next;
        }
        None
    }

    #[inline]
    pub(super) fn get(&self, token: Token) -> Option<&Entry> {
        let slot = self.slots.get(token.slot as usize)?;
        slot.entry
            .as_ref()
            .filter(|_| slot.generation == token.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(token.slot as usize)?;
        slot.entry
            .as_mut()
            .filter(|_| slot.generation == token.generation)
    }

    /// A new entry, incomplete, for an address that has none. `None` when the table is full.
    pub(super) fn insert(&mut self, address: &Address) -> Option<Token> {
        let bucket = self.bucket(address);
        let index = self.free;
        let slot = self.slots.get_mut(index as usize)?;
        self.free = slot.next;
        slot.next = self.buckets[bucket];
        slot.entry = Some(Entry::new(*address));
        self.buckets[bucket] = index;
        Some(Token {
            slot: index,
            generation: slot.generation,
        })
    }

    pub(super) fn remove(&mut self, token: Token) {
        let Some(bucket) = self.get(token).map(|entry| self.bucket(&entry.address)) else {
            return;
        };
        let after = self.slots[token.slot as usize].next;
        if self.buckets[bucket] == token.slot {
            self.buckets[bucket] = after;
        } else {
            let mut before = self.buckets[bucket] as usize;
            while self.slots[before].next != token.slot {
                before = self.slots[before].next as usize;
            }
            self.slots[before].next = after;
        }
        let slot = &mut self.slots[token.slot as usize];
        slot.entry = None;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = token.slot;
    }

    /// Removes an entry that was not used since the clock's hand passed it last. Static ones stay, and those for which packets wait.
    pub(super) fn evict_unused(&mut self) -> Option<()> {
        // Twice round: the first time may only find that everything was used.
        (0..2 * self.slots.len()).find_map(|_| self.evict_at_hand(true))
    }

    /// As [`Table::evict_unused`] for a stranger's sake, who may speak as often as he likes: of `reach` entries, and none becomes unused by being
    /// looked at.
    pub(super) fn evict_stranger(&mut self, reach: usize) -> Option<()> {
        (0..reach.min(self.slots.len())).find_map(|_| self.evict_at_hand(false))
    }

    /// Moves the clock's hand past one entry, which goes unless it was used; it counts as unused from then on if the hand `wipes`.
    fn evict_at_hand(&mut self, wipes: bool) -> Option<()> {
        let index = self.hand;
        self.hand = (self.hand + 1) % self.slots.len();
        let slot = &mut self.slots[index];
        let may_go = |entry: &&mut Entry| !matches!(entry.state, State::Static | State::Incomplete);
        let entry = slot.entry.as_mut().filter(may_go)?;
        if entry.is_used {
            entry.is_used = !wipes;
            return None;
        }
        let generation = slot.generation;
        self.remove(Token {
            slot: index as u32,
            generation,
        });
        Some(())
    }

    /// A number that nobody outside can foresee.
    pub(super) fn noise(&self, now: Instant, address: &Address) -> u64 {
        self.hash(address, now.as_nanos())
    }

    fn bucket(&self, address: &Address) -> usize {
        self.hash(address, 0) as usize & (self.buckets.len() - 1)
    }

    fn hash(&self, address: &Address, salt: u64) -> u64 {
        let mut tuple = [0; 36];
        tuple[..16].copy_from_slice(address.octets());
        tuple[16..24].copy_from_slice(&salt.to_ne_bytes());
        self.hasher.hash_v6(tuple)
    }
}
