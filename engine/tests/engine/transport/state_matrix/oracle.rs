//! What RFC 9293 section 3.10.7 says to a segment without text that acknowledges all there is, read from its text in its order.

use super::stage::{Stage, Subject};
use super::table::Reaction::{Ack, Drop, FinAck, MayAck, Reset, ResetAck, SynAck};
use super::table::{Cell, Reaction};
use crate::support::peer::{ACK, FIN, RST, SYN};

/// The flags that count, in one order.
pub(crate) fn name_of(flags: u8) -> String {
    let names: Vec<_> = [("SYN", SYN), ("FIN", FIN), ("RST", RST), ("ACK", ACK)]
        .into_iter()
        .filter_map(|(name, flag)| (flags & flag != 0).then_some(name))
        .collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join("-")
}

fn cell(reaction: Reaction, next: Stage) -> Cell {
    Cell { reaction, next }
}

/// Whose rules for segments that only an attacker would send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// RFC 793's: a reset or a SYN anywhere in the window ends the connection.
    Rfc793,
    /// RFC 5961's, which RFC 9293 has taken over: only what is exact counts, anything else is challenged.
    Rfc5961,
}

/// What is due.
pub(crate) fn expected(subject: &Subject, flags: u8, seq: u32) -> Cell {
    read(Reading::Rfc5961, subject, flags, seq)
}

/// What is due by one of both.
pub(crate) fn read(reading: Reading, subject: &Subject, flags: u8, seq: u32) -> Cell {
    let stage = subject.stage;
    let has = |flag| flags & flag != 0;
    match stage {
        // 3.10.7.1
        Stage::Closed if has(RST) => cell(Drop, stage),
        Stage::Closed => cell(if has(ACK) { Reset } else { ResetAck }, stage),
        // 3.10.7.2: first RST, second ACK, third SYN, fourth the rest.
        Stage::Listen if has(RST) => cell(Drop, stage),
        Stage::Listen if has(ACK) => cell(Reset, stage),
        Stage::Listen if has(SYN) => cell(SynAck, Stage::SynReceived),
        Stage::Listen => cell(Drop, stage),
        Stage::SynSent => syn_sent(flags),
        _ => otherwise(reading, subject, flags, seq),
    }
}

/// 3.10.7.3. The acknowledgment, if there is one, covers the SYN.
fn syn_sent(flags: u8) -> Cell {
    let has = |flag| flags & flag != 0;
    match (has(RST), has(ACK), has(SYN)) {
        (true, true, _) => cell(Drop, Stage::Closed),
        (true, false, _) | (false, _, false) => cell(Drop, Stage::SynSent),
        // "Continue processing at the sixth step": a FIN counts.
        (false, true, true) if has(FIN) => cell(FinAck, Stage::CloseWait),
        (false, true, true) => cell(Ack, Stage::Established),
        (false, false, true) => cell(SynAck, Stage::Crossed),
    }
}

/// 3.10.7.4.
fn otherwise(reading: Reading, subject: &Subject, flags: u8, seq: u32) -> Cell {
    let stage = subject.stage;
    let has = |flag| flags & flag != 0;
    let is_newer = seq.wrapping_sub(subject.rcv_nxt) < 1 << 31;
    if stage == Stage::TimeWait && has(SYN) && !has(ACK | RST) && is_newer {
        // MAY-2: the sequence number is beyond the last of the old connection.
        return cell(SynAck, Stage::SynReceived);
    }
    if !is_acceptable(subject, flags, seq) {
        return unacceptable(subject, flags, seq);
    }
    if has(RST) {
        return on_reset(stage, reading == Reading::Rfc793 || seq == subject.rcv_nxt);
    }
    // What lies before the window is trimmed, a SYN too.
    // RFC 5961 challenges it all the same.
    let challenges = reading == Reading::Rfc5961 && stage != Stage::SynReceived;
    if has(SYN) && (is_newer || challenges) {
        return match reading {
            Reading::Rfc793 => cell(if has(ACK) { Reset } else { ResetAck }, Stage::Closed),
            Reading::Rfc5961 => on_syn(stage),
        };
    }
    if !has(ACK) {
        return cell(Drop, stage);
    }
    let acknowledged = on_acknowledgment(stage);
    if !has(FIN) || acknowledged.next == Stage::Closed {
        return acknowledged;
    }
    if seq == subject.rcv_nxt {
        on_fin(acknowledged.next)
    } else {
        cell(MayAck, acknowledged.next)
    }
}

/// Step one, table 6.
fn is_acceptable(subject: &Subject, flags: u8, seq: u32) -> bool {
    let window = subject.edge.wrapping_sub(subject.rcv_nxt);
    let is_inside = |number: u32| number.wrapping_sub(subject.rcv_nxt) < window;
    let len = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    is_inside(seq) || len > 0 && is_inside(seq.wrapping_add(len - 1))
}

/// An unacceptable segment is acknowledged, unless it is a reset. Appendix A.2: in an old duplicate the acknowledgment counts, or two ends
/// that have closed (or opened) at the same time would answer each other for ever.
fn unacceptable(subject: &Subject, flags: u8, seq: u32) -> Cell {
    let stage = subject.stage;
    if flags & RST != 0 {
        return cell(Drop, stage);
    }
    let is_old = seq.wrapping_sub(subject.rcv_nxt) >= 1 << 31;
    let is_their_syn = seq.wrapping_add(1) == subject.rcv_nxt && flags & SYN != 0;
    let counts = match stage {
        Stage::SynReceived => false,
        Stage::Crossed => is_their_syn,
        _ => flags & SYN == 0,
    };
    if !is_old || flags & ACK == 0 || !counts {
        return cell(Ack, stage);
    }
    let next = on_acknowledgment(stage).next;
    let may_be_over = matches!(next, Stage::Closed | Stage::TimeWait) && next != stage;
    cell(if may_be_over { MayAck } else { Ack }, next)
}

/// Step two, with the three checks of RFC 5961.
fn on_reset(stage: Stage, is_exact: bool) -> Cell {
    match stage {
        _ if !is_exact => cell(Ack, stage),
        Stage::SynReceived => cell(Drop, Stage::Listen),
        _ => cell(Drop, Stage::Closed),
    }
}

/// Step four, with RFC 5961.
fn on_syn(stage: Stage) -> Cell {
    match stage {
        Stage::SynReceived => cell(Drop, Stage::Listen),
        _ => cell(Ack, stage),
    }
}

/// Step five: everything is acknowledged, our FIN too.
fn on_acknowledgment(stage: Stage) -> Cell {
    match stage {
        Stage::SynReceived | Stage::Crossed => cell(Drop, Stage::Established),
        Stage::FinWait1 => cell(Drop, Stage::FinWait2),
        Stage::Closing => cell(Drop, Stage::TimeWait),
        Stage::LastAck => cell(Drop, Stage::Closed),
        // "The only thing that can arrive in this state is a retransmission of the remote FIN. Acknowledge it": an ACK is none.
        Stage::TimeWait => cell(MayAck, stage),
        other => cell(Drop, other),
    }
}

/// Step eight. Nothing follows a FIN, so a second one is not counted; whether it is answered is left open.
fn on_fin(stage: Stage) -> Cell {
    match stage {
        Stage::Established => cell(FinAck, Stage::CloseWait),
        Stage::FinWait2 => cell(FinAck, Stage::TimeWait),
        other => cell(MayAck, other),
    }
}
