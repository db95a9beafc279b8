//! News for the application.

use super::Id;
use crate::transport::ready::Ready;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::Flags as Has;
use crate::transport::tcp::events::Notice;

impl Tcp {
    /// The next news of a connection.
    #[inline]
    pub(crate) fn pop_notice(&mut self) -> Option<(Id, Ready)> {
        loop {
            let Notice {
                index,
                generation,
                ready,
            } = self.notices.pop()?;
            let id = Id { index, generation };
            if !ready.is_empty() {
                return Some((id, ready));
            }
            // The entry of a connection that has gone since is overtaken by its last news.
            if let Some(connection) = self.connections.lookup(index, generation) {
                connection.flags.clear(Has::EVENT_QUEUED);
                return Some((id, std::mem::take(&mut connection.ready)));
            }
        }
    }

    /// Whether a listener has connections to accept.
    #[inline]
    pub(crate) fn has_announcement(&self) -> bool {
        self.listeners.has_announcement()
    }

    /// The next listener that has connections to accept.
    pub(crate) fn pop_listener(&mut self) -> Option<Id> {
        self.listeners
            .pop_announcement()
            .map(|(index, generation)| Id { index, generation })
    }
}
