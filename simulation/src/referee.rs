//! Sees every packet that an engine sends and receives, and knows the rules that can be checked from outside.

mod flow;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use handfast::config::Congestion;
use handfast::frame::{Checksum, Packet, PacketQueue};
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::{Duration, Instant};

pub(crate) use self::flow::Flow;
use crate::network::Network;
use crate::plan::{Fault, Plan};
use crate::segment::{self, SYN, Segment, Wire};

/// On shorter paths what is sent again is not held against the round trip: everything happens in few turns of a host there.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);

/// One packet as the metamorphic tests compare it: everything that does not depend on clocks, keys and address families.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traced {
    /// Since the start of the simulation.
    pub at: Instant,
    /// Who has sent it.
    pub host: usize,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub flags: u8,
    /// Octets behind the initial sequence number of the sender.
    pub seq: u32,
    /// Octets behind that of the receiver; 0 without ACK.
    pub ack: u32,
    /// The window field.
    pub window: u16,
    /// Octets of text.
    pub text: u32,
}

/// What the referee knows of all hosts.
#[derive(Debug)]
pub(crate) struct Referee {
    network: Rc<RefCell<Network>>,
    flows: Vec<BTreeMap<(SocketAddr, SocketAddr), Flow>>,
    /// What each host's flows are held to.
    rules: Vec<flow::Rules>,
    /// Everything that went over the wire, and when, as one number.
    pub(crate) hash: u64,
    pub(crate) packets: u64,
    /// The first broken rule.
    pub(crate) complaint: Option<String>,
    /// What was sent, if somebody wants to know.
    pub(crate) trace: Option<Vec<Traced>>,
    scratch: Vec<u8>,
}

impl Referee {
    pub(crate) fn new(plan: &Plan, network: &Rc<RefCell<Network>>, traces: bool) -> Rc<RefCell<Self>> {
        let narrow = |fault| matches!(fault, Fault::Narrow { .. });
        let is_narrow = plan.faults.periods.iter().any(|period| narrow(period.fault));
        let delay = plan.faults.impairment.delay;
        let rules = |congestion| flow::Rules {
            keeps_time: plan.faults.jumps.is_empty(),
            starts_slowly: !matches!(congestion, Congestion::Fixed(_)),
            // A router's message makes the sender repeat at once what was too large.
            // And what the network doubles looks like an answer to what was sent again.
            round_trip: if is_narrow || plan.faults.impairment.duplication > 0.0 || delay < SHORTEST_DELAY {
                Duration::ZERO
            } else {
                delay + delay
            },
        };
        Rc::new(RefCell::new(Self {
            network: network.clone(),
            flows: plan.hosts.iter().map(|_| BTreeMap::new()).collect(),
            rules: plan.hosts.iter().map(|host| rules(host.congestion)).collect(),
            hash: 0xcbf2_9ce4_8422_2325,
            packets: 0,
            complaint: None,
            trace: traces.then(Vec::new),
            scratch: Vec::new(),
        }))
    }

    /// The flow of one host's connection, as it was seen on the wire.
    pub(crate) fn flow(&self, host: usize, local: SocketAddr, remote: SocketAddr) -> Option<&Flow> {
        self.flows[host].get(&(local, remote))
    }

    fn loses_all(&self) -> bool {
        self.network.borrow().loses_all
    }

    fn take(&mut self, packet: &Packet) -> bool {
        self.scratch.resize(packet.len(), 0);
        packet.copy_into(&mut self.scratch);
        packet.segment_size == 0 && packet.checksum == Checksum::InPacket
    }

    fn note(&mut self, now: Instant, host: usize, sent: bool) {
        self.packets += 1;
        let mut mix = |word: u64| {
            self.hash = (self.hash ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        };
        mix(now.as_nanos());
        mix((host as u64) << 33 | u64::from(sent) << 32 | self.scratch.len() as u64);
        for word in self.scratch.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            mix(u64::from_le_bytes(bytes));
        }
    }

    fn on_sent(&mut self, host: usize, mtu: u32, packet: &Packet) {
        let now = self.network.borrow().now;
        let checks = self.take(packet);
        self.note(now, host, true);
        let too_large = packet.segment_size == 0 && packet.len() > mtu as usize;
        let wire = segment::read(&self.scratch, checks);
        let judged = match wire {
            _ if too_large => Err(format!("a packet of {} octets; the MTU is {mtu}", packet.len())),
            Err(error) => Err(error.to_string()),
            Ok(Wire::Other) => Ok(()),
            Ok(Wire::Tcp(segment)) => {
                self.trace_segment(now, host, &segment);
                self.judge(now, host, &segment)
            }
        };
        if let Err(broken) = judged
            && self.complaint.is_none()
        {
            self.complaint = Some(format!("host {host} sent {wire:?}: {broken}"));
        }
    }

    fn judge(&mut self, now: Instant, host: usize, segment: &Segment) -> Result<(), String> {
        let flows = &mut self.flows[host];
        let key = (segment.from, segment.to);
        if segment.has(SYN) {
            let flow = flows.entry(key).or_default();
            return flow.on_syn_sent(now, segment, &self.rules[host]);
        }
        match flows.get_mut(&key) {
            Some(flow) => flow.on_sent(now, segment, &self.rules[host]),
            None => Ok(()),
        }
    }

    fn on_received(&mut self, host: usize, packet: &Packet) {
        let now = self.network.borrow().now;
        let checks = self.take(packet);
        self.note(now, host, false);
        // What the network has damaged counts for nothing.
        if let Ok(Wire::Tcp(segment)) = segment::read(&self.scratch, checks) {
            let flow = self.flows[host].entry((segment.to, segment.from)).or_default();
            flow.on_received(&segment);
        }
    }

    fn trace_segment(&mut self, now: Instant, host: usize, segment: &Segment) {
        let Some(trace) = &mut self.trace else { return };
        let flow = self.flows[host].get(&(segment.from, segment.to));
        let (iss, irs) = match flow {
            Some(flow) if !segment.has(SYN) => (flow.iss().unwrap_or(0), flow.irs().unwrap_or(0)),
            flow => (segment.seq, flow.and_then(Flow::irs).unwrap_or(0)),
        };
        let acks = segment.has(segment::ACK);
        trace.push(Traced {
            at: now,
            host,
            flags: segment.flags,
            seq: segment.seq.wrapping_sub(iss),
            ack: if acks { segment.ack.wrapping_sub(irs) } else { 0 },
            window: segment.window,
            text: segment.text,
        });
    }
}

/// A device whose packets the referee sees.
#[derive(Debug)]
pub(crate) struct Watched<D> {
    device: D,
    host: usize,
    referee: Rc<RefCell<Referee>>,
    /// Packets that were shown and not taken yet: they are shown once.
    shown: usize,
}

impl<D: Device> Watched<D> {
    pub(crate) fn new(device: D, host: usize, referee: &Rc<RefCell<Referee>>) -> Self {
        Self {
            device,
            host,
            referee: referee.clone(),
            shown: 0,
        }
    }
}

impl<D: Device> Device for Watched<D> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let waiting = batch.len();
        let mut received = self.device.receive(now, batch);
        let mut referee = self.referee.borrow_mut();
        while referee.loses_all() && received > 0 {
            batch.clear();
            received = self.device.receive(now, batch);
        }
        for packet in batch.iter().skip(waiting) {
            referee.on_received(self.host, packet);
        }
        received
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let mtu = self.device.capabilities().mtu;
        let mut referee = self.referee.borrow_mut();
        for packet in batch.iter().skip(self.shown) {
            referee.on_sent(self.host, mtu, packet);
        }
        if referee.loses_all() {
            let lost = batch.len();
            batch.clear();
            self.shown = 0;
            return lost;
        }
        drop(referee);
        let taken = self.device.transmit(now, batch);
        self.shown = batch.len();
        taken
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.device.next_deadline()
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}
