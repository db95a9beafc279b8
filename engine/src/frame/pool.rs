//! The pool of slots: size classes, guaranteed shares, reference counts.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;

use super::mapping::Shared;
use super::{Frame, LARGE_SLOT, Loan, Payload, SMALL_SLOT};

/// What a slot is taken for. Each purpose has a share of the pool that the others cannot touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Packets that a device receives.
    Receive = 0,
    /// Replies that the engine itself makes (ICMP, resets with a body).
    Control = 1,
    /// Data that the application sends.
    Application = 2,
}

const PURPOSES: usize = 3;

/// The size class of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// [`SMALL_SLOT`] bytes.
    Small = 0,
    /// [`LARGE_SLOT`] bytes.
    Large = 1,
}

/// How many slots a pool has and how they are shared out.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Slots of [`SMALL_SLOT`] bytes.
    pub small_slots: u32,
    /// Slots of [`LARGE_SLOT`] bytes.
    pub large_slots: u32,
    /// Payloads of other threads that may be held at a time, and payloads of this pool that may be lent.
    pub loans: u32,
    /// The percentage of each size class that every [`Purpose`] is guaranteed (0 to 33).
    pub guaranteed_percent: u32,
}

impl Default for PoolConfig {
    /// 4,096 small slots, 64 large ones (12 MiB), of which each purpose is guaranteed 10 %.
    fn default() -> Self {
        Self {
            small_slots: 4096,
            large_slots: 64,
            loans: 4096,
            guaranteed_percent: 10,
        }
    }
}

/// How much of a pool is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolUsage {
    /// Small slots that are taken.
    pub small: u32,
    /// Large slots that are taken.
    pub large: u32,
    /// Payloads borrowed from other threads.
    pub borrowed: u32,
    /// Payloads lent to other threads.
    pub lent: u32,
}

/// A handle to a pool of slots. Clones share the pool; it lives as long as the last handle, frame or payload.
#[derive(Clone, Debug)]
pub struct FramePool {
    pub(super) inner: Rc<PoolInner>,
}

impl FramePool {
    /// Maps the slots. They are touched when they are first used; see [`FramePool::prefault`].
    ///
    /// # Panics
    /// If `guaranteed_percent` is above 33, or the pool has 2^31 slots or more.
    pub fn new(config: PoolConfig) -> Self {
        assert!(
            config.guaranteed_percent <= 33,
            "three purposes cannot be guaranteed more than 33 % each"
        );
        Self {
            inner: Rc::new(PoolInner::new(config)),
        }
    }

    /// Takes a slot. `None` when the pool has none left for this purpose.
    #[inline]
    pub fn allocate(&self, purpose: Purpose, size: Size) -> Option<Frame> {
        let slot = self.inner.take(purpose, size)?;
        Some(Frame::new(self.inner.clone(), slot, size))
    }

    /// Takes a slot and fills it with `bytes`. `None` when the pool has none left or `bytes` exceeds a large slot.
    pub fn copy(&self, purpose: Purpose, bytes: &[u8]) -> Option<Frame> {
        let size = if bytes.len() <= SMALL_SLOT {
            Size::Small
        } else {
            Size::Large
        };
        let mut frame = self.allocate(purpose, size)?;
        frame.extend(bytes.len())?.copy_from_slice(bytes);
        Some(frame)
    }

    /// Makes a payload of this thread out of another thread's. Gives the loan back when as many as configured are held.
    pub fn adopt(&self, loan: Loan) -> Result<Payload, Loan> {
        PoolInner::adopt(&self.inner, loan)
    }

    /// Takes back the slots whose loans have ended on other threads. O(ended loans).
    pub fn reclaim(&self) {
        self.inner.reclaim();
    }

    /// How much is in use now.
    pub fn usage(&self) -> PoolUsage {
        self.inner.usage()
    }

    /// Whether a purpose can still take a slot of this size.
    pub fn can_allocate(&self, purpose: Purpose, size: Size) -> bool {
        self.inner.classes[size as usize].can_take(purpose)
    }

    /// Bytes of the mapping.
    pub fn mapped_bytes(&self) -> usize {
        self.inner.shared.len()
    }

    /// Touches every page once, so that no page fault falls into the time that is measured. O(pool).
    pub fn prefault(&self) {
        for (size, class) in [Size::Small, Size::Large].into_iter().zip(&self.inner.classes) {
            let frames: Vec<Frame> =
                std::iter::from_fn(|| Some(Frame::new(self.inner.clone(), class.pop()?, size))).collect();
            for frame in frames {
                frame.touch_pages();
                class.used[Purpose::Control as usize].set(class.used[Purpose::Control as usize].get() + 1);
                self.inner.owners[frame.slot() as usize].set(Purpose::Control as u8);
                self.inner.references[frame.slot() as usize].set(1);
            }
        }
    }

    /// Checks that every slot is either free once or held, and says what is wrong otherwise. O(pool); for tests.
    pub fn audit(&self) -> Result<(), String> {
        self.inner.audit()
    }
}

/// The free slots of one size, and who holds how many of the others.
#[derive(Debug)]
struct Class {
    first: u32,
    slots: u32,
    free: Box<[Cell<u32>]>,
    free_len: Cell<u32>,
    used: [Cell<u32>; PURPOSES],
    guaranteed: u32,
}

impl Class {
    fn new(first: u32, slots: u32, guaranteed_percent: u32) -> Self {
        Self {
            first,
            slots,
            // Lowest slots on top of the stack: the first frames in use are neighbours.
            free: (first..first + slots).rev().map(Cell::new).collect(),
            free_len: Cell::new(slots),
            used: Default::default(),
            guaranteed: (u64::from(slots) * u64::from(guaranteed_percent) / 100) as u32,
        }
    }

    /// Slots that other purposes than `purpose` are still owed.
    fn owed_to_others(&self, purpose: Purpose) -> u32 {
        (0..PURPOSES)
            .filter(|&other| other != purpose as usize)
            .map(|other| self.guaranteed.saturating_sub(self.used[other].get()))
            .sum()
    }

    #[inline]
    fn can_take(&self, purpose: Purpose) -> bool {
        let free = self.free_len.get();
        free > 2 * self.guaranteed || free > self.owed_to_others(purpose)
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        let len = self.free_len.get().checked_sub(1)?;
        self.free_len.set(len);
        Some(self.free[len as usize].get())
    }

    #[inline]
    fn push(&self, slot: u32) {
        let len = self.free_len.get();
        debug_assert!(len < self.slots, "slot {slot} freed twice");
        self.free[len as usize].set(slot);
        self.free_len.set(len + 1);
    }
}

#[derive(Debug)]
pub(super) struct PoolInner {
    pub(super) shared: Arc<Shared>,
    classes: [Class; 2],
    /// Handles to each slot, then to each borrowed payload.
    references: Box<[Cell<u32>]>,
    owners: Box<[Cell<u8>]>,
    borrowed: RefCell<Vec<Option<Loan>>>,
    borrowed_free: RefCell<Vec<u32>>,
    lent: Cell<u32>,
    max_loans: u32,
}

impl PoolInner {
    fn new(config: PoolConfig) -> Self {
        let PoolConfig {
            small_slots,
            large_slots,
            loans,
            guaranteed_percent,
        } = config;
        let slots = small_slots
            .checked_add(large_slots)
            .filter(|&n| n < 1 << 31)
            .expect("fewer than 2^31 slots");
        let bytes = small_slots as usize * SMALL_SLOT + large_slots as usize * LARGE_SLOT;
        Self {
            shared: Arc::new(Shared::new(bytes, loans as usize)),
            classes: [
                Class::new(0, small_slots, guaranteed_percent),
                Class::new(small_slots, large_slots, guaranteed_percent),
            ],
            references: (0..slots + loans).map(|_| Cell::new(0)).collect(),
            owners: (0..slots).map(|_| Cell::new(0)).collect(),
            borrowed: RefCell::new((0..loans).map(|_| None).collect()),
            borrowed_free: RefCell::new((0..loans).rev().collect()),
            lent: Cell::new(0),
            max_loans: loans,
        }
    }

    fn slots(&self) -> u32 {
        self.classes[0].slots + self.classes[1].slots
    }

    /// Small slots and large ones.
    pub(super) fn slot_counts(&self) -> (u32, u32) {
        (self.classes[0].slots, self.classes[1].slots)
    }

    /// The slot that the byte at `offset` of the mapping belongs to.
    pub(super) fn slot_at(&self, offset: u64) -> Option<u32> {
        let (small, large) = self.slot_counts();
        let first_large = u64::from(small) * SMALL_SLOT as u64;
        let slot = match offset.checked_sub(first_large) {
            None => offset / SMALL_SLOT as u64,
            Some(behind) => u64::from(small) + behind / LARGE_SLOT as u64,
        };
        u32::try_from(slot).ok().filter(|&slot| slot < small + large)
    }

    fn size_of(&self, slot: u32) -> Size {
        if slot < self.classes[1].first {
            Size::Small
        } else {
            Size::Large
        }
    }

    /// Whether the slot is one to receive into, and fewer than a quarter of its kind are left for that.
    pub(super) fn is_scarce_to_receive(&self, slot: u32) -> bool {
        if self.is_borrowed(slot) || self.owners[slot as usize].get() != Purpose::Receive as u8 {
            return false;
        }
        let class = &self.classes[self.size_of(slot) as usize];
        let left = class
            .free_len
            .get()
            .saturating_sub(class.owed_to_others(Purpose::Receive));
        left < class.slots / 4
    }

    pub(super) fn is_borrowed(&self, slot: u32) -> bool {
        slot >= self.slots()
    }

    #[inline]
    pub(super) fn take(&self, purpose: Purpose, size: Size) -> Option<u32> {
        let class = &self.classes[size as usize];
        if !class.can_take(purpose) {
            self.reclaim();
            if !class.can_take(purpose) {
                return None;
            }
        }
        let slot = class.pop()?;
        debug_assert_eq!(
            self.references[slot as usize].get(),
            0,
            "slot {slot} handed out while held"
        );
        self.references[slot as usize].set(1);
        self.owners[slot as usize].set(purpose as u8);
        let used = &class.used[purpose as usize];
        used.set(used.get() + 1);
        Some(slot)
    }

    /// The first byte of a slot and the slot's capacity.
    #[inline]
    pub(super) fn bytes_of(&self, slot: u32) -> (NonNull<u8>, usize) {
        let (offset, capacity) = match self.size_of(slot) {
            Size::Small => (slot as usize * SMALL_SLOT, SMALL_SLOT),
            Size::Large => {
                let large = &self.classes[1];
                let base = large.first as usize * SMALL_SLOT;
                (base + (slot - large.first) as usize * LARGE_SLOT, LARGE_SLOT)
            }
        };
        debug_assert!(offset + capacity <= self.shared.len());
        // SAFETY: every slot lies inside the mapping, which the constructor sized for all of them.
        (unsafe { self.shared.base().add(offset) }, capacity)
    }

    #[inline]
    pub(super) fn retain(&self, slot: u32) {
        let references = &self.references[slot as usize];
        debug_assert!(references.get() > 0, "slot {slot} cloned after it was freed");
        references.set(references.get() + 1);
    }

    #[inline]
    pub(super) fn is_unique(&self, slot: u32) -> bool {
        self.references[slot as usize].get() == 1
    }

    #[inline(always)]
    pub(super) fn release(&self, slot: u32) {
        let references = &self.references[slot as usize];
        let left = references
            .get()
            .checked_sub(1)
            .expect("a slot is released once for each handle");
        references.set(left);
        if left == 0 {
            self.free(slot);
        }
    }

    /// Apart, so that to end one handle of many is but a subtraction.
    #[inline(never)]
    fn free(&self, slot: u32) {
        if self.is_borrowed(slot) {
            return self.end_borrowing(slot);
        }
        let class = &self.classes[self.size_of(slot) as usize];
        let used = &class.used[self.owners[slot as usize].get() as usize];
        used.set(used.get() - 1);
        class.push(slot);
    }

    fn end_borrowing(&self, slot: u32) {
        let index = slot - self.slots();
        let loan = self.borrowed.borrow_mut()[index as usize].take();
        debug_assert!(loan.is_some(), "borrowed payload {index} freed twice");
        self.borrowed_free.borrow_mut().push(index);
    }

    fn adopt(this: &Rc<Self>, loan: Loan) -> Result<Payload, Loan> {
        let Some(index) = this.borrowed_free.borrow_mut().pop() else {
            return Err(loan);
        };
        let slot = this.slots() + index;
        this.references[slot as usize].set(1);
        let payload = Payload::borrowed(this.clone(), slot, &loan);
        this.borrowed.borrow_mut()[index as usize] = Some(loan);
        Ok(payload)
    }

    /// Counts a handle out to another thread; `false` when as many as the return ring can take are out.
    pub(super) fn lend(&self) -> bool {
        if self.lent.get() == self.max_loans {
            self.reclaim();
        }
        let may_lend = self.lent.get() < self.max_loans;
        if may_lend {
            self.lent.set(self.lent.get() + 1);
        }
        may_lend
    }

    fn reclaim(&self) {
        if self.lent.get() == 0 {
            return;
        }
        while let Some(slot) = self.shared.returns.pop() {
            self.lent.set(self.lent.get() - 1);
            self.release(slot);
        }
    }

    fn usage(&self) -> PoolUsage {
        let taken = |class: &Class| class.slots - class.free_len.get();
        PoolUsage {
            small: taken(&self.classes[0]),
            large: taken(&self.classes[1]),
            borrowed: self.max_loans - self.borrowed_free.borrow().len() as u32,
            lent: self.lent.get(),
        }
    }

    fn audit(&self) -> Result<(), String> {
        let mut free = vec![false; self.slots() as usize];
        for class in &self.classes {
            for cell in &class.free[..class.free_len.get() as usize] {
                let slot = cell.get() as usize;
                if std::mem::replace(&mut free[slot], true) {
                    return Err(format!("slot {slot} is free twice"));
                }
            }
            let used: u32 = class.used.iter().map(Cell::get).sum();
            if used + class.free_len.get() != class.slots {
                return Err(format!(
                    "{used} used and {} free of {} slots",
                    class.free_len.get(),
                    class.slots
                ));
            }
        }
        match free
            .iter()
            .zip(&self.references)
            .position(|(&free, held)| free == (held.get() > 0))
        {
            Some(slot) => Err(format!("slot {slot} is neither free nor held, or both")),
            None => Ok(()),
        }
    }
}

impl Drop for PoolInner {
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !std::thread::panicking() {
            self.reclaim();
            let PoolUsage {
                small,
                large,
                borrowed,
                lent,
            } = self.usage();
            // Frames and payloads keep the pool alive, so what is still taken now was lent, or its handle was forgotten.
            assert!(
                small + large + borrowed <= lent,
                "{} slots leaked",
                small + large + borrowed - lent
            );
        }
    }
}
