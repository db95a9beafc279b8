//! Datagrams in fragments, whole and hostile (RFC 791, RFC 8200 section 4.5, RFC 5722, RFC 6946, RFC 7112).

use std::net::SocketAddr;

use crate::support::peer::Script;
use crate::support::{Family, Pair, wires};
use handfast::application::SendError;
use handfast::internet::datagram::Malformed;
use handfast::link::memory::WireConfig;
use handfast::time::Duration;
use proptest::prelude::*;

const PORT: u16 = 53;
const FRAGMENT: u8 = 44;
const UDP: u8 = 17;

fn datagram(family: Family, payload: &[u8]) -> Vec<u8> {
    family.datagram_to_client(PORT, payload)
}

fn header_len(family: Family) -> usize {
    if family == Family::V4 { 20 } else { 40 }
}

/// A fragment as a packet: `header` is that of a whole datagram, `offset` in octets.
fn fragment(header: &[u8], identification: u16, offset: usize, bytes: &[u8], more: bool) -> Vec<u8> {
    let mut packet = header.to_vec();
    if header[0] >> 4 == 4 {
        packet[2..4].copy_from_slice(&((20 + bytes.len()) as u16).to_be_bytes());
        packet[4..6].copy_from_slice(&identification.to_be_bytes());
        packet[6..8].copy_from_slice(&((offset / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        packet[10..12].fill(0);
        let sum = packet
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum::<u32>();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        let next_header = std::mem::replace(&mut packet[6], FRAGMENT);
        packet[4..6].copy_from_slice(&((8 + bytes.len()) as u16).to_be_bytes());
        packet.extend_from_slice(&[next_header, 0]);
        packet.extend_from_slice(&(offset as u16 | u16::from(more)).to_be_bytes());
        packet.extend_from_slice(&u32::from(identification).to_be_bytes());
    }
    packet.extend_from_slice(bytes);
    packet
}

/// The fragments of a datagram whose payload is cut at these offsets.
fn cut(packet: &[u8], family: Family, identification: u16, edges: &[usize]) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(header_len(family));
    let edges: Vec<_> = [0].iter().chain(edges).chain([&payload.len()]).copied().collect();
    edges
        .windows(2)
        .map(|edge| {
            let more = edge[1] < payload.len();
            fragment(header, identification, edge[0], &payload[edge[0]..edge[1]], more)
        })
        .collect()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// An engine with a socket, and what that socket receives.
struct Listener {
    script: Script,
    socket: handfast::application::UdpHandle,
    family: Family,
}

impl Listener {
    fn new(family: Family) -> Self {
        let mut script = Script::over(family, |_| {});
        let at = SocketAddr::new(family.client(), PORT);
        let socket = script.engine.udp_bind(at).unwrap();
        Self {
            script,
            socket,
            family,
        }
    }

    fn inject(&mut self, packets: &[Vec<u8>]) {
        for packet in packets {
            self.script.inject(packet);
        }
    }

    fn received(&mut self) -> Option<Vec<u8>> {
        let datagram = self.script.engine.udp_receive(self.socket)?;
        Some(datagram.payload.to_vec())
    }

    /// What is told to the peer: the ICMP messages, without their IP headers.
    fn told(&mut self) -> Vec<Vec<u8>> {
        let header = header_len(self.family);
        self.script
            .hear_packets()
            .iter()
            .map(|packet| packet[header..].to_vec())
            .collect()
    }

    fn large_slots(&self) -> u32 {
        self.script.engine.pool().usage().large
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_datagram_is_put_together_in_whatever_order_it_comes(
        len in 100_usize..9000, cuts in prop::collection::btree_set(1_usize..1000, 1..12), turn: usize, v6: bool,
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let payload = pattern(len);
        let packet = datagram(family, &payload);
        let mut edges: Vec<_> = cuts.iter().map(|cut| cut * 8).filter(|edge| *edge < len + 8).collect();
        // No fragment may be larger than a small slot.
        edges.extend((1..len / 1400 + 1).map(|number| number * 1400));
        edges.sort_unstable();
        edges.dedup();
        let mut parts = cut(&packet, family, 7, &edges);
        let turn = turn % parts.len();
        parts.rotate_left(turn);
        let mut listener = Listener::new(family);
        listener.inject(&parts);
        prop_assert_eq!(listener.received(), Some(payload));
        prop_assert_eq!(listener.told(), Vec::<Vec<u8>>::new());
    }
}

/// Attack class 20 and RFC 5722: overlaps in every position refuse the datagram, what still comes of it, and nobody is told.
#[test]
fn overlapping_fragments_refuse_the_whole_datagram() {
    for family in Family::BOTH {
        let packet = datagram(family, &pattern(392));
        let (header, bytes) = packet.split_at(header_len(family));
        let first = fragment(header, 7, 0, &bytes[..96], true);
        let middle = |from: usize, to: usize| fragment(header, 7, from, &bytes[from..to], true);
        let last = fragment(header, 7, 200, &bytes[200..], false);
        for (what, overlapping) in [
            ("in front", middle(88, 104)),
            ("behind", middle(192, 208)),
            ("a part", middle(8, 16)),
            ("all and more", middle(0, 104)),
            (
                "the same place with other bytes",
                fragment(header, 7, 0, &[9; 96], true),
            ),
            ("another end", fragment(header, 7, 192, &bytes[192..200], false)),
        ] {
            let mut listener = Listener::new(family);
            listener.inject(&[first.clone(), last.clone(), overlapping, middle(96, 200)]);
            assert_eq!(listener.received(), None, "{what}");
            listener.inject(&cut(&packet, family, 7, &[96, 200]));
            assert_eq!(
                listener.received(),
                None,
                "{what}: what comes later is refused too"
            );
            listener.script.pass(Duration::from_secs(100));
            assert_eq!(listener.told(), Vec::<Vec<u8>>::new(), "{what}");
            assert_eq!(listener.large_slots(), 0, "{what}");
            listener.inject(&cut(&packet, family, 7, &[96, 200]));
            assert!(
                listener.received().is_some(),
                "{what}: the next datagram of that number"
            );
        }
        let mut listener = Listener::new(family);
        listener.inject(&[first.clone(), first.clone(), last, middle(96, 200)]);
        assert!(listener.received().is_some(), "a repetition does no harm");
    }
}

/// A fragment without octets belongs to nothing: it takes no place, or a few of them would displace whatever is being put together.
#[test]
fn empty_fragments_displace_nothing() {
    for family in Family::BOTH {
        let payload = pattern(392);
        let packet = datagram(family, &payload);
        let header = &packet[..header_len(family)];
        let mut listener = Listener::new(family);
        let parts = cut(&packet, family, 7, &[96]);
        listener.inject(&parts[..1]);
        let slots = listener.large_slots();
        for number in 100..200 {
            let more = number % 2 == 0;
            listener.inject(&[fragment(header, number, 8, &[], more)]);
        }
        assert_eq!(listener.large_slots(), slots);
        listener.inject(&parts[1..]);
        assert_eq!(listener.received(), Some(payload));
    }
}

/// Attack class 21: the ping of death, and a jolt.
#[test]
fn no_datagram_is_longer_than_a_datagram_can_be() {
    for family in Family::BOTH {
        let mut listener = Listener::new(family);
        let packet = datagram(family, &pattern(96));
        let (header, bytes) = packet.split_at(header_len(family));
        listener.inject(&[
            fragment(header, 7, 0, &bytes[..96], true),
            fragment(header, 7, 65_528, &[0; 104], false),
        ]);
        assert_eq!(listener.received(), None);
        let dropped = listener.script.engine.counters().internet.dropped_malformed;
        assert_eq!(dropped[Malformed::FragmentOverrun as usize], 1);
        let told = listener.told();
        match family {
            Family::V4 => assert!(told.is_empty()),
            Family::V6 => {
                assert_eq!(told.len(), 1);
                assert_eq!(
                    (&told[0][..2], &told[0][4..8]),
                    (&[4, 0][..], &[0, 0, 0, 42][..]),
                    "at the offset"
                );
            }
        }
    }
}

/// Attack class 22.
#[test]
fn ipv6_fragments_that_break_the_rules_are_refused_as_the_rfc_says() {
    let packet = datagram(Family::V6, &pattern(392));
    let (header, bytes) = packet.split_at(40);
    // Not a multiple of eight: Parameter Problem at the payload length.
    let mut listener = Listener::new(Family::V6);
    listener.inject(&[fragment(header, 7, 0, &bytes[..95], true)]);
    let told = listener.told();
    assert_eq!((&told[0][..2], &told[0][4..8]), (&[4, 0][..], &[0, 0, 0, 4][..]));
    // A first fragment without the transport's header: code 3 (RFC 7112).
    let options = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], bytes].concat();
    let mut with_options = header.to_vec();
    with_options[6] = 60;
    listener.inject(&[fragment(&with_options, 8, 0, &options[..8], true)]);
    let told = listener.told();
    assert_eq!((&told[0][..2], &told[0][4..8]), (&[4, 3][..], &[0, 0, 0, 0][..]));
    // With it, the options behind the fragment header are walked.
    listener.inject(&[
        fragment(&with_options, 9, 0, &options[..96], true),
        fragment(&with_options, 9, 96, &options[96..], false),
    ]);
    assert_eq!(listener.received(), Some(pattern(392)));
    // A fragment header inside of what fragments carried.
    let nested = [&[UDP, 0, 0, 1, 0, 0, 0, 9][..], bytes].concat();
    let mut outer = header.to_vec();
    outer[6] = FRAGMENT;
    listener.inject(&[
        fragment(&outer, 10, 0, &nested[..96], true),
        fragment(&outer, 10, 96, &nested[96..], false),
    ]);
    assert_eq!(listener.received(), None);
    assert_eq!(listener.large_slots(), 0);
}

/// RFC 6946: an atomic fragment is a datagram of its own, whatever else has its number.
#[test]
fn an_atomic_fragment_is_handled_alone() {
    let mut listener = Listener::new(Family::V6);
    let packet = datagram(Family::V6, &pattern(392));
    let parts = cut(&packet, Family::V6, 7, &[96]);
    let lone = datagram(Family::V6, b"alone");
    let (header, bytes) = lone.split_at(40);
    listener.inject(&[parts[0].clone(), fragment(header, 7, 0, bytes, false)]);
    assert_eq!(listener.received(), Some(b"alone".to_vec()));
    listener.inject(&[parts[1].clone()]);
    assert_eq!(listener.received(), Some(pattern(392)));
}

#[test]
fn datagrams_of_the_same_number_are_kept_apart_by_protocol_and_ends() {
    let mut listener = Listener::new(Family::V4);
    let packet = datagram(Family::V4, &pattern(392));
    let parts = cut(&packet, Family::V4, 7, &[96]);
    for (at, octet) in [(9, 6), (15, 77)] {
        let mut other = parts[1].clone();
        other[at] = octet;
        // The header's checksum follows.
        let (header, bytes) = other.split_at(20);
        let other = fragment(header, 7, 96, bytes, false);
        listener.inject(&[other]);
    }
    listener.inject(&[parts[0].clone()]);
    assert_eq!(listener.received(), None);
    listener.inject(&[parts[1].clone()]);
    assert_eq!(listener.received(), Some(pattern(392)));
}

/// RFC 1122 section 3.3.2, RFC 4443 section 3.3: who sent the first fragment is told when time is over, and nobody else.
#[test]
fn what_does_not_become_whole_in_time_is_given_up() {
    for (family, seconds, kind) in [(Family::V4, 30, [11, 1]), (Family::V6, 60, [3, 1])] {
        let packet = datagram(family, &pattern(392));
        let parts = cut(&packet, family, 7, &[96]);
        let mut listener = Listener::new(family);
        listener.inject(&[parts[0].clone()]);
        listener.script.pass(Duration::from_millis(seconds * 1000 - 1));
        assert_eq!((listener.large_slots(), listener.told().len()), (1, 0));
        // Time that passes in `hear` too: whoever is told is told at once.
        listener.script.now += Duration::from_millis(1);
        let told = listener.told();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0][..2], kind);
        assert_eq!(told[0][8..], parts[0][..], "the fragment as it came");
        assert_eq!(listener.large_slots(), 0);
        listener.inject(&[parts[1].clone()]);
        listener.script.pass(Duration::from_secs(100));
        assert_eq!(
            (listener.large_slots(), listener.told().len()),
            (0, 0),
            "no first fragment, no message"
        );
        assert_eq!(listener.script.engine.next_deadline(), None);
    }
}

/// 100,000 datagrams that are begun and never ended take sixteen slots, and a datagram that does come whole gets through.
#[test]
fn a_flood_of_beginnings_is_bounded() {
    for family in Family::BOTH {
        let mut listener = Listener::new(family);
        let packet = datagram(family, &pattern(392));
        let (header, bytes) = packet.split_at(header_len(family));
        for number in 0..50_000_u16 {
            listener.inject(&[fragment(header, number, 0, &bytes[..96], true)]);
            if number % 10_000 == 0 {
                listener.inject(&cut(&packet, family, 60_000, &[96, 200]));
                assert_eq!(listener.received(), Some(pattern(392)));
            }
        }
        assert_eq!(listener.large_slots(), 16);
        listener.script.pass(Duration::from_secs(61));
        assert_eq!(listener.large_slots(), 0);
    }
}

#[test]
fn reassembly_can_be_switched_off() {
    let mut script = Script::new(|config| config.fragments.datagrams = 0);
    let packet = datagram(Family::V4, &pattern(392));
    for part in cut(&packet, Family::V4, 7, &[96]) {
        script.inject(&part);
    }
    assert_eq!(script.engine.counters().internet.dropped_fragment, 2);
}

/// Up to the longest there is, over every wire.
#[test]
fn datagrams_larger_than_the_link_are_sent_in_fragments() {
    for family in Family::BOTH {
        for trusted in [true, false] {
            let config = WireConfig {
                trusted,
                ..WireConfig::default()
            };
            for ends in wires(config) {
                let mut pair = Pair::new(family, ends);
                let at = pair.server_address();
                let server = pair.server.udp_bind(at).unwrap();
                let client = pair.client.udp_bind(SocketAddr::new(family.client(), 9)).unwrap();
                let largest = if family == Family::V4 { 65_507 } else { 65_480 };
                for len in [1452, 1453, 1472, 1473, 4000, 9000, 30_000, largest] {
                    let payload = pattern(len);
                    pair.client.udp_send(client, at, &payload).unwrap();
                    pair.settle();
                    let datagram = pair
                        .server
                        .udp_receive(server)
                        .unwrap_or_else(|| panic!("{len} bytes"));
                    assert_eq!(datagram.payload[..], payload, "{len} bytes");
                }
                let too_large = pair.client.udp_send(client, at, &[0; 65_508]);
                if family == Family::V4 {
                    let largest = 65_507;
                    assert_eq!(
                        too_large,
                        Err(SendError::TooLarge {
                            length: 65_508,
                            largest
                        })
                    );
                }
            }
        }
    }
}

/// RFC 791: fragments may be cut further, and are multiples of eight; RFC 5722: they never overlap.
#[test]
fn the_fragments_that_are_sent_are_sound() {
    for family in Family::BOTH {
        let mut script = Script::over(family, |_| {});
        let socket = script
            .engine
            .udp_bind(SocketAddr::new(family.client(), 9))
            .unwrap();
        script
            .engine
            .udp_send(socket, script.remote(), &pattern(5000))
            .unwrap();
        let header = header_len(family);
        let mut next = 0;
        let packets = script.hear_packets();
        assert_eq!(packets.len(), 4);
        for packet in &packets {
            assert!(packet.len() <= 1500);
            let (field, data) = match family {
                Family::V4 => (u16::from_be_bytes([packet[6], packet[7]]), &packet[20..]),
                Family::V6 => (u16::from_be_bytes([packet[42], packet[43]]), &packet[48..]),
            };
            let (offset, more) = match family {
                Family::V4 => (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0),
                Family::V6 => (usize::from(field & !7), field & 1 != 0),
            };
            assert_eq!(offset, next);
            assert_eq!(more, offset + data.len() < 5008);
            assert!(!more || data.len() % 8 == 0);
            next += data.len();
            if family == Family::V4 {
                assert_eq!(field & 0x4000, 0, "may be cut further");
                assert_eq!(
                    etherparse::Ipv4HeaderSlice::from_slice(&packet[..header])
                        .unwrap()
                        .total_len() as usize,
                    packet.len()
                );
            }
        }
        assert_eq!(next, 5008);
        let numbers: Vec<_> = packets
            .iter()
            .map(|packet| {
                if family == Family::V4 {
                    packet[4..6].to_vec()
                } else {
                    packet[44..48].to_vec()
                }
            })
            .collect();
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

/// A queue that can never hold all fragments says so, instead of asking to try again for ever.
#[test]
fn a_datagram_for_which_the_queue_is_too_short_is_too_large() {
    let mut script = Script::new(|config| config.transmit_queue = 4);
    let socket = script.engine.udp_bind("10.0.0.1:9".parse().unwrap()).unwrap();
    let largest = 4 * 1480 - 8;
    assert_eq!(
        script.engine.udp_send(socket, script.remote(), &vec![1; largest]),
        Ok(())
    );
    assert_eq!(script.hear_packets().len(), 4);
    let length = largest + 1;
    let refused = script.engine.udp_send(socket, script.remote(), &vec![1; length]);
    assert_eq!(refused, Err(SendError::TooLarge { length, largest }));
}

/// RFC 1122 section 3.2.2.6, RFC 4443 section 4.2: the reply has all the data of the request, so it goes in fragments where that came in such.
#[test]
fn an_echo_request_in_fragments_is_answered_in_fragments() {
    for family in Family::BOTH {
        let mut listener = Listener::new(family);
        let asked = pattern(5000);
        let builder = family.to_client();
        let mut request = Vec::new();
        if family == Family::V4 {
            builder.icmpv4_echo_request(7, 8).write(&mut request, &asked)
        } else {
            builder.icmpv6_echo_request(7, 8).write(&mut request, &asked)
        }
        .unwrap();
        listener.inject(&cut(&request, family, 9, &[1400, 2800, 4200]));
        let told = listener.told();
        assert!(told.len() >= 4, "{} fragments", told.len());
        let fragment_header = if family == Family::V4 { 0 } else { 8 };
        let reply: Vec<_> = told
            .iter()
            .flat_map(|part| &part[fragment_header..])
            .copied()
            .collect();
        assert_eq!(reply[0], if family == Family::V4 { 0 } else { 129 });
        assert_eq!(reply[4..8], [0, 7, 0, 8]);
        assert_eq!(reply[8..], asked);
    }
}
