use proptest::prelude::*;

use super::*;

fn pool(small: u32, large: u32) -> FramePool {
    FramePool::new(PoolConfig {
        small_slots: small,
        large_slots: large,
        loans: 4,
        guaranteed_percent: 25,
    })
}

#[test]
fn a_payload_is_24_bytes() {
    assert_eq!(size_of::<Payload>(), 24);
    assert_eq!(size_of::<Option<Payload>>(), 24);
}

#[test]
fn headers_are_pushed_and_pulled_in_place() {
    let pool = pool(4, 1);
    let mut frame = pool.allocate(Purpose::Application, Size::Small).unwrap();
    frame.reserve(64);
    frame.extend(3).unwrap().copy_from_slice(b"abc");
    frame.push_front(2).unwrap().copy_from_slice(b"xy");
    assert_eq!(&*frame, b"xyabc");
    assert_eq!(frame.headroom(), 62);
    frame.pull_front(3);
    assert_eq!(&*frame, b"bc");
    assert!(frame.push_front(66).is_none());
    assert!(frame.extend(SMALL_SLOT).is_none());
    assert_eq!(&*frame, b"bc");
}

#[test]
fn a_slot_returns_with_its_last_handle() {
    let pool = pool(4, 1);
    let payload = pool.copy(Purpose::Application, b"hello").unwrap().freeze();
    let part = payload.slice(1..3);
    drop(payload);
    assert_eq!(&*part, b"el");
    assert_eq!(pool.usage().small, 1);
    drop(part);
    assert_eq!(pool.usage().small, 0);
    pool.audit().unwrap();
}

#[test]
fn only_the_sole_handle_thaws() {
    let pool = pool(4, 1);
    let payload = pool.copy(Purpose::Application, b"hello").unwrap().freeze();
    let clone = payload.clone();
    let payload = payload.try_thaw().unwrap_err();
    drop(clone);
    let mut part = payload;
    part.advance(2);
    let mut frame = part.try_thaw().unwrap();
    frame.extend(1).unwrap()[0] = b'!';
    assert_eq!(&*frame, b"llo!");
    assert!(Payload::from_static(b"x").try_thaw().is_err());
}

#[test]
fn no_purpose_starves_another() {
    let pool = pool(8, 0);
    let flood: Vec<Frame> = std::iter::from_fn(|| pool.allocate(Purpose::Receive, Size::Small)).collect();
    assert_eq!(flood.len(), 4, "a quarter is kept for each of the two others");
    let control: Vec<Frame> = std::iter::from_fn(|| pool.allocate(Purpose::Control, Size::Small)).collect();
    let application: Vec<Frame> =
        std::iter::from_fn(|| pool.allocate(Purpose::Application, Size::Small)).collect();
    assert_eq!((control.len(), application.len()), (2, 2));
}

#[test]
fn a_loan_is_read_elsewhere_and_comes_home() {
    let home = pool(4, 1);
    let loan = home
        .copy(Purpose::Application, b"far away")
        .unwrap()
        .freeze()
        .lend()
        .unwrap();
    let read = std::thread::spawn(move || {
        let abroad = pool(4, 1);
        let payload = abroad.adopt(loan).unwrap();
        let copy = payload.clone();
        drop(payload);
        assert!(copy.clone().lend().is_err(), "a borrowed payload is not lent on");
        copy.to_vec()
    });
    assert_eq!(read.join().unwrap(), b"far away");
    assert_eq!(home.usage().lent, 1);
    home.reclaim();
    assert_eq!(
        home.usage(),
        PoolUsage {
            small: 0,
            large: 0,
            borrowed: 0,
            lent: 0
        }
    );
    home.audit().unwrap();
}

#[test]
fn loans_are_bounded_on_both_sides() {
    let home = pool(8, 0);
    let payload = home.copy(Purpose::Application, b"x").unwrap().freeze();
    let mut loans: Vec<Loan> = (0..4).map(|_| payload.clone().lend().unwrap()).collect();
    assert!(payload.clone().lend().is_err());
    let abroad = FramePool::new(PoolConfig {
        loans: 1,
        ..PoolConfig::default()
    });
    let held = abroad.adopt(loans.pop().unwrap()).unwrap();
    let refused = abroad.adopt(loans.pop().unwrap()).unwrap_err();
    drop((held, refused, loans));
    assert!(payload.clone().lend().is_ok(), "ended loans make room");
}

#[test]
fn a_loan_outlives_its_pool() {
    let loan = pool(2, 0)
        .copy(Purpose::Application, b"still here")
        .unwrap()
        .freeze()
        .lend()
        .unwrap();
    assert_eq!(&*loan, b"still here");
}

#[test]
fn a_dropped_chunk_leaves_credit() {
    let pool = pool(4, 1);
    let credits = CreditList::default();
    let mut payload = pool.copy(Purpose::Receive, b"0123456789").unwrap().freeze();
    let first = RxChunk::new(payload.split_front(4), 7, credits.clone());
    let second = RxChunk::new(payload, 7, credits.clone());
    assert_eq!(credits.pop(), None);
    drop(first);
    let kept = second.payload();
    drop(second);
    assert_eq!(
        credits.pop(),
        Some(Credit {
            connection: 7,
            bytes: 10
        })
    );
    assert_eq!(&*kept, b"456789");
}

#[test]
fn small_payloads_share_a_slot() {
    let pool = pool(4, 0);
    let mut carver = Carver::new(pool.clone(), Purpose::Application);
    let payloads: Vec<Payload> = (0..100)
        .map(|n| carver.carve(20, |bytes| bytes.fill(n)).unwrap())
        .collect();
    assert_eq!(
        pool.usage().small,
        2,
        "100 payloads of 20 bytes take two slots of 64 each"
    );
    for (n, payload) in payloads.iter().enumerate() {
        assert_eq!(**payload, [n as u8; 20]);
    }
    let last = payloads.into_iter().next_back().unwrap();
    assert_eq!(pool.usage().small, 1);
    assert!(last.try_thaw().is_err(), "the carver still cuts this slot up");
    assert!(carver.carve(SMALL_SLOT + 1, |_| ()).is_none());
    drop(carver);
    assert_eq!(pool.usage().small, 0);
    pool.audit().unwrap();
}

#[test]
fn a_packet_gathers_and_trims() {
    let pool = pool(4, 1);
    let mut packet = Packet::default();
    packet.set_header_len(2).copy_from_slice(b"HH");
    for piece in [b"abc", b"def"] {
        packet
            .push_piece(pool.copy(Purpose::Application, piece).unwrap().freeze())
            .unwrap();
    }
    packet.push_header(2).unwrap().copy_from_slice(b"LL");
    let mut bytes = [0; 16];
    assert_eq!(packet.copy_into(&mut bytes), Some(10));
    assert_eq!(&bytes[..10], b"LLHHabcdef");
    assert_eq!(packet.copy_into(&mut [0; 9]), None);
    packet.strip_headers(4);
    packet.advance_body(4);
    packet.truncate_body(1);
    let body: Vec<u8> = packet.take_body().flat_map(|piece| piece.to_vec()).collect();
    assert_eq!(body, b"e");
    assert_eq!(packet.body_len(), 0);
}

#[test]
fn a_body_that_is_taken_in_part_leaves_nothing_behind() {
    let pool = pool(4, 1);
    let mut packet = Packet::default();
    for piece in [b"abc", b"def"] {
        let piece = pool.copy(Purpose::Application, piece).unwrap().freeze();
        packet.push_piece(piece).unwrap();
    }
    assert_eq!(packet.take_body().next().as_deref(), Some(&b"abc"[..]));
    assert_eq!(pool.usage().small, 0);
}

#[test]
fn queues_change_hands_whole_or_in_part() {
    let fill = |queue: &mut PacketQueue, range: std::ops::Range<u8>| {
        for n in range {
            queue.push().unwrap().set_header_len(1)[0] = n;
        }
    };
    let numbers = |queue: &PacketQueue| queue.iter().map(|packet| packet.header()[0]).collect::<Vec<_>>();
    let (mut a, mut b) = (PacketQueue::with_capacity(4), PacketQueue::with_capacity(4));
    fill(&mut a, 0..4);
    assert!(a.push().is_none());
    assert_eq!(b.take_from(&mut a, 3), 3);
    assert_eq!((numbers(&a), numbers(&b)), (vec![3], vec![0, 1, 2]));
    assert_eq!(a.take_from(&mut b, 9), 3);
    assert_eq!(numbers(&a), [3, 0, 1, 2]);
    assert_eq!(b.take_from(&mut a, 9), 4);
    assert_eq!((numbers(&a), numbers(&b)), (vec![], vec![3, 0, 1, 2]));
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(u8, bool),
    Clone(usize),
    Slice(usize, usize, usize),
    Thaw(usize),
    Lend(usize),
    EndLoan(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u8>(), any::<bool>()).prop_map(|(byte, large)| Step::Allocate(byte, large)),
        any::<usize>().prop_map(Step::Clone),
        (any::<usize>(), 0..40usize, 0..40usize).prop_map(|(which, a, b)| Step::Slice(
            which,
            a.min(b),
            a.max(b)
        )),
        any::<usize>().prop_map(Step::Thaw),
        any::<usize>().prop_map(Step::Lend),
        any::<usize>().prop_map(Step::EndLoan),
        any::<usize>().prop_map(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is done to handles, each keeps its bytes, and the pool gets every slot back exactly once.
    #[test]
    fn handles_keep_their_bytes(steps in prop::collection::vec(step(), 1..120)) {
        let pool = pool(12, 3);
        let mut held: Vec<(Payload, Vec<u8>)> = Vec::new();
        let mut lent: Vec<(Loan, Vec<u8>)> = Vec::new();
        for step in steps {
            let pick = |which: usize, len: usize| (len > 0).then(|| which % len);
            match step {
                Step::Allocate(byte, large) => {
                    let size = if large { Size::Large } else { Size::Small };
                    if let Some(mut frame) = pool.allocate(Purpose::Application, size) {
                        frame.extend(40).unwrap().fill(byte);
                        held.push((frame.freeze(), vec![byte; 40]));
                    }
                }
                Step::Clone(which) => if let Some(i) = pick(which, held.len()) {
                    let copy = held[i].clone();
                    held.push(copy);
                },
                Step::Slice(which, a, b) => if let Some(i) = pick(which, held.len()) {
                    let (payload, bytes) = &held[i];
                    let (a, b) = (a.min(bytes.len()), b.min(bytes.len()));
                    let part = (payload.slice(a..b), bytes[a..b].to_vec());
                    held.push(part);
                },
                Step::Thaw(which) => if let Some(i) = pick(which, held.len()) {
                    let (payload, mut bytes) = held.swap_remove(i);
                    match payload.try_thaw() {
                        Ok(mut frame) => {
                            frame.fill(0xee);
                            bytes.fill(0xee);
                            held.push((frame.freeze(), bytes));
                        }
                        Err(payload) => held.push((payload, bytes)),
                    }
                },
                Step::Lend(which) => if let Some(i) = pick(which, held.len()) {
                    let (payload, bytes) = held.swap_remove(i);
                    match payload.lend() {
                        Ok(loan) => lent.push((loan, bytes)),
                        Err(payload) => held.push((payload, bytes)),
                    }
                },
                Step::EndLoan(which) => if let Some(i) = pick(which, lent.len()) { drop(lent.swap_remove(i)); },
                Step::Drop(which) => if let Some(i) = pick(which, held.len()) { drop(held.swap_remove(i)); },
            }
            for (payload, bytes) in &held {
                prop_assert_eq!(&**payload, &bytes[..]);
            }
            for (loan, bytes) in &lent {
                prop_assert_eq!(&**loan, &bytes[..]);
            }
            prop_assert!(pool.audit().is_ok(), "{:?}", pool.audit());
        }
        drop(held);
        drop(lent);
        pool.reclaim();
        prop_assert_eq!(pool.usage(), PoolUsage { small: 0, large: 0, borrowed: 0, lent: 0 });
    }
}

#[test]
fn the_header_of_the_link_is_pulled_from_wherever_the_packet_begins() {
    let pool = pool(4, 1);
    let mut inline = Packet::default();
    inline.set_header_len(20).fill(7);
    inline.push_header(14).unwrap().fill(1);
    assert!(inline.pull_header(14));
    assert_eq!(inline.contiguous(), [7; 20]);
    assert!(!inline.pull_header(21));
    assert_eq!(inline.len(), 20);

    let mut behind = Packet::default();
    let frame = pool.copy(Purpose::Receive, &[5; 30]).unwrap();
    behind.push_piece(frame.freeze()).unwrap();
    assert!(behind.pull_header(14));
    assert_eq!((behind.contiguous(), behind.len()), (&[5; 16][..], 16));
    assert!(!behind.pull_header(17));
}

#[test]
fn a_chunk_is_read_from_where_the_headers_are_and_never_past_their_end() {
    let pool = pool(1, 0);
    let mut framed = Packet::default();
    let frame = pool.copy(Purpose::Receive, b"0123456789").expect("a slot");
    framed.push_piece(frame.freeze()).expect("room for a piece");
    let mut inline = Packet::default();
    inline.set_header_len(10).copy_from_slice(b"0123456789");
    inline
        .push_piece(Payload::from_static(b"text"))
        .expect("room for a piece");
    for packet in [&framed, &inline] {
        assert_eq!(packet.chunk_at(0), Some(b"0123"));
        assert_eq!(packet.chunk_at(6), Some(b"6789"));
        assert_eq!(packet.chunk_at::<4>(7), None);
        assert_eq!(packet.chunk_at::<4>(1 << 16), None);
    }
    assert_eq!(Packet::default().chunk_at::<1>(0), None);
}

#[test]
fn the_two_stretches_of_a_queue_are_its_packets_in_order() {
    let mut queue = PacketQueue::with_capacity(4);
    for number in 0..6 {
        queue.push().expect("room").segment_size = number;
        if number == 2 {
            queue.pop_front();
            queue.pop_front();
        }
    }
    let numbers = queue
        .as_mut_slices()
        .map(|stretch| Vec::from_iter(stretch.iter().map(|packet| packet.segment_size)));
    assert_eq!(numbers, [vec![2, 3], vec![4, 5]]);
}
