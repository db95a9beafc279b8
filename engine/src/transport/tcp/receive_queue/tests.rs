use super::{COPYBREAK_BYTES, COPYBREAK_PIECES, ReceiveQueue};
use crate::frame::FramePool;
use crate::transport::tcp::reassembly::tests::{pool, received};
use crate::transport::tcp::seq::SeqNumber;

const SLOTS: u32 = 64;
const MOST: usize = 1_000;

/// A queue that holds so many pieces of one byte, and the byte that comes next.
fn of_pieces(pool: &FramePool, pieces: usize) -> ReceiveQueue {
    let mut queue = ReceiveQueue::default();
    for number in 0..pieces {
        let copied = queue.push(received(pool, &[number as u8]), MOST, pool);
        assert_eq!(copied.expect("room"), 0, "piece {number} is kept as it is");
    }
    queue
}

/// Takes everything out, and checks what it is: a byte for each of so many pieces, and `last` behind them.
fn assert_holds(queue: &mut ReceiveQueue, pieces: usize, last: &[u8]) {
    let expected: Vec<u8> = (0..pieces as u8).chain(last.iter().copied()).collect();
    assert_eq!(queue.queued_bytes(), expected.len() as u64);
    let mut held = Vec::new();
    while let Some(piece) = queue.pop(usize::MAX) {
        held.extend_from_slice(&piece);
    }
    assert_eq!(held, expected);
}

/// Small payloads each have a slot until there are many of them; then they share one.
#[test]
fn many_small_payloads_are_copied_together() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, COPYBREAK_PIECES);
    let taken = pool.usage().small;
    let largest = [9; COPYBREAK_BYTES];
    let copied = queue.push(received(&pool, &largest), MOST, &pool);
    assert_eq!(copied.expect("room"), COPYBREAK_BYTES as u32);
    assert_eq!(pool.usage().small, taken, "no slot more");
    assert_holds(&mut queue, COPYBREAK_PIECES, &largest);
}

#[test]
fn a_large_payload_is_not_worth_copying() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, COPYBREAK_PIECES);
    let large = [9; COPYBREAK_BYTES + 1];
    let copied = queue.push(received(&pool, &large), MOST, &pool);
    assert_eq!(copied.expect("room"), 0);
    assert_holds(&mut queue, COPYBREAK_PIECES, &large);
}

/// A slot that somebody else looks at must not change: small payloads begin another one, which the next of them share.
#[test]
fn nothing_is_written_into_a_slot_that_is_shared() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, COPYBREAK_PIECES - 1);
    let shared = received(&pool, b"s");
    queue.push(shared.clone(), MOST, &pool).expect("room");
    let taken = pool.usage().small;
    for small in [&[8; COPYBREAK_BYTES], &[9; COPYBREAK_BYTES]] {
        let copied = queue.push(received(&pool, small), MOST, &pool);
        assert_eq!(copied.expect("room"), COPYBREAK_BYTES as u32);
        assert_eq!(pool.usage().small, taken + 1);
    }
    assert_eq!(&shared[..], b"s");
    let mut behind = vec![b's'];
    behind.extend([8; COPYBREAK_BYTES]);
    behind.extend([9; COPYBREAK_BYTES]);
    assert_holds(&mut queue, COPYBREAK_PIECES - 1, &behind);
}

/// When slots are scarce a payload of any size is copied behind the last one, if that has room for it; else it is kept as it is.
#[test]
fn scarce_slots_are_given_back() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, 1);
    let rest: Vec<_> = (pool.usage().small..SLOTS - SLOTS / 4)
        .map(|_| received(&pool, b"-"))
        .collect();
    let taken = pool.usage().small;
    let large = [9; COPYBREAK_BYTES + 1];
    let copied = queue.push(received(&pool, &large), MOST, &pool);
    assert_eq!(copied.expect("room"), large.len() as u32);
    assert_eq!(pool.usage().small, taken);
    let too_large = [7; 2_000];
    let copied = queue.push(received(&pool, &too_large), MOST, &pool);
    assert_eq!(copied.expect("room"), 0);
    drop(rest);
    assert_holds(&mut queue, 1, &[&large[..], &too_large].concat());
}

#[test]
fn a_full_queue_gives_the_payload_back() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, 3);
    let refused = queue.push(received(&pool, b"more"), 3, &pool);
    assert_eq!(
        &refused.expect_err("three pieces are all that it takes")[..],
        b"more"
    );
    assert_holds(&mut queue, 3, b"");
}

#[test]
fn a_queue_that_is_cleared_holds_nothing() {
    let pool = pool(SLOTS);
    let mut queue = of_pieces(&pool, 3);
    assert!(
        queue
            .early
            .insert(SeqNumber(100), received(&pool, b"early"), MOST)
    );
    queue.clear();
    assert!(queue.is_empty());
    assert_eq!(pool.usage().small, 0);
    assert!(queue.pop(usize::MAX).is_none());
}
