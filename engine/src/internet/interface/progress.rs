//! What transports know of the way to a destination: that something arrives there, or that nothing does (RFC 4861 section 7.3.1,
//! RFC 1122 sections 2.3.2.1 and 3.3.1.4). It is the next hop, whether neighbour or router, that is believed or doubted for it.

use super::neighbour::Token;
use super::{Interface, Internet};
use crate::internet::address::Address;
use crate::internet::route::Routes;
use crate::time::Instant;

impl Internet {
    /// Whether anybody needs to hear that something arrives: while a neighbour in use has not been heard of for long, and over an Ethernet only.
    #[inline]
    pub fn has_doubts(&self) -> bool {
        self.interface
            .as_ref()
            .is_some_and(|interface| interface.neighbours.has_doubts())
    }

    /// What was sent to `destination` at `sent` has arrived there, by the word of the peer.
    #[cold]
    #[inline(never)]
    pub fn confirm(&mut self, now: Instant, destination: &Address, sent: Instant) {
        let Some((interface, around)) = self.split() else {
            return;
        };
        if let Some(neighbour) = interface.next_hop(destination, around.routes) {
            interface.neighbours.confirm(now, neighbour, sent);
        }
    }

    /// What is sent to `destination` does not seem to arrive: the next hop is asked whether it is still there.
    #[cold]
    pub fn suspect(&mut self, now: Instant, destination: &Address) {
        let Some((interface, around)) = self.split() else {
            return;
        };
        if let Some(neighbour) = interface.next_hop(destination, around.routes) {
            interface.neighbours.suspect(now, neighbour);
        }
    }
}

impl Interface {
    /// The neighbour that packets for `destination` go to, if it is known.
    fn next_hop(&self, destination: &Address, routes: &Routes) -> Option<Token> {
        let known = self.destinations.find(destination);
        known
            .filter(|neighbour| self.neighbours.get(*neighbour).is_some())
            .or_else(|| {
                let way = routes.find(destination)?;
                self.neighbours.find(&way.gateway.unwrap_or(*destination))
            })
    }
}
