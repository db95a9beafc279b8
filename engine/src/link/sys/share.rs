//! Which of several engines a packet of an interface is for: a program in the classic language of `bpf(4)`.

use std::ops::RangeInclusive;

use libc::sock_filter;

/// Offsets from here on are counted from the network header, whatever is in front.
pub(super) const NETWORK: u32 = libc::SKF_NET_OFF as u32;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
/// At so many bytes behind what the index register says.
const LOAD_HALF_INDEXED: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const STORE: u32 = libc::BPF_ST;
const INDEX_STORED: u32 = libc::BPF_LDX | libc::BPF_MEM;
const INDEX_CONSTANT: u32 = libc::BPF_LDX | libc::BPF_IMM;
/// The length of an IPv4 header.
const INDEX_HEADER_LEN: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const INDEX_ACCUMULATOR: u32 = libc::BPF_MISC | libc::BPF_TAX;
const XOR_INDEX: u32 = libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X;
const MULTIPLY: u32 = libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K;
const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const MODULO: u32 = libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ABOVE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const RETURN_ACCUMULATOR: u32 = libc::BPF_RET | libc::BPF_A;

/// Where the program keeps the addresses, mixed, and the port.
const ADDRESSES: u32 = 0;
const PORT: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;

fn instruction(code: u32, operand: u32) -> sock_filter {
    jump(code, operand, 0, 0)
}

/// Skips so many instructions if it is so, or so many others if not.
fn jump(code: u32, operand: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: yes,
        jf: no,
        k: operand,
    }
}

/// TCP and UDP to a port of a member's own range is for that member, and otherwise for one that addresses and ports choose. All other
/// packets, and fragments, are for the first; so are those that end too soon, because the program ends there as well.
pub(super) fn program(ports: &[RangeInclusive<u16>]) -> Vec<sock_filter> {
    let (v4, v6) = (addresses_of_v4(v6_len()), addresses_of_v6());
    let mut code = vec![
        instruction(LOAD_BYTE, NETWORK),
        instruction(SHIFT_RIGHT, 4),
        jump(IF_EQUAL, 4, 0, v4.len() as u8),
    ];
    code.extend(v4);
    code.extend([jump(IF_EQUAL, 6, 1, 0), instruction(RETURN, 0)]);
    code.extend(v6);
    code.push(instruction(LOAD_HALF_INDEXED, NETWORK + 2));
    for (member, range) in ports.iter().enumerate() {
        code.extend([
            jump(IF_AT_LEAST, (*range.start()).into(), 0, 2),
            jump(IF_ABOVE, (*range.end()).into(), 1, 0),
            instruction(RETURN, member as u32),
        ]);
    }
    code.extend([
        instruction(STORE, PORT),
        instruction(LOAD_HALF_INDEXED, NETWORK),
        instruction(INDEX_STORED, PORT),
        instruction(XOR_INDEX, 0),
        instruction(INDEX_STORED, ADDRESSES),
        instruction(XOR_INDEX, 0),
        // The golden ratio's bits, which spread what differs in few bits.
        instruction(MULTIPLY, 0x9e37_79b1),
        instruction(SHIFT_RIGHT, 16),
        instruction(MODULO, ports.len().max(1) as u32),
        instruction(RETURN_ACCUMULATOR, 0),
    ]);
    code
}

/// Mixes the addresses of IPv4, points the index register at the transport header, and jumps over what is IPv6's.
fn addresses_of_v4(skipped: usize) -> Vec<sock_filter> {
    let mut code = vec![
        instruction(LOAD_HALF, NETWORK + 6),
        jump(IF_ANY_BIT, 0x3fff, 0, 1),
        instruction(RETURN, 0),
    ];
    code.extend(require_ports(9));
    code.extend(mix(12, 16));
    code.extend([
        instruction(INDEX_HEADER_LEN, NETWORK),
        instruction(JUMP, skipped as u32 + 2),
    ]);
    code
}

/// The same for IPv6, of the last words of the addresses, where the transport header stands right behind IPv6's.
fn addresses_of_v6() -> Vec<sock_filter> {
    let mut code = require_ports(6).to_vec();
    code.extend(mix(20, 36));
    code.push(instruction(INDEX_CONSTANT, 40));
    code
}

fn v6_len() -> usize {
    addresses_of_v6().len()
}

/// On when the byte at `offset` names TCP or UDP.
fn require_ports(offset: u32) -> [sock_filter; 4] {
    [
        instruction(LOAD_BYTE, NETWORK + offset),
        jump(IF_EQUAL, TCP, 2, 0),
        jump(IF_EQUAL, UDP, 1, 0),
        instruction(RETURN, 0),
    ]
}

fn mix(one: u32, other: u32) -> [sock_filter; 5] {
    [
        instruction(LOAD_WORD, NETWORK + one),
        instruction(INDEX_ACCUMULATOR, 0),
        instruction(LOAD_WORD, NETWORK + other),
        instruction(XOR_INDEX, 0),
        instruction(STORE, ADDRESSES),
    ]
}
