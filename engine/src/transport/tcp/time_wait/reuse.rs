//! When a SYN may end a TIME_WAIT early.

use crate::transport::tcp::seq::SeqNumber;

/// What an incarnation of a connection leaves behind for the judgement of a SYN with the same four-tuple.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LastSeen {
    /// The last sequence number that the peer used, its FIN's: one below `rcv_nxt`.
    pub seq: SeqNumber,
    /// The peer's last timestamp, if the connection used timestamps.
    pub timestamp: Option<u32>,
}

/// Whether a SYN with sequence number `seq` and timestamp `ts_val` may open a new incarnation of a connection that is
/// in TIME_WAIT; otherwise it is to be dropped silently (RFC 6191 section 2).
///
/// `ts_val` is `None` too when the SYN carries a timestamp but the listener won't use timestamps.
///
/// - Both incarnations with timestamps: the timestamp must be newer, or the same with a higher sequence number.
/// - Only the new one with timestamps: it may.
/// - The new one without: the sequence number must be higher than the last one seen (RFC 1122 section 4.2.2.13,
///   RFC 9293 section 3.6.1, MAY-2).
///
/// "Newer" and "higher" are those of wrapping 32-bit arithmetic (RFC 9293 section 3.4, RFC 7323 section 5.2).
pub(super) fn syn_may_reuse(last: LastSeen, seq: SeqNumber, ts_val: Option<u32>) -> bool {
    match (last.timestamp, ts_val) {
        (Some(last_timestamp), Some(ts_val)) if ts_val != last_timestamp => is_newer(ts_val, last_timestamp),
        (None, Some(_)) => true,
        _ => seq.distance(last.seq) > 0,
    }
}

fn is_newer(timestamp: u32, than: u32) -> bool {
    timestamp.wrapping_sub(than).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::{LastSeen, syn_may_reuse};
    use crate::transport::tcp::seq::SeqNumber;

    /// RFC6191-01, RFC6191-02: the cases of RFC 6191 section 2, with the numbers at the wrap.
    #[test]
    fn syns_are_judged_by_timestamp_then_sequence_number() {
        const SEQ: u32 = u32::MAX - 1;
        const OLD: u32 = SEQ - 1;
        const NEW: u32 = 3;
        const FAR: u32 = SEQ.wrapping_add(1 << 31);
        let accepted = [
            (Some(SEQ), OLD, Some(NEW), "newer timestamp, lower number"),
            (Some(SEQ), NEW, Some(SEQ), "same timestamp, higher number"),
            (Some(SEQ), NEW, None, "timestamp no more, higher number"),
            (None, OLD, Some(0), "timestamp now, any number"),
            (None, NEW, None, "never a timestamp, higher number"),
        ];
        let refused = [
            (Some(SEQ), NEW, Some(OLD), "older timestamp, higher number"),
            (Some(SEQ), NEW, Some(FAR), "timestamp half the circle away"),
            (Some(SEQ), SEQ, Some(SEQ), "same timestamp, same number"),
            (Some(SEQ), OLD, Some(SEQ), "same timestamp, lower number"),
            (Some(SEQ), SEQ, None, "timestamp no more, same number"),
            (Some(SEQ), OLD, None, "timestamp no more, lower number"),
            (None, SEQ, None, "never a timestamp, same number"),
            (None, OLD, None, "never a timestamp, lower number"),
            (None, FAR, None, "number half the circle away"),
        ];
        let may_reuse = |timestamp, seq, ts_val| {
            let last = LastSeen {
                seq: SeqNumber(SEQ),
                timestamp,
            };
            syn_may_reuse(last, SeqNumber(seq), ts_val)
        };
        for (timestamp, seq, ts_val, case) in accepted {
            assert!(may_reuse(timestamp, seq, ts_val), "{case}");
        }
        for (timestamp, seq, ts_val, case) in refused {
            assert!(!may_reuse(timestamp, seq, ts_val), "{case}");
        }
    }
}
