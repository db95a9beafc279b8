//! What a router says of a packet that the next link does not carry (RFC 1191 section 4, RFC 4443 section 3.2).

use handfast::frame::{FramePool, Packet, PacketQueue, Purpose, Size};

/// The last octet of the router's address.
const ROUTER: u8 = 254;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

/// Puts the message in the queue of the packet's sender, if that has room.
pub(super) fn tell(packet: &Packet, mtu: u32, pool: &FramePool, queue: &mut PacketQueue) {
    let original = packet.contiguous();
    let message = if original[0] >> 4 == 4 {
        fragmentation_needed(original, mtu)
    } else {
        packet_too_big(original, mtu)
    };
    let frame = pool
        .allocate(Purpose::Control, Size::Small)
        .and_then(|mut frame| {
            frame.extend(message.len())?.copy_from_slice(&message);
            Some(frame.freeze())
        });
    if let Some(payload) = frame
        && let Some(slot) = queue.push()
    {
        slot.push_piece(payload).expect("an empty packet takes a piece");
    }
}

fn fragmentation_needed(original: &[u8], mtu: u32) -> Vec<u8> {
    let quoted = &original[..original.len().min(28)];
    let mut message = vec![
        0x45,
        0,
        0,
        (20 + 8 + quoted.len()) as u8,
        0,
        0,
        0,
        0,
        64,
        ICMP,
        0,
        0,
    ];
    message.extend([10, 0, 0, ROUTER]);
    message.extend(&original[12..16]);
    let header = checksum(&[&message]);
    message[10..12].copy_from_slice(&header);
    message.extend([3, 4, 0, 0, 0, 0]);
    message.extend((mtu as u16).to_be_bytes());
    message.extend(quoted);
    let body = checksum(&[&message[20..]]);
    message[22..24].copy_from_slice(&body);
    message
}

fn packet_too_big(original: &[u8], mtu: u32) -> Vec<u8> {
    let quoted = &original[..original.len().min(60)];
    let length = (8 + quoted.len()) as u16;
    let mut message = vec![0x60, 0, 0, 0];
    message.extend(length.to_be_bytes());
    message.extend([ICMP_V6, 64, 0xfd, 0]);
    message.extend([0; 13]);
    message.push(ROUTER);
    message.extend(&original[8..24]);
    message.extend([2, 0, 0, 0]);
    message.extend(mtu.to_be_bytes());
    message.extend(quoted);
    let pseudo = [
        0,
        0,
        length.to_be_bytes()[0],
        length.to_be_bytes()[1],
        0,
        0,
        0,
        ICMP_V6,
    ];
    let body = checksum(&[&message[8..40], &pseudo, &message[40..]]);
    message[42..44].copy_from_slice(&body);
    message
}

/// RFC 1071, over parts of even lengths.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    (!(folded as u16)).to_be_bytes()
}
