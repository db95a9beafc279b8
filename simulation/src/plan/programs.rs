//! What the applications do.

use handfast::time::{Duration, Instant};

use super::{CLOSED_PORT, CROSSED_PORT, FIRST_PORT, Faults, HostPlan};
use crate::random::Random;

/// How long a server repeats its SYN-ACK at least before it forgets who called: 1 + 2 + 4 + 8 + 16 s.
const SYN_ACKS_LAST: Duration = Duration::from_secs(31);

/// One TCP connection: who opens it, and what both ends do.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// The hosts: who opens first, then who is called.
    pub hosts: [usize; 2],
    /// What they do.
    pub ends: [EndPlan; 2],
    /// Over IPv6.
    pub v6: bool,
    /// When it is opened.
    pub opens_at: Instant,
    /// The port that is called.
    pub port: u16,
    /// Both ends open it: with a SYN each (RFC 9293 section 3.5, Figure 7).
    pub crossed: bool,
    /// Connections that the listener lets wait.
    pub backlog: usize,
    /// How long the server lets a connection wait before it accepts it.
    pub accepts_after: Duration,
    /// The listener goes away so long after the opening; `None` when it stays.
    pub listener_closes_after: Option<Duration>,
}

/// What one end does with its connection.
#[derive(Clone, Debug)]
pub struct EndPlan {
    /// Octets that it sends.
    pub sends: u64,
    /// Octets of a write, at most.
    pub write: usize,
    /// How it writes.
    pub writes: Access,
    /// How it reads.
    pub reading: Reading,
    /// How it ends.
    pub ending: Ending,
    /// The Nagle algorithm is off.
    pub no_delay: bool,
    /// Whether the peer is asked now and then whether it is still there.
    pub keep_alive: bool,
}

/// By which of the engine's methods octets go in or out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Copied.
    Copying,
    /// In place.
    InPlace,
    /// As payloads and chunks, which are kept for a while.
    Kept,
}

/// How an end reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// By which method.
    pub access: Access,
    /// Octets at a time.
    pub bite: usize,
    /// How long it waits after each; zero for a reader that keeps up.
    pub pause: Duration,
}

/// How an end goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It shuts down when everything is sent, reads to the end, and closes.
    Graceful,
    /// The same, but it shuts down when the peer has.
    AfterPeer,
    /// It closes as soon as everything is queued, whatever the peer still sends.
    CloseOutright,
    /// It aborts once so many octets have gone in or out.
    Abort(u64),
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    /// When it is sent.
    pub at: Instant,
    /// By whom.
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// Over IPv6.
    pub v6: bool,
    /// Octets of its payload.
    pub length: usize,
    /// To a port that nobody has.
    pub to_closed_port: bool,
}

impl Dialogue {
    pub(super) fn crossed(random: &mut Random, faults: &Faults) -> Self {
        let mut dialogue = Self::draw(random, 2, faults, 0);
        dialogue.crossed = true;
        dialogue.hosts = [0, 1];
        dialogue.port = CROSSED_PORT;
        dialogue.pace();
        dialogue
    }

    fn draw(random: &mut Random, hosts: usize, faults: &Faults, number: usize) -> Self {
        let client = random.below(hosts as u64) as usize;
        let server = (client + 1 + random.below(hosts as u64 - 1) as usize) % hosts;
        let mut ends = [EndPlan::draw(random), EndPlan::draw(random)];
        if ends[0].ending == Ending::AfterPeer && ends[1].ending == Ending::AfterPeer {
            ends[1].ending = Ending::Graceful;
        }
        // A peer that went without a word, or whose last word was lost, is found out by asking.
        let may_vanish = ends.iter().any(EndPlan::is_rude) || faults.explain_timeouts();
        ends.iter_mut().for_each(|end| end.keep_alive |= may_vanish);
        Self {
            hosts: [client, server],
            ends,
            v6: random.percent(50),
            opens_at: Instant::ZERO + random.millis(0..=2_000),
            port: FIRST_PORT + number as u16,
            crossed: false,
            backlog: random.within(1..=4) as usize,
            accepts_after: if random.percent(20) {
                random.millis(1..=2_000)
            } else {
                Duration::ZERO
            },
            listener_closes_after: random.percent(5).then(|| random.millis(0..=500)),
        }
    }

    /// A server whose table of handshakes is full answers with a cookie and remembers nothing. When the acknowledgment that brings it back is
    /// lost, only a client who says something more is heard of. And a listener that goes away resets once whom it had not accepted. Nothing
    /// need be lost where calls queue up before a server that takes its time: it forgets those whose turn has not come while it repeats its
    /// SYN-ACK.
    fn ask_who_may_have_forgotten(&mut self, dialogues: usize, hosts: &[HostPlan], faults: &Faults) {
        let is_crowded = hosts[self.hosts[1]].half_open as usize <= dialogues;
        let may_go_unheard = is_crowded || self.listener_closes_after.is_some();
        let waits_too_long =
            self.accepts_after.saturating_mul(dialogues as u64) > SYN_ACKS_LAST && self.backlog < dialogues;
        self.ends[0].keep_alive |= may_go_unheard && !faults.lose_nothing() || waits_too_long;
    }

    /// A paced reader takes at most 200 bites.
    fn pace(&mut self) {
        let sends = [self.ends[1].sends, self.ends[0].sends];
        for (end, total) in self.ends.iter_mut().zip(sends) {
            if end.reading.pause > Duration::ZERO {
                end.reading.bite = end.reading.bite.max((total / 200) as usize + 1);
            }
        }
    }

    pub(super) fn octets(&self) -> u64 {
        self.ends.iter().map(|end| end.sends).sum()
    }
}

impl EndPlan {
    fn draw(random: &mut Random) -> Self {
        let sends = match random.below(10) {
            0 | 1 => 0,
            2..=5 => random.within(1..=2_000),
            6..=8 => random.within(1..=40_000),
            _ => random.within(1..=250_000),
        };
        let slow = random.percent(20);
        Self {
            sends,
            write: random.scaled(1..=20_000).max(sends / 400).max(1) as usize,
            writes: random.pick(&[Access::Copying, Access::InPlace, Access::Kept]),
            reading: Reading {
                access: random.pick(&[Access::Copying, Access::InPlace, Access::Kept]),
                bite: random.scaled(1..=30_000).max(1) as usize,
                pause: if slow {
                    random.millis(1..=400)
                } else {
                    Duration::ZERO
                },
            },
            ending: match random.below(20) {
                0..=11 => Ending::Graceful,
                12..=15 => Ending::AfterPeer,
                16 | 17 => Ending::CloseOutright,
                _ => Ending::Abort(random.scaled(0..=100_000)),
            },
            no_delay: random.percent(50),
            keep_alive: random.percent(10),
        }
    }

    /// Whether the peer may see a reset that it has not deserved.
    pub(crate) fn is_rude(&self) -> bool {
        matches!(self.ending, Ending::CloseOutright | Ending::Abort(_))
    }

    /// How long a paced reader takes for all that its peer may send.
    pub(super) fn slowest_seconds(&self) -> f64 {
        let pause = self.reading.pause.as_nanos() as f64 / 1e9;
        pause * 400.0
    }
}

/// The dialogues between all hosts.
pub(super) fn draw(random: &mut Random, hosts: &[HostPlan], faults: &Faults) -> Vec<Dialogue> {
    let count = random.pick(&[1, 1, 2, 2, 3, 4, 6, 10, 24]);
    let mut dialogues: Vec<Dialogue> = (0..count)
        .map(|number| Dialogue::draw(random, hosts.len(), faults, number))
        .collect();
    if random.percent(50) {
        share_listeners(&mut dialogues);
    }
    for dialogue in &mut dialogues {
        if count > 6 {
            dialogue
                .ends
                .iter_mut()
                .for_each(|end| end.sends = end.sends.min(10_000));
        }
        dialogue.pace();
        dialogue.ask_who_may_have_forgotten(count, hosts, faults);
        if random.percent(4) {
            dialogue.port = CLOSED_PORT;
        }
    }
    dialogues
}

/// All calls of a server go to one port, and may overflow its backlog.
fn share_listeners(dialogues: &mut [Dialogue]) {
    let first = dialogues[0].clone();
    for dialogue in dialogues {
        dialogue.port = first.port;
        dialogue.backlog = first.backlog;
        dialogue.accepts_after = first.accepts_after;
        dialogue.listener_closes_after = first.listener_closes_after;
    }
}

pub(super) fn draw_datagrams(random: &mut Random, hosts: &[HostPlan]) -> Vec<Datagram> {
    let count = random.pick(&[0, 0, 1, 5, 20]);
    let count_of_hosts = hosts.len() as u64;
    (0..count)
        .map(|_| {
            let from = random.below(count_of_hosts) as usize;
            let to = (from + 1 + random.below(count_of_hosts - 1) as usize) % hosts.len();
            let v6 = random.percent(50);
            let headers = if v6 { 48 } else { 28 };
            let largest = u64::from(hosts[from].mtu) - headers;
            Datagram {
                at: Instant::ZERO + random.millis(0..=3_000),
                from,
                to,
                v6,
                length: random.scaled(8..=largest) as usize,
                to_closed_port: random.percent(10),
            }
        })
        .collect()
}
