//! The seeded impairment of the `reorder` scenario: some datagrams are held back by a few places.
//!
//! With the numbers of [SplitMix64](https://prng.di.unimi.it/splitmix64.c) from the seed, each datagram draws once: it is held
//! back when the draw modulo 10 is zero, by `1 + (draw >> 32) mod 8` places. A datagram that is not held back passes at once.
//! After each passing datagram, held ones count one place down, and those that reach zero follow it, oldest first; datagrams
//! released this way are no places for others. Whoever does the same with the same seed gets the same order.

/// One datagram of this many is held back.
pub(crate) const ONE_IN: u64 = 10;
/// A datagram is held back by 1 to this many places.
pub(crate) const MAX_PLACES: u64 = 8;

/// SplitMix64: one addition and three shift-multiply steps for each number.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Holds datagrams of type `T` back.
#[derive(Clone, Debug)]
pub(crate) struct HoldBack<T> {
    random: SplitMix64,
    /// Oldest first.
    held: Vec<Held<T>>,
}

#[derive(Clone, Debug)]
struct Held<T> {
    places: u64,
    datagram: T,
}

impl<T> HoldBack<T> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64(seed),
            held: Vec::new(),
        }
    }

    /// Takes the next datagram and hands those that now leave to `pass`, in their order.
    pub(crate) fn push(&mut self, datagram: T, pass: &mut dyn FnMut(T)) {
        let draw = self.random.next();
        if draw.is_multiple_of(ONE_IN) {
            let places = 1 + (draw >> 32) % MAX_PLACES;
            self.held.push(Held { places, datagram });
            return;
        }
        pass(datagram);
        for held in &mut self.held {
            held.places -= 1;
        }
        for held in self.held.extract_if(.., |held| held.places == 0) {
            pass(held.datagram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64, count: u64) -> Vec<u64> {
        let mut hold_back = HoldBack::new(seed);
        let mut passed = Vec::new();
        for datagram in 0..count {
            hold_back.push(datagram, &mut |datagram| passed.push(datagram));
        }
        passed
    }

    #[test]
    fn split_mix_64_gives_its_published_numbers() {
        let mut random = SplitMix64(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_seed_gives_one_order_and_another_seed_another() {
        assert_eq!(order(7, 10_000), order(7, 10_000));
        assert_ne!(order(7, 10_000), order(8, 10_000));
    }

    #[test]
    fn no_datagram_is_lost_or_doubled_and_few_are_still_held() {
        let passed = order(3, 10_000);
        let mut sorted = passed.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), passed.len());
        assert!(passed.len() > 10_000 - 20, "{} passed", passed.len());
    }

    #[test]
    fn a_tenth_is_held_back_by_one_to_eight_places() {
        let passed = order(42, 200_000);
        let mut expected = 0;
        let mut extents = [0_u64; MAX_PLACES as usize + 1];
        let mut passing_since = Vec::new();
        for &datagram in &passed {
            if datagram >= expected {
                expected = datagram + 1;
                passing_since.push(datagram);
            } else {
                let places = passing_since
                    .iter()
                    .rev()
                    .take_while(|&&passing| passing > datagram)
                    .count();
                extents[places] += 1;
            }
        }
        let late: u64 = extents.iter().sum();
        let ratio = late as f64 / passed.len() as f64;
        assert!((0.095..0.105).contains(&ratio), "{ratio} were late");
        assert_eq!(extents[0], 0);
        for (places, &count) in extents.iter().enumerate().skip(1) {
            let part = count as f64 / late as f64;
            assert!(
                (0.11..0.14).contains(&part),
                "{part} of the late ones by {places} places"
            );
        }
    }
}
