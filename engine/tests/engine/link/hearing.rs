//! What an interface listens to for an engine: a network card drops the frames of all other groups.

use std::fs;
use std::net::IpAddr;

use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::packet::{PacketConfig, PacketDevice};
use handfast::link::xdp::{XdpConfig, XdpDevice};
use handfast::time::Instant;

use crate::support::namespace::{isolated, open, veth, without_ipv6};
use crate::support::{Family, config};

const EVERY_HOST: &str = "01005e000001";
const EVERY_NODE: &str = "333300000001";

/// The groups that the kernel has an interface of this name listen to.
fn groups(interface: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev_mcast").expect("procfs");
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1) == Some(&interface))
        .filter_map(|row| row.last().map(|address| (*address).to_owned()))
        .collect()
}

/// The group that looks for this address of IPv6.
fn solicited_node(address: IpAddr) -> String {
    let IpAddr::V6(address) = address else {
        panic!("{address} has no such group")
    };
    let [.., a, b, c] = address.octets();
    format!("3333ff{a:02x}{b:02x}{c:02x}")
}

fn listens_to_what_it_needs(device: impl Device, pool: FramePool) {
    let before = groups("far");
    let settings = config(9, Family::V6.server());
    let mut engine = Engine::new(&settings, pool, device);
    let heard = |engine: &mut Engine<_>| {
        engine.poll(Instant::from_secs(1), Budget::default());
        groups("far")
    };
    let ours = [
        EVERY_HOST.to_owned(),
        EVERY_NODE.to_owned(),
        solicited_node(Family::V6.server()),
    ];
    let at_first = heard(&mut engine);
    for group in &ours {
        assert!(at_first.contains(group), "{group} is not among {at_first:?}");
    }
    let group = "239.1.2.3".parse().expect("an address");
    engine.join_group(group).expect("a group");
    assert!(heard(&mut engine).contains(&"01005e010203".to_owned()));
    engine.leave_group(group).expect("the host is in it");
    assert_eq!(heard(&mut engine), at_first);
    drop(engine);
    assert_eq!(groups("far"), before);
}

#[test]
fn a_card_listens_to_the_groups_of_a_packet_socket_and_no_longer_than_that_is_open() {
    isolated(|| {
        without_ipv6();
        veth("near", "far", 1500);
        let pool = FramePool::new(PoolConfig::default());
        if let Some(device) = open(PacketDevice::new(&PacketConfig::new("far"), pool.clone())) {
            listens_to_what_it_needs(device, pool);
        }
    });
}

#[test]
fn a_card_listens_to_the_groups_of_an_xdp_socket_and_no_longer_than_that_is_open() {
    isolated(|| {
        without_ipv6();
        veth("near", "far", 1500);
        let pool = FramePool::new(PoolConfig::default());
        if let Some(device) = open(XdpDevice::new(&XdpConfig::new("far"), pool.clone())) {
            listens_to_what_it_needs(device, pool);
        }
    });
}
