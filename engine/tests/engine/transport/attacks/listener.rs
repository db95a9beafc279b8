//! Listeners: floods of SYNs, forged cookies, a full accept queue (RFC 4987).

use handfast::application::ListenerHandle;
use handfast::time::Duration;

use super::flood::Flood;
use super::victim::scene;
use crate::support::Family;
use crate::support::peer::{ACK, OUR_PORT, PSH, RST, SYN, Script, Segment, THEIR_PORT, say};

const IRS: u32 = 5_000;
const BATCH: u32 = 64;

/// What a usual client offers.
fn syn(port: u16) -> Segment {
    Segment {
        mss: Some(1_400),
        window_scale: Some(9),
        sack_permitted: true,
        timestamps: Some((500, 0)),
        ..say(SYN, IRS, 0).ports(port, OUR_PORT)
    }
}

/// The last segment of the handshake that a SYN-ACK asks for.
fn last(syn_ack: &Segment) -> Segment {
    let mut segment = say(ACK, IRS + 1, syn_ack.seq.wrapping_add(1)).ports(syn_ack.to, OUR_PORT);
    segment.timestamps = syn_ack.timestamps.map(|(tsval, _)| (501, tsval));
    segment
}

/// SYNs from `count` sources, `first` and on; how many packets and octets answer.
fn flood(script: &mut Script, first: u32, count: u32) -> (u64, u64, u64) {
    let mut template = Flood::of(&say(SYN, IRS, 0), script.family);
    let (mut packets, mut octets, mut said) = (0, 0, 0);
    for start in (first..first + count).step_by(BATCH as usize) {
        let batch: Vec<Vec<u8>> = (start..(start + BATCH).min(first + count))
            .map(|number| template.from(number).to_vec())
            .collect();
        said += batch.iter().map(|packet| packet.len() as u64).sum::<u64>();
        script.inject_batch(&batch.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for answer in script.hear_packets() {
            packets += 1;
            octets += answer.len() as u64;
        }
    }
    (packets, octets, said)
}

/// A listener whose half-open table is full of strangers.
fn besieged(script: &mut Script, backlog: usize) -> ListenerHandle {
    let at = script.local();
    let listener = script.engine.tcp_listen(at, backlog).unwrap();
    let room = 16;
    flood(script, 1 << 20, room);
    assert_eq!(script.engine.tcp_memory().half_open, room as usize);
    listener
}

fn small(config: &mut handfast::config::Config) {
    config.tcp.half_open = 16;
}

/// Class 12: a million spoofed SYNs in ten seconds. Memory stays flat, each is answered once, and clients get through all the while.
#[test]
fn a_million_spoofed_syns_keep_nobody_out() {
    for (family, rounds) in [(Family::V4, 100), (Family::V6, 10)] {
        let (mut script, mut victim) = scene(family, |config| {
            config.tcp.half_open = 1_024;
            config.tcp.syn_ack_retries = 0;
        });
        let at = script.local();
        let listener = script.engine.tcp_listen(at, 8).unwrap();
        let slots = script.engine.pool().usage();
        for round in 0..rounds {
            flood(&mut script, (1 << 20) + round * 10_000, 10_000);
            script.pass(Duration::from_millis(100));
            let syn_ack = script.tell(&syn(1 + round as u16)).remove(0);
            assert_eq!(script.tell(&last(&syn_ack)), []);
            let client = script.engine.tcp_accept(listener);
            script.engine.tcp_abort(client.expect("a client gets through"));
            assert_eq!(script.hear()[0].flags & RST, RST);
        }
        let counters = script.engine.counters().tcp;
        assert!(counters.syn_cookies_sent >= u64::from(rounds) * 9_000);
        assert_eq!(counters.dropped_half_open_full, 0);
        assert!(script.engine.tcp_memory().half_open <= 1_024);
        assert_eq!(script.engine.pool().usage(), slots, "no frame is kept");
        victim.assert_unharmed(&mut script);
    }
}

/// Class 12: what the SYN offered comes through a cookie, in the timestamp; without one the segment size alone does.
#[test]
fn a_cookie_keeps_what_the_syn_offered() {
    for family in Family::BOTH {
        let (mut script, _) = scene(family, small);
        let listener = besieged(&mut script, 8);
        let syn_ack = script.tell(&syn(1)).remove(0);
        assert_eq!(syn_ack.flags, SYN | ACK);
        assert!(syn_ack.window_scale.is_some() && syn_ack.sack_permitted && syn_ack.timestamps.is_some());
        assert_eq!(script.tell(&last(&syn_ack)), []);
        let connection = script.engine.tcp_accept(listener).expect("by cookie");
        let info = script.engine.tcp_info(connection).unwrap();
        assert_eq!(
            (info.snd_wscale, info.sack, info.timestamps),
            (Some(9), true, true)
        );
        assert_eq!(info.snd_mss, 1_360 - 12, "1400 is rounded down");

        let plain = Segment {
            timestamps: None,
            ..syn(2)
        };
        let syn_ack = script.tell(&plain).remove(0);
        assert_eq!(
            (syn_ack.window_scale, syn_ack.sack_permitted, syn_ack.timestamps),
            (None, false, None)
        );
        assert_eq!(script.tell(&last(&syn_ack)), []);
        let connection = script.engine.tcp_accept(listener).expect("by cookie");
        let info = script.engine.tcp_info(connection).unwrap();
        assert_eq!(
            (info.snd_wscale, info.sack, info.timestamps),
            (None, false, false)
        );
        assert_eq!(info.snd_mss, 1_360);
        let counters = script.engine.counters().tcp;
        assert_eq!((counters.syn_cookies_sent, counters.syn_cookies_accepted), (2, 2));
    }
}

/// The acknowledgment may be lost: the first text completes the handshake as well, and is delivered.
#[test]
fn text_brings_a_cookie_back_too() {
    let (mut script, _) = scene(Family::V4, small);
    let listener = besieged(&mut script, 8);
    let syn_ack = script.tell(&syn(1)).remove(0);
    let mut request = last(&syn_ack).text(b"GET /");
    request.flags = ACK | PSH;
    let heard = script.tell(&request);
    assert_eq!((heard[0].flags, heard[0].ack), (ACK, IRS + 6));
    let connection = script.engine.tcp_accept(listener).expect("by cookie");
    assert_eq!(
        crate::support::read_all(&mut script.engine, connection).0,
        b"GET /"
    );
}

/// Class 12: a cookie that is forged, old, or another tuple's is reset, and opens nothing.
#[test]
fn a_wrong_cookie_is_reset() {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, |config| {
            small(config);
            config.tcp.syn_ack_retries = 0;
        });
        let listener = besieged(&mut script, 8);
        let good = last(&script.tell(&syn(1)).remove(0));
        let mut wrong = vec![
            good.clone().ports(2, OUR_PORT),
            Segment {
                seq: good.seq + 1,
                ..good.clone()
            },
            Segment {
                timestamps: None,
                ..good.clone()
            },
        ];
        wrong.extend((0..1_000).map(|guess| Segment {
            ack: good.ack.wrapping_add(1 + guess * 7_919),
            ..good.clone()
        }));
        for forged in &wrong {
            let heard = script.tell(forged);
            assert_eq!((heard.len(), heard[0].flags, heard[0].seq), (1, RST, forged.ack));
        }
        assert_eq!(script.engine.counters().tcp.syn_cookies_refused, 1_003);
        script.pass(Duration::from_secs(129));
        assert_eq!(script.tell(&good)[0].flags, RST, "too old");
        assert!(script.engine.tcp_accept(listener).is_none());
        victim.assert_unharmed(&mut script);
    }
}

/// Class 12: an acknowledgment that finds the accept queue full is dropped, not reset, and good again when there is room.
#[test]
fn a_cookie_waits_for_room_in_the_accept_queue() {
    let (mut script, _) = scene(Family::V4, small);
    let listener = besieged(&mut script, 1);
    let [first, second] = [1, 2].map(|port| script.tell(&syn(port)).remove(0));
    assert_eq!(script.tell(&last(&first)), []);
    assert_eq!(script.tell(&last(&second)), [], "no reset");
    assert!(script.engine.tcp_accept(listener).is_some());
    assert!(script.engine.tcp_accept(listener).is_none());
    assert_eq!(script.tell(&last(&second)), []);
    assert!(script.engine.tcp_accept(listener).is_some());
    assert_eq!(script.engine.counters().tcp.dropped_accept_queue_full, 1);
}

/// A SYN that is answered by a cookie and comes again when there is room has two answers on the way, with two initial sequence numbers. The
/// peer takes the one that comes first and knows of no other; whichever it is completes the handshake.
#[test]
fn a_cookie_counts_beside_the_entry_of_the_same_syn() {
    for family in Family::BOTH {
        for takes_first in [true, false] {
            let (mut script, mut victim) = scene(family, |config| {
                small(config);
                config.tcp.syn_ack_retries = 0;
            });
            let listener = besieged(&mut script, 8);
            let by_cookie = script.tell(&syn(1)).remove(0);
            script.pass(Duration::from_secs(2));
            assert_eq!(script.engine.tcp_memory().half_open, 0);
            let by_entry = script.tell(&syn(1)).remove(0);
            assert_eq!(script.engine.tcp_memory().half_open, 1);
            assert_ne!(by_cookie.seq, by_entry.seq);
            let [taken, other] = if takes_first {
                [by_cookie, by_entry]
            } else {
                [by_entry, by_cookie]
            };
            assert_eq!(script.tell(&last(&taken)), []);
            assert_eq!(script.engine.tcp_memory().half_open, 0);
            let connection = script.engine.tcp_accept(listener).expect("established");
            script.tell(&last(&other));
            script.tell(&last(&taken).text(b"hello"));
            let (text, _) = crate::support::read_all(&mut script.engine, connection);
            assert_eq!(text, b"hello");
            victim.assert_unharmed(&mut script);
        }
    }
}

/// Beside an entry, too, an acknowledgment that is neither the entry's nor a cookie's is reset, and the entry stays.
#[test]
fn a_wrong_cookie_beside_an_entry_is_reset() {
    let (mut script, _) = scene(Family::V4, |config| {
        small(config);
        config.tcp.syn_ack_retries = 0;
    });
    let listener = besieged(&mut script, 8);
    script.tell(&syn(1));
    script.pass(Duration::from_secs(2));
    let good = last(&script.tell(&syn(1)).remove(0));
    let wrong = Segment {
        ack: good.ack.wrapping_add(1),
        ..good.clone()
    };
    let heard = script.tell(&wrong);
    assert_eq!((heard.len(), heard[0].flags, heard[0].seq), (1, RST, wrong.ack));
    assert_eq!(script.tell(&good), []);
    assert!(script.engine.tcp_accept(listener).is_some());
}

/// While no cookie is out, an acknowledgment to a listener is what it always was, and no hash is computed for it.
#[test]
fn without_a_flood_nobody_can_guess() {
    let (mut script, _) = scene(Family::V4, |_| {});
    let at = script.local();
    script.engine.tcp_listen(at, 8).unwrap();
    assert_eq!(script.tell(&say(ACK, IRS, 77))[0].flags, RST);
    assert_eq!(script.engine.counters().tcp.syn_cookies_refused, 0);
}

/// Class 40: whoever has not shown that an address is his gets few packets sent there: for a SYN the SYN-ACK and its repetitions, under a
/// flood one SYN-ACK, and for anything else one answer that is no longer.
#[test]
fn nobody_is_made_an_amplifier() {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, small);
        besieged(&mut script, 8);
        let (packets, octets, said) = flood(&mut script, 1 << 24, 10_000);
        assert!(
            packets <= 10_000 && octets <= said + said / 4,
            "{octets} for {said}"
        );
        let again = script.pass(Duration::from_secs(200));
        assert!(again.len() <= 16 * 5, "{} SYN-ACKs again", again.len());
        for flags in [ACK, ACK | PSH, SYN | ACK, PSH] {
            let stray = say(flags, IRS, 1).ports(THEIR_PORT, 12_345);
            assert!(script.tell(&stray).len() <= 1);
        }
        assert_eq!(script.tell(&say(RST, IRS, 1).ports(THEIR_PORT, 12_345)), []);
        victim.assert_unharmed(&mut script);
    }
}

/// Class 19: a SYN from our own address and port opens nothing and is not answered.
#[test]
fn a_segment_from_ourselves_opens_nothing() {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, |_| {});
        let at = script.local();
        script.engine.tcp_listen(at, 8).unwrap();
        let mut land = say(SYN, IRS, 0).ports(OUR_PORT, OUR_PORT).encode(family);
        // The sum stays: the source becomes the destination, which differs in the last octet, and the sequence number makes up for it.
        let (source, destination, seq) = match family {
            Family::V4 => (12..16, 16..20, 26),
            Family::V6 => (8..24, 24..40, 46),
        };
        let ours = land[destination].to_vec();
        land[source].copy_from_slice(&ours);
        land[seq + 1] += 1;
        if family == Family::V4 {
            land[11] += 1;
        }
        for _ in 0..1_000 {
            script.inject(&land);
        }
        assert_eq!(script.hear(), []);
        assert_eq!(script.engine.tcp_memory().half_open, 0);
        assert_eq!(script.engine.counters().tcp.dropped_checksum, 0);
        // On an Ethernet the internet layer knows already that no other station can have sent it.
        let counters = script.engine.counters();
        assert!(counters.tcp.dropped_unexpected + counters.internet.dropped_source >= 1_000);
        victim.assert_unharmed(&mut script);
    }
}
