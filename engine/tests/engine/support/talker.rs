//! The other station of an Ethernet as a TCP.

use std::net::SocketAddr;

use etherparse::PacketBuilder;
use handfast::application::TcpHandle;
use handfast::link::ethernet::IPV4;
use handfast::time::Duration;

use super::station::{OUR_V4, Station, THEIR_V4};

/// The other station as a TCP that acknowledges whatever is new; its connection is established.
pub(crate) struct Talker {
    pub(crate) station: Station,
    pub(crate) connection: TcpHandle,
    next: u32,
}

impl Talker {
    /// A station that knows the engine, and is known.
    pub(crate) fn new() -> Self {
        let mut station = Station::new(|_| {});
        station.introduce();
        let listener = station
            .engine
            .tcp_listen(SocketAddr::from((OUR_V4, 80)), 8)
            .unwrap();
        station.inject_ip(&segment(0x02, 100, 0));
        let answer = station.hear_of(IPV4).remove(0).1;
        let next = u32::from_be_bytes(*answer[24..28].first_chunk().unwrap()).wrapping_add(1);
        station.inject_ip(&segment(0x10, 101, next));
        let connection = station.engine.tcp_accept(listener).expect("established");
        Self {
            station,
            connection,
            next,
        }
    }

    /// The engine sends a byte, which is acknowledged after `delay`.
    pub(crate) fn exchange(&mut self, delay: Duration) -> Vec<Vec<u8>> {
        self.station.engine.tcp_send(self.connection, b"?").unwrap();
        let mut sent = self.station.pass(delay);
        self.next = self.next.wrapping_add(1);
        self.station.inject_ip(&segment(0x10, 101, self.next));
        sent.extend(self.station.hear());
        sent
    }
}

/// A segment of the other station to the engine's port.
fn segment(flags: u8, seq: u32, ack: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(THEIR_V4, OUR_V4, 64).tcp(4000, 80, seq, 60_000);
    let builder = if flags & 2 != 0 {
        builder.syn()
    } else {
        builder.ack(ack)
    };
    builder.write(&mut packet, &[]).unwrap();
    packet
}
