//! TIME_WAIT: what a segment for a connection that is over does (RFC 9293 section 3.10.7.4, RFC 6191, RFC 1337).

use std::net::{IpAddr, SocketAddr};

use super::Tcp;
use super::arrival::Arrival;
use super::destination::towards;
use super::families::{TimeWaitStatus, Waiting};
use super::input::timestamp_clock;
use super::options::Timestamps;
use super::reply::Reply;
use super::segment::Flags;
use super::time_wait::Entry;
use crate::internet::Output;
use crate::internet::address::Address;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::ports::PortAllocator;

/// Entries that are looked at in one poll. More than can enter in the time that a poll takes.
const EXPIRE_BATCH: usize = 512;

impl Tcp {
    /// Whether a tuple is in TIME_WAIT.
    pub(super) fn waits(&self, key: &FlowKey) -> bool {
        self.foreign_waits > 0 && self.time_wait.find(key, self.time_wait.hash(key)).is_some()
    }

    /// The hash of a tuple in TIME_WAIT, which is that in the flow table until that gets a new key.
    #[inline]
    pub(super) fn waiting_hash(&self, key: &FlowKey, flow_hash: u64) -> u64 {
        if self.counters.flow_table_rebuilds == 0 {
            flow_hash
        } else {
            self.time_wait.hash(key)
        }
    }

    /// Puts a connection that is over in TIME_WAIT; `flow_hash` is its hash in the flow table.
    #[inline]
    pub(super) fn start_waiting(&mut self, entry: Entry<FlowKey>, flow_hash: u64, now: Instant) {
        self.foreign_waits += u64::from(!entry.owns_ephemeral_port());
        let hash = self.waiting_hash(&entry.key, flow_hash);
        if let Some(displaced) = self.time_wait.insert(entry, hash, now) {
            forget(
                &mut self.ports,
                &mut self.foreign_waits,
                &self.port_hasher,
                &displaced,
            );
        }
    }

    pub(super) fn expire_time_wait(&mut self, now: Instant) {
        let Self {
            time_wait,
            ports,
            port_hasher,
            foreign_waits,
            ..
        } = self;
        time_wait.expire(now, EXPIRE_BATCH, |entry| {
            forget(ports, foreign_waits, port_hasher, &entry);
        });
    }

    /// Handles a segment whose tuple is in TIME_WAIT. False when there is no such tuple.
    #[inline]
    pub(super) fn on_time_wait(&mut self, out: &mut Output<'_>, arrival: &Arrival<'_>) -> bool {
        let hash = self.waiting_hash(arrival.key, arrival.hash);
        let Some(waiting) = self.time_wait.find(arrival.key, hash) else {
            return false;
        };
        let entry = self.time_wait.get(waiting);
        let flags = arrival.header.flags;
        if flags.contains(Flags::RST) {
            // RFC 1337: a reset must not end TIME_WAIT.
            self.counters.time_wait_resets_ignored += 1;
        } else if flags.contains(Flags::SYN) && !flags.contains(Flags::ACK) {
            self.on_syn_while_waiting(out, waiting, &entry, arrival);
        } else if flags.contains(Flags::FIN) && arrival.end() == entry.rcv_nxt {
            self.time_wait.restart(waiting, out.now);
            self.acknowledge_from_time_wait(out, &entry);
        } else if arrival.sequence_len() > 0 || arrival.header.seq != entry.rcv_nxt {
            // An old duplicate is answered, never delivered.
            self.acknowledge_from_time_wait(out, &entry);
        }
        true
    }

    /// A new incarnation begins if its SYN cannot be an old duplicate (RFC 6191, RFC 1122 section 4.2.2.13) and somebody listens.
    fn on_syn_while_waiting(
        &mut self,
        out: &mut Output<'_>,
        waiting: Waiting,
        entry: &Entry<FlowKey>,
        arrival: &Arrival<'_>,
    ) {
        let timestamp = arrival
            .header
            .options
            .timestamps
            .map(|timestamps| timestamps.tsval)
            .filter(|_| self.config.timestamps);
        let listener = self.listeners.find(arrival.key);
        match listener {
            Some(listener) if entry.may_be_reused_by(arrival.header.seq, timestamp) => {
                self.time_wait.reuse(waiting, arrival.key);
                forget(&mut self.ports, &mut self.foreign_waits, &self.port_hasher, entry);
                self.on_listen(out, listener, arrival, Some(entry.snd_nxt));
            }
            _ => self.acknowledge_from_time_wait(out, entry),
        }
    }

    fn acknowledge_from_time_wait(&mut self, out: &mut Output<'_>, entry: &Entry<FlowKey>) {
        self.counters.time_wait_acks += 1;
        let ts_offset = self.isn.origin(&entry.key).timestamp_offset();
        let tsval = timestamp_clock(out.now).wrapping_add(ts_offset);
        let reply = Reply {
            flags: Flags::ACK,
            seq: entry.snd_nxt,
            ack: entry.rcv_nxt,
            window: entry.window,
            timestamps: entry.ts_recent().map(|tsecr| Timestamps { tsval, tsecr }),
        };
        self.reply(out, &entry.key, reply);
    }

    pub(crate) fn time_wait_status(&self) -> TimeWaitStatus {
        self.time_wait.status()
    }

    /// Makes entries as connections that were closed at an even rate during the last 2MSL would have left them.
    pub(crate) fn preload_time_wait(
        &mut self,
        now: Instant,
        locals: &[IpAddr],
        remotes: &[SocketAddr],
        count: u64,
    ) -> u64 {
        let mut pairs = remotes
            .iter()
            .flat_map(|remote| locals.iter().map(move |local| (*local, *remote)))
            .cycle();
        let room = u64::from(self.config.time_wait_entries).saturating_sub(self.time_wait.status().len);
        let count = count.min(room);
        let mut misses = 0;
        let mut made = 0;
        while made < count && misses < locals.len() * remotes.len() {
            let Some((local, remote)) = pairs.next() else {
                break;
            };
            let left = self.config.time_wait.as_nanos() as u128 * u128::from(made + 1) / u128::from(count);
            if self.preload_one(now, local.into(), remote, Duration::from_nanos(left as u64)) {
                made += 1;
                misses = 0;
            } else {
                misses += 1;
            }
        }
        made
    }

    fn preload_one(&mut self, now: Instant, local: Address, remote: SocketAddr, left: Duration) -> bool {
        let (to, remote_port) = (Address::from(remote.ip()), remote.port());
        let Ok(destination) = towards(&mut self.ports, &self.port_hasher, local, to, remote_port) else {
            return false;
        };
        let Some(local_port) = self.ports.allocate(destination) else {
            return false;
        };
        let key = FlowKey {
            local,
            remote: to,
            local_port,
            remote_port,
        };
        let iss = self.isn.origin(&key).initial(now);
        let entry = Entry::new(key, iss, iss, u16::MAX)
            .with_timestamps(0)
            .with_ephemeral_port();
        self.time_wait.insert_with_rest(entry, now, left);
        true
    }
}

/// What must be undone when an entry goes: its port is free again.
#[inline]
fn forget(
    ports: &mut PortAllocator,
    foreign_waits: &mut u64,
    hasher: &crate::arch::tuple_hash::TupleHasher,
    entry: &Entry<FlowKey>,
) {
    if !entry.owns_ephemeral_port() {
        *foreign_waits -= 1;
        return;
    }
    let FlowKey {
        local,
        remote,
        local_port,
        remote_port,
    } = entry.key;
    if let Ok(destination) = towards(ports, hasher, local, remote, remote_port) {
        ports.release(destination, local_port);
    }
}
