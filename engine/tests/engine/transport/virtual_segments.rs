//! What goes out in one piece where the device cuts it into segments.

use crate::support::peer::{ACK, FIN, SYN, Script, Segment, say};
use handfast::application::TcpHandle;

const IRS: u32 = 5000;
const MSS: u32 = 1000;

/// An established connection over such a device, with so large a window of the peer's, and the engine's next sequence number.
fn established(window: u16) -> (Script, TcpHandle, u32) {
    let mut script = Script::with_a_device_that_cuts(|_| {});
    let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
    let mut syn = say(SYN, IRS, 0).window(window);
    syn.mss = Some(MSS as u16);
    let next = script.tell(&syn)[0].seq + 1;
    script.tell(&say(ACK, IRS + 1, next).window(window));
    let connection = script.engine.tcp_accept(listener).expect("established");
    (script, connection, next)
}

/// Octets of the pieces, and whether the FIN is on them.
fn pieces(heard: &[Segment]) -> Vec<(usize, bool)> {
    let piece = |segment: &Segment| (segment.text.len(), segment.flags & FIN != 0);
    heard.iter().map(piece).collect()
}

/// The device would put it on all segments that it cuts the piece into.
#[test]
fn a_fin_is_on_no_piece_of_several_segments() {
    for (octets, expected) in [
        (0, vec![(0, true)]),
        (1, vec![(1, true)]),
        (MSS, vec![(1000, true)]),
        (MSS + 1, vec![(1001, false), (0, true)]),
        (3 * MSS, vec![(3000, false), (0, true)]),
    ] {
        let (mut script, connection, _) = established(30_000);
        assert_eq!(
            script.engine.tcp_send(connection, &vec![1; octets as usize]),
            Ok(octets as usize)
        );
        script.engine.tcp_close(connection);
        assert_eq!(pieces(&script.hear()), expected, "{octets} octets");
    }
}

/// Only the end of the text may be shorter than a segment, not what the window cuts off.
#[test]
fn a_piece_ends_short_only_where_the_text_does() {
    for (octets, window, expected) in [
        (2_500, 30_000, vec![2_500]),
        (12_345, 30_000, vec![10_000]),
        (9_000, 4_500, vec![4_000]),
        (4_500, 4_500, vec![4_500]),
    ] {
        let (mut script, connection, _) = established(window);
        script.engine.tcp_send(connection, &vec![1; octets]).unwrap();
        let lengths: Vec<_> = script.hear().iter().map(|segment| segment.text.len()).collect();
        assert_eq!(lengths, expected, "{octets} octets for a window of {window}");
    }
}

/// Nagle: while a small segment is on its way, a piece is of whole segments, and the rest waits.
#[test]
fn the_rest_of_a_piece_waits_behind_a_small_segment() {
    let (mut script, connection, next) = established(30_000);
    script.engine.tcp_send(connection, &[1; 100]).unwrap();
    assert_eq!(pieces(&script.hear()), [(100, false)]);
    script.engine.tcp_send(connection, &[2; 2_500]).unwrap();
    assert_eq!(pieces(&script.hear()), [(2_000, false)]);
    let acknowledgment = say(ACK, IRS + 1, next + 2_100).window(30_000);
    assert_eq!(pieces(&script.tell(&acknowledgment)), [(500, false)]);
}
