use proptest::prelude::*;

use super::MAX_FRAGMENTS;
use super::assembly::{Added, Assembly, Piece, Refused};
use super::identification::Identifications;
use crate::frame::{Frame, FramePool, PoolConfig, Purpose, Size};
use crate::internet::address::Address;

fn frame(pool: &FramePool) -> Frame {
    let mut frame = pool.allocate(Purpose::Receive, Size::Large).unwrap();
    frame.reserve(20);
    frame
}

fn pool() -> FramePool {
    FramePool::new(PoolConfig {
        small_slots: 1,
        large_slots: 2,
        loans: 0,
        guaranteed_percent: 0,
    })
}

/// A fragment: where it begins, its octets, and whether more follow.
type Part = (u16, Vec<u8>, bool);

fn add(assembly: &mut Assembly, (start, bytes, more): &Part) -> Result<Added, Refused> {
    let piece = Piece {
        start: *start,
        len: bytes.len() as u16,
    };
    // In two parts, as the pieces of a packet are.
    let (front, back) = bytes.split_at(bytes.len() / 3);
    assembly.add(piece, *more, [front, back].into_iter())
}

/// The same, with one cell for each octet and no cleverness.
#[derive(Default)]
struct Naive {
    octets: Vec<Option<u8>>,
    parts: Vec<Part>,
    total: Option<usize>,
}

impl Naive {
    fn add(&mut self, part: &Part) -> Result<Added, Refused> {
        let (start, bytes, more) = part;
        if self.parts.contains(part) {
            return Ok(Added::Repetition);
        }
        let range = usize::from(*start)..usize::from(*start) + bytes.len();
        if self.octets.len() < range.end {
            self.octets.resize(range.end, None);
        }
        if self.octets[range.clone()].iter().any(Option::is_some) {
            return Err(Refused);
        }
        if !more {
            if self.total.is_some() || self.octets[range.end..].iter().any(Option::is_some) {
                return Err(Refused);
            }
            self.total = Some(range.end);
        }
        if self.total.is_some_and(|total| range.end > total) {
            return Err(Refused);
        }
        for (cell, octet) in self.octets[range].iter_mut().zip(bytes) {
            *cell = Some(*octet);
        }
        self.parts.push(part.clone());
        let is_whole = self
            .total
            .is_some_and(|total| self.octets[..total].iter().all(Option::is_some));
        Ok(if is_whole {
            Added::Complete
        } else {
            Added::Incomplete
        })
    }
}

/// Fragments of a datagram of up to 25 blocks, some of which lie.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (
        0_u16..25,
        1_u16..6,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(block, blocks, more, is_forged)| {
            let start = block * 8;
            // The last may end anywhere.
            let len = blocks * 8 - if more { 0 } else { block % 8 };
            let bytes = (start..start + len).map(|at| at as u8 ^ u8::from(is_forged));
            (start, bytes.collect(), more)
        });
    prop::collection::vec(part, 1..30)
}

proptest! {
    #[test]
    fn reassembly_is_what_a_byte_map_would_do(parts in parts()) {
        let pool = pool();
        let (mut assembly, mut naive) = (Assembly::new(frame(&pool)), Naive::default());
        for part in &parts {
            let added = add(&mut assembly, part);
            prop_assert_eq!(added, naive.add(part), "{:?}", part);
            match added {
                Ok(Added::Complete) => {
                    let expected: Vec<_> = naive.octets.iter().map(|octet| octet.unwrap()).collect();
                    prop_assert_eq!(&assembly.frame[..], &expected[..]);
                    break;
                }
                Err(Refused) => break,
                _ => {}
            }
        }
    }

    #[test]
    fn any_order_and_any_cut_gives_the_datagram_back(
        cuts in prop::collection::btree_set(1_usize..200, 0..60), last in 1_usize..9, seed: u64,
    ) {
        let pool = pool();
        let total = 200 * 8 + last;
        let datagram: Vec<u8> = (0..total).map(|at| (at * 7 + at / 256) as u8).collect();
        let edges: Vec<_> = [0].into_iter().chain(cuts.iter().map(|cut| cut * 8)).chain([total]).collect();
        let mut parts: Vec<Part> = edges
            .windows(2)
            .map(|edge| (edge[0] as u16, datagram[edge[0]..edge[1]].to_vec(), edge[1] < total))
            .collect();
        let mut state = seed | 1;
        for index in (1..parts.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            parts.swap(index, (state >> 33) as usize % (index + 1));
        }
        let mut assembly = Assembly::new(frame(&pool));
        let (final_part, others) = parts.split_last().unwrap();
        for part in others {
            prop_assert_eq!(add(&mut assembly, part), Ok(Added::Incomplete));
            prop_assert_eq!(add(&mut assembly, part), Ok(Added::Repetition));
        }
        prop_assert_eq!(add(&mut assembly, final_part), Ok(Added::Complete));
        prop_assert_eq!(&assembly.frame[..], &datagram[..]);
    }
}

#[test]
fn a_datagram_comes_in_so_many_fragments_at_most() {
    let pool = pool();
    let mut assembly = Assembly::new(frame(&pool));
    for number in 0..MAX_FRAGMENTS as u16 {
        let part = (16 * number, vec![1; 8], true);
        assert_eq!(add(&mut assembly, &part), Ok(Added::Incomplete));
    }
    assert_eq!(add(&mut assembly, &(8, vec![1; 8], true)), Err(Refused));
}

#[test]
fn a_datagram_larger_than_its_buffer_is_refused() {
    let pool = pool();
    let mut assembly = Assembly::new(frame(&pool));
    assert_eq!(
        add(&mut assembly, &(65_504, vec![1; 12], false)),
        Ok(Added::Incomplete)
    );
    let mut assembly = Assembly::new(frame(&pool));
    assert_eq!(add(&mut assembly, &(65_504, vec![1; 13], false)), Err(Refused));
}

/// RFC 7739: one destination says nothing about another, and none repeats soon.
#[test]
fn identifications_are_unforeseeable_and_do_not_repeat() {
    let mut identifications = Identifications::new([3; 32]);
    let ours = Address::v4([10, 0, 0, 1]);
    let to = |last| Address::v4([10, 0, 0, last]);
    let mut seen: Vec<_> = (0..1000)
        .map(|_| identifications.next(&ours, &to(2), 17) as u16)
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    let first: Vec<_> = (3..19)
        .map(|last| identifications.next(&ours, &to(last), 17))
        .collect();
    let steps = first
        .windows(2)
        .filter(|pair| pair[1].wrapping_sub(pair[0]) < 1000)
        .count();
    assert_eq!(steps, 0, "{first:?}");
}
