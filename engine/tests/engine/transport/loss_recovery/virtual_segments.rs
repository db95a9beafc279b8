//! What is sent again at once where the device cuts it into segments.

use super::{IRS, MSS, Peer, ROUND_TRIP, Sender};
use crate::support::peer::{ACK, Script, say};

/// RFC 9937 section 6: after six of forty segments 3.9 may go in their place, as in the packet script `congestion/whole-segments-again`. In one
/// piece go three: cut by the device, the rest would be a small segment in the middle of the stream.
#[test]
fn several_go_again_in_one_piece_of_whole_segments() {
    let mut sender = Sender::on(Script::with_a_device_that_cuts(|_| {}), Peer::Sack);
    for (segments, end) in [(10, 10), (20, 30)] {
        sender.send(segments);
        sender.pass(ROUND_TRIP);
        sender.acknowledge(end, &[]);
    }
    sender.send(40);
    sender.pass(ROUND_TRIP);
    let edge = |number| sender.edge(number);
    let report = say(ACK, IRS + 1, edge(33)).sack(&[(edge(40), edge(43))]);
    let heard = sender.script.tell(&report);
    let pieces: Vec<_> = heard
        .iter()
        .map(|piece| (piece.seq - sender.first, piece.text.len() as u32))
        .collect();
    assert_eq!(pieces, [(33 * MSS, 3 * MSS)]);
}
