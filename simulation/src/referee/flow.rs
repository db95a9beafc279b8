//! One direction of one connection, as it is seen on the wire, and the rules that its sender has to keep.

use std::collections::VecDeque;

use handfast::time::{Duration, Instant};

use crate::segment::{ACK, FIN, RST, SYN, Segment};

/// RFC 6928 section 2, in octets; two segments where that is more.
const INITIAL_WINDOW: u32 = 14_600;
/// RFC 6298 section 2.1.
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// The shortest retransmission timeout that anybody uses.
const MIN_RTO: Duration = Duration::from_millis(200);

/// What depends on the faults of the simulation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// No clock jumps, so that timers mean what they say.
    pub(crate) keeps_time: bool,
    /// The sender has a congestion window.
    pub(crate) starts_slowly: bool,
    /// No packet comes and is answered in less time.
    pub(crate) round_trip: Duration,
}

/// What was sent when, last.
#[derive(Clone, Copy, Debug)]
struct Sent {
    start: u32,
    end: u32,
    at: Instant,
}

/// What is known of a flow. Everything is from the sender's point of view.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    iss: Option<u32>,
    irs: Option<u32>,
    syn_at: Instant,
    /// The peer's last SYN without ACK, until it is answered.
    pending: Option<Segment>,
    /// The peer's SYN that was answered last.
    answered: Option<Segment>,
    our_scale: Option<u8>,
    peer_scale: Option<u8>,
    peer_mss: u32,
    we_sack: bool,
    peer_sacks: bool,
    /// The right edge of the window that the peer was told.
    told: Option<u32>,
    /// The right edge of the window that the peer told.
    heard: Option<u32>,
    /// What the peer has acknowledged.
    una: u32,
    /// The end of what was ever sent.
    max: u32,
    /// The end of the text in it, without the FIN.
    pub(crate) text_max: u32,
    sent: VecDeque<Sent>,
    /// A timeout has doomed what was sent up to here, however late it was sent.
    doomed: Option<u32>,
    /// The flow by the SYN-ACK before: a SYN that comes twice may have been answered by a cookie first, and the peer takes the answer that it
    /// gets first, maybe before the second is sent.
    earlier: Option<Box<Self>>,
    /// Something was heard since the first text was sent: an acknowledgment, or that something is missing.
    is_answered: bool,
}

/// `a` lies before `b` on the circle of sequence numbers.
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Flow {
    pub(crate) fn iss(&self) -> Option<u32> {
        self.iss
    }

    pub(crate) fn irs(&self) -> Option<u32> {
        self.irs
    }

    pub(super) fn on_syn_sent(
        &mut self,
        now: Instant,
        segment: &Segment,
        rules: &Rules,
    ) -> Result<(), String> {
        let is_again = self.iss == Some(segment.seq);
        if is_again && !segment.has(ACK) && rules.keeps_time && now < self.syn_at + INITIAL_RTO {
            return Err(format!(
                "its SYN again, after {:?}",
                now.saturating_since(self.syn_at)
            ));
        }
        if !is_again {
            let pending = self.pending.take();
            let mut earlier = std::mem::take(self);
            if earlier.has_begun() {
                earlier.earlier = None;
            }
            *self = Self {
                pending,
                earlier: segment.has(ACK).then(|| Box::new(earlier)),
                ..Self::default()
            };
            self.una = segment.seq;
            self.max = segment.seq.wrapping_add(1);
            self.text_max = self.max;
        }
        self.iss = Some(segment.seq);
        self.syn_at = now;
        self.our_scale = segment.scale;
        self.we_sack = segment.sack_permitted;
        if segment.has(ACK)
            && let Some(peer) = self.pending.take().or_else(|| self.answered_before(segment.ack))
        {
            self.adopt(&peer);
            self.answered = Some(peer);
            // The window in a SYN is not scaled.
            let edge = segment.seq.wrapping_add(1 + u32::from(peer.window));
            self.heard = Some(self.heard.unwrap_or(edge));
        }
        self.told = segment
            .has(ACK)
            .then(|| segment.ack.wrapping_add(u32::from(segment.window)));
        Ok(())
    }

    /// The peer's SYN, if it was answered by another SYN-ACK before: two that came together may be answered by two in a row.
    fn answered_before(&self, ack: u32) -> Option<Segment> {
        let answered = self.earlier.as_ref()?.answered;
        answered.filter(|syn| syn.seq.wrapping_add(1) == ack)
    }

    pub(super) fn on_sent(&mut self, now: Instant, segment: &Segment, rules: &Rules) -> Result<(), String> {
        if segment.has(RST) {
            return Ok(());
        }
        self.choose(|flow| flow.has_sent(segment.seq));
        let Some(iss) = self.iss else {
            return Ok(());
        };
        self.judge_window(segment)?;
        if segment.text == 0 && !segment.has(FIN) {
            return Ok(());
        }
        let start = segment.seq;
        let end = start.wrapping_add(segment.text);
        if let Some(heard) = self.heard
            && before(heard, end)
        {
            return Err(format!("text up to {end}, the peer's window ends at {heard}"));
        }
        let text_sent = end.wrapping_sub(iss).wrapping_sub(1);
        // And a tail loss probe (RFC 8985 section 7.3).
        let largest = INITIAL_WINDOW.max(2 * self.peer_mss) + self.peer_mss;
        if rules.starts_slowly && !self.is_answered && text_sent > largest {
            return Err(format!("{text_sent} octets before anything was heard of them"));
        }
        self.judge_retransmission(now, start, end, rules)?;
        if before(self.text_max, end) {
            self.text_max = end;
        }
        self.book(now, start, end.wrapping_add(u32::from(segment.has(FIN))));
        Ok(())
    }

    /// RFC 9293 section 3.8.6: the window's right edge never moves left, but for what its scale cannot tell.
    fn judge_window(&mut self, segment: &Segment) -> Result<(), String> {
        let scale = self.our_scale.filter(|_| self.peer_scale.is_some()).unwrap_or(0);
        let edge = segment.ack.wrapping_add(u32::from(segment.window) << scale);
        if let Some(told) = self.told
            && before(edge.wrapping_add((1 << scale) - 1), told)
        {
            return Err(format!("its window ended at {told} and ends at {edge} now"));
        }
        if self.told.is_none_or(|told| before(told, edge)) {
            self.told = Some(edge);
        }
        Ok(())
    }

    /// Whatever tells of a loss (RFC 6298, RFC 6675, RFC 8985), it takes a round trip at least. Duplicate acknowledgments without SACK may be
    /// the network's.
    fn judge_retransmission(
        &mut self,
        now: Instant,
        start: u32,
        end: u32,
        rules: &Rules,
    ) -> Result<(), String> {
        let both_sack = self.we_sack && self.peer_sacks;
        let is_judged = rules.keeps_time && both_sack && before(start, self.max);
        if !is_judged {
            return Ok(());
        }
        let overlaps = |sent: &&Sent| before(sent.start, end) && before(start, sent.end);
        let begins = |sent: &&Sent| !before(start, sent.start) && before(start, sent.end);
        let last = self.sent.iter().filter(overlaps).map(|sent| sent.at).max();
        // Only what waits longest needs to have waited so long (RFC 6298 section 5.4), whatever goes with it in one segment.
        let first = self.sent.iter().filter(begins).map(|sent| sent.at).max();
        if start == self.una && first.is_some_and(|first| now >= first + MIN_RTO) {
            self.doomed = Some(self.max);
        }
        if self.doomed.is_some_and(|doomed| before(start, doomed)) {
            return Ok(());
        }
        // A tail loss probe comes when the retransmission timer would run out, at the latest, however late the last segment was sent (RFC 8985
        // section 7.2).
        let awaited = |sent: &&Sent| !before(self.una, sent.start) && before(self.una, sent.end);
        let longest = self.sent.iter().filter(awaited).map(|sent| sent.at).max();
        if end == self.text_max && longest.is_some_and(|longest| now >= longest + MIN_RTO) {
            return Ok(());
        }
        match last {
            Some(last) if now < last + rules.round_trip => Err(format!(
                "octets that it sent {:?} ago, and no answer comes in less than {:?}",
                now.saturating_since(last),
                rules.round_trip
            )),
            _ => Ok(()),
        }
    }

    fn book(&mut self, now: Instant, start: u32, end: u32) {
        // An earlier sending of the same octets tells nothing any more.
        self.sent
            .retain(|sent| start != sent.start || before(end, sent.end));
        self.sent.push_back(Sent { start, end, at: now });
        if before(self.max, end) {
            self.max = end;
        }
    }

    fn adopt(&mut self, peer: &Segment) {
        self.irs = Some(peer.seq);
        self.peer_scale = peer.scale;
        self.peer_mss = peer.mss.map_or(0, u32::from);
        self.peer_sacks = peer.sack_permitted;
    }

    /// The peer has acknowledged its SYN.
    fn has_begun(&self) -> bool {
        self.iss.is_some_and(|iss| iss != self.una)
    }

    /// Such an acknowledgment is of what was sent, and such a sequence number is one of its own.
    fn has_sent(&self, number: u32) -> bool {
        self.iss
            .is_some_and(|iss| before(iss, number) && !before(self.max, number))
    }

    /// Of several SYN-ACKs, the one that is acknowledged counts.
    fn choose(&mut self, is_it: impl Fn(&Self) -> bool) {
        let mut others = std::iter::successors(self.earlier.as_deref(), |flow| flow.earlier.as_deref());
        if self.has_begun() || is_it(self) || !others.any(&is_it) {
            return;
        }
        while !is_it(self)
            && let Some(earlier) = self.earlier.take()
        {
            *self = *earlier;
        }
    }

    pub(super) fn on_received(&mut self, segment: &Segment) {
        if segment.has(RST) {
            return;
        }
        if !segment.has(ACK) {
            self.pending = Some(*segment).filter(|segment| segment.has(SYN));
            return;
        }
        self.choose(|flow| flow.has_sent(segment.ack));
        if !self.has_sent(segment.ack) {
            return;
        }
        self.is_answered |= !self.sent.is_empty();
        if self.irs.is_none() {
            // The acknowledgment may come before the peer's SYN is answered, when both cross (RFC 9293 section 3.5).
            let crossed = self.pending.take_if(|_| !segment.has(SYN));
            if let Some(peer) = crossed.or(Some(*segment).filter(|segment| segment.has(SYN))) {
                self.adopt(&peer);
            }
        }
        let scale = match self.peer_scale {
            Some(scale) if self.our_scale.is_some() && !segment.has(SYN) => scale.min(14),
            _ => 0,
        };
        let edge = segment.ack.wrapping_add(u32::from(segment.window) << scale);
        if self.heard.is_none_or(|heard| before(heard, edge)) {
            self.heard = Some(edge);
        }
        if before(self.una, segment.ack) {
            let acked = segment.ack;
            self.una = acked;
            self.sent.retain(|sent| before(acked, sent.end));
        }
    }
}
