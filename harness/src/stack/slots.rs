//! Dense slots with generations: the table behind every [`Conn`].

use super::Conn;

/// Values addressed by [`Conn`]. The slot freed last is used first, so that the hot ones stay in the cache.
#[derive(Debug)]
pub(super) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Slots in use, those waiting for [`Slots::release`] included.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, value: T) -> Conn {
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.entries[slot as usize];
            entry.value = Some(value);
            return Conn {
                slot,
                generation: entry.generation,
            };
        }
        let slot = u32::try_from(self.entries.len()).expect("fewer than 2^32 connections");
        self.entries.push(Entry {
            generation: 0,
            value: Some(value),
        });
        Conn { slot, generation: 0 }
    }

    /// The `Conn` whose value is in this slot.
    pub(super) fn tenant(&self, slot: u32) -> Option<Conn> {
        let entry = self.entries.get(slot as usize)?;
        entry.value.as_ref()?;
        Some(Conn {
            slot,
            generation: entry.generation,
        })
    }

    pub(super) fn get(&self, conn: Conn) -> Option<&T> {
        let entry = self.entries.get(conn.slot as usize)?;
        if entry.generation == conn.generation {
            entry.value.as_ref()
        } else {
            None
        }
    }

    pub(super) fn get_mut(&mut self, conn: Conn) -> Option<&mut T> {
        let entry = self.entries.get_mut(conn.slot as usize)?;
        if entry.generation == conn.generation {
            entry.value.as_mut()
        } else {
            None
        }
    }

    /// Every value with its `Conn`. O(slots ever in use at once).
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Conn, &mut T)> {
        (0..).zip(&mut self.entries).filter_map(|(slot, entry)| {
            let conn = Conn {
                slot,
                generation: entry.generation,
            };
            entry.value.as_mut().map(|value| (conn, value))
        })
    }

    /// Takes the value but keeps the slot from being reused until [`Slots::release`].
    pub(super) fn take(&mut self, conn: Conn) -> Option<T> {
        let entry = self.entries.get_mut(conn.slot as usize)?;
        if entry.generation == conn.generation {
            entry.value.take()
        } else {
            None
        }
    }

    /// Lets the slot be reused, under another generation. Does nothing for a `Conn` that was released before.
    pub(super) fn release(&mut self, conn: Conn) {
        let Some(entry) = self.entries.get_mut(conn.slot as usize) else {
            return;
        };
        if entry.generation == conn.generation {
            entry.value = None;
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(conn.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_slot_is_another_connection() {
        let mut slots = Slots::new();
        let first = slots.insert("first");
        assert_eq!(slots.take(first), Some("first"));
        assert_eq!(slots.len(), 1, "taken, but not yet released");
        let beside = slots.insert("beside");
        assert_ne!(beside.slot, first.slot);
        slots.release(first);
        let second = slots.insert("second");
        assert_eq!(second.slot, first.slot);
        assert_ne!(second.generation, first.generation);
        assert_eq!(slots.get(first), None);
        slots.release(first);
        assert_eq!(
            slots.get(second),
            Some(&"second"),
            "a stale release must not free the new tenant"
        );
    }
}
