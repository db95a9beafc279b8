//! What an actor knows of each connection, found by the connection's slot.

use crate::stack::Conn;

/// State for each connection of a stack. Lookup is an index and a comparison; memory grows with the highest slot, so that
/// nothing is allocated once as many connections were open as ever will be.
#[derive(Debug)]
pub(crate) struct Flows<T> {
    entries: Vec<Option<(u32, T)>>,
    len: usize,
}

impl<T> Flows<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            len: 0,
        }
    }

    /// Connections with a state.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes a connection in; an earlier one in the same slot is forgotten.
    pub(crate) fn insert(&mut self, conn: Conn, state: T) {
        let slot = conn.slot as usize;
        if slot >= self.entries.len() {
            self.entries.resize_with(slot + 1, || None);
        }
        if self.entries[slot].replace((conn.generation, state)).is_none() {
            self.len += 1;
        }
    }

    pub(crate) fn get_mut(&mut self, conn: Conn) -> Option<&mut T> {
        match self.entries.get_mut(conn.slot as usize)? {
            Some((generation, state)) if *generation == conn.generation => Some(state),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, conn: Conn) -> Option<T> {
        self.get_mut(conn)?;
        self.len -= 1;
        self.entries[conn.slot as usize].take().map(|(_, state)| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_connection_of_the_slot_is_not_found() {
        let mut flows = Flows::new();
        let (old, new) = (
            Conn {
                slot: 3,
                generation: 1,
            },
            Conn {
                slot: 3,
                generation: 2,
            },
        );
        flows.insert(old, "old");
        flows.insert(new, "new");
        assert_eq!(flows.len(), 1);
        assert_eq!(flows.get_mut(old), None);
        assert_eq!(flows.remove(old), None);
        assert_eq!(flows.remove(new), Some("new"));
        assert!(flows.is_empty());
    }
}
