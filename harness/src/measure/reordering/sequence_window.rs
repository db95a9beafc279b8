//! Which sequence numbers have come, for a bounded window of them.

/// What a sequence number was when it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sighting {
    /// Not seen before.
    First,
    /// Seen before; `first_repeat` when this is the second copy.
    Repeat { first_repeat: bool },
    /// Behind the window.
    TooOld,
    /// Ahead by more than the window, or zero.
    Implausible,
}

/// Two bits for each of the last `size` sequence numbers before the next expected one.
#[derive(Debug)]
pub(super) struct SequenceWindow {
    seen: Box<[bool]>,
    repeated: Box<[bool]>,
    /// RFC 4737 NextExp: one more than the highest number believed so far.
    next_expected: u64,
    /// The last implausible number. A second one right after it means that the flow really went on there, as RFC 3550 A.1
    /// does for RTP; else a long loss would make everything after it implausible.
    suspect: Option<u64>,
}

impl SequenceWindow {
    /// `size` must be a power of two.
    pub(super) fn new(size: usize) -> Self {
        assert!(size.is_power_of_two(), "the window is indexed with a mask");
        let empty = || vec![false; size].into_boxed_slice();
        Self {
            seen: empty(),
            repeated: empty(),
            next_expected: 1,
            suspect: None,
        }
    }

    pub(super) fn next_expected(&self) -> u64 {
        self.next_expected
    }

    /// Takes note of a sequence number. O(1), or O(numbers leapt over).
    pub(super) fn see(&mut self, sequence: u64) -> Sighting {
        if sequence >= self.next_expected {
            return self.advance_to(sequence);
        }
        if sequence == 0 {
            return Sighting::Implausible;
        }
        if self.next_expected - sequence > self.size() {
            return Sighting::TooOld;
        }
        let at = self.index(sequence);
        if !self.seen[at] {
            self.seen[at] = true;
            return Sighting::First;
        }
        let first_repeat = !std::mem::replace(&mut self.repeated[at], true);
        Sighting::Repeat { first_repeat }
    }

    fn advance_to(&mut self, sequence: u64) -> Sighting {
        let leap = sequence - self.next_expected;
        if leap > self.size()
            && self
                .suspect
                .is_none_or(|suspect| suspect.wrapping_add(1) != sequence)
        {
            self.suspect = Some(sequence);
            return Sighting::Implausible;
        }
        let oldest_to_clear = sequence.saturating_sub(self.size() - 1).max(self.next_expected);
        for number in oldest_to_clear..=sequence {
            let at = self.index(number);
            self.seen[at] = false;
            self.repeated[at] = false;
        }
        let at = self.index(sequence);
        self.seen[at] = true;
        self.next_expected = sequence.saturating_add(1);
        Sighting::First
    }

    fn size(&self) -> u64 {
        self.seen.len() as u64
    }

    fn index(&self, sequence: u64) -> usize {
        sequence as usize & (self.seen.len() - 1)
    }
}
