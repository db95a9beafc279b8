//! Listeners: who waits for connections, and what a SYN does (RFC 9293 section 3.10.7.2).

use std::collections::VecDeque;

use super::Tcp;
use super::application::Id;
use super::arrival::Arrival;
use super::connection::NO_LISTENER;
use super::half_open::{HalfOpen, Offered};
use super::segment::Flags;
use super::seq::SeqNumber;
use crate::internet::Output;
use crate::internet::address::Address;
use crate::time::Duration;
use crate::transport::flow::FlowKey;
use crate::transport::flow_table::Flow;

/// How far the sequence numbers of a new incarnation start behind those of the last (RFC 1122 section 4.2.2.13): as far as a window without
/// scaling reaches, and a little.
const INCARNATION_GAP: u32 = 65_537;

/// A port that waits for connections.
#[derive(Debug)]
pub(crate) struct Listener {
    /// `None` for every local address.
    address: Option<Address>,
    port: u16,
    /// Connections that may wait to be accepted.
    backlog: usize,
    /// Established connections that the application has not accepted yet.
    pub(super) accept: VecDeque<u32>,
    pub(super) generation: u32,
    /// Timeouts of a SYN-ACK during which an acknowledgment without text makes no connection.
    deferring: u8,
    open: bool,
    pub(super) announced: bool,
    next_on_port: u16,
}

impl Listener {
    pub(super) fn has_room(&self) -> bool {
        self.accept.len() < self.backlog
    }
}

/// The port and address have a listener already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InUse;

const NOBODY: u16 = NO_LISTENER;

/// All listeners, found by port in one step.
#[derive(Debug)]
pub(crate) struct Listeners {
    slots: Vec<Listener>,
    /// Slots whose listeners are closed.
    free: Vec<u16>,
    by_port: Box<[u16]>,
    announcements: VecDeque<(u32, u32)>,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_port: vec![NOBODY; 1 << 16].into_boxed_slice(),
            announcements: VecDeque::new(),
        }
    }

    /// Opens a listener and returns its index.
    pub(crate) fn open(&mut self, address: Option<Address>, port: u16, backlog: usize) -> Result<u32, InUse> {
        let taken = self
            .on_port(port)
            .any(|index| self.slots[index].address == address);
        if taken || (self.free.is_empty() && self.slots.len() >= usize::from(NOBODY)) {
            return Err(InUse);
        }
        let free = self.free.pop().map(usize::from);
        let index = free.unwrap_or(self.slots.len());
        let generation = free.map_or(0, |index| self.slots[index].generation);
        let next_on_port = std::mem::replace(&mut self.by_port[usize::from(port)], index as u16);
        let accept = VecDeque::with_capacity(backlog.min(4096));
        let listener = Listener {
            address,
            port,
            backlog: backlog.max(1),
            accept,
            generation,
            deferring: 0,
            open: true,
            announced: false,
            next_on_port,
        };
        match free {
            Some(index) => self.slots[index] = listener,
            None => self.slots.push(listener),
        }
        Ok(index as u32)
    }

    /// Closes a listener and returns the connections that nobody accepted.
    pub(crate) fn close(&mut self, index: u32) -> VecDeque<u32> {
        let listener = &mut self.slots[index as usize];
        listener.open = false;
        listener.generation = listener.generation.wrapping_add(1);
        let (port, next) = (listener.port, listener.next_on_port);
        let waiting = std::mem::take(&mut listener.accept);
        let before = self
            .on_port(port)
            .find(|&before| self.slots[before].next_on_port == index as u16);
        match before {
            Some(before) => self.slots[before].next_on_port = next,
            None => self.by_port[usize::from(port)] = next,
        }
        self.free.push(index as u16);
        waiting
    }

    fn on_port(&self, port: u16) -> impl Iterator<Item = usize> {
        let index = |id: u16| (id != NOBODY).then_some(usize::from(id));
        std::iter::successors(index(self.by_port[usize::from(port)]), move |&at| {
            index(self.slots[at].next_on_port)
        })
    }

    /// The listener for the local end of `key`: one on that very address before one on all.
    #[inline]
    pub(crate) fn find(&self, key: &FlowKey) -> Option<u32> {
        let mut any = None;
        for index in self.on_port(key.local_port) {
            match self.slots[index].address {
                Some(address) if address == key.local => return Some(index as u32),
                Some(_) => {}
                None => any = Some(index as u32),
            }
        }
        any
    }

    /// Whether somebody listens on a port. Who has no listener at all does not wait for a table of all ports to come from memory.
    pub(crate) fn is_listening(&self, port: u16) -> bool {
        self.slots.len() > self.free.len() && self.by_port[usize::from(port)] != NOBODY
    }

    /// Whether this listener is still there for the local end of `key`.
    pub(super) fn accepts_for(&self, index: u32, key: &FlowKey) -> bool {
        self.slots.get(index as usize).is_some_and(|listener| {
            listener.open
                && listener.port == key.local_port
                && listener.address.is_none_or(|address| address == key.local)
        })
    }

    /// During how many timeouts of its SYN-ACK a connection of this listener waits for text.
    pub(super) fn deferring(&self, index: u32) -> u8 {
        self.slots
            .get(index as usize)
            .map_or(0, |listener| listener.deferring)
    }

    /// Queues a newborn connection for the application.
    #[inline]
    pub(super) fn announce(&mut self, index: u32, connection: u32) {
        let listener = &mut self.slots[index as usize];
        listener.accept.push_back(connection);
        if !listener.announced {
            listener.announced = true;
            self.announcements.push_back((index, listener.generation));
        }
    }

    /// Whether a listener has something to accept.
    #[inline]
    pub(super) fn has_announcement(&self) -> bool {
        !self.announcements.is_empty()
    }

    /// The next listener that has something to accept.
    pub(crate) fn pop_announcement(&mut self) -> Option<(u32, u32)> {
        let (index, generation) = self.announcements.pop_front()?;
        self.slots[index as usize].announced = false;
        Some((index, generation))
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Listener {
        &mut self.slots[index as usize]
    }

    /// The listener of a handle; `None` when it is closed.
    pub(crate) fn lookup(&mut self, index: u32, generation: u32) -> Option<&mut Listener> {
        self.slots
            .get_mut(index as usize)
            .filter(|listener| listener.open && listener.generation == generation)
    }
}

impl Tcp {
    /// Has a listener's connections begin with the first text of the peer, for which each waits so long. `None` when the listener is closed.
    pub(crate) fn set_defer_accept(&mut self, id: Id, limit: Duration) -> Option<()> {
        let timeouts = self.half_open.timeouts_in(limit);
        self.listeners.lookup(id.index, id.generation)?.deferring = timeouts;
        Some(())
    }

    /// Whether an acknowledgment of a SYN-ACK makes no connection yet, because it brings nothing and its listener waits for text.
    pub(super) fn defers(&mut self, flow: Flow, entry: &HalfOpen<FlowKey>, arrival: &Arrival<'_>) -> bool {
        let deferring = self.listeners.deferring(u32::from(entry.listener));
        if deferring == 0 || arrival.sequence_len() > 0 || self.half_open.timeouts(flow) >= deferring {
            return false;
        }
        self.half_open.acknowledge(flow);
        true
    }

    /// A segment for a port that listens. `previous` is the last sequence number of an earlier incarnation of the tuple.
    pub(super) fn on_listen(
        &mut self,
        out: &mut Output<'_>,
        listener: u32,
        arrival: &Arrival<'_>,
        previous: Option<SeqNumber>,
    ) {
        let flags = arrival.header.flags;
        if flags.contains(Flags::RST) {
            return;
        }
        if flags.contains(Flags::ACK) {
            return self.reset_reply(out, arrival);
        }
        let key = arrival.key;
        let is_land_attack = key.local == key.remote && key.local_port == key.remote_port;
        if !flags.contains(Flags::SYN) || is_land_attack {
            self.counters.dropped_unexpected += 1;
            return;
        }
        if !self.listeners.get_mut(listener).has_room() {
            self.counters.dropped_accept_queue_full += 1;
            return;
        }
        self.open_half(out, listener, arrival, previous);
    }

    fn open_half(
        &mut self,
        out: &mut Output<'_>,
        listener: u32,
        arrival: &Arrival<'_>,
        previous: Option<SeqNumber>,
    ) {
        let options = &arrival.header.options;
        let origin = self.isn.origin(arrival.key);
        let initial = origin.initial(out.now);
        let iss = match previous {
            Some(last) if initial.le(last) => last + INCARNATION_GAP,
            _ => initial,
        };
        let mut offered = Offered::default();
        if options.timestamps.is_some() && self.config.timestamps {
            offered = offered.with(Offered::TIMESTAMPS);
        }
        if options.window_scale.is_some() && self.config.window_scaling {
            offered = offered.with(Offered::WINDOW_SCALE);
        }
        if self.config.sack && options.sack_permitted {
            offered = offered.with(Offered::SACK);
        }
        if self.grants_ecn(arrival.header.flags) {
            offered = offered.with(Offered::ECN);
        }
        let entry = HalfOpen {
            key: *arrival.key,
            irs: arrival.header.seq,
            iss,
            ts_recent: options.timestamps.map_or(0, |timestamps| timestamps.tsval),
            ts_offset: origin.timestamp_offset(),
            listener: listener as u16,
            mss: options.mss.unwrap_or(0),
            window: arrival.header.window,
            window_shift: options.window_scale.unwrap_or(0),
            offered,
        };
        let Some(flow) = self.half_open.insert(entry, out.now) else {
            // A copy here and below, because what is handed over must lie in memory.
            return self.answer_with_cookie(out, &HalfOpen { ..entry });
        };
        if !self.insert_flow(arrival.key, arrival.hash, flow) {
            self.half_open.remove(flow);
            return self.answer_with_cookie(out, &HalfOpen { ..entry });
        }
        self.send_syn_ack(out, &entry);
    }
}
