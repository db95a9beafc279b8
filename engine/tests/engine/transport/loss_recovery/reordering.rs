//! How long a reordering window that a duplicate report has widened stays wide.

use super::{MSS, Peer, ROUND_TRIP, Sender, millis};
use handfast::config::Congestion;

/// RFC 8985 section 6.2 step 4: what a duplicate has added to the reordering window outlasts fifteen recoveries, and not the sixteenth.
#[test]
fn a_wider_window_outlasts_fifteen_recoveries() {
    let mut sender = Sender::new(Peer::Sack, Congestion::Fixed(20 * MSS));
    sender.acknowledge(10, &[(9, 10)]);
    let mut next = 10;
    for _ in 0..15 {
        sender.send(5);
        sender.pass(ROUND_TRIP);
        assert_eq!(sender.acknowledge(next, &[(next + 1, next + 4)]), [next]);
        sender.pass(ROUND_TRIP);
        next += 5;
        sender.acknowledge(next, &[]);
    }
    for quarters in [2, 1] {
        sender.send(5);
        sender.pass(ROUND_TRIP);
        assert_eq!(sender.acknowledge(next, &[(next + 1, next + 2)]), []);
        assert_eq!(sender.pass(millis(10 * quarters - 1)), [], "{quarters}");
        assert_eq!(sender.pass(millis(3)), [next], "{quarters}");
        sender.pass(ROUND_TRIP);
        next += 5;
        sender.acknowledge(next, &[]);
    }
}
