//! Which source and destination the next connection has.

use std::net::{IpAddr, SocketAddr};

use super::Ends;

/// Connections that one pair has in a row. A client turns to another server after some work with one, not after every connection: what
/// any stack remembers of a destination is then found in a cache, and not each time in memory.
const IN_A_ROW: u32 = 64;

/// Goes round all (source, destination) pairs, so that the port space of each is used as slowly as can be.
#[derive(Clone, Debug)]
pub(crate) struct AddressPlan {
    pairs: Vec<(IpAddr, SocketAddr)>,
    next: usize,
    /// Connections that the pair has had in this round.
    had: u32,
}

impl AddressPlan {
    /// Every source with every destination of the other's address family.
    pub(crate) fn all(ends: &Ends) -> Self {
        Self::of(&ends.client_addresses, &ends.server_addresses)
    }

    /// One source and one destination: the port space is as small as it gets.
    pub(crate) fn single(ends: &Ends) -> Self {
        let mut plan = Self::all(ends);
        plan.pairs.truncate(1);
        plan
    }

    fn of(sources: &[IpAddr], destinations: &[SocketAddr]) -> Self {
        let pairs: Vec<_> = destinations
            .iter()
            .flat_map(|&to| sources.iter().map(move |&from| (from, to)))
            .filter(|(from, to)| from.is_ipv4() == to.is_ipv4())
            .collect();
        assert!(
            !pairs.is_empty(),
            "a stack has a source for at least one of its destinations"
        );
        Self {
            pairs,
            next: 0,
            had: 0,
        }
    }

    /// Which of the pairs [`AddressPlan::next`] returns next, from 0.
    pub(crate) fn turn(&self) -> u32 {
        self.next as u32
    }

    pub(crate) fn next(&mut self) -> (IpAddr, SocketAddr) {
        let pair = self.pairs[self.next];
        self.had += 1;
        if self.had == IN_A_ROW {
            self.had = 0;
            self.next += 1;
        }
        if self.next == self.pairs.len() {
            self.next = 0;
        }
        pair
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_has_its_row_before_one_has_another() {
        let ends = Ends {
            generator: 0,
            client_addresses: vec![
                "10.0.0.1".parse().unwrap(),
                "10.0.0.2".parse().unwrap(),
                "::1".parse().unwrap(),
            ],
            listen_addresses: Vec::new(),
            server_addresses: vec!["10.0.1.1:80".parse().unwrap(), "10.0.1.2:80".parse().unwrap()],
        };
        let mut plan = AddressPlan::all(&ends);
        let rows: Vec<_> = (0..5)
            .map(|_| {
                let row: HashSet<_> = (0..IN_A_ROW).map(|_| plan.next()).collect();
                assert_eq!(row.len(), 1);
                row.into_iter().next()
            })
            .collect();
        let round: HashSet<_> = rows[..4].iter().collect();
        assert_eq!(round.len(), 4, "two sources of the family with two destinations");
        assert_eq!(rows[4], rows[0]);
        let mut single = AddressPlan::single(&ends);
        assert_eq!(single.next(), single.next());
    }
}
