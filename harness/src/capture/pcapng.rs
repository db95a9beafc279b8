//! Blocks of a pcapng file (draft-ietf-opsawg-pcapng) with one interface, whose packets begin with their IP header.

use std::time::Duration;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
/// LINKTYPE_RAW: an IPv4 or IPv6 header comes first.
const LINK_TYPE: u16 = 101;
/// Options of the interface's block: times are in units of 10⁻⁹ s.
const TIME_RESOLUTION: (u16, &[u8]) = (9, &[9]);
/// Options of the statistics: packets that arrived, and packets that were dropped for want of room.
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;

/// What a file begins with.
pub(super) fn head() -> Vec<u8> {
    let mut section = 0x1a2b_3c4d_u32.to_ne_bytes().to_vec();
    section.extend(1_u16.to_ne_bytes());
    section.extend(0_u16.to_ne_bytes());
    section.extend((-1_i64).to_ne_bytes());
    let mut interface = LINK_TYPE.to_ne_bytes().to_vec();
    interface.extend([0; 2]);
    // All of each packet.
    interface.extend(0_u32.to_ne_bytes());
    let (code, value) = TIME_RESOLUTION;
    option(&mut interface, code, value);
    end_of_options(&mut interface);
    [block(SECTION, &section), block(INTERFACE, &interface)].concat()
}

/// A packet that was seen `at` so long after 1970 and had `length` bytes, of which these are there.
pub(super) fn packet(at: Duration, bytes: &[u8], length: usize) -> Vec<u8> {
    let mut body = 0_u32.to_ne_bytes().to_vec();
    let at = at.as_nanos() as u64;
    for word in [(at >> 32) as u32, at as u32, bytes.len() as u32, length as u32] {
        body.extend(word.to_ne_bytes());
    }
    body.extend(bytes);
    block(PACKET, &body)
}

/// What a file ends with: how many packets were kept, and how many came too fast to be.
pub(super) fn statistics(kept: u64, lost: u64) -> Vec<u8> {
    let mut body = vec![0; 12];
    option(&mut body, RECEIVED, &(kept + lost).to_ne_bytes());
    option(&mut body, DROPPED, &lost.to_ne_bytes());
    end_of_options(&mut body);
    block(STATISTICS, &body)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_ne_bytes());
    body.extend((value.len() as u16).to_ne_bytes());
    body.extend(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    pad(&mut body);
    let length = (body.len() as u32 + 12).to_ne_bytes();
    [&kind.to_ne_bytes()[..], &length, &body, &length].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(bytes: &[u8]) -> Vec<u32> {
        let word = |bytes: &[u8]| u32::from_ne_bytes(bytes.try_into().expect("four bytes"));
        bytes.chunks_exact(4).map(word).collect()
    }

    #[test]
    fn a_packet_has_both_lengths_and_its_time_in_nanoseconds() {
        let block = packet(Duration::new(5, 7), b"abcde", 1500);
        let words = words(&block);
        let at = 5_000_000_007_u64;
        assert_eq!(words[..7], [6, 40, 0, (at >> 32) as u32, at as u32, 5, 1500]);
        assert_eq!(words[9], 40, "the length comes again");
        assert_eq!(&block[28..36], b"abcde\0\0\0");
    }

    #[test]
    fn a_file_begins_with_a_section_of_this_byte_order_and_an_interface_of_ip_packets() {
        let words = words(&head());
        assert_eq!(words[..3], [SECTION, 28, 0x1a2b_3c4d]);
        assert_eq!(words[7], INTERFACE);
        assert_eq!(head()[36..38], LINK_TYPE.to_ne_bytes());
        assert_eq!(statistics(3, 2)[24..32], 5_u64.to_ne_bytes());
    }
}
