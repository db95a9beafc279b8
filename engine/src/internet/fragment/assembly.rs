//! One datagram, as much of it as has come.

use super::MAX_FRAGMENTS;
use crate::frame::Frame;
use crate::internet::datagram::Ecn;

/// What the header of the datagram will say: the first fragment's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct First {
    pub(super) protocol: u8,
    pub(super) hop_limit: u8,
    pub(super) dscp: u8,
    /// Octets of the first fragment.
    pub(super) len: u16,
}

/// Where a fragment lies in its datagram, in octets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Piece {
    pub(super) start: u16,
    pub(super) len: u16,
}

impl Piece {
    fn end(self) -> usize {
        usize::from(self.start) + usize::from(self.len)
    }
}

/// What a fragment did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    /// More are needed.
    Incomplete,
    /// It was the last that was missing.
    Complete,
    /// The same has come before.
    Repetition,
}

/// A fragment contradicts the others, or there are too many: the datagram is to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refused;

/// One buffer, and what of it is filled (RFC 815 keeps what is not; with no overlaps allowed, either will do).
#[derive(Debug)]
pub(super) struct Assembly {
    /// Where the payload grows, behind room for the header.
    pub(super) frame: Frame,
    pieces: [Piece; MAX_FRAGMENTS],
    count: usize,
    received: usize,
    total: Option<usize>,
    pub(super) first: Option<First>,
    pub(super) ecn: Ecn,
}

impl Assembly {
    /// `frame` is empty and has headroom for the header.
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame,
            pieces: [Piece::default(); MAX_FRAGMENTS],
            count: 0,
            received: 0,
            total: None,
            first: None,
            ecn: Ecn::NotCapable,
        }
    }

    /// Adds a fragment whose octets are `parts`, one after the other.
    pub(super) fn add<'a>(
        &mut self,
        piece: Piece,
        more: bool,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Added, Refused> {
        let place = self.pieces[..self.count].partition_point(|known| known.start < piece.start);
        if self.pieces[..self.count].get(place) == Some(&piece) {
            let is_same_end = more != (self.total == Some(piece.end()));
            return if is_same_end && self.holds(piece, parts) {
                Ok(Added::Repetition)
            } else {
                Err(Refused)
            };
        }
        self.check_overlap(place, piece)?;
        self.check_end(piece, more)?;
        if self.count == MAX_FRAGMENTS {
            return Err(Refused);
        }
        self.write(piece, parts)?;
        self.pieces.copy_within(place..self.count, place + 1);
        self.pieces[place] = piece;
        self.count += 1;
        self.received += usize::from(piece.len);
        Ok(if self.total == Some(self.received) {
            Added::Complete
        } else {
            Added::Incomplete
        })
    }

    fn check_overlap(&self, place: usize, piece: Piece) -> Result<(), Refused> {
        let before = place.checked_sub(1).map(|index| self.pieces[index]);
        let behind = self.pieces[..self.count].get(place);
        let overlaps = before.is_some_and(|before| before.end() > usize::from(piece.start))
            || behind.is_some_and(|behind| piece.end() > usize::from(behind.start));
        if overlaps { Err(Refused) } else { Ok(()) }
    }

    /// The last fragment says how long the datagram is; none may say otherwise or lie beyond.
    fn check_end(&mut self, piece: Piece, more: bool) -> Result<(), Refused> {
        let furthest = self.pieces[..self.count].last().map_or(0, |last| last.end());
        match self.total {
            Some(total) if !more || piece.end() > total => return Err(Refused),
            None if !more && furthest > piece.end() => return Err(Refused),
            None if !more => self.total = Some(piece.end()),
            _ => {}
        }
        Ok(())
    }

    fn write<'a>(&mut self, piece: Piece, parts: impl Iterator<Item = &'a [u8]>) -> Result<(), Refused> {
        let missing = piece.end().saturating_sub(self.frame.len());
        self.frame.extend(missing).ok_or(Refused)?;
        let mut rest = &mut self.frame[usize::from(piece.start)..piece.end()];
        for part in parts {
            let (here, behind) = rest.split_at_mut_checked(part.len()).ok_or(Refused)?;
            here.copy_from_slice(part);
            rest = behind;
        }
        Ok(())
    }

    fn holds<'a>(&self, piece: Piece, parts: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut rest = &self.frame[usize::from(piece.start)..piece.end()];
        for part in parts {
            let Some((here, behind)) = rest.split_at_checked(part.len()) else {
                return false;
            };
            if here != part {
                return false;
            }
            rest = behind;
        }
        rest.is_empty()
    }
}
