//! The kernel's TCP against the engine over Ethernet: through a TAP interface, and across a virtual cable by a packet socket or AF_XDP.

use std::net::IpAddr;

use crate::support::Family;
use crate::support::kernel::{self, Host};
use crate::support::namespace::{add_address, isolated, open, veth};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::packet::{Delivery, PacketConfig, PacketDevice};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::xdp::{Attachment, Steering, XdpConfig, XdpDevice, finish_checksums};
use handfast::link::{Device, Medium};
use handfast::time::Duration;

const NEAR: &str = "near";
const FAR: &str = "far";

fn prefix(family: Family) -> u8 {
    if family == Family::V4 { 24 } else { 64 }
}

/// Streams, half-closes, resets and refusals in both directions, for both families, over what `make` connects to the kernel's end.
fn every_conversation<D: Device + 'static>(
    make: impl Fn(FramePool) -> Option<(D, String)> + Copy + Send + 'static,
) {
    for family in Family::BOTH {
        isolated(move || {
            let pool = FramePool::new(PoolConfig::default());
            let Some((device, kernels_end)) = make(pool.clone()) else {
                return;
            };
            let theirs: IpAddr = family.client();
            add_address(&kernels_end, theirs, prefix(family));
            let mut host = Host::new(family.server(), pool, device);
            kernel::kernel_connects_to_engine(&mut host);
            kernel::engine_connects_to_kernel(&mut host, theirs);
            kernel::resets_arrive(&mut host);
        });
    }
}

fn cable() {
    veth(NEAR, FAR, 1500);
}

#[test]
fn over_tap() {
    for offloads in [true, false] {
        every_conversation(move |pool| {
            let config = TunConfig {
                medium: Medium::Ethernet,
                offloads,
                ..TunConfig::default()
            };
            let device = open(TunDevice::new(&config, pool))?;
            let name = device.name();
            Some((device, name))
        });
    }
}

fn over_packet_socket(delivery: Delivery, offloads: bool) {
    every_conversation(move |pool| {
        cable();
        if !offloads {
            finish_checksums(FAR).expect("the namespace is ours");
        }
        let config = PacketConfig {
            delivery,
            offloads,
            ..PacketConfig::new(NEAR)
        };
        Some((open(PacketDevice::new(&config, pool))?, FAR.to_owned()))
    });
}

#[test]
fn over_a_packet_socket_that_delivers_one_by_one() {
    over_packet_socket(Delivery::Single, true);
}

#[test]
fn over_a_packet_socket_that_delivers_in_blocks() {
    over_packet_socket(Delivery::Blocks(Duration::from_millis(1)), true);
}

#[test]
fn over_a_packet_socket_without_offloads() {
    over_packet_socket(Delivery::Single, false);
}

fn over_xdp(attachment: Attachment, steering: fn() -> Steering) {
    every_conversation(move |pool| {
        cable();
        finish_checksums(FAR).expect("the namespace is ours");
        let config = XdpConfig {
            attachment,
            steering: steering(),
            ..XdpConfig::new(NEAR)
        };
        Some((open(XdpDevice::new(&config, pool))?, FAR.to_owned()))
    });
}

#[test]
fn over_xdp_behind_the_driver() {
    over_xdp(Attachment::Generic, || Steering::All);
}

#[test]
fn over_xdp_in_the_driver_with_its_own_addresses_alone() {
    over_xdp(Attachment::Native, || {
        Steering::Addresses(Family::BOTH.map(Family::server).to_vec())
    });
}
