//! The program that the kernel runs for every packet of the interface: what is for the engine goes to its socket, the rest goes on to the
//! kernel's stack. Assembled by hand; instructions are those of RFC 9669.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::link::instruction::{Instruction, instruction};

/// Addresses that one program can look for.
pub const MAX_ADDRESSES: usize = 16;

/// Which packets of the interface are the engine's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Steering {
    /// All of them.
    All,
    /// Those to these addresses, at most [`MAX_ADDRESSES`], and the ARP packets and neighbour solicitations that ask for them.
    Addresses(Vec<IpAddr>),
    /// Those of TCP and UDP to this range of ports of these addresses, which are the kernel's as well: it answers ARP, solicitations and pings.
    /// IPv4 fragments and packets with IPv6 extension headers are the kernel's.
    Ports(Vec<IpAddr>, RangeInclusive<u16>),
}

impl Steering {
    pub(super) fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::All => &[],
            Self::Addresses(addresses) | Self::Ports(addresses, _) => addresses,
        }
    }
}

const ETHERNET_HEADER: i16 = 14;
const ARP: i32 = 0x0806;
const IPV4: i32 = 0x0800;
const IPV6: i32 = 0x86dd;
/// What becomes of a packet that is not redirected (`XDP_PASS`).
const PASS: i32 = 2;
/// The helper `bpf_redirect_map`.
const REDIRECT_MAP: i32 = 51;
/// Offsets in the context, `struct xdp_md`.
pub(super) const DATA: i16 = 0;
pub(super) const DATA_END: i16 = 4;
const RX_QUEUE: i16 = 16;

/// Registers by their use.
const RESULT: u8 = 0;
const CONTEXT: u8 = 6;
const PACKET: u8 = 2;
const END: u8 = 3;
const BOUND: u8 = 4;
const VALUE: u8 = 5;
const TRANSPORT: u8 = 7;

/// A place that is jumped to, forward only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    Pass,
    Redirect,
    Arp,
    V4,
    V6,
    Ports,
    Next(usize),
}

/// Assembles the program. `map` is the descriptor of the map from receive queues to sockets.
pub(super) fn assemble(steering: &Steering, map: i32) -> Vec<Instruction> {
    let mut code = Assembler::default();
    code.move_register(CONTEXT, 1);
    if *steering != Steering::All {
        code.classify(steering);
        code.place(Label::Pass);
        code.exit_with(PASS);
    }
    code.place(Label::Redirect);
    code.redirect(map);
    code.finish()
}

#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    places: Vec<(Label, usize)>,
    names: usize,
}

impl Assembler {
    fn classify(&mut self, steering: &Steering) {
        let addresses = steering.addresses();
        self.load(4, PACKET, CONTEXT, DATA);
        self.load(4, END, CONTEXT, DATA_END);
        self.require(ETHERNET_HEADER + 20);
        self.load(2, VALUE, PACKET, 12);
        if matches!(steering, Steering::Addresses(_)) {
            self.jump_if_equal(VALUE, network_order_16(ARP), Label::Arp);
        }
        self.jump_if_equal(VALUE, network_order_16(IPV4), Label::V4);
        self.jump_if_equal(VALUE, network_order_16(IPV6), Label::V6);
        self.jump(Label::Pass);
        let matched = match steering {
            Steering::Ports(..) => Label::Ports,
            _ => Label::Redirect,
        };
        if matched == Label::Redirect {
            self.place(Label::Arp);
            self.require(ETHERNET_HEADER + 28);
            self.load(4, VALUE, PACKET, ETHERNET_HEADER + 24);
            self.match_v4(addresses, Label::Redirect);
        }
        self.place(Label::V4);
        self.load(4, VALUE, PACKET, ETHERNET_HEADER + 16);
        self.load(1, TRANSPORT, PACKET, ETHERNET_HEADER);
        if matched == Label::Ports {
            self.require_whole_v4();
        }
        self.match_v4(addresses, matched);
        self.place(Label::V6);
        self.require(ETHERNET_HEADER + 40);
        if matched == Label::Ports {
            self.require_transport(ETHERNET_HEADER + 6);
            self.move_register(TRANSPORT, PACKET);
            self.add(TRANSPORT, i32::from(ETHERNET_HEADER) + 40);
        }
        self.match_v6(addresses, matched);
        if let Steering::Ports(_, ports) = steering {
            self.match_ports(ports);
        }
    }

    /// On with TCP or UDP in a datagram that is no fragment, whose transport header is noted. The address stays in VALUE.
    fn require_whole_v4(&mut self) {
        // The header's length in units of four bytes, in the low half of its first.
        self.and(TRANSPORT, 0xf);
        self.shift_left(TRANSPORT, 2);
        self.add_register(TRANSPORT, PACKET);
        self.add(TRANSPORT, i32::from(ETHERNET_HEADER));
        self.load(2, BOUND, PACKET, ETHERNET_HEADER + 6);
        self.and(BOUND, network_order_16(0x3fff));
        self.jump_unless_equal(BOUND, 0, Label::Pass);
        self.require_transport(ETHERNET_HEADER + 9);
    }

    /// On when the byte at `offset` names TCP or UDP.
    fn require_transport(&mut self, offset: i16) {
        const TCP: i32 = 6;
        const UDP: i32 = 17;
        let known = self.name();
        self.load(1, BOUND, PACKET, offset);
        self.jump_if_equal(BOUND, TCP, known);
        self.jump_unless_equal(BOUND, UDP, Label::Pass);
        self.place(known);
    }

    fn match_v4(&mut self, addresses: &[IpAddr], found: Label) {
        for address in addresses {
            if let IpAddr::V4(address) = address {
                self.jump_if_equal(VALUE, i32::from_ne_bytes(address.octets()), found);
            }
        }
        self.jump(Label::Pass);
    }

    /// Each address, and unless ports are looked for the group that solicitations for it go to.
    fn match_v6(&mut self, addresses: &[IpAddr], found: Label) {
        for address in addresses {
            if let IpAddr::V6(address) = address {
                self.match_one_v6(address, found);
                if found == Label::Redirect {
                    self.match_one_v6(&solicited_node(address), found);
                }
            }
        }
        self.jump(Label::Pass);
    }

    fn match_one_v6(&mut self, address: &Ipv6Addr, found: Label) {
        let different = self.name();
        for (index, word) in address.octets().chunks_exact(4).enumerate() {
            self.load(4, VALUE, PACKET, ETHERNET_HEADER + 24 + 4 * index as i16);
            let word = i32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
            self.jump_unless_equal(VALUE, word, different);
        }
        self.jump(found);
        self.place(different);
    }

    fn match_ports(&mut self, ports: &RangeInclusive<u16>) {
        self.place(Label::Ports);
        self.move_register(BOUND, TRANSPORT);
        self.add(BOUND, 4);
        self.jump_if_greater_register(BOUND, END, Label::Pass);
        self.load(2, VALUE, TRANSPORT, 2);
        self.swap_network_order_16(VALUE);
        self.jump_if_less(VALUE, (*ports.start()).into(), Label::Pass);
        self.jump_if_greater(VALUE, (*ports.end()).into(), Label::Pass);
        self.jump(Label::Redirect);
    }

    fn redirect(&mut self, map: i32) {
        self.load(4, 2, CONTEXT, RX_QUEUE);
        self.load_map(1, map);
        // What becomes of a packet for whose queue there is no socket.
        self.move_value(3, PASS);
        self.emit(0x85, 0, 0, 0, REDIRECT_MAP);
        self.emit(0x95, 0, 0, 0, 0);
    }

    /// On when the packet has so many bytes.
    fn require(&mut self, bytes: i16) {
        self.move_register(BOUND, PACKET);
        self.add(BOUND, bytes.into());
        self.jump_if_greater_register(BOUND, END, Label::Pass);
    }

    fn exit_with(&mut self, result: i32) {
        self.move_value(RESULT, result);
        self.emit(0x95, 0, 0, 0, 0);
    }

    fn load(&mut self, bytes: u8, target: u8, source: u8, offset: i16) {
        let width = match bytes {
            1 => 0x10,
            2 => 0x08,
            _ => 0x00,
        };
        self.emit(0x61 | width, target, source, offset, 0);
    }

    fn load_map(&mut self, target: u8, map: i32) {
        const IS_MAP: u8 = 1;
        self.emit(0x18, target, IS_MAP, 0, map);
        self.emit(0, 0, 0, 0, 0);
    }

    fn move_register(&mut self, target: u8, source: u8) {
        self.emit(0xbf, target, source, 0, 0);
    }

    fn move_value(&mut self, target: u8, value: i32) {
        self.emit(0xb7, target, 0, 0, value);
    }

    fn add(&mut self, target: u8, value: i32) {
        self.emit(0x07, target, 0, 0, value);
    }

    fn add_register(&mut self, target: u8, source: u8) {
        self.emit(0x0f, target, source, 0, 0);
    }

    fn and(&mut self, target: u8, value: i32) {
        self.emit(0x57, target, 0, 0, value);
    }

    fn shift_left(&mut self, target: u8, bits: i32) {
        self.emit(0x67, target, 0, 0, bits);
    }

    fn swap_network_order_16(&mut self, target: u8) {
        self.emit(0xdc, target, 0, 0, 16);
    }

    fn jump(&mut self, to: Label) {
        self.jump_by(0x05, 0, 0, 0, to);
    }

    /// Compares 32 bits: a value that is extended to 64 would take its sign along.
    fn jump_if_equal(&mut self, register: u8, value: i32, to: Label) {
        self.jump_by(0x16, register, 0, value, to);
    }

    fn jump_unless_equal(&mut self, register: u8, value: i32, to: Label) {
        self.jump_by(0x56, register, 0, value, to);
    }

    fn jump_if_greater(&mut self, register: u8, value: i32, to: Label) {
        self.jump_by(0x26, register, 0, value, to);
    }

    fn jump_if_less(&mut self, register: u8, value: i32, to: Label) {
        self.jump_by(0xa6, register, 0, value, to);
    }

    fn jump_if_greater_register(&mut self, register: u8, than: u8, to: Label) {
        self.jump_by(0x2d, register, than, 0, to);
    }

    fn jump_by(&mut self, operation: u8, target: u8, source: u8, value: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.emit(operation, target, source, 0, value);
    }

    fn emit(&mut self, operation: u8, target: u8, source: u8, offset: i16, value: i32) {
        let instruction = instruction(operation, target, source, offset, value);
        self.code.push(instruction);
    }

    /// A label that nobody else has.
    fn name(&mut self) -> Label {
        self.names += 1;
        Label::Next(self.names)
    }

    fn place(&mut self, label: Label) {
        self.places.push((label, self.code.len()));
    }

    /// Fills in where the jumps go: so many instructions behind the next.
    fn finish(mut self) -> Vec<Instruction> {
        for (from, label) in self.jumps {
            let to = self.places.iter().find(|(placed, _)| *placed == label);
            let distance = to.map_or(0, |(_, to)| to - from - 1) as i16;
            self.code[from][2..4].copy_from_slice(&distance.to_ne_bytes());
        }
        self.code
    }
}

/// The value that a 16-bit field in network order has when it is loaded.
fn network_order_16(value: i32) -> i32 {
    (value as u16).to_be().into()
}

/// The group of RFC 4291 section 2.7.1.
fn solicited_node(address: &Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
