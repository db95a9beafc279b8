//! What the engine reports of gaps and duplicates as a receiver (RFC 2018, RFC 2883).

use super::{IRS, Peer, Sender, sack};
use crate::support::peer::{ACK, SYN, Script, Segment, say};
use handfast::config::Congestion;

/// What the peer says beyond a gap, from the engine's next expected octet on.
fn early(offset: u32, len: u32) -> Segment {
    say(ACK, IRS + 1 + offset, 0).text(&vec![1; len as usize])
}

/// RFC 2018 section 4: the block that has just grown comes first; RFC 2883: what came twice comes before it, once.
#[test]
fn gaps_and_duplicates_are_reported() {
    let mut sender = sack();
    let mut tell = |offset: u32, len: u32| {
        let mut segment = early(offset, len);
        segment.ack = sender.edge(10);
        let heard = sender.script.tell(&segment);
        assert_eq!(heard.len(), 1, "{heard:?}");
        let relative = |edge: u32| edge - IRS - 1;
        let blocks: Vec<_> = heard[0]
            .sack
            .iter()
            .map(|(left, right)| (relative(*left), relative(*right)))
            .collect();
        (relative(heard[0].ack), blocks)
    };
    assert_eq!(tell(100, 100), (0, vec![(100, 200)]));
    assert_eq!(tell(300, 100), (0, vec![(300, 400), (100, 200)]));
    assert_eq!(tell(500, 100), (0, vec![(500, 600), (300, 400), (100, 200)]));
    assert_eq!(
        tell(700, 100),
        (0, vec![(700, 800), (500, 600), (300, 400), (100, 200)])
    );
    assert_eq!(
        tell(900, 100),
        (0, vec![(900, 1000), (700, 800), (500, 600), (300, 400)])
    );
    assert_eq!(
        tell(200, 100),
        (0, vec![(100, 400), (900, 1000), (700, 800), (500, 600)])
    );
    assert_eq!(
        tell(300, 50),
        (0, vec![(300, 350), (100, 400), (900, 1000), (700, 800)])
    );
    assert_eq!(tell(0, 100), (400, vec![(900, 1000), (700, 800), (500, 600)]));
    assert_eq!(
        tell(50, 100),
        (400, vec![(50, 150), (900, 1000), (700, 800), (500, 600)])
    );
    assert_eq!(tell(400, 500), (1000, vec![(500, 600)]));
    assert_eq!(tell(0, 10), (1000, vec![(0, 10)]));
}

/// RFC 2018 section 2: a peer who did not permit it is sent no SACK.
#[test]
fn a_plain_peer_hears_no_sack() {
    let mut sender = Sender::new(Peer::Plain, Congestion::Cubic);
    let mut segment = early(100, 100);
    segment.ack = sender.edge(10);
    let heard = sender.script.tell(&segment);
    assert_eq!((heard.len(), heard[0].sack.len()), (1, 0));
}

/// Three blocks fit beside timestamps (RFC 2018 section 3), and options are laid out as Linux does.
#[test]
fn timestamps_leave_room_for_three_blocks() {
    let mut sender = Sender::new(Peer::Stamped, Congestion::Cubic);
    for offset in [100, 300, 500, 700] {
        let mut segment = early(offset, 100).at(1);
        segment.ack = sender.edge(10);
        sender.script.tell(&segment);
    }
    let mut segment = early(900, 100).at(1);
    segment.ack = sender.edge(10);
    let heard = sender.script.tell(&segment).remove(0);
    assert_eq!(heard.sack.len(), 3);
    assert!(heard.timestamps.is_some());
}

#[test]
fn a_syn_ack_permits_sack_as_linux_does() {
    for (permits, stamped, expected) in [
        (false, false, &[2, 4][..]),
        (true, false, &[2, 4, 5, 180, 1, 1, 4, 2]),
        (true, true, &[2, 4, 5, 180, 4, 2, 8, 10]),
    ] {
        let mut script = Script::new(|_| {});
        script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0);
        syn.sack_permitted = permits;
        syn.timestamps = stamped.then_some((1, 0));
        script.say(&syn);
        let packet = script.hear_packets().remove(0);
        assert_eq!(&packet[40..40 + expected.len()], expected);
        assert_eq!(packet[40..].windows(2).any(|pair| pair == [4, 2]), permits);
    }
}
