//! Where connections live: a slab of fixed capacity, with generations, and the queues of those that hold data.

use super::connection::{Connection, NO_QUEUE};
use super::invariants::{Checked, ensure};
use super::loss::Loss;
use super::receive_queue::ReceiveQueue;
use super::send_queue::SendQueue;
use crate::arch::{huge_pages, prefetch};
use crate::transport::timer_wheel::{Link, Links};

/// Connections by index. Freed slots are used again last in, first out, so that the hot set stays small.
#[derive(Debug)]
pub(crate) struct Connections {
    slots: Vec<Connection>,
    free: Vec<u32>,
    capacity: u32,
}

impl Connections {
    /// Reserves address space for `capacity` connections; memory is touched when it is used.
    pub(crate) fn with_capacity(capacity: u32) -> Self {
        let mut slots = Vec::with_capacity(capacity as usize);
        huge_pages::advise(slots.spare_capacity_mut());
        Self {
            slots,
            free: Vec::new(),
            capacity,
        }
    }

    /// Whether another connection fits.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || (self.slots.len() as u32) < self.capacity
    }

    /// Puts a connection like `embryo` in a slot and gives it the slot's next generation. `None` when there is no room.
    ///
    /// A timer that still runs for the slot runs on: it will find nothing due or, nearly always, be the one that the new connection
    /// would have to schedule.
    #[inline]
    pub(crate) fn insert(&mut self, embryo: &Connection) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            let (generation, link) = (slot.generation.wrapping_add(1), slot.link);
            *slot = *embryo;
            (slot.generation, slot.link) = (generation, link);
            return Some(index);
        }
        if self.slots.len() as u32 == self.capacity {
            return None;
        }
        self.slots.push(*embryo);
        Some(self.slots.len() as u32 - 1)
    }

    /// Frees a slot. Its generation stays, so that handles to it are recognised as stale once it is used again.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        debug_assert!(
            slot.send == NO_QUEUE && slot.receive == NO_QUEUE && slot.loss == NO_QUEUE,
            "a connection keeps no queue when it goes"
        );
        // Even a handle that is used before the slot is reused finds another generation.
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
    }

    /// The connection of a handle; `None` when it is gone. The generations of free slots are odd: no handle names them, not even one that
    /// the application has made up.
    #[inline]
    pub(crate) fn lookup(&mut self, index: u32, generation: u32) -> Option<&mut Connection> {
        self.slots
            .get_mut(index as usize)
            .filter(|connection| connection.generation == generation && generation.is_multiple_of(2))
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Connection {
        &self.slots[index as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Connection {
        &mut self.slots[index as usize]
    }

    /// Asks the processor for a connection, all four lines of it. Any index is allowed.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32) {
        if let Some(connection) = self.slots.get(index as usize) {
            prefetch::read(&connection.key);
            prefetch::read(&connection.snd_una);
            prefetch::read(&connection.rtt);
            prefetch::read(&connection.rcv_buffered);
        }
    }

    /// Connections in use.
    pub(crate) fn len(&self) -> u32 {
        (self.slots.len() - self.free.len()) as u32
    }

    /// Bytes touched for connections and their free list.
    pub(crate) fn mapped_bytes(&self) -> usize {
        self.slots.len() * size_of::<Connection>() + self.free.capacity() * size_of::<u32>()
    }

    /// Every slot, in use or not. O(slots).
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.slots.iter_mut()
    }

    /// Every slot, in use or not. O(slots).
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter()
    }

    /// Every connection in use, with its index. O(slots); for rebuilding the flow table, and for checks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let mut free = vec![false; self.slots.len()];
        for &index in &self.free {
            free[index as usize] = true;
        }
        self.slots
            .iter()
            .enumerate()
            .map(|(index, connection)| (index as u32, connection))
            .filter(move |(index, _)| !free[*index as usize])
    }
}

impl Links for Connections {
    #[inline]
    fn link(&self, id: u32) -> &Link {
        &self.slots[id as usize].link
    }

    #[inline]
    fn link_mut(&mut self, id: u32) -> &mut Link {
        &mut self.slots[id as usize].link
    }
}

/// Queues for the connections that hold data just now. An idle connection owns none; a freed queue keeps its storage for the next.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) send: Recycled<SendQueue>,
    pub(crate) receive: Recycled<ReceiveQueue>,
    pub(super) loss: Recycled<Loss>,
}

impl Queues {
    /// The first `octets` of what was queued for sending are acknowledged. A queue without data goes back to the others.
    #[inline(always)]
    pub(super) fn release(&mut self, connection: &mut Connection, octets: u32) {
        let Some(queue) = self.send.get(connection.send) else {
            return;
        };
        if octets == queue.len() {
            queue.clear();
            self.send.detach(&mut connection.send);
        } else {
            queue.acknowledge_part(octets);
            if queue.is_empty() {
                self.send.detach(&mut connection.send);
            }
        }
    }
}

/// A slab whose freed items are handed out again as they are, last in, first out.
#[derive(Debug, Default)]
pub(crate) struct Recycled<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Recycled<T> {
    /// The item that `id` names, after attaching one where it names none.
    #[inline(always)]
    pub(crate) fn attach(&mut self, id: &mut u32) -> &mut T {
        if *id == NO_QUEUE {
            *id = match self.free.pop() {
                Some(free) => free,
                None => self.add(),
            };
        }
        &mut self.items[*id as usize]
    }

    #[cold]
    fn add(&mut self) -> u32 {
        self.items.push(T::default());
        self.items.len() as u32 - 1
    }

    /// The item that `id` names.
    #[inline]
    pub(crate) fn get(&mut self, id: u32) -> Option<&mut T> {
        self.items.get_mut(id as usize)
    }

    /// The item that `id` names, for looking at.
    pub(crate) fn peek(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize)
    }

    /// Checks that the items that `owned` names, [`NO_QUEUE`] among them or not, and the free ones are all there are, each once.
    pub(crate) fn check(&self, owned: impl Iterator<Item = u32>) -> Checked {
        let mut seen = vec![false; self.items.len()];
        for id in owned
            .filter(|&id| id != NO_QUEUE)
            .chain(self.free.iter().copied())
        {
            let seen = seen
                .get_mut(id as usize)
                .ok_or_else(|| format!("there is no item {id}"))?;
            ensure!(!std::mem::replace(seen, true), "item {id} has two owners");
        }
        match seen.iter().position(|seen| !seen) {
            Some(id) => Err(format!("item {id} is neither free nor owned")),
            None => Ok(()),
        }
    }

    /// Takes the item away from its owner, who has emptied it.
    #[inline]
    pub(crate) fn detach(&mut self, id: &mut u32) {
        if *id != NO_QUEUE {
            self.free.push(*id);
            *id = NO_QUEUE;
        }
    }
}
