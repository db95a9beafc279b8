//! A way to the engine over two routers of the kernel.

use std::net::IpAddr;

use super::lines::{INTERFACE, Kind, Line, Setting};
use crate::support::Family;
use crate::support::namespace::{
    Elsewhere, add_address, add_default_route, forward, set_mtu, set_up, veth_across,
};

/// The interfaces of both routers between which the path may be narrow.
const MIDDLE: [&str; 2] = ["middle0", "middle1"];

/// The calling thread's host, a router, another router, and an engine behind an interface of that.
pub(super) struct Detour {
    pub(super) line: Line,
    pub(super) routers: [Elsewhere; 2],
}

impl Detour {
    /// Packets between the routers have up to `mtu` bytes, those elsewhere up to 1500. The engine's device is of that kind.
    pub(super) fn new(kind: Kind, mtu: u32) -> Option<Self> {
        let setting = Setting {
            kind,
            mtu: 1500,
            offloads: false,
        };
        let routers = [Elsewhere::make(), Elsewhere::make()];
        let [near, far] = &routers;
        set_up("lo", true);
        veth_across(INTERFACE, "lan0", 1500, near);
        near.visit(|| veth_across(MIDDLE[0], MIDDLE[1], mtu, far));
        // The far router has the interface to the engine, with the addresses that the kernel has on a line.
        let line = far.visit(|| setting.lay())?;
        give(INTERFACE, 1, 2);
        lead_through(1, 1);
        near.visit(|| {
            give("lan0", 1, 1);
            give(MIDDLE[0], 2, 1);
            lead_through(2, 2);
            forward();
        });
        far.visit(|| {
            give(MIDDLE[1], 2, 2);
            lead_through(2, 1);
            forward();
        });
        Some(Self { line, routers })
    }

    /// Who is asked at this end.
    pub(super) fn kernel(family: Family) -> IpAddr {
        address_in(1, 2)[usize::from(family == Family::V6)].0
    }

    /// Makes the part between the routers as narrow.
    pub(super) fn narrow(routers: &[Elsewhere; 2], mtu: u32) {
        for (router, interface) in routers.iter().zip(MIDDLE) {
            router.visit(|| set_mtu(interface, mtu));
        }
    }
}

fn give(interface: &str, subnet: u8, number: u8) {
    for (address, prefix) in address_in(subnet, number) {
        add_address(interface, address, prefix);
    }
}

fn lead_through(subnet: u8, number: u8) {
    for (gateway, _) in address_in(subnet, number) {
        add_default_route(gateway);
    }
}

/// Host `number` of a network, in both families.
fn address_in(subnet: u8, number: u8) -> [(IpAddr, u8); 2] {
    let v6 = [0xfd00, u16::from(subnet), 0, 0, 0, 0, 0, u16::from(number)];
    [([10, subnet, 0, number].into(), 24), (v6.into(), 64)]
}
