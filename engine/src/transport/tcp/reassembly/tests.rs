use super::Reassembly;
use crate::frame::{FramePool, Payload, PoolConfig, Purpose, SMALL_SLOT, Size};
use crate::transport::tcp::options::{MAX_SACK_BLOCKS, SackBlock};
use crate::transport::tcp::seq::SeqNumber;
use proptest::collection::vec;
use proptest::prelude::*;

/// Octets that the model has.
const LEN: usize = 240;
const PIECES: usize = 1_000;

/// The last quarter of its slots is scarce.
pub(in crate::transport::tcp) fn pool(slots: u32) -> FramePool {
    FramePool::new(PoolConfig {
        small_slots: slots,
        large_slots: 1,
        loans: 0,
        guaranteed_percent: 0,
    })
}

pub(in crate::transport::tcp) fn received(pool: &FramePool, bytes: &[u8]) -> Payload {
    let frame = pool.copy(Purpose::Receive, bytes).expect("a slot is left");
    frame.freeze()
}

/// Holds slots until those that come next are scarce.
fn make_scarce(pool: &FramePool, slots: u32) -> Vec<Payload> {
    let free = slots - pool.usage().small;
    (0..free - slots / 4).map(|_| received(pool, b"-")).collect()
}

const fn seq(number: u32) -> SeqNumber {
    SeqNumber(number)
}

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock {
        left: seq(left),
        right: seq(right),
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Text beyond a gap. Whether somebody else goes on holding its slot.
    Arrive {
        at: usize,
        len: usize,
        shared: bool,
    },
    /// So many octets arrive in order.
    Fill(usize),
    Clear,
}

fn any_step() -> impl Strategy<Value = Step> {
    let arrive = (0..LEN - 20, 1usize..20, prop::bool::weighted(0.2));
    prop_oneof![
        16 => arrive.prop_map(|(at, len, shared)| Step::Arrive { at, len, shared }),
        4 => (1usize..16).prop_map(Step::Fill),
        1 => Just(Step::Clear),
    ]
}

/// The naive receiver: a place for each octet, and every arrival.
struct Model {
    octets: Vec<Option<u8>>,
    rcv_nxt: usize,
    /// Where segments began, the last one first.
    arrivals: Vec<usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            octets: vec![None; LEN],
            rcv_nxt: 0,
            arrivals: Vec::new(),
        }
    }

    /// Keeps the first `kept` octets of an arrival that are not held yet; true when they are all.
    fn keep(&mut self, at: usize, bytes: &[u8], kept: usize) {
        let places = self.octets[at..].iter_mut().zip(bytes).take(kept);
        places.for_each(|(place, byte)| *place = place.or(Some(*byte)));
    }

    /// The octets that are due, which are not held any more.
    fn take_due(&mut self) -> Vec<u8> {
        self.octets[..self.rcv_nxt].fill(None);
        let due: Vec<u8> = self.octets[self.rcv_nxt..]
            .iter()
            .map_while(|octet| *octet)
            .collect();
        self.octets[self.rcv_nxt..][..due.len()].fill(None);
        self.rcv_nxt += due.len();
        due
    }

    fn block_of(&self, at: usize, origin: SeqNumber) -> Option<SackBlock> {
        self.octets[at]?;
        let left = self.octets[..at]
            .iter()
            .rposition(Option::is_none)
            .map_or(0, |gap| gap + 1);
        let right = self.octets[at..]
            .iter()
            .position(Option::is_none)
            .map_or(LEN, |len| at + len);
        Some(SackBlock {
            left: origin + left as u32,
            right: origin + right as u32,
        })
    }

    /// All blocks, the one that grew last first.
    fn blocks(&self, origin: SeqNumber) -> Vec<SackBlock> {
        let mut blocks = Vec::new();
        for block in self.arrivals.iter().filter_map(|at| self.block_of(*at, origin)) {
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
        blocks
    }
}

/// The octets that are held, each in its place.
fn held(early: &Reassembly, origin: SeqNumber) -> Vec<Option<u8>> {
    let mut octets = vec![None; LEN];
    for (start, piece) in &early.pieces {
        let at = (*start - origin) as usize;
        octets[at..at + piece.len()].copy_from_slice(&piece.iter().copied().map(Some).collect::<Vec<_>>());
    }
    octets
}

/// Compares the two: octets, the answers about ranges, and the report, which leaves out the blocks that grew longest ago.
fn compare(early: &Reassembly, model: &Model, origin: SeqNumber) -> Result<(), TestCaseError> {
    prop_assert_eq!(held(early, origin), &model.octets[..]);
    prop_assert_eq!(early.is_empty(), model.octets.iter().all(Option::is_none));
    let edge = origin + LEN as u32;
    prop_assert_eq!(early.check(origin + model.rcv_nxt as u32, edge), Ok(()));
    for left in (0..LEN).step_by(7) {
        for right in left + 1..LEN.min(left + 30) {
            let (from, to) = (origin + left as u32, origin + right as u32);
            let octets = &model.octets[left..right];
            prop_assert_eq!(early.holds(from, to), octets.iter().all(Option::is_some));
            let first = octets.iter().position(Option::is_some).map(|first| {
                let len = octets[first..].iter().take_while(|octet| octet.is_some()).count();
                let left = from + first as u32;
                SackBlock {
                    left,
                    right: left + len as u32,
                }
            });
            prop_assert_eq!(early.first_held(from, to), first);
        }
    }
    let blocks = model.blocks(origin);
    for limit in 0..=MAX_SACK_BLOCKS {
        let report = early.report(None, limit);
        let report = report.as_slice();
        prop_assert!(report.len() <= limit);
        prop_assert_eq!(report, &blocks[..report.len()]);
        let newest = model.arrivals.first().and_then(|at| model.block_of(*at, origin));
        prop_assert!(newest.is_none() || limit == 0 || !report.is_empty());
    }
    Ok(())
}

proptest! {
    /// First copies win, slots may be scarce or shared, and what was dropped is the end of what arrived.
    #[test]
    fn what_is_held_is_what_a_naive_receiver_holds(origin in any::<u32>(), steps in vec(any_step(), 1..80)) {
        let origin = SeqNumber(origin);
        let (pool, mut others) = (pool(20), Vec::new());
        let (mut early, mut model) = (Reassembly::default(), Model::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrive { at, len, shared } if at > model.rcv_nxt => {
                    let bytes = vec![number as u8; len];
                    let Some(frame) = pool.copy(Purpose::Receive, &bytes) else {
                        continue;
                    };
                    let payload = frame.freeze();
                    others.extend(shared.then(|| payload.clone()));
                    let is_kept = early.insert(origin + at as u32, payload, PIECES);
                    early.note_arrival(origin + at as u32);
                    model.arrivals.insert(0, at);
                    let now = held(&early, origin);
                    let kept = if is_kept { len } else { now[at..at + len].iter().take_while(|octet| octet.is_some()).count() };
                    prop_assert!(is_kept || kept < len);
                    model.keep(at, &bytes, kept);
                }
                Step::Fill(octets) => {
                    model.rcv_nxt = (model.rcv_nxt + octets).min(LEN - 20);
                    let (mut rcv_nxt, mut taken) = (origin + model.rcv_nxt as u32, Vec::new());
                    while let Some(piece) = early.pop_due(rcv_nxt) {
                        rcv_nxt += piece.len() as u32;
                        taken.extend_from_slice(&piece);
                    }
                    early.forget_before(rcv_nxt);
                    prop_assert_eq!(taken, model.take_due());
                    if model.rcv_nxt >= LEN - 20 {
                        break;
                    }
                }
                Step::Clear => {
                    early.clear();
                    others.clear();
                    model.octets.fill(None);
                }
                Step::Arrive { .. } => {}
            }
            compare(&early, &model, origin)?;
        }
    }
}

/// RFC 2018 section 4: the block that grew last comes first, then the others in the order in which they were reported, as many as fit; RFC
/// 2883 section 4: a duplicate stands before them, although it is in one of them.
#[test]
fn reports_begin_with_what_grew_last() {
    let pool = pool(64);
    let mut early = Reassembly::default();
    let arrive = |early: &mut Reassembly, at| {
        assert!(early.insert(seq(at), received(&pool, &[0; 10]), PIECES));
        early.note_arrival(seq(at));
    };
    for at in [100, 200, 300, 400, 500] {
        arrive(&mut early, at);
    }
    let [b, c, d, e] = [200, 300, 400, 500].map(|at| block(at, at + 10));
    assert_eq!(early.report(None, 4).as_slice(), [e, d, c, b]);
    arrive(&mut early, 300);
    assert_eq!(early.report(None, 4).as_slice(), [c, e, d, b]);
    arrive(&mut early, 410);
    let d = block(400, 420);
    assert_eq!(early.report(None, 4).as_slice(), [d, c, e, b]);
    assert_eq!(early.report(Some(c), 3).as_slice(), [c, d, c]);
    assert_eq!(early.report(Some(c), 4).as_slice(), [c, d, c, e]);
}

#[test]
fn pieces_are_bounded_and_what_is_known_needs_none() {
    let pool = pool(64);
    let mut early = Reassembly::default();
    let arrive = |early: &mut Reassembly, at, bytes: &[u8]| early.insert(seq(at), received(&pool, bytes), 3);
    assert!(arrive(&mut early, 10, b"aa"));
    assert!(arrive(&mut early, 20, b"bb"));
    assert!(
        !arrive(&mut early, 8, b"ccccc"),
        "room for what is before, none for what is behind"
    );
    assert!(early.holds(seq(8), seq(12)) && !early.holds(seq(8), seq(13)));
    assert!(!arrive(&mut early, 30, b"d"));
    assert!(arrive(&mut early, 10, b"ee") && arrive(&mut early, 20, b"f"));
    assert_eq!(early.pop_due(seq(9)).as_deref(), Some(&b"c"[..]));
    assert_eq!(early.pop_due(seq(10)).as_deref(), Some(&b"aa"[..]));
    assert!(early.pop_due(seq(19)).is_none());
}

/// Where slots are scarce, an early segment is copied behind those that it continues, up to the next gap and beyond what fills it.
#[test]
fn scarce_slots_are_shared() {
    const SLOTS: u32 = 32;
    let pool = pool(SLOTS);
    let mut early = Reassembly::default();
    assert!(early.insert(seq(10), received(&pool, b"aaa"), PIECES));
    assert!(early.insert(seq(15), received(&pool, b"bb"), PIECES));
    let ballast = make_scarce(&pool, SLOTS);
    let before = pool.usage().small;
    assert!(
        !early.insert(seq(5), received(&pool, b"c"), PIECES),
        "follows nothing"
    );
    assert!(!early.insert(seq(14), received(&pool, b"c"), PIECES), "nor this");
    assert!(early.insert(seq(13), received(&pool, b"ddeeffff"), PIECES));
    assert_eq!((early.pieces.len(), pool.usage().small), (2, before));
    assert_eq!(early.check(seq(9), seq(21)), Ok(()));
    assert_eq!(early.pop_due(seq(10)).as_deref(), Some(&b"aaadd"[..]));
    assert_eq!(early.pop_due(seq(15)).as_deref(), Some(&b"bbffff"[..]));
    drop(ballast);
}

#[test]
fn a_slot_that_is_shared_or_full_takes_no_more() {
    const SLOTS: u32 = 32;
    let pool = pool(SLOTS);
    let mut early = Reassembly::default();
    let kept = received(&pool, b"aaa");
    let mut full = pool
        .allocate(Purpose::Receive, Size::Small)
        .expect("a slot is left");
    let room = full.tailroom();
    full.extend(room).expect("fits").fill(b'b');
    assert!(room <= SMALL_SLOT);
    assert!(early.insert(seq(10), kept.clone(), PIECES));
    assert!(early.insert(seq(100), full.freeze(), PIECES));
    let _ballast = make_scarce(&pool, SLOTS);
    assert!(!early.insert(seq(13), received(&pool, b"c"), PIECES));
    let end = 100 + room as u32;
    assert!(!early.insert(seq(end), received(&pool, b"c"), PIECES));
    assert_eq!(early.check(seq(9), seq(end)), Ok(()));
    assert!(early.holds(seq(10), seq(13)) && early.holds(seq(100), seq(end)));
}

/// Each broken rule is told.
#[test]
fn the_check_tells_what_is_broken() {
    let broken_at = |rcv_nxt: u32, start: u32, bytes: &'static [u8], reported: Option<(u32, u32)>| {
        let mut early = Reassembly::default();
        early.insert(seq(10), Payload::from_static(b"aa"), PIECES);
        early.pieces.push_back((seq(start), Payload::from_static(bytes)));
        if let Some((left, right)) = reported {
            early.held.insert(seq(left), seq(right));
        }
        early.check(seq(rcv_nxt), seq(30)).is_err()
    };
    let broken = |start, bytes, reported| broken_at(9, start, bytes, reported);
    assert!(broken_at(10, 20, b"bb", Some((20, 22))), "due");
    assert!(!broken(20, b"bb", Some((20, 22))) && !broken(28, b"bb", Some((28, 30))));
    assert!(broken(20, b"", None), "empty");
    assert!(broken(11, b"b", None), "overlaps");
    assert!(broken(29, b"bb", Some((29, 31))), "leaves the window");
    assert!(broken(20, b"bb", None), "not reported");
    assert!(broken(20, b"bb", Some((20, 23))), "reported, not held");
}
