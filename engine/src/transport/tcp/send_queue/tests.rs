use super::{CARVE_LIMIT, COALESCE_LIMIT, Limit, Memory, Refused, SendQueue};
use crate::frame::{FramePool, MAX_PIECES, Packet, PoolConfig, Purpose, SMALL_SLOT};
use proptest::collection::vec;
use proptest::prelude::*;

fn memory(small_slots: u32, large_slots: u32) -> Memory {
    Memory::new(FramePool::new(PoolConfig {
        small_slots,
        large_slots,
        loans: 0,
        guaranteed_percent: 0,
    }))
}

fn limit(bytes: u32, pieces: usize) -> Limit {
    Limit { bytes, pieces }
}

const WIDE: Limit = Limit {
    bytes: 1 << 20,
    pieces: 1_000,
};

/// The octet at a place of the stream.
fn octet(at: usize) -> u8 {
    (at % 251) as u8
}

fn bytes_of(packet: &Packet) -> Vec<u8> {
    packet
        .body()
        .iter()
        .flat_map(|piece| piece.iter().copied())
        .collect()
}

#[derive(Clone, Debug)]
enum Step {
    Gather(usize),
    Push(usize),
    Carve(usize),
    Send(u32),
    Acknowledge(u32),
    /// From so many bytes behind the front on.
    Again(u32, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![1usize..20, 1usize..1_500, Just(COALESCE_LIMIT), Just(5_000)];
    let small = prop_oneof![1u32..50, 1u32..4_000];
    prop_oneof![
        3 => length.prop_map(Step::Gather),
        3 => prop_oneof![1usize..20, 1usize..1_500].prop_map(Step::Push),
        2 => (1..=CARVE_LIMIT).prop_map(Step::Carve),
        4 => small.clone().prop_map(Step::Send),
        3 => small.clone().prop_map(Step::Acknowledge),
        4 => (0u32..3_000, small).prop_map(|(offset, limit)| Step::Again(offset, limit)),
    ]
}

/// The queue, and what a naive one holds: the stream from `una` to `end`, which was sent up to `nxt`.
struct Pair {
    queue: SendQueue,
    memory: Memory,
    una: usize,
    nxt: usize,
    end: usize,
}

const LIMIT: Limit = Limit {
    bytes: 6_000,
    pieces: 12,
};

impl Pair {
    fn new() -> Self {
        Self {
            queue: SendQueue::default(),
            memory: memory(64, 2),
            una: 0,
            nxt: 0,
            end: 0,
        }
    }

    /// The stream from one place to another.
    fn stream(from: usize, to: usize) -> Vec<u8> {
        (from..to).map(octet).collect()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Gather(length) => self.gather(length),
            Step::Push(length) => self.push(length),
            Step::Carve(length) => self.carve(length),
            Step::Send(limit) => self.send(limit),
            Step::Acknowledge(bytes) => self.acknowledge(bytes as usize),
            Step::Again(offset, limit) => self.again(offset, limit),
        }
        self.queue.check().expect("the counts are those of the pieces");
        assert_eq!(self.queue.len() as usize, self.end - self.una);
        assert_eq!(self.queue.unsent() as usize, self.end - self.nxt);
        assert_eq!(self.queue.is_empty(), self.end == self.una);
        self.check_last_sent();
    }

    fn gather(&mut self, length: usize) {
        let room = LIMIT.bytes as usize - (self.end - self.una).min(LIMIT.bytes as usize);
        let mut at = self.end;
        let mut fill = |target: &mut [u8]| {
            target.iter_mut().for_each(|byte| {
                *byte = octet(at);
                at += 1;
            });
        };
        let gathered = self.queue.gather(length, &mut self.memory, &LIMIT, &mut fill);
        let has_pieces = self.queue.pieces.len() < LIMIT.pieces;
        match gathered {
            Ok(taken) if has_pieces => assert_eq!(taken, length.min(room)),
            Ok(taken) => assert!((1..=length.min(room)).contains(&taken)),
            Err(refused) => {
                assert!(refused == Refused::Full && (room == 0 || !has_pieces));
                assert_eq!(at, self.end, "nothing was written");
            }
        }
        self.end += gathered.unwrap_or(0);
        assert_eq!(at, self.end);
    }

    fn push(&mut self, length: usize) {
        let bytes = Self::stream(self.end, self.end + length);
        let frame = self
            .memory
            .pool
            .copy(Purpose::Application, &bytes)
            .expect("a slot");
        let queued = self.end - self.una;
        let fits = self.queue.pieces.len() < LIMIT.pieces
            && (queued == 0 || queued + length <= LIMIT.bytes as usize);
        let pushed = self.queue.push(frame.freeze(), &LIMIT);
        assert_eq!(pushed.is_ok(), fits);
        self.end += if fits { length } else { 0 };
    }

    fn carve(&mut self, length: usize) {
        if !self.queue.may_carve(length) {
            assert!(
                self.end > self.una,
                "{length} bytes are carved for an empty queue"
            );
            return;
        }
        let bytes = Self::stream(self.end, self.end + length);
        let fill = |target: &mut [u8]| target.copy_from_slice(&bytes);
        assert_eq!(self.queue.carve(length, &mut self.memory, fill), Ok(length));
        self.end += length;
    }

    fn send(&mut self, limit: u32) {
        let mut packet = Packet::default();
        let sent = self.queue.send_next(limit, &mut packet) as usize;
        let wanted = (self.end - self.nxt).min(limit as usize);
        assert!(sent == wanted || (sent < wanted && packet.body().len() == MAX_PIECES));
        assert_eq!(bytes_of(&packet), Self::stream(self.nxt, self.nxt + sent));
        self.nxt += sent;
    }

    fn acknowledge(&mut self, bytes: usize) {
        let sent = self.nxt - self.una;
        if bytes >= self.end - self.una && sent == self.end - self.una {
            self.queue.clear();
            self.una = self.end;
        } else {
            let bytes = bytes.min(sent).min((self.end - self.una).saturating_sub(1));
            self.queue.acknowledge_part(bytes as u32);
            self.una += bytes;
        }
    }

    fn again(&mut self, offset: u32, limit: u32) {
        let (mut packet, mut copied) = (Packet::default(), 0);
        let added = self
            .queue
            .copy_sent(offset, limit, &mut packet, &self.memory, &mut copied) as usize;
        let from = self.una + offset as usize;
        let wanted = self.nxt.saturating_sub(from).min(limit as usize);
        let carried = wanted > 0 && self.queue.can_copy_whole(offset, wanted as u32);
        assert_eq!(
            copied,
            if added == 0 || packet.body().len() > 1 {
                0
            } else {
                copied
            }
        );
        if carried || wanted == 0 {
            assert_eq!((added, copied), (wanted, 0), "no copy is needed");
        } else if copied > 0 {
            assert_eq!(added as u64, copied);
            assert_eq!(added, wanted.min(SMALL_SLOT), "a slot is filled");
        } else {
            assert!(added < wanted && added >= SMALL_SLOT && packet.body().len() == MAX_PIECES);
        }
        assert_eq!(bytes_of(&packet), Self::stream(from, from + added));
    }

    /// As much as one packet carries, and no more than was sent.
    fn check_last_sent(&self) {
        let sent = (self.nxt - self.una) as u32;
        for limit in [0, 1, 100, u32::MAX] {
            let last = self.queue.last_sent(limit);
            assert!(last <= limit.min(sent));
            assert!(self.queue.can_copy_whole(sent - last, last));
            if last < limit.min(sent) {
                assert!(!self.queue.can_copy_whole(sent - last - 1, last + 1));
            }
        }
    }
}

proptest! {
    #[test]
    fn a_queue_gives_back_the_stream_that_was_written(steps in vec(any_step(), 1..80)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
        }
        let Pair { mut queue, memory, .. } = pair;
        queue.clear();
        drop(queue);
        let slots = memory.pool.usage();
        prop_assert!(slots.small <= 1 && slots.large == 0, "the carver's own is left");
    }
}

/// Writes so many bytes.
fn write(queue: &mut SendQueue, memory: &mut Memory, length: usize) -> usize {
    let mut fill = |target: &mut [u8]| target.fill(7);
    queue.gather(length, memory, &WIDE, &mut fill).expect("room")
}

/// Sends everything that one packet carries.
fn send(queue: &mut SendQueue) -> u32 {
    queue.send_next(u32::MAX, &mut Packet::default())
}

/// Small writes that wait share a slot, and a large one has its own.
#[test]
fn writes_are_gathered_until_they_are_large() {
    let (mut queue, mut memory) = (SendQueue::default(), memory(16, 0));
    write(&mut queue, &mut memory, CARVE_LIMIT + 1);
    write(&mut queue, &mut memory, COALESCE_LIMIT);
    write(&mut queue, &mut memory, 1);
    assert_eq!(memory.pool.usage().small, 1);
    write(&mut queue, &mut memory, SMALL_SLOT);
    assert_eq!(memory.pool.usage().small, 2, "what is large begins a slot");
    assert_eq!(
        send(&mut queue) as usize,
        CARVE_LIMIT + 2 + COALESCE_LIMIT + SMALL_SLOT
    );
}

/// A packet on its way refers to the slot, whose bytes must not change or grow.
#[test]
fn nothing_is_appended_to_what_was_sent() {
    let (mut queue, mut memory) = (SendQueue::default(), memory(16, 0));
    write(&mut queue, &mut memory, 500);
    send(&mut queue);
    write(&mut queue, &mut memory, 500);
    assert_eq!(memory.pool.usage().small, 2);
    assert_eq!(queue.send_next(100, &mut Packet::default()), 100);
    write(&mut queue, &mut memory, 500);
    assert_eq!(memory.pool.usage().small, 3, "nor to what was sent in part");
}

/// A slot in which several connections have their few bytes.
#[test]
fn small_writes_of_several_queues_share_a_slot() {
    let mut memory = memory(16, 0);
    let mut queues: [SendQueue; 3] = Default::default();
    for queue in &mut queues {
        write(queue, &mut memory, CARVE_LIMIT);
    }
    assert_eq!(memory.pool.usage().small, 1);
    for queue in &mut queues {
        send(queue);
        write(queue, &mut memory, CARVE_LIMIT);
    }
    assert_eq!(memory.pool.usage().small, 1);
    write(&mut SendQueue::default(), &mut memory, CARVE_LIMIT + 1);
    assert_eq!(memory.pool.usage().small, 1, "its slot went with it");
    let mut other = SendQueue::default();
    write(&mut other, &mut memory, CARVE_LIMIT + 1);
    assert_eq!(memory.pool.usage().small, 2);
}

#[test]
fn only_a_small_write_to_an_empty_queue_is_carved_at_once() {
    let (mut queue, mut memory) = (SendQueue::default(), memory(16, 0));
    assert!(queue.may_carve(1) && queue.may_carve(CARVE_LIMIT));
    assert!(!queue.may_carve(0) && !queue.may_carve(CARVE_LIMIT + 1));
    write(&mut queue, &mut memory, 1);
    assert!(!queue.may_carve(1));
}

/// A write that is larger than a small slot takes a large one, and small ones where there is none.
#[test]
fn a_write_takes_a_slot_of_its_size() {
    for (large_slots, length, taken) in [
        (1, SMALL_SLOT, (1, 0)),
        (1, SMALL_SLOT + 1, (0, 1)),
        (0, SMALL_SLOT + 1, (2, 0)),
    ] {
        let (mut queue, mut memory) = (SendQueue::default(), memory(16, large_slots));
        assert_eq!(write(&mut queue, &mut memory, length), length);
        let usage = memory.pool.usage();
        assert_eq!((usage.small, usage.large), taken, "{length} bytes");
    }
}

/// What does not fit is refused as a whole only when nothing of it fits.
#[test]
fn a_queue_takes_what_it_has_room_for() {
    let mut memory = memory(2, 0);
    let mut fill = |target: &mut [u8]| target.fill(7);
    let mut queue = SendQueue::default();
    let ten = limit(10, 8);
    assert_eq!(queue.gather(0, &mut memory, &ten, &mut fill), Ok(0));
    assert_eq!(queue.gather(12, &mut memory, &ten, &mut fill), Ok(10));
    assert_eq!(queue.gather(1, &mut memory, &ten, &mut fill), Err(Refused::Full));
    let mut queue = SendQueue::default();
    let more = 2 * SMALL_SLOT;
    assert_eq!(
        queue.gather(more, &mut memory, &WIDE, &mut fill),
        Ok(SMALL_SLOT),
        "one slot is left"
    );
    let none = queue.gather(more, &mut memory, &WIDE, &mut fill);
    assert_eq!(none, Err(Refused::NoFrame));
}

/// A first payload is taken however large it is, or it could never be sent.
#[test]
fn a_payload_larger_than_the_queue_is_taken_alone() {
    let memory = memory(16, 0);
    let payload = |length: usize| {
        let frame = memory.pool.copy(Purpose::Application, &vec![7; length]);
        frame.expect("a slot").freeze()
    };
    let mut queue = SendQueue::default();
    let (ten, one_piece) = (limit(10, 8), limit(100, 1));
    queue.push(payload(20), &ten).expect("it is alone");
    queue.push(payload(1), &ten).expect_err("the queue is full");
    let mut queue = SendQueue::default();
    queue.push(payload(4), &ten).expect("room");
    queue.push(payload(6), &ten).expect("exactly as much as fits");
    queue
        .push(payload(1), &limit(11, 2))
        .expect_err("two pieces are all");
    let mut queue = SendQueue::default();
    queue.push(payload(1), &one_piece).expect("room");
    queue.push(payload(1), &one_piece).expect_err("one piece is all");
}
