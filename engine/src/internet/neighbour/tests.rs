use proptest::prelude::*;

use super::arp::Arp;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const OTHER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 66]);

fn host(last: u16) -> Address {
    let [high, low] = last.to_be_bytes();
    Address::v4([10, 0, high, low])
}

struct Cache {
    neighbours: Neighbours,
    now: Instant,
    actions: Vec<Action>,
}

impl Cache {
    fn new(capacity: u32) -> Self {
        Self {
            neighbours: Neighbours::new([7; 32], capacity, &[(host(1), MAC)]),
            now: Instant::from_secs(100),
            actions: Vec::new(),
        }
    }

    fn state(&self, of: &Address) -> Option<State> {
        let token = self.neighbours.find(of)?;
        self.neighbours.get(token).map(|entry| entry.state)
    }

    fn mac(&self, of: &Address) -> Option<MacAddress> {
        let token = self.neighbours.find(of)?;
        self.neighbours.get(token).map(|entry| entry.mac)
    }

    fn resolve(&mut self, address: &Address) -> Resolution {
        self.neighbours.resolve(self.now, address, &mut self.actions)
    }

    fn claim(
        &mut self,
        address: Address,
        mac: MacAddress,
        solicited: bool,
        overrides: bool,
    ) -> Option<Action> {
        let claim = Claim {
            address,
            mac: Some(mac),
            solicited,
            overrides,
            is_router: None,
        };
        self.neighbours.update(self.now, &claim)
    }

    /// What the cache wants done by the end of `span`, and when.
    fn pass(&mut self, span: Duration) -> Vec<(u64, Action)> {
        let (begin, end) = (self.now, self.now + span);
        let mut done = Vec::new();
        while let Some(due) = self.neighbours.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.neighbours.run_timers(self.now, &mut self.actions);
            let after = self.now.saturating_since(begin).as_millis();
            done.extend(self.actions.drain(..).map(|action| (after, action)));
        }
        self.now = end;
        done
    }

    /// A neighbour that has just answered.
    fn reachable(&mut self, address: Address) {
        self.resolve(&address);
        self.actions.clear();
        assert_eq!(self.claim(address, MAC, true, true), Some(Action::Release));
        assert_eq!(self.state(&address), Some(State::Reachable));
    }
}

/// RFC 4861 section 7.2.2.
#[test]
fn who_does_not_answer_three_solicitations_is_given_up() {
    let mut cache = Cache::new(4);
    let Resolution::Wait(token) = cache.resolve(&host(9)) else {
        panic!()
    };
    let again = Action::Solicit(host(9), None);
    assert_eq!(std::mem::take(&mut cache.actions), [again]);
    assert_eq!(
        cache.resolve(&host(9)),
        Resolution::Wait(token),
        "asked once a second at most"
    );
    assert_eq!(cache.actions, []);
    let done = cache.pass(SECOND.saturating_mul(60));
    assert_eq!(
        done,
        [
            (1000, again),
            (2000, again),
            (3000, Action::GiveUp(token, host(9)))
        ]
    );
    assert_eq!(cache.state(&host(9)), None);
    assert_eq!(cache.neighbours.next_deadline(), None);
}

/// RFC 4861 section 7.3.3: what is used is probed when it has not been confirmed for a while, and only then.
#[test]
fn a_neighbour_in_use_is_probed_and_one_that_is_not_costs_nothing() {
    let mut cache = Cache::new(4);
    cache.reachable(host(9));
    assert_eq!(cache.pass(SECOND.saturating_mul(3600)), []);
    assert_eq!(cache.resolve(&host(9)), Resolution::Station(MAC));
    assert_eq!(cache.state(&host(9)), Some(State::Delay));
    let probe = Action::Solicit(host(9), Some(MAC));
    assert_eq!(
        cache.pass(SECOND.saturating_mul(6)),
        [(5000, probe), (6000, probe)]
    );
    assert_eq!(cache.claim(host(9), MAC, true, false), None);
    assert_eq!(cache.state(&host(9)), Some(State::Reachable));
    assert_eq!(cache.pass(SECOND), []);
}

#[test]
fn a_neighbour_that_left_is_forgotten_after_three_probes() {
    let mut cache = Cache::new(4);
    cache.reachable(host(9));
    cache.pass(SECOND.saturating_mul(60));
    cache.resolve(&host(9));
    let done = cache.pass(SECOND.saturating_mul(60));
    assert_eq!(
        done.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [5000, 6000, 7000, 8000]
    );
    assert!(matches!(done[3].1, Action::GiveUp(..)));
    assert_eq!(cache.state(&host(9)), None);
}

/// RFC 4861 section 6.3.2: between half and one and a half times 30 s.
#[test]
fn reachable_times_are_spread() {
    let mut shortest = u64::MAX;
    let mut longest = 0;
    for last in 2..200 {
        let mut cache = Cache::new(4);
        cache.reachable(host(last));
        let token = cache.neighbours.find(&host(last)).unwrap();
        let until = cache.neighbours.get(token).unwrap().until;
        let span = until.saturating_since(cache.now).as_millis();
        (shortest, longest) = (shortest.min(span), longest.max(span));
    }
    assert!((15_000..17_000).contains(&shortest), "{shortest}");
    assert!((43_000..=45_000).contains(&longest), "{longest}");
}

/// RFC 4861 section 7.2.5, as a table: state before, flags, same or other hardware address; state and address after.
#[test]
fn advertisements_update_as_the_rfc_says() {
    use State::{Probe, Reachable, Stale};
    for (before, solicited, overrides, other, after, taken) in [
        (Reachable, false, false, false, Reachable, false),
        (Reachable, false, false, true, Stale, false),
        (Reachable, false, true, false, Reachable, false),
        (Reachable, false, true, true, Stale, true),
        (Probe, true, false, false, Reachable, false),
        (Probe, true, true, true, Reachable, true),
        (Probe, true, false, true, Probe, false),
        (Probe, false, true, true, Stale, true),
    ] {
        let mut cache = Cache::new(4);
        cache.reachable(host(9));
        if before == Probe {
            cache.pass(SECOND.saturating_mul(60));
            cache.resolve(&host(9));
            cache.pass(SECOND.saturating_mul(5));
        } else {
            cache.pass(SECOND.saturating_mul(2));
        }
        assert_eq!(cache.state(&host(9)), Some(before));
        cache.claim(host(9), if other { OTHER_MAC } else { MAC }, solicited, overrides);
        let expected = if taken { OTHER_MAC } else { MAC };
        assert_eq!(
            (cache.state(&host(9)), cache.mac(&host(9))),
            (Some(after), Some(expected)),
            "{before:?} solicited {solicited} overrides {overrides} other {other}"
        );
    }
}

#[test]
fn nothing_unasked_makes_an_entry_or_makes_one_reachable() {
    let mut cache = Cache::new(4);
    assert_eq!(cache.claim(host(9), MAC, true, true), None);
    assert_eq!(cache.state(&host(9)), None);
    cache.neighbours.learn(cache.now, &host(9), MAC);
    assert_eq!(cache.state(&host(9)), Some(State::Stale));
    cache.pass(SECOND.saturating_mul(2));
    cache.claim(host(9), OTHER_MAC, true, true);
    assert_eq!(
        cache.state(&host(9)),
        Some(State::Stale),
        "an answer to no question"
    );
}

#[test]
fn an_address_changes_hands_once_in_a_second_at_most() {
    let mut cache = Cache::new(4);
    cache.reachable(host(9));
    cache.claim(host(9), OTHER_MAC, false, true);
    assert_eq!(cache.mac(&host(9)), Some(MAC));
    cache.pass(SECOND);
    cache.claim(host(9), OTHER_MAC, false, true);
    assert_eq!(cache.mac(&host(9)), Some(OTHER_MAC));
    for _ in 0..100 {
        cache.claim(host(9), MAC, false, true);
        assert_eq!(cache.mac(&host(9)), Some(OTHER_MAC));
    }
    assert_eq!(cache.neighbours.counters.changed, 1);
    assert_eq!(cache.neighbours.counters.changes_refused, 101);
}

#[test]
fn a_static_neighbour_is_beyond_persuasion() {
    let mut cache = Cache::new(4);
    cache.claim(host(1), OTHER_MAC, true, true);
    cache.neighbours.learn(cache.now, &host(1), OTHER_MAC);
    for last in 100..200 {
        cache.resolve(&host(last));
    }
    assert_eq!(cache.resolve(&host(1)), Resolution::Station(MAC));
    assert_eq!(cache.state(&host(1)), Some(State::Static));
}

/// Attack class 41: a scan of 2^16 addresses that do not exist, through us.
#[test]
fn what_is_being_resolved_makes_way_first() {
    let mut cache = Cache::new(64);
    for last in 2..34 {
        cache.reachable(host(last));
    }
    for last in 0x1000..0xffff {
        assert!(matches!(cache.resolve(&host(last)), Resolution::Wait(_)));
        cache.actions.clear();
    }
    for last in 2..34 {
        assert_eq!(
            cache.resolve(&host(last)),
            Resolution::Station(MAC),
            "host {last}"
        );
    }
    assert!(cache.neighbours.counters.evicted > 60_000);
}

/// Attack class 41: 2^16 strangers who introduce themselves.
#[test]
fn strangers_do_not_displace_who_is_in_use() {
    let mut cache = Cache::new(64);
    for last in 2..34 {
        cache.reachable(host(last));
    }
    for last in 0x1000..0xffff {
        cache.neighbours.learn(cache.now, &host(last), OTHER_MAC);
        if last % 16 == 0 {
            for last in 2..34 {
                assert_eq!(
                    cache.resolve(&host(last)),
                    Resolution::Station(MAC),
                    "host {last}"
                );
            }
        }
    }
}

/// Attack class 41: nor who is being resolved, for whom packets wait, nor who was needed a while ago, as a gateway is between two packets.
#[test]
fn strangers_displace_nobody_who_was_asked_for() {
    let mut cache = Cache::new(64);
    cache.reachable(host(2));
    assert_eq!(cache.resolve(&host(2)), Resolution::Station(MAC));
    let Resolution::Wait(waiting) = cache.resolve(&host(3)) else {
        panic!("nobody knows it");
    };
    for last in 0x1000..0xffff {
        cache.neighbours.learn(cache.now, &host(last), OTHER_MAC);
    }
    assert_eq!(cache.state(&host(2)), Some(State::Reachable));
    assert_eq!(cache.resolve(&host(3)), Resolution::Wait(waiting));
    let newest = (0x1000..0xffff).rev().take(8);
    assert!(
        newest.map(host).any(|host| cache.state(&host).is_some()),
        "strangers displace strangers"
    );
}

#[test]
fn when_everything_is_in_use_the_clock_finds_one_all_the_same() {
    let mut cache = Cache::new(8);
    for last in 2..200 {
        cache.reachable(host(last));
    }
    assert_eq!(cache.neighbours.counters.evicted, 198 - 8);
    let mut none = Cache::new(0);
    assert_eq!(none.resolve(&host(9)), Resolution::Full);
}

proptest! {
    /// Whatever is said and asked, the table finds what it holds and holds no more than it may.
    #[test]
    fn the_table_stays_sound(steps in prop::collection::vec((0_u8..6, 2_u16..40, any::<bool>(), any::<bool>()), 1..300)) {
        let mut cache = Cache::new(8);
        for (step, last, solicited, overrides) in steps {
            match step {
                0 | 1 => { cache.resolve(&host(last)); }
                2 => { cache.neighbours.learn(cache.now, &host(last), MAC); }
                3 => { cache.claim(host(last), OTHER_MAC, solicited, overrides); }
                _ => { cache.pass(Duration::from_millis(700 * u64::from(last))); }
            }
            cache.actions.clear();
            let found: Vec<_> = (1..40).filter(|last| cache.state(&host(*last)).is_some()).collect();
            prop_assert!(found.len() <= 9, "{found:?}");
            prop_assert!(found.contains(&1));
            let held = (0..cache.neighbours.table.slots()).filter(|slot| cache.neighbours.table.at(*slot).is_some());
            prop_assert_eq!(held.count(), found.len());
        }
    }

    #[test]
    fn arp_survives_anything(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(arp) = Arp::parse(&bytes) {
            let mut again = [0; arp::LEN];
            arp.emit(&mut again);
            prop_assert_eq!(&again[..], &bytes[..arp::LEN]);
        }
    }
}

#[test]
fn arp_of_other_spaces_or_from_no_station_is_refused() {
    let sound = Arp {
        is_request: true,
        sender_mac: MAC,
        sender: [10, 0, 0, 9],
        target_mac: MacAddress([0; 6]),
        target: [10, 0, 0, 1],
    };
    let mut bytes = [0; arp::LEN];
    sound.emit(&mut bytes);
    assert_eq!(Arp::parse(&bytes), Some(sound));
    let padded = [&bytes[..], &[0; 18]].concat();
    assert_eq!(Arp::parse(&padded), Some(sound));
    for length in 0..arp::LEN {
        assert_eq!(Arp::parse(&bytes[..length]), None);
    }
    for (at, octet) in [
        (1, 6),
        (2, 0x86),
        (4, 8),
        (5, 16),
        (7, 3),
        (7, 0),
        (8, 3),
        (14, 224),
        (14, 255),
    ] {
        let mut wrong = bytes;
        wrong[at] = octet;
        if at == 14 && octet == 255 {
            wrong[14..18].fill(255);
        }
        assert_eq!(Arp::parse(&wrong), None, "octet {at} is {octet}");
    }
}

/// RFC 4861 section 7.3.1: whoever acknowledges what we send is there, and need not be asked.
#[test]
fn what_arrives_through_a_neighbour_spares_the_probe() {
    for wait in [60, 65, 67] {
        let mut cache = Cache::new(4);
        cache.reachable(host(9));
        cache.pass(SECOND.saturating_mul(60));
        cache.resolve(&host(9));
        assert!(cache.neighbours.has_doubts());
        cache.pass(SECOND.saturating_mul(wait - 60));
        let token = cache.neighbours.find(&host(9)).unwrap();
        cache.neighbours.confirm(cache.now, token, cache.now);
        assert_eq!(cache.state(&host(9)), Some(State::Reachable));
        assert_eq!(cache.pass(SECOND.saturating_mul(14)), []);
        assert!(!cache.neighbours.has_doubts(), "when the timer has found none");
        assert_eq!(cache.resolve(&host(9)), Resolution::Station(MAC));
        assert_eq!(cache.state(&host(9)), Some(State::Reachable));
    }
}

/// Whoever claims an address is not made reachable by what its former holder acknowledged.
#[test]
fn what_went_to_the_former_station_proves_nothing_of_the_next() {
    let mut cache = Cache::new(4);
    cache.reachable(host(9));
    cache.pass(SECOND.saturating_mul(2));
    let sent = cache.now;
    cache.claim(host(9), OTHER_MAC, false, true);
    cache.pass(SECOND);
    let token = cache.neighbours.find(&host(9)).unwrap();
    cache.neighbours.confirm(cache.now, token, sent);
    assert_eq!(cache.state(&host(9)), Some(State::Stale));
    cache.neighbours.confirm(cache.now, token, cache.now);
    assert_eq!(cache.state(&host(9)), Some(State::Reachable));
}

#[test]
fn a_suspected_neighbour_is_probed_at_once_and_once_in_a_second_at_most() {
    let mut cache = Cache::new(4);
    cache.reachable(host(9));
    let token = cache.neighbours.find(&host(9)).unwrap();
    cache.neighbours.suspect(cache.now, token);
    assert_eq!(
        cache.state(&host(9)),
        Some(State::Reachable),
        "it has just answered"
    );
    cache.pass(SECOND);
    cache.neighbours.suspect(cache.now, token);
    cache.neighbours.suspect(cache.now, token);
    let probe = Action::Solicit(host(9), Some(MAC));
    assert_eq!(cache.pass(Duration::from_millis(10)), [(0, probe)]);
    cache.claim(host(9), MAC, true, false);
    for _ in 0..100 {
        cache.neighbours.suspect(cache.now, token);
    }
    assert_eq!(cache.pass(SECOND), []);
    cache.neighbours.suspect(cache.now, token);
    let done = cache.pass(SECOND.saturating_mul(3));
    assert_eq!(done.len(), 4, "three probes, and it is given up: {done:?}");
    assert_eq!(cache.state(&host(9)), None);
}

#[test]
fn neither_hope_nor_suspicion_touches_a_static_neighbour_or_one_that_is_not_known() {
    let mut cache = Cache::new(4);
    let Resolution::Wait(unknown) = cache.resolve(&host(9)) else {
        panic!()
    };
    let fixed = cache.neighbours.find(&host(1)).unwrap();
    for (token, state) in [(fixed, State::Static), (unknown, State::Incomplete)] {
        cache.neighbours.suspect(cache.now, token);
        cache.neighbours.confirm(cache.now, token, cache.now);
        cache.neighbours.confirm(cache.now, Token::NONE, cache.now);
        let entry = cache.neighbours.get(token).unwrap();
        assert_eq!(entry.state, state);
    }
}
