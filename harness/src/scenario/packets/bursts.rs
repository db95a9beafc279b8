//! Bursts of datagrams, there and back.

use std::time::Duration;

use super::Unsupported;
use crate::config::RunConfig;
use crate::measure::cpu;
use crate::stack::reflect::{By, Hosts};
use crate::stack::{Datagrams, Nanos};

/// How long something may be on its way that a softirq on another thread has to bring.
const LONGEST_WAIT: Duration = Duration::from_millis(10);
/// Waits in vain after which the rest of a burst is lost.
const PATIENCE: u32 = 3;
/// Bursts after which an answer must have come, a wait each at least.
const INTRODUCTIONS: u32 = 200;

/// What has happened to packets of one answering loop.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// Sent back.
    pub(super) answered: u64,
    /// Arrived back.
    pub(super) heard: u64,
    /// Of those, the ones that are not what was sent.
    pub(super) wrong: u64,
    /// Processor time of turns that moved packets.
    pub(super) ns: Nanos,
    pub(super) system_calls: u64,
}

impl Tally {
    pub(super) fn add(&mut self, more: Self) {
        self.sent += more.sent;
        self.answered += more.answered;
        self.heard += more.heard;
        self.wrong += more.wrong;
        self.ns += more.ns;
        self.system_calls += more.system_calls;
    }

    pub(super) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.heard)
    }

    /// Packets sent back in a second of processor time; `None` before any.
    pub(super) fn rate(&self) -> Option<f64> {
        (self.ns > 0 && self.answered > 0).then(|| self.answered as f64 * 1e9 / self.ns as f64)
    }

    pub(super) fn system_calls_each(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.system_calls as f64 / self.answered as f64)
    }
}

pub(super) struct Bursts {
    hosts: Hosts,
    socket: Datagrams,
    count: usize,
    length: usize,
    /// What the datagrams of the next burst are filled with.
    mark: u8,
}

impl Bursts {
    pub(super) fn new(mut hosts: Hosts, config: &RunConfig) -> Result<Self, Unsupported> {
        let from = std::net::SocketAddr::new(hosts.from, 0);
        let socket = hosts
            .source
            .bind(from)
            .map_err(|error| Unsupported(format!("the kernel binds no socket to send from ({error})")))?;
        Ok(Self {
            hosts,
            socket,
            count: config.connections as usize,
            length: config.message as usize,
            mark: 0,
        })
    }

    /// Sends bursts until the engine answers one as a whole: by then the ends have found each other.
    pub(super) fn make_acquaintance(&mut self) -> Result<(), Unsupported> {
        for _ in 0..INTRODUCTIONS {
            if self.burst(By::Engine)?.lost() == 0 {
                return Ok(());
            }
        }
        Err(Unsupported(format!(
            "of {} packets that were sent over this device at once, some never came back: ask for fewer with --connections",
            self.count
        )))
    }

    /// One burst there and back.
    pub(super) fn burst(&mut self, by: By) -> Result<Tally, Unsupported> {
        let sent_at = cpu::now();
        let mut tally = Tally {
            sent: self.send() as u64,
            ..Tally::default()
        };
        self.answer(by, &mut tally);
        self.hear(&mut tally);
        if tally.heard > 0 {
            self.hosts.reflector.vouch(self.hosts.from, sent_at);
        }
        Ok(tally)
    }

    fn send(&mut self) -> usize {
        self.mark = self.mark.wrapping_add(1);
        let mark = self.mark;
        let (to, count, length) = (self.hosts.to, self.count, self.length);
        let mut fill = |_, bytes: &mut [u8]| bytes.fill(mark);
        self.hosts
            .source
            .send_datagrams(self.socket, to, count, length, &mut fill)
    }

    fn answer(&mut self, by: By, tally: &mut Tally) {
        let mut in_vain = 0;
        while tally.answered < tally.sent && in_vain < PATIENCE {
            let now = cpu::now();
            let (turn, ns) = cpu::spent(|| self.hosts.reflector.turn(by, now));
            if turn.received + turn.sent == 0 {
                in_vain += 1;
                self.hosts.reflector.wait(LONGEST_WAIT);
                continue;
            }
            in_vain = 0;
            tally.answered += turn.sent;
            tally.ns += ns;
            tally.system_calls += turn.system_calls;
        }
    }

    fn hear(&mut self, tally: &mut Tally) {
        let (mark, length) = (self.mark, self.length);
        let mut in_vain = 0;
        while tally.heard < tally.sent && in_vain < PATIENCE {
            let wrong = &mut tally.wrong;
            let mut late = 0;
            let mut check = |bytes: &[u8]| {
                let filled_with = bytes.first().copied().unwrap_or(mark);
                let is_sound = bytes.len() == length && bytes.iter().all(|&byte| byte == filled_with);
                *wrong += u64::from(!is_sound);
                // Of a burst before, whose rest was given up.
                late += u64::from(is_sound && filled_with != mark);
            };
            let left = (tally.sent - tally.heard) as usize;
            let received = self.hosts.source.receive_datagrams(self.socket, left, &mut check);
            tally.heard += received as u64 - late;
            if received == 0 {
                in_vain += 1;
                self.hosts.source.poll(cpu::now(), LONGEST_WAIT, &mut Vec::new());
            }
        }
    }
}
