//! How much may wait unsent: an application that keeps it low can still change its mind about what it sends next, and its messages do not
//! grow old in a queue.

use super::Tcp;
use super::application::{Id, StreamError};
use super::connection::Connection;

impl Tcp {
    /// Sets how many octets wait beyond what the windows take; `None` for as many as the send queue holds.
    pub(crate) fn set_unsent_low_water(&mut self, id: Id, octets: Option<u32>) -> Result<(), StreamError> {
        self.open_connection(id)?;
        self.rare_or_new(id.index).unsent_low_water = octets.map(|octets| octets.max(1));
        Ok(())
    }

    /// Octets that the windows allow now, sent or not, and those that may wait beyond; `None` without such a limit.
    #[inline]
    pub(super) fn most_queued(&mut self, index: u32) -> Option<u32> {
        let low_water = self.rare(index)?.unsent_low_water?;
        Some(self.connections.get(index).windows().saturating_add(low_water))
    }

    /// Whether so few octets of `queued` wait that it is worth waking the application: less than half of those that may, Linux's choice.
    pub(super) fn has_low_water(&mut self, index: u32, queued: u32) -> bool {
        let Some(low_water) = self.rare(index).and_then(|rare| rare.unsent_low_water) else {
            return true;
        };
        let waiting = queued.saturating_sub(self.connections.get(index).windows());
        waiting.saturating_mul(2) < low_water
    }
}

impl Connection {
    /// Octets that may be in flight.
    fn windows(&self) -> u32 {
        self.snd_wnd.min(self.congestion.window())
    }
}
