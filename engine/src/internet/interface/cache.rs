//! The neighbour that packets for a destination went to last (the destination cache of RFC 4861 section 5.1).

use super::neighbour::Token;
use crate::arch::tuple_hash::TupleHasher;
use crate::internet::address::Address;

/// Destinations remembered. A forgotten one costs a look at the routes and at the neighbour cache.
const PLACES: usize = 512;

/// A table in which every destination has one place; who comes later displaces who was there.
#[derive(Debug)]
pub(super) struct Destinations {
    hasher: TupleHasher,
    places: Box<[(Address, Token)]>,
}

impl Destinations {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self {
            hasher: TupleHasher::new(secret),
            places: vec![(Address::UNSPECIFIED, Token::NONE); PLACES].into(),
        }
    }

    #[inline]
    pub(super) fn find(&self, destination: &Address) -> Option<Token> {
        let (known, neighbour) = &self.places[self.place(destination)];
        (known == destination).then_some(*neighbour)
    }

    pub(super) fn remember(&mut self, destination: &Address, neighbour: Token) {
        let place = self.place(destination);
        self.places[place] = (*destination, neighbour);
    }

    /// Forgets all, because routes have changed.
    pub(super) fn clear(&mut self) {
        self.places.fill((Address::UNSPECIFIED, Token::NONE));
    }

    #[inline]
    fn place(&self, destination: &Address) -> usize {
        let octets = destination.octets();
        let hash = if destination.is_v4() {
            let mut tuple = [0; 12];
            tuple[..4].copy_from_slice(&octets[12..]);
            self.hasher.hash_v4(tuple)
        } else {
            let mut tuple = [0; 36];
            tuple[..16].copy_from_slice(octets);
            self.hasher.hash_v6(tuple)
        };
        hash as usize % PLACES
    }
}
