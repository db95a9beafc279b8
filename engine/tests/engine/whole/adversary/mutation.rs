//! What the attacker does to a packet.

use crate::support::random::Random;

const TCP: u8 = 6;

/// Where the transport header begins.
fn transport_at(packet: &[u8]) -> usize {
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => 40,
        _ => usize::from(packet.first().copied().unwrap_or(0x45) & 15) * 4,
    }
}

fn protocol(packet: &[u8]) -> Option<u8> {
    let at = if transport_at(packet) == 40 && packet[0] >> 4 == 6 {
        6
    } else {
        9
    };
    packet.get(at).copied()
}

/// Makes the IP header agree with the length of the packet.
fn fit_length(packet: &mut [u8]) {
    let (at, less) = if packet[0] >> 4 == 6 { (4, 40) } else { (2, 0) };
    let len = packet.len().saturating_sub(less).min(65_535) as u16;
    packet[at..at + 2].copy_from_slice(&len.to_be_bytes());
}

fn add(packet: &mut [u8], at: usize, delta: u32) {
    if let Some(field) = packet.get_mut(at..at + 4) {
        let value = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
        field.copy_from_slice(&value.wrapping_add(delta).to_be_bytes());
    }
}

fn delta(random: &mut Random) -> u32 {
    const FAR: [u32; 8] = [1, 2, 1448, 65_535, 1 << 20, 1 << 30, (1 << 31) - 1, 1 << 31];
    match random.below(10) {
        0 => random.next() as u32,
        1..5 => random.one_of(&FAR),
        5..9 => random.one_of(&FAR).wrapping_neg(),
        _ => random.below(3000) as u32,
    }
}

/// One change.
pub(super) fn mutate(packet: &mut Vec<u8>, random: &mut Random) {
    if packet.len() < 40 || protocol(packet) != Some(TCP) {
        return spoil_a_byte(packet, random);
    }
    let tcp = transport_at(packet);
    match random.below(14) {
        0..2 => add(packet, tcp + 4, delta(random)),
        2..4 => add(packet, tcp + 8, delta(random)),
        4..6 => change(packet, tcp + 13, |flags| flags ^ 1 << random.below(8)),
        6 => {
            let any = random.next() as u16;
            put(packet, tcp + 14, random.one_of(&[0, 1, 255, 65_535, any]));
        }
        7 => {
            put(packet, tcp + 18, random.below(65_536) as u16);
            change(packet, tcp + 13, |flags| flags | 0x20);
        }
        8 => change(packet, tcp + 12, |_| random.next() as u8),
        9 => change(packet, tcp + 20 + random.below(24), |_| random.next() as u8),
        10 => add(packet, tcp + 24 + random.below(8), delta(random)),
        11 => cut(packet, tcp + 20, random),
        12 => {
            let more = random.below(100);
            packet.extend((0..more).map(|_| random.next() as u8));
            fit_length(packet);
        }
        _ => spoil_a_byte(packet, random),
    }
}

fn change(packet: &mut [u8], at: usize, how: impl FnOnce(u8) -> u8) {
    if let Some(byte) = packet.get_mut(at) {
        *byte = how(*byte);
    }
}

fn put(packet: &mut [u8], at: usize, value: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn cut(packet: &mut Vec<u8>, least: usize, random: &mut Random) {
    if packet.len() > least {
        let len = least + random.below(packet.len() - least);
        packet.truncate(len);
        fit_length(packet);
    }
}

/// One byte near the beginning is another.
pub(super) fn spoil_a_byte(packet: &mut [u8], random: &mut Random) {
    if !packet.is_empty() {
        let at = random.below(packet.len().min(80));
        packet[at] = random.next() as u8;
    }
}

/// The packet back to who sent it, addresses and ports the other way round.
pub(super) fn turned_round(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let (at, len) = if packet[0] >> 4 == 6 { (8, 16) } else { (12, 4) };
    let transport = transport_at(&packet);
    for (at, len) in [(at, len), (transport, 2)] {
        if packet.len() >= at + 2 * len {
            let (left, right) = packet[at..at + 2 * len].split_at_mut(len);
            left.swap_with_slice(right);
        }
    }
    packet
}

/// An ICMP error about a packet, to who sent it.
pub(super) fn quote(packet: &[u8], random: &mut Random) -> Vec<u8> {
    let is_v6 = packet[0] >> 4 == 6;
    let header = transport_at(packet);
    let mut error = turned_round(packet);
    if packet.len() < 40 {
        return error;
    }
    error.truncate(header);
    let (kind, code) = if is_v6 {
        error[6] = 58;
        (1 + random.below(4) as u8, random.below(8) as u8)
    } else {
        error[9] = 1;
        (random.one_of(&[3, 3, 3, 4, 5, 11, 12]), random.below(16) as u8)
    };
    let mtu = random.one_of(&[0, 1, 68, 576, 1279, 1280, 1400, 65_535, u32::MAX]);
    error.extend([kind, code, 0, 0]);
    error.extend(mtu.to_be_bytes());
    let quoted_len = packet.len().min(header + 8 + random.below(60));
    let mut quoted = packet[..quoted_len].to_vec();
    if random.below(3) == 0 {
        spoil_a_byte(&mut quoted, random);
    }
    error.extend(quoted);
    fit_length(&mut error);
    error
}
