//! A queue for small values that is empty most of the time.

/// First in, first out. Adding and taking cost what they do in a stack, because the storage is only a vector and a place in it; what was taken
/// leaves when the queue is empty, or makes room before the storage would grow.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    items: Vec<T>,
    /// How many of `items` were taken.
    taken: usize,
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            taken: 0,
        }
    }
}

impl<T: Copy> Fifo<T> {
    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            self.make_room();
        }
        self.items.push(item);
    }

    /// Moves the rest to the front where that frees half of the storage, so that moving stays O(1) for each item; else the storage grows.
    #[cold]
    fn make_room(&mut self) {
        if self.taken >= self.items.len() / 2 {
            self.items.drain(..self.taken);
            self.taken = 0;
        }
        self.items.reserve(1);
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<T> {
        self.items.get(self.taken).copied()
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.first()?;
        self.taken += 1;
        if self.taken == self.items.len() {
            self.items.clear();
            self.taken = 0;
        }
        Some(item)
    }

    /// Takes all items, from first to last.
    #[inline]
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.items.drain(..taken);
        }
        self.items.drain(..)
    }

    /// The items from first to last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items[self.taken..].iter()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.taken
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Fifo;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn it_does_what_a_deque_does(pushes in prop::collection::vec(any::<bool>(), 0..400)) {
            let (mut fifo, mut deque) = (Fifo::default(), VecDeque::new());
            for (number, push) in pushes.into_iter().enumerate() {
                if push {
                    fifo.push(number);
                    deque.push_back(number);
                } else {
                    prop_assert_eq!(fifo.pop(), deque.pop_front());
                }
                prop_assert_eq!(fifo.first(), deque.front().copied());
                prop_assert_eq!((fifo.len(), fifo.is_empty()), (deque.len(), deque.is_empty()));
            }
        }
    }

    #[test]
    fn what_was_taken_singly_is_not_taken_again_with_all() {
        let mut fifo = Fifo::default();
        (0..3).for_each(|item| fifo.push(item));
        assert_eq!(fifo.pop(), Some(0));
        assert_eq!(Vec::from_iter(fifo.drain()), [1, 2]);
        fifo.push(7);
        assert_eq!((fifo.len(), fifo.pop(), fifo.pop()), (1, Some(7), None));
    }

    #[test]
    fn a_queue_that_is_never_empty_keeps_its_storage() {
        let mut fifo = Fifo::default();
        fifo.push(0);
        for number in 1..10_000 {
            fifo.push(number);
            assert_eq!(fifo.pop(), Some(number - 1));
        }
        assert!(fifo.items.capacity() <= 8, "{}", fifo.items.capacity());
    }
}
