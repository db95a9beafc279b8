//! What the middlebox has to know of a frame.

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;
const UDP: u8 = 17;
/// A fragment of IPv6, which the neighbour's protocols do not send.
const FRAGMENT: u8 = 44;

/// Where hosts that have yet to find each other send a datagram first: nobody listens (discard, RFC 863).
pub(crate) const GREETING_PORT: u16 = 9;

/// Where the payload of an IP packet begins that is to be impaired; `None` for everything that only keeps hosts in touch, such as ARP and
/// greetings: whether and when it is sent differs from run to run.
pub(super) fn impaired(frame: &[u8]) -> Option<usize> {
    let (&kind, packet) = (frame.get(12..ETHERNET)?.first_chunk()?, &frame[ETHERNET..]);
    let (protocol, header) = match kind {
        IPV4 => (*packet.get(9)?, usize::from(packet[0] & 0xf) * 4),
        IPV6 => (*packet.get(6)?, 40),
        _ => return None,
    };
    let is_greeting = protocol == UDP && packet.get(header + 2..header + 4)? == GREETING_PORT.to_be_bytes();
    let is_impaired = [TCP, UDP, FRAGMENT].contains(&protocol) && !is_greeting;
    is_impaired.then_some(ETHERNET + header)
}

/// Flips one bit behind the header of IP, chosen by a number of any size.
pub(super) fn corrupt(frame: &mut [u8], choice: u64) {
    let Some(payload) = impaired(frame).and_then(|start| frame.get_mut(start..)) else {
        return;
    };
    let bits = payload.len() as u64 * 8;
    if bits > 0 {
        let bit = choice % bits;
        payload[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp() -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&IPV4);
        (frame[14], frame[23]) = (0x45, UDP);
        frame
    }

    #[test]
    fn one_bit_behind_the_header_changes_and_no_other() {
        for choice in (0..2000).chain([u64::MAX]) {
            let mut frame = udp();
            corrupt(&mut frame, choice);
            let changed: Vec<(usize, u32)> = std::iter::zip(&frame, udp())
                .map(|(now, before)| (now ^ before).count_ones())
                .enumerate()
                .filter(|(_, bits)| *bits > 0)
                .collect();
            assert!(matches!(changed[..], [(34..60, 1)]), "{changed:?}");
        }
    }

    #[test]
    fn what_keeps_hosts_in_touch_is_left_alone() {
        let mut frame = udp();
        assert_eq!(impaired(&frame), Some(34));
        frame[37] = 9;
        assert_eq!(impaired(&frame), None, "a greeting");
        frame[23] = 1;
        assert_eq!(impaired(&frame), None, "ICMP");
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(impaired(&frame), None, "ARP");
        assert_eq!(impaired(&frame[..13]), None);
    }
}
