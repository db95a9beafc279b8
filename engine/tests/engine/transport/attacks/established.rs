//! An established connection that an attacker knows all of but its numbers, or whose peer is the attacker himself.

use handfast::application::TcpHandle;

use crate::support::peer::{ACK, OUR_PORT, SYN, Script, Segment, THEIR_PORT, say};

/// The peer's initial sequence number.
pub(crate) const IRS: u32 = 5_000;
/// Octets of a segment.
pub(crate) const MSS: u32 = 1_000;

/// A connection, and the engine's next sequence number.
pub(crate) fn open(script: &mut Script, syn: &Segment) -> (TcpHandle, u32) {
    let mut at = script.local();
    at.set_port(syn.to);
    let listener = script.engine.tcp_listen(at, 8).unwrap();
    let syn_ack = script.tell(syn).remove(0);
    let mut last = say(ACK, syn.seq + 1, syn_ack.seq.wrapping_add(1)).ports(syn.from, syn.to);
    last.timestamps = syn.timestamps;
    assert_eq!(script.tell(&last), []);
    let connection = script.engine.tcp_accept(listener).expect("established");
    script.engine.tcp_close_listener(listener);
    script.engine.tcp_set_no_delay(connection, true).unwrap();
    (connection, syn_ack.seq.wrapping_add(1))
}

/// The SYN of a peer with segments of [`MSS`] octets.
pub(crate) fn syn() -> Segment {
    Segment {
        mss: Some(MSS as u16),
        ..say(SYN, IRS, 0).ports(THEIR_PORT, OUR_PORT)
    }
}
