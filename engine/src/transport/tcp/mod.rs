//! TCP (RFC 9293).
//!
//! A segment's way: `arrival` finds whose it is; `input` does what RFC 9293 section 3.10.7 says for the state; `output` sends what
//! became due. `listen` holds connections that are not born yet, `time_wait` those that are over.

mod acknowledgment;
mod application;
mod arrival;
mod buffers;
mod compact_key;
pub mod congestion;
mod connection;
mod connections;
mod cookie;
mod counters;
mod delivery;
mod destination;
mod ecn;
mod end;
mod events;
mod families;
mod gather;
mod half_open;
mod handshake;
mod info;
mod input;
mod invariants;
pub mod isn;
mod keep_alive;
mod listen;
mod loss;
mod low_water;
mod milliseconds;
pub mod options;
mod orphan;
mod outgoing;
mod output;
mod pacing;
mod path;
mod pieces;
mod prediction;
mod rare;
mod reassembly;
mod receive_queue;
mod rekey;
mod reply;
pub mod rtt;
pub mod segment;
mod send_queue;
pub mod seq;
pub mod state;
mod stateless;
mod syn_received;
mod text;
mod time_wait;
mod timeout;
mod trouble;
mod unreachable;
mod urgent;
mod user_timeout;
mod waiting;

pub(crate) use application::Read;
pub use application::{ConnectError, Id, StreamError};
pub(crate) use arrival::Prospect;
pub use connection::ConnectionError;
pub use counters::TcpCounters;
pub use families::TimeWaitStatus;
pub use info::{Limit, TcpInfo};
pub use invariants::Violation;
pub(in crate::transport) use invariants::{Checked, ensure};
pub use trouble::SoftError;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::connection::Connection;
use self::connections::{Connections, Queues};
use self::cookie::Cookies;
use self::events::{Dirty, Notices};
use self::families::{HalfOpens, TimeWaits};
use self::isn::IsnGenerator;
use self::keep_alive::Watch;
use self::listen::Listeners;
use self::options::{SackBlock, SackBlocks};
use self::rare::Rare;
use self::reply::OwedReset;
use self::send_queue::Memory;
use super::fifo::Fifo;
use super::flow::FlowKey;
use super::flow_table::FlowTable;
use super::ports::PortAllocator;
use super::timer_wheel::TimerWheel;
use crate::arch::tuple_hash::TupleHasher;
use crate::config::{Config, TcpConfig};
use crate::frame::{CreditList, FramePool};
use crate::time::Instant;

/// Which of the derived keys is the one of SYN cookies. The flow table draws from the first on.
const COOKIE_KEY: u64 = u64::MAX;

/// All TCP connections of one engine.
#[derive(Debug)]
pub(crate) struct Tcp {
    config: TcpConfig,
    /// For the flow table; replaced when a probe gets too long.
    flow_hasher: TupleHasher,
    port_hasher: TupleHasher,
    secret: [u8; 32],
    /// The shift of our window where both ends scale.
    window_scale: u8,
    isn: IsnGenerator,
    flows: FlowTable,
    connections: Connections,
    /// What connections begin as.
    embryo: Connection,
    queues: Queues,
    listeners: Listeners,
    half_open: HalfOpens,
    cookies: Cookies,
    time_wait: TimeWaits,
    /// Connections in the flow table that peers opened.
    passive: u32,
    /// TIME_WAIT entries whose port did not come from the allocator, so that it cannot know of them.
    foreign_waits: u64,
    ports: PortAllocator,
    wheel: TimerWheel,
    dirty: Dirty,
    /// Connections whose acknowledgment waits until the application had its turn.
    soon: Fifo<u32>,
    /// Resets that found the transmit queue full.
    owed_resets: Fifo<OwedReset>,
    notices: Notices,
    credits: CreditList,
    due: Vec<u32>,
    /// The connections that are kept alive.
    watches: BTreeMap<u32, Watch>,
    /// What few connections have.
    rare: BTreeMap<u32, Rare>,
    /// Connections that the application has given up and that are not over.
    orphans: u32,
    /// When connections try full segments again.
    narrowed: BTreeSet<(Instant, u32)>,
    memory: Memory,
    /// Connections that found the pool empty and wait for a slot.
    starved: VecDeque<Id>,
    /// How often the flow table had got a new key when the segments of this batch were hashed.
    hashed_under: u64,
    /// The tuples of this batch's segments of IPv6.
    long_keys: Vec<FlowKey>,
    /// What came twice, and to which connection, until the acknowledgment that reports it is built.
    duplicate: Option<(u32, SackBlock)>,
    /// The SACK blocks of the segment that is being processed, if it has any.
    sack_blocks: SackBlocks,
    counters: TcpCounters,
}

impl Tcp {
    pub(crate) fn new(config: &Config, pool: FramePool) -> Self {
        let tcp = &config.tcp;
        let hasher = TupleHasher::new(config.secret);
        let (isn_key, port_seed) = derived_keys(&config.secret);
        Self {
            flow_hasher: hasher,
            port_hasher: hasher,
            secret: config.secret,
            window_scale: handshake::window_scale(tcp),
            isn: IsnGenerator::new(&isn_key),
            flows: FlowTable::new(tcp.connections as usize + tcp.half_open as usize),
            connections: Connections::with_capacity(tcp.connections),
            embryo: handshake::embryo(tcp),
            queues: Queues::default(),
            listeners: Listeners::new(),
            half_open: HalfOpens::new(tcp.half_open, tcp.syn_ack_retries),
            cookies: Cookies::new(&rekey::derived_secret(&config.secret, COOKIE_KEY)),
            time_wait: TimeWaits::new(tcp, hasher),
            passive: 0,
            foreign_waits: 0,
            ports: PortAllocator::new(
                config.ephemeral_ports.clone(),
                config.destinations as usize,
                port_seed,
            ),
            wheel: TimerWheel::new(Instant::ZERO),
            dirty: Dirty::default(),
            soon: Fifo::default(),
            owed_resets: Fifo::default(),
            notices: Notices::default(),
            credits: CreditList::with_capacity(256),
            due: Vec::with_capacity(timeout::TIMER_BATCH),
            watches: BTreeMap::new(),
            rare: BTreeMap::new(),
            orphans: 0,
            narrowed: BTreeSet::new(),
            config: tcp.clone(),
            memory: Memory::new(pool),
            starved: VecDeque::new(),
            hashed_under: 0,
            long_keys: Vec::with_capacity(config.batch),
            duplicate: None,
            sack_blocks: SackBlocks::default(),
            counters: TcpCounters::default(),
        }
    }

    pub(crate) fn counters(&self) -> &TcpCounters {
        &self.counters
    }

    /// What connections take.
    pub(crate) fn memory(&self) -> TcpMemory {
        TcpMemory {
            connections: self.connections.len(),
            half_open: self.half_open.len(),
            half_open_bytes: self.half_open.touched_bytes(),
            connection_bytes: self.connections.mapped_bytes() + self.flows.mapped_bytes(),
            port_bytes: self.ports.mapped_bytes(),
        }
    }
}

/// Memory that TCP connections take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpMemory {
    /// Connections that exist, without TIME_WAIT.
    pub connections: u32,
    /// Connections that a SYN has begun and no ACK completed yet.
    pub half_open: usize,
    /// Bytes that they take, or took when they were most: those of the table that were ever written.
    pub half_open_bytes: usize,
    /// Bytes mapped for their state, index, handles and timers.
    pub connection_bytes: usize,
    /// Bytes mapped for the sets of taken ports.
    pub port_bytes: usize,
}

/// Keys for other purposes than the flow table's, so that none tells anything of another.
fn derived_keys(secret: &[u8; 32]) -> ([u8; 16], u64) {
    use siphasher::sip128::{Hasher128, SipHasher24};
    let (left, right) = secret.split_at(16);
    let mut isn = SipHasher24::new_with_key(left.try_into().expect("16 of 32 bytes"));
    std::hash::Hasher::write(&mut isn, right);
    std::hash::Hasher::write(&mut isn, b"sequence numbers and timestamps");
    let mut ports = SipHasher24::new_with_key(right.try_into().expect("16 of 32 bytes"));
    std::hash::Hasher::write(&mut ports, left);
    std::hash::Hasher::write(&mut ports, b"ports");
    (isn.finish128().as_bytes(), ports.finish128().h1)
}
