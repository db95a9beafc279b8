//! The bare loop over a device.

use handfast::frame::{Checksum, Packet, PacketQueue};
use handfast::link::Device;
use handfast::time::Instant;

const MAC: usize = 6;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
/// An IPv4 header of 20 bytes.
const PLAIN_V4: u8 = 0x45;
/// An Ethernet, an IPv6 and a UDP header.
const LONGEST: usize = 14 + 40 + UDP_HEADER;

/// Sends every datagram that has arrived back where it came from.
pub(super) fn turn(device: &mut dyn Device, batch: &mut PacketQueue, now: Instant) {
    device.receive(now, batch);
    let capabilities = device.capabilities();
    let link_header = capabilities.medium.header_len();
    for index in 0..batch.len() {
        let Some(packet) = batch.get_mut(index) else { break };
        if reflect(packet, link_header).is_none() {
            // Nothing is what no device sends.
            packet.reset();
        } else if !capabilities.computes_checksums {
            // Where addresses change places the checksum stays what it is.
            packet.checksum = Checksum::InPacket;
        }
    }
    while !batch.is_empty() && device.transmit(now, batch) > 0 {}
    batch.clear();
}

/// Lets the addresses and ports of a UDP datagram change places; `None` for whatever else it is.
fn reflect(packet: &mut Packet, link_header: usize) -> Option<()> {
    let bytes = packet.contiguous();
    let ip = bytes.get(link_header..)?;
    let (ip_header, addresses, address) = match *ip.first()? {
        PLAIN_V4 if *ip.get(9)? == UDP => (20, 12, 4),
        first if first >> 4 == 6 && *ip.get(6)? == UDP => (40, 8, 16),
        _ => return None,
    };
    let length = link_header + ip_header + UDP_HEADER;
    let mut headers = [0; LONGEST];
    let headers = headers.get_mut(..length)?;
    headers.copy_from_slice(bytes.get(..length)?);
    if link_header > 0 {
        swap(headers, 0, MAC);
    }
    swap(headers, link_header + addresses, address);
    swap(headers, link_header + ip_header, 2);
    if packet.header().is_empty() {
        packet.advance_body(length);
        packet.set_header_len(length - link_header);
        packet.push_header(link_header)?;
    }
    packet.header_mut().get_mut(..length)?.copy_from_slice(headers);
    Some(())
}

/// Lets two neighbours of `length` bytes each change places.
fn swap(bytes: &mut [u8], at: usize, length: usize) {
    let (first, second) = bytes[at..at + 2 * length].split_at_mut(length);
    first.swap_with_slice(second);
}

#[cfg(test)]
mod tests {
    use handfast::frame::{FramePool, PoolConfig, Purpose};
    use handfast::link::memory::{WireConfig, pair};

    use super::*;

    fn reflected(sent: &[u8], link_header: usize) -> Option<Vec<u8>> {
        let pool = FramePool::new(PoolConfig::default());
        let frame = pool.copy(Purpose::Application, sent).expect("a frame");
        let mut batch = PacketQueue::with_capacity(1);
        let packet = batch.push().expect("room");
        packet.push_piece(frame.freeze()).expect("the first piece");
        reflect(packet, link_header)?;
        let mut bytes = vec![0; packet.len()];
        packet.copy_into(&mut bytes);
        Some(bytes)
    }

    /// Each byte of it different, so that none is where it should not be.
    fn numbered(link_header: usize, ip: &[(usize, u8)], length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length as u8).collect();
        for &(at, value) in ip {
            bytes[link_header + at] = value;
        }
        bytes
    }

    #[test]
    fn addresses_and_ports_change_places_and_nothing_else_does() {
        for (link_header, v6) in [(0, false), (14, false), (0, true), (14, true)] {
            let (ip, header, addresses, size): (&[_], _, _, _) = if v6 {
                (&[(0, 0x60), (6, 17)], 40, 8, 16)
            } else {
                (&[(0, 0x45), (9, 17)], 20, 12, 4)
            };
            let sent = numbered(link_header, ip, link_header + header + 8 + 5);
            let mut expected = sent.clone();
            expected[..link_header.min(12)].rotate_left(link_header.min(6));
            expected[link_header + addresses..][..2 * size].rotate_left(size);
            expected[link_header + header..][..4].rotate_left(2);
            assert_eq!(
                reflected(&sent, link_header),
                Some(expected),
                "{link_header} {v6}"
            );
        }
    }

    #[test]
    fn what_is_no_datagram_is_not_sent_back() {
        assert_eq!(
            reflected(&numbered(14, &[(0, 0x45), (9, 6)], 80), 14),
            None,
            "TCP"
        );
        assert_eq!(reflected(&numbered(14, &[(0, 0)], 60), 14), None, "ARP");
        assert_eq!(reflected(&[0x45; 21], 0), None, "too short");
    }

    #[test]
    fn all_that_arrives_at_a_device_leaves_it_again() {
        let (mut near, mut far) = pair(WireConfig::default());
        let pool = FramePool::new(PoolConfig::default());
        let sent = numbered(0, &[(0, 0x45), (9, 17)], 46);
        let mut batch = PacketQueue::with_capacity(4);
        for _ in 0..3 {
            let frame = pool.copy(Purpose::Application, &sent).expect("a frame");
            let packet = batch.push().expect("room");
            packet.push_piece(frame.freeze()).expect("the first piece");
        }
        assert_eq!(near.transmit(Instant::ZERO, &mut batch), 3);
        turn(&mut far, &mut batch, Instant::ZERO);
        assert_eq!(near.receive(Instant::ZERO, &mut batch), 3);
    }
}
