//! Slots that a device reads and writes by itself, named by where they are in the pool's mapping.

use core::ptr::NonNull;
use std::rc::Rc;

use super::{Frame, FramePool, Payload, Purpose, SMALL_SLOT, Size};

/// What a device that shares the pool's memory holds: frames to receive into, and payloads that it is sending. The holder says by offsets
/// into the mapping what became of them, and no offset is believed that is not on the books: whoever names the same twice, or one
/// that was never handed out, gets nothing.
///
/// When the ledger is dropped, everything counts as given back; the device must have stopped before.
#[derive(Debug)]
pub struct Ledger {
    pool: FramePool,
    receiving: Box<[bool]>,
    /// How often a slot is being sent.
    sending: Box<[u32]>,
}

impl Ledger {
    /// Empty books for the slots of `pool`.
    pub fn new(pool: FramePool) -> Self {
        let (small, large) = pool.inner.slot_counts();
        Self {
            receiving: vec![false; small as usize].into(),
            sending: vec![0; (small + large) as usize].into(),
            pool,
        }
    }

    /// The pool's mapping: where it begins and its bytes, a multiple of [`SMALL_SLOT`].
    pub fn region(&self) -> (NonNull<u8>, usize) {
        (self.pool.inner.shared.base(), self.pool.mapped_bytes())
    }

    /// Slots that the device holds to receive into.
    pub fn receiving(&self) -> usize {
        self.receiving.iter().filter(|&&held| held).count()
    }

    /// Hands a small slot out to be received into. `None` when the pool has none left.
    pub fn lend_for_receive(&mut self) -> Option<u64> {
        let slot = self.pool.inner.take(Purpose::Receive, Size::Small)?;
        self.receiving[slot as usize] = true;
        Some(slot as u64 * SMALL_SLOT as u64)
    }

    /// Takes a slot back that `len` bytes were received into from `offset` on. `None` when that was not handed out, or the bytes lie across
    /// its bounds; a slot that was handed out is free then.
    pub fn received(&mut self, offset: u64, len: usize) -> Option<Frame> {
        let slot = usize::try_from(offset / SMALL_SLOT as u64).ok()?;
        let held = self.receiving.get_mut(slot)?;
        if !std::mem::take(held) {
            return None;
        }
        let start = (offset % SMALL_SLOT as u64) as u32;
        let whole = Frame::thawed(self.pool.inner.clone(), slot as u32, 0..0);
        let end = u32::try_from(len).ok()?.checked_add(start)?;
        (end as usize <= SMALL_SLOT).then(|| {
            std::mem::forget(whole);
            Frame::thawed(self.pool.inner.clone(), slot as u32, start..end)
        })
    }

    /// Hands a payload out to be sent: where its first byte is. `None` when it does not lie in this pool.
    pub fn lend_for_send(&mut self, payload: &Payload) -> Option<u64> {
        let (pool, slot) = payload.place()?;
        if !Rc::ptr_eq(pool, &self.pool.inner) || pool.is_borrowed(slot) {
            return None;
        }
        let sending = self.sending.get_mut(slot as usize)?;
        *sending += 1;
        pool.retain(slot);
        Some(payload.as_ptr() as u64 - pool.shared.base().as_ptr() as u64)
    }

    /// Takes a payload back by any of its bytes' offset; `false` when none is out there.
    pub fn sent(&mut self, offset: u64) -> bool {
        let Some(slot) = self.pool.inner.slot_at(offset) else {
            return false;
        };
        let sending = &mut self.sending[slot as usize];
        let is_out = *sending > 0;
        if is_out {
            *sending -= 1;
            self.pool.inner.release(slot);
        }
        is_out
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        for (slot, &held) in self.receiving.iter().enumerate() {
            if held {
                self.pool.inner.release(slot as u32);
            }
        }
        for (slot, &times) in self.sending.iter().enumerate() {
            for _ in 0..times {
                self.pool.inner.release(slot as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{PoolConfig, PoolUsage};

    const NOTHING: PoolUsage = PoolUsage {
        small: 0,
        large: 0,
        borrowed: 0,
        lent: 0,
    };

    fn pool() -> FramePool {
        FramePool::new(PoolConfig {
            small_slots: 4,
            large_slots: 1,
            loans: 1,
            guaranteed_percent: 0,
        })
    }

    #[test]
    fn a_slot_is_received_once_and_only_where_it_was_handed_out() {
        let pool = pool();
        let mut ledger = Ledger::new(pool.clone());
        let offset = ledger.lend_for_receive().unwrap();
        assert_eq!(ledger.receiving(), 1);
        for foreign in [offset + SMALL_SLOT as u64, 1 << 40, u64::MAX] {
            assert!(ledger.received(foreign, 10).is_none());
        }
        let frame = ledger.received(offset + 256, 100).expect("the slot was out");
        assert_eq!((frame.len(), frame.headroom()), (100, 256));
        assert!(ledger.received(offset + 256, 100).is_none(), "twice");
        drop(frame);
        assert_eq!(pool.usage(), NOTHING);
    }

    #[test]
    fn bytes_across_the_bounds_of_a_slot_are_not_believed_and_nothing_leaks() {
        let pool = pool();
        let mut ledger = Ledger::new(pool.clone());
        for len in [SMALL_SLOT, usize::MAX] {
            let offset = ledger.lend_for_receive().unwrap();
            assert!(ledger.received(offset + 1, len).is_none());
        }
        assert_eq!(pool.usage(), NOTHING);
        pool.audit().unwrap();
    }

    #[test]
    fn a_payload_stays_until_all_that_send_it_have_said_so() {
        let pool = pool();
        let mut ledger = Ledger::new(pool.clone());
        let payload = pool.copy(Purpose::Application, &[7; 5000]).unwrap().freeze();
        let first = ledger.lend_for_send(&payload).unwrap();
        let second = ledger.lend_for_send(&payload.slice(2048..)).unwrap();
        assert_eq!(second - first, 2048);
        drop(payload);
        assert_eq!(pool.usage().large, 1);
        assert!(ledger.sent(second) && ledger.sent(first));
        assert!(!ledger.sent(first) && !ledger.sent(u64::MAX), "no more is out");
        assert_eq!(pool.usage(), NOTHING);
    }

    #[test]
    fn bytes_of_nobody_or_of_others_are_not_lent() {
        let (pool, other) = (pool(), pool());
        let mut ledger = Ledger::new(pool.clone());
        let foreign = other.copy(Purpose::Application, b"foreign").unwrap().freeze();
        let borrowed = pool
            .adopt(
                other
                    .copy(Purpose::Application, b"lent")
                    .unwrap()
                    .freeze()
                    .lend()
                    .unwrap(),
            )
            .unwrap();
        for payload in [foreign, borrowed, Payload::from_static(b"static")] {
            assert!(ledger.lend_for_send(&payload).is_none());
        }
        other.reclaim();
    }

    #[test]
    fn what_is_out_comes_home_with_the_ledger() {
        let pool = pool();
        let mut ledger = Ledger::new(pool.clone());
        ledger.lend_for_receive().unwrap();
        let payload = pool.copy(Purpose::Application, b"sent").unwrap().freeze();
        ledger.lend_for_send(&payload).unwrap();
        ledger.lend_for_send(&payload).unwrap();
        drop(payload);
        drop(ledger);
        assert_eq!(pool.usage(), NOTHING);
        pool.audit().unwrap();
    }
}
