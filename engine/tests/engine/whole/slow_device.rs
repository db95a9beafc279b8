//! A device that takes less than the application has: whoever fills the queue of packets again after each poll must not keep the others out.

use std::net::SocketAddr;

use handfast::frame::PacketQueue;
use handfast::link::ethernet::MacAddress;
use handfast::link::memory::{LocalEnd, WireConfig};
use handfast::link::{Capabilities, Device, DeviceCounters};
use handfast::time::{Duration, Instant};

use crate::support::{Family, Pair, read_all, wires};

/// Octets of the stream.
const STREAM: usize = 20_000;
/// Virtual time from poll to poll.
const TICK: Duration = Duration::from_millis(1);

/// When within a poll the device takes a packet.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// At once.
    First,
    /// When it is asked for the second time.
    Second,
}

/// A device that takes one packet in a tick.
struct Slow {
    device: LocalEnd,
    /// `None` for one that takes all.
    takes: Option<Takes>,
    asked: (Instant, u32),
    one: PacketQueue,
}

impl Slow {
    fn new(device: LocalEnd, takes: Option<Takes>) -> Self {
        Self {
            device,
            takes,
            asked: (Instant::ZERO, 0),
            one: PacketQueue::with_capacity(1),
        }
    }
}

impl Device for Slow {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn hardware_address(&self) -> Option<MacAddress> {
        self.device.hardware_address()
    }

    fn receive(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        self.device.receive(now, batch)
    }

    fn transmit(&mut self, now: Instant, batch: &mut PacketQueue) -> usize {
        let Some(takes) = self.takes else {
            return self.device.transmit(now, batch);
        };
        let times = if self.asked.0 == now { self.asked.1 + 1 } else { 1 };
        self.asked = (now, times);
        let takes_now = times
            == match takes {
                Takes::First => 1,
                Takes::Second => 2,
            };
        if !takes_now || batch.is_empty() {
            return 0;
        }
        let slot = self.one.push().expect("it was emptied");
        std::mem::swap(slot, batch.get_mut(0).expect("it is not empty"));
        batch.pop_front();
        self.device.transmit(now, &mut self.one);
        self.one.clear();
        1
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.device.next_deadline()
    }

    fn counters(&self) -> DeviceCounters {
        self.device.counters()
    }
}

fn slow(family: Family, (near, far): (LocalEnd, LocalEnd), takes: Takes) {
    let mut pair = Pair::new(family, (Slow::new(near, None), Slow::new(far, None)));
    let (client, server) = pair.connect();
    let socket = pair.client.udp_bind(SocketAddr::new(family.client(), 9)).unwrap();
    let to = SocketAddr::new(family.server(), 9);
    pair.client.device_mut().takes = Some(takes);
    let mut sent = 0;
    let mut arrived = 0;
    let mut datagrams = 0;
    for _ in 0..2_000 {
        while pair.client.udp_send(socket, to, &[1; 100]).is_ok() {
            datagrams += 1;
        }
        if sent < STREAM {
            sent += pair.client.tcp_send(client, &[2; STREAM][sent..]).unwrap();
        }
        pair.now += TICK;
        pair.client.poll(pair.now, Default::default());
        pair.server.poll(pair.now, Default::default());
        arrived += read_all(&mut pair.server, server).0.len();
        if arrived == STREAM {
            break;
        }
    }
    assert_eq!(
        arrived, STREAM,
        "{family:?} {takes:?}, beside {datagrams} datagrams"
    );
    assert!(datagrams > 0);
}

/// A socket that refills the queue whenever it can is not the only one that is sent for.
#[test]
fn datagrams_do_not_keep_streams_out() {
    for family in Family::BOTH {
        for takes in [Takes::First, Takes::Second] {
            for wire in wires(WireConfig {
                trusted: false,
                max_segment: 0,
                ..WireConfig::default()
            }) {
                slow(family, wire, takes);
            }
        }
    }
}
