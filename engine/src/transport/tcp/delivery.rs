//! The receive queue, and with it the window, grows to what path and application can use: dynamic right-sizing, as Linux does it.
//!
//! Room for twice what the application takes in a round trip never holds the peer back, not even while its congestion window doubles. An
//! application that does not read gets no more room. It is looked at each time the peer has sent about half a queue, so that small
//! exchanges never come here.

use super::Tcp;
use super::connection::Connection;
use super::seq::SeqNumber;
use crate::time::{Duration, Instant};

/// One connection takes no more of the pool than this part.
const PART_OF_POOL: usize = 4;
/// More often than this, in octets as a power of two, nothing is looked at.
const LEAST_STEP: u32 = 16;

/// How fast the application takes what the peer sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    /// When the measurement began.
    began: Instant,
    /// What the application took next at that time.
    from: SeqNumber,
    /// No window reached further at that time: what lies beyond comes a round trip later.
    edge: SeqNumber,
    /// The shortest time in which a window was filled: all that one who only receives knows of the round-trip time, and no less.
    shortest: Option<Duration>,
}

impl Delivery {
    fn begin(connection: &Connection, shortest: Option<Duration>, now: Instant) -> Self {
        Self {
            began: now,
            from: connection.taken(),
            edge: connection.rcv_nxt + connection.rcv_limit,
            shortest,
        }
    }

    /// The shortest time in which the peer has filled a window.
    pub(super) fn shortest(&self) -> Option<Duration> {
        self.shortest
    }

    /// Octets that the application has taken in a round trip; `None` while that is not known.
    fn octets_per_round_trip(&mut self, connection: &Connection, now: Instant) -> Option<u32> {
        let elapsed = now.saturating_since(self.began);
        if connection.rcv_nxt.ge(self.edge) {
            self.shortest = Some(self.shortest.map_or(elapsed, |shortest| shortest.min(elapsed)));
        }
        let round_trip = connection.rtt.srtt().or(self.shortest)?;
        if elapsed < round_trip || elapsed == Duration::ZERO {
            return None;
        }
        let octets = u128::from(connection.taken() - self.from);
        let octets = octets * u128::from(round_trip.as_nanos()) / u128::from(elapsed.as_nanos());
        u32::try_from(octets).ok()
    }
}

impl Tcp {
    /// The peer has sent about half of what the queue holds since this was called last.
    #[cold]
    pub(super) fn measure_delivery(&mut self, index: u32, now: Instant) {
        let most = (self.memory.pool.mapped_bytes() / PART_OF_POOL) as u32;
        let most = most.min(self.config.receive_buffer_limit);
        let connection = self.connections.get(index);
        let rare = self.rare.get(&index);
        let is_own = rare.is_some_and(|rare| rare.receive_buffer.is_some());
        let most = most.min(rare.and_then(|rare| rare.window_clamp).unwrap_or(most));
        if connection.rcv_limit >= most || is_own {
            return;
        }
        let mut delivery = self
            .rare
            .get(&index)
            .and_then(|rare| rare.delivery)
            .unwrap_or_else(|| Delivery::begin(connection, None, now));
        if let Some(octets) = delivery.octets_per_round_trip(connection, now) {
            delivery = Delivery::begin(connection, delivery.shortest, now);
            let wanted = octets.saturating_mul(2).min(most);
            let connection = self.connections.get_mut(index);
            connection.rcv_limit = connection.rcv_limit.max(wanted);
        }
        self.rare_or_new(index).delivery = Some(delivery);
    }
}

impl Connection {
    /// The next octet for the application.
    fn taken(&self) -> SeqNumber {
        self.rcv_nxt - self.rcv_buffered
    }

    /// Whether what arrived since the last acknowledgment makes half a queue full, counted from the start of the sequence space.
    #[inline]
    pub(super) fn is_delivery_due(&self) -> bool {
        let step = self.rcv_limit.ilog2().saturating_sub(1).max(LEAST_STEP);
        (self.rcv_acked.0 ^ self.rcv_nxt.0) >> step != 0
    }
}
