//! What the application is to be told, and which connections have something to send.

use super::connection::{Connection, Flags, NO_QUEUE};
use crate::transport::fifo::Fifo;
use crate::transport::ready::Ready;

/// News of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Notice {
    pub(crate) index: u32,
    pub(crate) generation: u32,
    pub(crate) ready: Ready,
}

/// News for the application, at most one entry per connection: what happens before it is read is added to it.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    queue: Fifo<Notice>,
}

impl Notices {
    /// Adds `ready` to what the application is told of a connection.
    #[inline(always)]
    pub(crate) fn add(&mut self, index: u32, connection: &mut Connection, ready: Ready) {
        connection.ready |= ready;
        if !connection.flags.has(Flags::EVENT_QUEUED) {
            connection.flags.set(Flags::EVENT_QUEUED);
            let generation = connection.generation;
            self.queue.push(Notice {
                index,
                generation,
                ready: Ready::NONE,
            });
        }
    }

    /// Says the last of a connection whose slot is about to be freed.
    #[inline]
    pub(crate) fn last(&mut self, index: u32, connection: &Connection, ready: Ready) {
        let ready = connection.ready | ready;
        self.queue.push(Notice {
            index,
            generation: connection.generation,
            ready,
        });
    }

    /// Whether there is an entry of this connection. O(entries); for checks.
    pub(crate) fn contains(&self, index: u32, generation: u32) -> bool {
        let is_its = |notice: &Notice| notice.index == index && notice.generation == generation;
        self.queue.iter().any(is_its)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Notice> {
        self.queue.pop()
    }
}

/// Connections that have something to send, in the order in which they came to it.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    queue: Fifo<u32>,
}

impl Dirty {
    #[inline]
    pub(crate) fn mark(&mut self, index: u32, connection: &mut Connection) {
        if !connection.flags.has(Flags::DIRTY) {
            connection.flags.set(Flags::DIRTY);
            self.queue.push(index);
        }
    }

    /// Marks a connection that has unacknowledged or unsent text, or a FIN to send.
    #[inline(always)]
    pub(crate) fn mark_if_it_can_send(&mut self, index: u32, connection: &mut Connection) {
        if connection.send != NO_QUEUE || connection.flags.has(Flags::LOSS) || connection.owes_fin() {
            self.mark(index, connection);
        }
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        self.queue.first()
    }

    #[inline]
    pub(crate) fn pop(&mut self) {
        self.queue.pop();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a connection is on the list. O(entries); for checks.
    pub(crate) fn contains(&self, index: u32) -> bool {
        self.queue.iter().any(|&marked| marked == index)
    }
}
