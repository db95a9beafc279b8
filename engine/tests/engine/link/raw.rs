//! The kernel's TCP against the engine through raw sockets, over loopback.

use std::net::{IpAddr, Ipv4Addr};

use crate::support::kernel::{self, Host};
use crate::support::namespace::{drop_resets_of, isolated, open, set_up, skip};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::raw::{RawConfig, RawDevice};

const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[test]
fn the_engine_and_the_kernel_converse_over_loopback_once_the_kernel_resets_nothing() {
    isolated(|| {
        set_up("lo", true);
        if !drop_resets_of(OURS) {
            return skip("the kernel's resets cannot be kept away: it has no nftables");
        }
        let pool = FramePool::new(PoolConfig {
            large_slots: 128,
            ..PoolConfig::default()
        });
        let Some(device) = open(RawDevice::new(RawConfig::loopback(OURS), pool.clone())) else {
            return;
        };
        let mut host = Host::new(IpAddr::from(OURS), pool, device);
        kernel::kernel_connects_to_engine(&mut host);
        kernel::engine_connects_to_kernel(&mut host, THEIRS.into());
        kernel::resets_arrive(&mut host);
    });
}
