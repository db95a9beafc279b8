//! A new key for the flow table, when somebody seems to know the old one.

use siphasher::sip128::{Hasher128, SipHasher24};

use super::Tcp;
use super::connection::Flags as Has;
use crate::arch::tuple_hash::TupleHasher;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;
use crate::transport::tag_index::Full;

/// Keys that are tried in a row. Under a new key, flows crowd the same buckets with a probability of next to nothing.
const ATTEMPTS: usize = 4;

impl Tcp {
    /// The hash of a tuple under the present key.
    pub(super) fn flow_hash(&self, key: &FlowKey) -> u64 {
        key.hash(&self.flow_hasher)
    }

    /// Puts a flow in the table; when its probe would get too long, the table gets a new key first. False when there is no room.
    #[inline]
    pub(super) fn insert_flow(&mut self, key: &FlowKey, hash: u64, flow: Flow) -> bool {
        match self.flows.insert(hash, flow) {
            Ok(()) => true,
            Err(full) => self.make_room(key, flow, full),
        }
    }

    #[cold]
    fn make_room(&mut self, key: &FlowKey, flow: Flow, full: Full) -> bool {
        full == Full::ProbeLimit && self.rekey() && self.find(key, self.flow_hash(key)) == Some(flow)
    }

    /// Draws a new key and fills the table anew, with connections and half-open ones. O(connections).
    fn rekey(&mut self) -> bool {
        (0..ATTEMPTS).any(|_| {
            self.counters.flow_table_rebuilds += 1;
            let hasher = TupleHasher::new(derived_secret(&self.secret, self.counters.flow_table_rebuilds));
            self.flow_hasher = hasher;
            for connection in self.connections.iter_mut() {
                connection.hash = connection.key.hash(&hasher);
            }
            let attached = self
                .connections
                .iter()
                .filter(|(_, connection)| !connection.flags.has(Has::DETACHED));
            let connections = attached.map(|(index, connection)| (connection.hash, Flow::Connection(index)));
            let half_open = self.half_open.iter().map(|(key, flow)| (key.hash(&hasher), flow));
            self.flows.rebuild(connections.chain(half_open)).is_ok()
        })
    }
}

/// The `count`-th secret after the engine's own.
pub(super) fn derived_secret(secret: &[u8; 32], count: u64) -> [u8; 32] {
    let (left, right) = secret.split_at(16);
    let half = |key: &[u8], text: &[u8]| {
        let mut hasher = SipHasher24::new_with_key(key.try_into().expect("16 of 32 bytes"));
        std::hash::Hasher::write(&mut hasher, text);
        std::hash::Hasher::write_u64(&mut hasher, count);
        hasher.finish128().as_bytes()
    };
    let mut derived = [0; 32];
    derived[..16].copy_from_slice(&half(left, right));
    derived[16..].copy_from_slice(&half(right, left));
    derived
}
