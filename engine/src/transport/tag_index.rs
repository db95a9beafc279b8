//! A fixed-capacity hash index from a keyed 64-bit hash to a `u32`: what makes a look-up one cache line.
//!
//! The index knows tags and values, never keys: a hit is confirmed by the caller, who compares the key that lives
//! with the thing itself. A bucket is one cache line of twelve entries. An entry whose home bucket is full goes to the
//! next bucket of its probe sequence that has room, and every bucket it passes counts it, by class of hash. A look-up
//! therefore stops at the first bucket that no entry of its class has passed, which for a miss is nearly always the
//! first one, and a removal leaves no tombstone.
//!
//! Steps of a probe sequence depend on the hash, because neighbours that fill each other up (plain linear probing)
//! form runs that no probe limit survives when entries come and go for hours.

mod bucket;
#[cfg(test)]
mod tests;

use thiserror::Error;

use self::bucket::{Buckets, CLASSES, LANES};
use crate::arch::prefetch;

/// Buckets that an entry may try, its home included.
pub const PROBE_LIMIT: usize = 16;

/// Why an entry found no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Full {
    /// The structure holds as many entries as it was built for.
    #[error("the configured capacity is reached")]
    Capacity,
    /// All [`PROBE_LIMIT`] buckets of this hash are full: with a good hash this does not happen, so either somebody
    /// knows the key of the hash or the index is loaded beyond reason.
    #[error("every bucket that this hash may use is full")]
    ProbeLimit,
}

/// A multimap from hash to `u32` in buckets of one cache line; all operations are O(1), none allocates.
///
/// Hashes are not stored, so the value must tell the thing: a value that is in the index under one hash is not added
/// under another.
#[derive(Debug)]
pub struct TagIndex {
    buckets: Buckets,
    /// Prime, so that every stride visits every bucket.
    bucket_count: u32,
    capacity: usize,
    len: usize,
}

impl TagIndex {
    /// An index for `entries` entries, whose buckets are then filled to `load` (0 to 1, usefully 0.5 to 0.8; 0.71 is
    /// 7.5 bytes an entry). The memory is mapped, zeroed and not touched.
    ///
    /// Where entries come and go at random, a miss reads 1.06 lines at load 0.6, 1.2 at 0.71 and 1.6 at 0.8.
    ///
    /// # Panics
    /// When `load` is not in `0.0 < load <= 1.0`, or 2³² buckets would not do.
    pub fn with_capacity(entries: usize, load: f64) -> Self {
        assert!(
            load > 0.0 && load <= 1.0,
            "the load of an index lies between 0 and 1"
        );
        let wanted = (entries as f64 / (LANES as f64 * load)).ceil() as u64;
        let bucket_count = u32::try_from(next_prime(wanted)).expect("an index has at most 2^32 buckets");
        Self {
            buckets: Buckets::new(bucket_count as usize),
            bucket_count,
            capacity: entries,
            len: 0,
        }
    }

    /// Entries in the index.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries that the index takes at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of address space that the buckets occupy.
    pub fn mapped_bytes(&self) -> usize {
        self.buckets.mapped_bytes()
    }

    /// Touches all the memory now, so that later insertions meet no page fault. O(capacity).
    pub fn prefault(&mut self) {
        self.buckets.prefault();
    }

    /// Starts to load the home bucket of `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        prefetch::read(self.buckets.get(self.home(hash)));
    }

    /// The first value stored under `hash` (or under one that shares its tag and bucket) that `matches` confirms.
    #[inline]
    pub fn find(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<u32> {
        // The home bucket nearly always decides, so the rest of the way is not in line.
        let home = self.buckets.get(self.home(hash));
        let lane = home.matching(tag(hash)).find(|&lane| matches(home.value(lane)));
        match lane {
            Some(lane) => Some(home.value(lane)),
            None if home.overflow[class(hash)] == 0 => None,
            None => {
                let place = self.locate_further(hash, matches)?;
                Some(self.buckets.get(place.bucket).value(place.lane))
            }
        }
    }

    /// Adds `value` under `hash`, whether or not the pair is already there.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed then.
    #[inline]
    pub fn insert(&mut self, hash: u64, value: u32) -> Result<(), Full> {
        if self.len == self.capacity {
            return Err(Full::Capacity);
        }
        let home = self.buckets.get_mut(self.home(hash));
        match home.vacant() {
            Some(lane) => home.set(lane, tag(hash), value),
            None => self.insert_further(hash, value)?,
        }
        self.len += 1;
        Ok(())
    }

    /// Takes the pair out. Returns whether it was there.
    #[inline]
    pub fn remove(&mut self, hash: u64, value: u32) -> bool {
        let home = self.buckets.get_mut(self.home(hash));
        let Some(lane) = home.lane_of(tag(hash), value) else {
            return home.overflow[class(hash)] > 0 && self.remove_further(hash, value);
        };
        home.clear(lane);
        self.len -= 1;
        true
    }

    /// Puts `new` in the place of `old`. Returns whether `old` was there.
    #[inline]
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let home = self.buckets.get_mut(self.home(hash));
        let Some(lane) = home.lane_of(tag(hash), old) else {
            return home.overflow[class(hash)] > 0 && self.replace_further(hash, old, new);
        };
        home.set(lane, tag(hash), new);
        true
    }

    /// Takes everything out. O(capacity).
    pub fn clear(&mut self) {
        self.buckets.clear();
        self.len = 0;
    }

    /// The rest of the way after a home bucket that others have passed.
    #[cold]
    fn locate_further(&self, hash: u64, mut matches: impl FnMut(u32) -> bool) -> Option<Place> {
        for (depth, index) in self.probes(hash).enumerate().skip(1) {
            let bucket = self.buckets.get(index);
            if let Some(lane) = bucket
                .matching(tag(hash))
                .find(|&lane| matches(bucket.value(lane)))
            {
                return Some(Place {
                    depth,
                    bucket: index,
                    lane,
                });
            }
            if bucket.overflow[class(hash)] == 0 {
                return None;
            }
        }
        None
    }

    #[cold]
    fn insert_further(&mut self, hash: u64, value: u32) -> Result<(), Full> {
        let place = self.vacancy(hash).ok_or(Full::ProbeLimit)?;
        self.for_each_passed(hash, place.depth, |overflow| *overflow += 1);
        self.buckets
            .get_mut(place.bucket)
            .set(place.lane, tag(hash), value);
        Ok(())
    }

    #[cold]
    fn remove_further(&mut self, hash: u64, value: u32) -> bool {
        let Some(place) = self.locate_further(hash, |candidate| candidate == value) else {
            return false;
        };
        self.for_each_passed(hash, place.depth, |overflow| *overflow -= 1);
        self.buckets.get_mut(place.bucket).clear(place.lane);
        self.len -= 1;
        true
    }

    #[cold]
    fn replace_further(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let Some(place) = self.locate_further(hash, |candidate| candidate == old) else {
            return false;
        };
        self.buckets.get_mut(place.bucket).set(place.lane, tag(hash), new);
        true
    }

    /// The first free lane on the way, unless a counter on the way would overflow.
    fn vacancy(&self, hash: u64) -> Option<Place> {
        for (depth, index) in self.probes(hash).enumerate() {
            let bucket = self.buckets.get(index);
            if let Some(lane) = bucket.vacant() {
                return Some(Place {
                    depth,
                    bucket: index,
                    lane,
                });
            }
            if bucket.overflow[class(hash)] == u8::MAX {
                return None;
            }
        }
        None
    }

    #[cold]
    fn for_each_passed(&mut self, hash: u64, depth: usize, mut change: impl FnMut(&mut u8)) {
        for index in self.probes(hash).take(depth) {
            change(&mut self.buckets.get_mut(index).overflow[class(hash)]);
        }
    }

    fn probes(&self, hash: u64) -> Probes {
        let stride = 1 + scale(u64::from((hash >> 16) as u32) << 32, self.bucket_count - 1);
        Probes {
            next: self.home(hash),
            stride: stride as usize,
            bucket_count: self.bucket_count as usize,
            left: PROBE_LIMIT.min(self.bucket_count as usize),
        }
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        scale(hash, self.bucket_count) as usize
    }
}

/// Where an entry is, and how many buckets of its probe sequence come before.
struct Place {
    depth: usize,
    bucket: usize,
    lane: usize,
}

/// The buckets that an entry may use, in order.
struct Probes {
    next: usize,
    stride: usize,
    bucket_count: usize,
    left: usize,
}

impl Iterator for Probes {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let current = self.next;
        self.next += self.stride;
        if self.next >= self.bucket_count {
            self.next -= self.bucket_count;
        }
        Some(current)
    }
}

// One hash serves four purposes: its upper bits choose the home, bits 16 to 47 the stride, bits 8 and 9 the class and
// bits 0 to 7 the tag.

#[inline(always)]
fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

#[inline(always)]
fn class(hash: u64) -> usize {
    (hash >> 8) as usize % CLASSES
}

/// `fraction` / 2⁶⁴ × `range`, rounded down.
#[inline(always)]
fn scale(fraction: u64, range: u32) -> u32 {
    ((u128::from(fraction) * u128::from(range)) >> 64) as u32
}

/// The smallest prime that is at least `at_least`.
fn next_prime(at_least: u64) -> u64 {
    (at_least.max(2)..)
        .find(|&n| is_prime(n))
        .expect("primes never end")
}

fn is_prime(n: u64) -> bool {
    n >= 2
        && (2..)
            .take_while(|factor| factor * factor <= n)
            .all(|factor| !n.is_multiple_of(factor))
}
