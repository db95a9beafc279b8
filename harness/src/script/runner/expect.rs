//! Waiting for the packets that the engine must send.

use handfast::time::{Duration, Instant};

use super::Runner;
use super::time::{self, EXACT_MICROS, LENIENT_MICROS, LENIENT_PERMILLE, Window};
use crate::script::compare::{self, Rules};
use crate::script::decode::{Seen, decode};
use crate::script::packet::{Body, FIN, IpInfo, PSH, Packet, SYN, Tcp};
use crate::script::subject::{Sent, Subject};
use crate::script::tree::Event;
use crate::script::verdict::Stop;

/// How long after its time a packet is still waited for, so that it can be said how late it was.
const GRACE: Duration = Duration::from_secs(2);

impl<S: Subject> Runner<S> {
    /// How far from its time an event may happen.
    pub(super) fn tolerance(&self, before: Instant, due: Instant) -> Duration {
        let settings = &self.settings;
        let default = if self.lenient {
            LENIENT_MICROS
        } else {
            EXACT_MICROS
        };
        let micros = settings.tolerance_micros.unwrap_or(default);
        let permille = match settings.tolerance_percent {
            Some(percent) => percent * 10,
            None if self.lenient => LENIENT_PERMILLE,
            None => 0,
        };
        let pause = due.saturating_since(before).as_nanos();
        Duration::from_nanos((micros * 1_000).max(pause / 1_000 * permille))
    }

    /// The next packet that the engine sends must be this one.
    pub(super) fn expect(&mut self, event: &Event, packet: &Packet, window: Window) -> Result<(), Stop> {
        let tolerance = self.tolerance(self.base, window.last);
        let allowed = window.widened(tolerance);
        let mut expected = packet.clone();
        if let Body::Icmp(icmp) = &packet.body {
            expected.body = Body::Icmp(self.numbered(icmp)?);
        }
        let Some((at, seen)) = self.next_looked_at(packet, allowed.last + GRACE)? else {
            return Err(Stop::Failed {
                reason: format!("no packet was sent until {}", time::seconds(self.subject.now())),
                compared: Some((format!("> {packet}"), "nothing".to_owned())),
            });
        };
        let flow = self.flow_of(&seen, &expected);
        let live = self.joined(seen, &expected, allowed.last)?;
        self.learn(flow, &expected, &live);
        let actual = self.in_script_numbers(flow, &live);
        self.note(at, event.at, &format!("> {}", narrowed(&actual, &expected)));
        self.verify(&expected, &actual, flow)?;
        if !allowed.contains(at) {
            return Err(Stop::failed(format!(
                "the packet was sent at {}, not {}",
                time::seconds(at),
                wanted_time(window)
            )));
        }
        self.base = at;
        Ok(())
    }

    /// The next packet that the script looks at, and when it was sent.
    fn next_looked_at(&mut self, expected: &Packet, limit: Instant) -> Result<Option<(Instant, Seen)>, Stop> {
        while let Some(sent) = self.next_sent(limit)? {
            let seen = self.seen(&sent)?;
            if expected.ports.is_some() || !self.is_overlooked(&seen) {
                return Ok(Some((sent.at, seen)));
            }
        }
        Ok(None)
    }

    /// packetdrill looks at the connection that began last, and at no other.
    pub(super) fn is_overlooked(&mut self, seen: &Seen) -> bool {
        let goes_on = matches!(&seen.packet.body, Body::Tcp(tcp) if tcp.flags & SYN == 0);
        let (from, to) = (seen.ends.from_port, seen.ends.to_port);
        self.lenient && goes_on && self.subject.network().is_past(from, to)
    }

    /// The next packet that was not looked at yet, waiting for it until `limit`.
    fn next_sent(&mut self, limit: Instant) -> Result<Option<Sent>, Stop> {
        loop {
            if let Some(sent) = self.subject.sent().pop_front() {
                return Ok(Some(sent));
            }
            let before = self.subject.now();
            let goes_on = self.step(limit).map_err(|(_, stop)| stop)?;
            if !goes_on && self.subject.sent().is_empty() && (before >= limit || self.subject.now() >= limit)
            {
                return Ok(None);
            }
        }
    }

    pub(super) fn seen(&self, sent: &Sent) -> Result<Seen, Stop> {
        decode(&sent.bytes).map_err(|wrong| {
            Stop::failed(format!(
                "a packet was sent at {} that is not right: {wrong}",
                time::seconds(sent.at)
            ))
        })
    }

    /// The flow of a packet that was sent. A SYN that nobody has seen before, and ports that the script names, begin one.
    fn flow_of(&mut self, seen: &Seen, expected: &Packet) -> usize {
        let flow = self
            .subject
            .network()
            .flow(seen.ends.from_port, seen.ends.to_port);
        let is_syn = matches!(&seen.packet.body, Body::Tcp(tcp) if tcp.flags & SYN != 0);
        if is_syn && expected.ports.is_none() {
            self.subject.network().select(Some(flow));
        }
        flow
    }

    /// Joins segments that follow each other until they are as long as the expected one.
    fn joined(&mut self, first: Seen, expected: &Packet, limit: Instant) -> Result<Seen, Stop> {
        let Body::Tcp(wanted) = &expected.body else {
            return Ok(first);
        };
        let mut whole = first;
        while !self.settings.strict_segments {
            let Body::Tcp(tcp) = &mut whole.packet.body else {
                break;
            };
            if tcp.len == 0 || tcp.len >= wanted.len {
                break;
            }
            let Some(next) = self.next_sent(limit)? else {
                break;
            };
            let seen = self.seen(&next)?;
            let same_flow = seen.ends == whole.ends;
            match seen.packet.body {
                Body::Tcp(part) if same_flow && continues(tcp, &part) => join(tcp, &part),
                _ => {
                    self.subject.sent().push_front(next);
                    break;
                }
            }
        }
        self.join_fin(&mut whole, wanted, limit)?;
        Ok(whole)
    }

    /// A FIN right behind the text counts as one on its last segment, unless every packet counts.
    fn join_fin(&mut self, whole: &mut Seen, wanted: &Tcp, limit: Instant) -> Result<(), Stop> {
        let Body::Tcp(tcp) = &mut whole.packet.body else {
            return Ok(());
        };
        let lacks_fin = wanted.flags & !tcp.flags & FIN != 0 && wanted.len > 0 && tcp.len == wanted.len;
        if !self.lenient || self.settings.strict_segments || !lacks_fin {
            return Ok(());
        }
        let Some(next) = self.next_sent(limit)? else {
            return Ok(());
        };
        let seen = self.seen(&next)?;
        match &seen.packet.body {
            Body::Tcp(part) if seen.ends == whole.ends && is_fin_behind(tcp, part) => join(tcp, part),
            _ => self.subject.sent().push_front(next),
        }
        Ok(())
    }

    fn learn(&mut self, flow: usize, expected: &Packet, live: &Seen) {
        if let (Body::Tcp(expected), Body::Tcp(live)) = (&expected.body, &live.packet.body) {
            self.subject.network().flow_at(flow).learn(expected, live);
        }
    }

    fn in_script_numbers(&mut self, flow: usize, live: &Seen) -> Packet {
        let mut packet = live.packet.clone();
        packet.ports = Some((live.ends.from_port, live.ends.to_port));
        if let Body::Tcp(tcp) = &mut packet.body {
            *tcp = self.subject.network().flow_at(flow).to_script(tcp);
        }
        packet
    }

    fn verify(&mut self, expected: &Packet, actual: &Packet, flow: usize) -> Result<(), Stop> {
        let slack = self.settings.timestamp_tick.map(|tick| {
            let micros = self.settings.tolerance_micros.unwrap_or(EXACT_MICROS);
            (micros / tick).max(u64::from(self.lenient)) as u32
        });
        let rules = Rules {
            lenient: self.lenient,
            timestamp_slack: slack,
            shifts: self.subject.network().flow_at(flow).shifts(),
        };
        let mut differences = compare::differences(expected, actual, rules);
        if expected.ports.is_some_and(|ports| Some(ports) != actual.ports) {
            differences.push("ports");
        }
        if differences.is_empty() {
            return Ok(());
        }
        let shown = narrowed(actual, expected);
        let (expected, actual) = compare::aligned(&format!("> {expected}"), &format!("> {shown}"));
        Err(Stop::Failed {
            reason: format!("another packet was sent; its {} differ", differences.join(", ")),
            compared: Some((expected, actual)),
        })
    }

    /// A packet as the script would write it.
    pub(super) fn shown(&mut self, bytes: &[u8]) -> String {
        match decode(bytes) {
            Err(wrong) => wrong,
            Ok(seen) => {
                let flow = self
                    .subject
                    .network()
                    .flow(seen.ends.from_port, seen.ends.to_port);
                let mut packet = self.in_script_numbers(flow, &seen);
                packet.ip = IpInfo::default();
                packet.ports = None;
                packet.to_string()
            }
        }
    }
}

/// The packet with those fields of its IP header alone that the script looks at.
fn narrowed(actual: &Packet, expected: &Packet) -> Packet {
    let ip = &expected.ip;
    Packet {
        ip: IpInfo {
            tos: actual.ip.tos.filter(|_| ip.tos.is_some()),
            ecn: actual.ip.ecn.filter(|_| ip.ecn.is_some()),
            ttl: actual.ip.ttl.filter(|_| ip.ttl.is_some()),
            flow_label: actual.ip.flow_label.filter(|_| ip.flow_label.is_some()),
            spoilt: false,
        },
        ports: actual.ports.filter(|_| expected.ports.is_some()),
        body: actual.body.clone(),
    }
}

/// Whether `part` goes on where `whole` ends and is like it.
fn continues(whole: &Tcp, part: &Tcp) -> bool {
    let edge = !(PSH | FIN);
    part.len > 0
        && part.seq == whole.seq.wrapping_add(whole.len)
        && part.flags & edge == whole.flags & edge
        && whole.flags & FIN == 0
        && part.ack == whole.ack
        && part.window == whole.window
}

/// Whether `part` is the FIN alone that follows `whole`.
fn is_fin_behind(whole: &Tcp, part: &Tcp) -> bool {
    let edge = !(PSH | FIN);
    part.len == 0
        && part.flags & FIN != 0
        && part.seq == whole.seq.wrapping_add(whole.len)
        && part.flags & edge == whole.flags & edge
        && part.ack == whole.ack
}

fn join(whole: &mut Tcp, part: &Tcp) {
    whole.len += part.len;
    whole.flags |= part.flags;
}

fn wanted_time(window: Window) -> String {
    if window.first == window.last {
        return format!("at {}", time::seconds(window.first));
    }
    format!(
        "between {} and {}",
        time::seconds(window.first),
        time::seconds(window.last)
    )
}
