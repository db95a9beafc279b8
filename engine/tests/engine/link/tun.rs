//! The kernel's TCP against the engine through a TUN interface.

use std::net::IpAddr;

use crate::support::Family;
use crate::support::kernel::{self, Host};
use crate::support::namespace::{add_address, isolated, open};
use handfast::link::tun::{TunConfig, TunDevice};

fn host(family: Family, offloads: bool) -> Option<(Host<TunDevice>, IpAddr)> {
    let config = TunConfig {
        offloads,
        ..TunConfig::default()
    };
    let (ours, theirs) = (family.server(), family.client());
    let pool = handfast::frame::FramePool::new(handfast::frame::PoolConfig::default());
    let device = open(TunDevice::new(&config, pool.clone()))?;
    add_address(&device.name(), theirs, if family == Family::V4 { 24 } else { 64 });
    Some((Host::new(ours, pool, device), theirs))
}

fn every_variant(test: fn(Host<TunDevice>, IpAddr)) {
    for family in Family::BOTH {
        for offloads in [true, false] {
            isolated(move || {
                if let Some((host, kernel)) = host(family, offloads) {
                    test(host, kernel);
                }
            });
        }
    }
}

#[test]
fn a_client_of_the_kernel_exchanges_streams_with_the_engine() {
    every_variant(|mut host, _| kernel::kernel_connects_to_engine(&mut host));
}

#[test]
fn the_engine_exchanges_streams_with_a_server_of_the_kernel() {
    every_variant(|mut host, kernel| kernel::engine_connects_to_kernel(&mut host, kernel));
}

#[test]
fn resets_and_refusals_arrive_at_both_ends() {
    every_variant(|mut host, _| kernel::resets_arrive(&mut host));
}

#[test]
fn offloads_save_most_system_calls_and_no_byte_is_copied() {
    isolated(|| {
        let calls = [true, false].map(|offloads| {
            let (mut host, _) = host(Family::V4, offloads)?;
            kernel::kernel_connects_to_engine(&mut host);
            let device = host.engine.counters().device;
            assert_eq!(device.copied_bytes, 0);
            Some(device.sent + device.received)
        });
        if let [Some(with), Some(without)] = calls {
            assert!(
                with * 4 < without,
                "{with} packets with offloads, {without} without"
            );
        }
    });
}
