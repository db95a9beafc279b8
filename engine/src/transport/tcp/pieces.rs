//! Payloads in order, of which there is usually one.

use std::collections::VecDeque;
use std::collections::vec_deque;

use crate::frame::Payload;

/// A queue of payloads that are not empty. The first lies in the queue itself, so that a queue of one never touches other storage.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Empty when there is no piece.
    first: Payload,
    rest: VecDeque<Payload>,
}

impl Pieces {
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(!self.first.is_empty()) + self.rest.len()
    }

    /// The piece that is alone.
    #[inline(always)]
    pub(super) fn only(&self) -> Option<&Payload> {
        (!self.first.is_empty() && self.rest.is_empty()).then_some(&self.first)
    }

    /// As [`Pieces::push_back`] for a queue that has no piece.
    #[inline(always)]
    pub(super) fn begin(&mut self, piece: Payload) {
        debug_assert!(self.is_empty(), "a queue begins once");
        if piece.is_empty() {
            return;
        }
        // The first of no pieces holds no slot: nothing is lost by not dropping it.
        std::mem::forget(std::mem::replace(&mut self.first, piece));
    }

    /// Appends a piece; an empty one is dropped.
    #[inline(always)]
    pub(super) fn push_back(&mut self, piece: Payload) {
        if piece.is_empty() {
            // Kept as the first, it would keep its slot for as long as this queue waits to be used again.
            return;
        }
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.push_back(piece);
        }
    }

    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<&mut Payload> {
        (!self.first.is_empty()).then_some(&mut self.first)
    }

    #[inline(always)]
    pub(super) fn pop_front(&mut self) -> Option<Payload> {
        if self.first.is_empty() {
            return None;
        }
        let next = if self.rest.is_empty() {
            Payload::empty()
        } else {
            self.rest.pop_front().unwrap_or_default()
        };
        Some(std::mem::replace(&mut self.first, next))
    }

    pub(super) fn pop_back(&mut self) -> Option<Payload> {
        match self.rest.pop_back() {
            Some(last) => Some(last),
            None => self.pop_front(),
        }
    }

    /// The piece `index` places behind the first. `None` past the last.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Payload> {
        match index.checked_sub(1) {
            None => (!self.first.is_empty()).then_some(&self.first),
            Some(index) => self.rest.get(index),
        }
    }

    /// The pieces from first to last.
    pub(super) fn iter(
        &self,
    ) -> std::iter::Chain<std::option::IntoIter<&Payload>, vec_deque::Iter<'_, Payload>> {
        self.get(0).into_iter().chain(&self.rest)
    }

    /// Drops everything; the storage is kept.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        std::mem::take(&mut self.first).end();
        if !self.rest.is_empty() {
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pieces;
    use crate::frame::{FramePool, Payload, PoolConfig, Purpose, Size};
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const BYTES: &[u8] = b"0123456789";

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push(usize),
        PopFront,
        PopBack,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..BYTES.len()).prop_map(Step::Push),
            2 => Just(Step::PopFront),
            1 => Just(Step::PopBack),
            1 => Just(Step::Clear),
        ]
    }

    #[test]
    fn an_empty_piece_gives_its_slot_back() {
        let pool = FramePool::new(PoolConfig::default());
        let mut frame = pool.allocate(Purpose::Application, Size::Small).expect("a slot");
        frame.extend(4).expect("room").fill(7);
        let mut pieces = Pieces::default();
        pieces.push_back(frame.freeze().slice(4..));
        assert_eq!((pieces.len(), pool.usage().small), (0, 0));
    }

    proptest! {
        #[test]
        fn it_does_what_a_deque_without_empty_pieces_does(steps in prop::collection::vec(step(), 0..200)) {
            let (mut pieces, mut deque) = (Pieces::default(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Push(len) => {
                        pieces.push_back(Payload::from_static(&BYTES[..len]));
                        deque.extend((len > 0).then_some(len));
                    }
                    Step::PopFront => prop_assert_eq!(pieces.pop_front().map(|piece| piece.len()), deque.pop_front()),
                    Step::PopBack => prop_assert_eq!(pieces.pop_back().map(|piece| piece.len()), deque.pop_back()),
                    Step::Clear => {
                        pieces.clear();
                        deque.clear();
                    }
                }
                let lens: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
                prop_assert_eq!(&lens, &Vec::from_iter(deque.iter().copied()));
                prop_assert_eq!((pieces.len(), pieces.is_empty()), (deque.len(), deque.is_empty()));
                prop_assert_eq!(pieces.get(1).map(|piece| piece.len()), deque.get(1).copied());
            }
        }
    }
}
