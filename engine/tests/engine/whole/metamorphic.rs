//! The same conversation in another guise: other initial sequence numbers, other ports and addresses, another IP version, clocks that wrap
//! on the way, other portions of the same bytes, polls of other sizes. What must not matter, does not.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use handfast::config::Config;
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PacketQueue, PoolConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::state::State;

use crate::support::peer::{ACK, SYN, Segment};
use crate::support::{Family, config, read_all};

/// What was sent, by whom (0 is the client), and when.
type Log = Rc<RefCell<Vec<(usize, Instant, Vec<u8>)>>>;

/// A device that writes down what is sent, and loses some of what arrives.
struct Tap {
    device: LocalEnd,
    side: usize,
    log: Log,
    arrived: PacketQueue,
    /// Places of packets that are lost, counted from 0.
    lost: &'static [usize],
    count: usize,
}

impl Device for Tap {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.receive(now, &mut self.arrived);
        let before = batch.len();
        while !self.arrived.is_empty() && batch.room() > 0 {
            if self.lost.contains(&self.count) {
                self.arrived.pop_front();
            } else {
                batch.take_from(&mut self.arrived, 1);
            }
            self.count += 1;
        }
        batch.len() - before
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        for packet in batch.iter() {
            let mut bytes = vec![0; packet.len()];
            packet.copy_into(&mut bytes).expect("as long as the packet");
            self.log.borrow_mut().push((self.side, now, bytes));
        }
        self.device.transmit(now, batch)
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}

/// What may be different.
#[derive(Clone, Copy, Debug)]
struct Guise {
    family: Family,
    secrets: [u8; 2],
    port: u16,
    start: Instant,
    /// Bytes that are written, and read, at once.
    portion: usize,
    no_delay: bool,
    budget: u32,
    /// Packets of a batch, and of the transmit queue.
    batch: usize,
}

const PLAIN: Guise = Guise {
    family: Family::V4,
    secrets: [1, 2],
    port: 7,
    start: Instant::from_secs(1000),
    portion: usize::MAX,
    no_delay: false,
    budget: 4,
    batch: 64,
};

/// What a conversation comes to.
struct Outcome {
    /// Segments and their senders, without what may differ: numbers are relative, and there are no ports.
    segments: Vec<(usize, Segment)>,
    times: Vec<Duration>,
    first_numbers: [u32; 2],
    first_clocks: [u32; 2],
    /// The highest numbers that either end has reached, relative to the first.
    lengths: [u32; 2],
    received: [Vec<u8>; 2],
    states: [Option<State>; 2],
}

const REQUEST: usize = 20_000;
const RESPONSE: usize = 300_000;
/// Several in a row, and the last ones.
const LOST: [&[usize]; 2] = [&[12, 13, 40, 90, 91, 92, 150], &[3, 9]];

/// How long the server thinks when it has heard the request.
const THOUGHT: Duration = Duration::from_millis(300);

fn stream(len: usize) -> Vec<u8> {
    (0..len).map(|place| ((place * 31) >> 3) as u8).collect()
}

fn end(guise: &Guise, side: usize, device: LocalEnd, log: &Log) -> Engine<Tap> {
    let address = [guise.family.client(), guise.family.server()][side];
    let mut config: Config = config(guise.secrets[side], address);
    // The same for both IP versions.
    config.tcp.max_segment = 1400;
    config.tcp.no_delay = guise.no_delay;
    (config.batch, config.transmit_queue) = (guise.batch, guise.batch);
    let tap = Tap {
        device,
        side,
        log: Rc::clone(log),
        arrived: PacketQueue::with_capacity(256),
        lost: LOST[side],
        count: 0,
    };
    Engine::new(&config, FramePool::new(PoolConfig::default()), tap)
}

/// A request, a response, and the client closes first.
fn converse(guise: Guise) -> Outcome {
    let log = Log::default();
    let (near, far) = pair(WireConfig {
        trusted: false,
        max_segment: 0,
        queue: 256,
        ..WireConfig::default()
    });
    let mut ends = [end(&guise, 0, near, &log), end(&guise, 1, far, &log)];
    let mut now = guise.start;
    for end in &mut ends {
        end.poll(now, Budget::default());
    }
    let at = SocketAddr::new(guise.family.server(), guise.port);
    let listener = ends[1].tcp_listen(at, 4).expect("a listener");
    let client = ends[0].tcp_connect(None, at).expect("a connection");
    let mut connections = [Some(client), None];
    let streams = [stream(REQUEST), stream(RESPONSE)];
    let (mut sent, mut closed) = ([0, 0], [false, false]);
    let mut received = [Vec::new(), Vec::new()];
    let mut states = [None, None];
    let mut answers_at = None;
    while now < guise.start + Duration::from_secs(600) {
        for _ in 0..8 {
            for end in &mut ends {
                let budget = Budget {
                    batches: guise.budget,
                };
                end.poll(now, budget);
                while end.poll_event().is_some() {}
            }
        }
        connections[1] = connections[1].or_else(|| ends[1].tcp_accept(listener));
        let mut moved = false;
        for side in 0..2 {
            let Some(connection) = connections[side] else {
                continue;
            };
            let (heard, ended) = read_all(&mut ends[side], connection);
            moved |= !heard.is_empty();
            received[side].extend(heard);
            if received[1].len() == REQUEST {
                answers_at.get_or_insert(now + THOUGHT);
            }
            let may_send = side == 0 || answers_at.is_some_and(|at| at <= now);
            let rest = if may_send {
                &streams[side][sent[side]..]
            } else {
                &[]
            };
            let portion = &rest[..rest.len().min(guise.portion)];
            let is_open = !matches!(ends[side].tcp_state(connection), Some(State::SynSent) | None);
            if is_open && !portion.is_empty() {
                let taken = ends[side].tcp_send(connection, portion).expect("it stands");
                sent[side] += taken;
                moved |= taken > 0;
            }
            let is_done =
                sent[side] == streams[side].len() && received[side].len() == streams[1 - side].len();
            if is_done && !closed[side] && (side == 0 || ended) {
                ends[side].tcp_shutdown(connection).expect("it stands");
                closed[side] = true;
                moved = true;
            }
            states[side] = ends[side].tcp_state(connection);
        }
        if moved {
            continue;
        }
        let deadlines = ends.iter().filter_map(Engine::next_deadline);
        let next = deadlines.chain(answers_at.filter(|at| *at > now)).min();
        match next {
            Some(due) => now = now.max(due),
            None => break,
        }
        let over = |state: Option<State>| matches!(state, None | Some(State::Closed | State::TimeWait));
        if closed == [true, true] && over(states[0]) && over(states[1]) {
            break;
        }
    }
    let log = log.borrow();
    outcome(&guise, &log, received, states)
}

fn outcome(
    guise: &Guise,
    log: &[(usize, Instant, Vec<u8>)],
    received: [Vec<u8>; 2],
    states: [Option<State>; 2],
) -> Outcome {
    let segments: Vec<_> = log
        .iter()
        .filter_map(|(side, at, bytes)| Some((*side, *at, Segment::decode(bytes)?)))
        .collect();
    let first = |side| {
        let mut of_side = segments.iter().filter(|(from, ..)| *from == side);
        let (_, _, syn) = of_side
            .find(|(_, _, segment)| segment.flags & SYN != 0)
            .expect("a SYN");
        (syn.seq, syn.timestamps.map_or(0, |(val, _)| val))
    };
    let firsts = [first(0), first(1)];
    let numbers = firsts.map(|(seq, _)| seq);
    let mut lengths = [0, 0];
    let relative = |of: usize, number: u32| number.wrapping_sub(numbers[of]);
    let mut bare = Vec::new();
    for (side, _, segment) in &segments {
        let seq = relative(*side, segment.seq);
        lengths[*side] = lengths[*side].max(seq + segment.text.len() as u32);
        let has_ack = segment.flags & ACK != 0;
        let sack = segment.sack.iter();
        let segment = Segment {
            from: 0,
            to: 0,
            seq,
            ack: if has_ack {
                relative(1 - side, segment.ack)
            } else {
                0
            },
            timestamps: segment.timestamps.map(|_| (0, 0)),
            sack: sack
                .map(|(left, right)| (relative(1 - side, *left), relative(1 - side, *right)))
                .collect(),
            ..segment.clone()
        };
        bare.push((*side, segment));
    }
    Outcome {
        segments: bare,
        times: segments
            .iter()
            .map(|(_, at, _)| at.saturating_since(guise.start))
            .collect(),
        first_numbers: numbers,
        first_clocks: firsts.map(|(_, val)| val),
        lengths,
        received,
        states,
    }
}

/// How far times may be apart: timers run out at steps whose phase is that of the clock.
const STEP: Duration = Duration::from_millis(8);

fn assert_same(plain: &Outcome, other: &Outcome, what: &str) {
    for (number, (left, right)) in plain.segments.iter().zip(&other.segments).enumerate() {
        assert_eq!(left, right, "segment {number}, {what}");
    }
    assert_eq!(plain.segments.len(), other.segments.len(), "{what}");
    for (left, right) in plain.times.iter().zip(&other.times) {
        let apart = (*left).max(*right).as_nanos() - (*left).min(*right).as_nanos();
        assert!(apart <= STEP.as_nanos(), "{left:?} and {right:?}, {what}");
    }
    assert_ends_alike(plain, other, what);
}

fn assert_ends_alike(plain: &Outcome, other: &Outcome, what: &str) {
    assert_eq!(plain.received, other.received, "{what}");
    assert_eq!(plain.states, other.states, "{what}");
}

fn plain() -> Outcome {
    let plain = converse(PLAIN);
    assert_eq!(plain.received, [stream(RESPONSE), stream(REQUEST)]);
    assert_eq!(plain.states, [Some(State::TimeWait), Some(State::Closed)]);
    assert!(
        plain.segments.iter().any(|(_, segment)| !segment.sack.is_empty()),
        "losses were repaired"
    );
    plain
}

#[test]
fn initial_numbers_and_ports_do_not_matter() {
    let plain = plain();
    for secret in 3..20 {
        let guise = Guise {
            secrets: [secret, secret + 100],
            port: 1000 + u16::from(secret),
            ..PLAIN
        };
        let other = converse(guise);
        assert_ne!(plain.first_numbers, other.first_numbers);
        assert_same(&plain, &other, &format!("{guise:?}"));
    }
}

/// The clock of initial numbers ticks every four microseconds, so a later start has them cross 2^32, or 2^31, in the middle of the streams.
#[test]
fn sequence_numbers_that_wrap_on_the_way_do_not_matter() {
    let plain = plain();
    for side in 0..2 {
        for border in [0, 1 << 31] {
            let middle = plain.lengths[side] / 2;
            let ahead = u32::wrapping_sub(border, plain.first_numbers[side].wrapping_add(middle));
            let start = PLAIN.start + Duration::from_micros(4 * u64::from(ahead));
            let other = converse(Guise { start, ..PLAIN });
            let first = other.first_numbers[side].wrapping_sub(border);
            let last = first.wrapping_add(plain.lengths[side]);
            assert!(
                first.cast_signed() < 0 && last.cast_signed() > 0,
                "the border is crossed"
            );
            assert_same(&plain, &other, &format!("side {side} across {border:#x}"));
        }
    }
}

#[test]
fn timestamps_that_wrap_on_the_way_do_not_matter() {
    let plain = plain();
    let took = plain.times.iter().max().expect("segments").as_millis() as u32;
    for side in 0..2 {
        let ahead = 0_u32.wrapping_sub(plain.first_clocks[side].wrapping_add(took / 2));
        let start = PLAIN.start + Duration::from_millis(u64::from(ahead));
        let other = converse(Guise { start, ..PLAIN });
        let first = other.first_clocks[side];
        assert!(first.checked_add(took).is_none(), "the clock wraps");
        assert_same(&plain, &other, &format!("the clock of side {side}"));
    }
}

#[test]
fn the_ip_version_does_not_matter() {
    let guise = Guise {
        family: Family::V6,
        ..PLAIN
    };
    assert_same(&plain(), &converse(guise), "IPv6");
}

#[test]
fn the_portions_of_writes_do_not_matter_to_what_arrives() {
    let plain = plain();
    for portion in [1, 7, 536, 1399, 1400, 1401, 65_536] {
        for no_delay in [false, true] {
            let guise = Guise {
                portion,
                no_delay,
                ..PLAIN
            };
            // A byte at a time would take long for the long stream, and shows nothing more.
            if portion == 1 && !no_delay {
                continue;
            }
            assert_ends_alike(&plain, &converse(guise), &format!("{guise:?}"));
        }
    }
}

#[test]
fn the_budget_of_polls_does_not_matter_to_what_arrives() {
    let plain = plain();
    for (budget, batch) in [(1, 64), (2, 64), (64, 64), (1, 1), (1, 2), (2, 3), (64, 1)] {
        let guise = Guise {
            budget,
            batch,
            ..PLAIN
        };
        assert_ends_alike(&plain, &converse(guise), &format!("{guise:?}"));
    }
}
