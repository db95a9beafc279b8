//! Interfaces, their addresses and routes.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::Elsewhere;
use crate::message::Message;

/// Two joined Ethernet interfaces, both up.
pub fn veth(near: &str, far: &str, mtu: u32) {
    veth_with_queues(near, far, mtu, 1);
}

/// As [`veth`], with so many queues in each direction, among which the kernel chooses by the flow.
pub fn veth_with_queues(near: &str, far: &str, mtu: u32, queues: u32) {
    join(near, far, mtu, queues, |peer| peer);
    for end in [near, far] {
        set_up(end, true);
    }
    for end in [near, far] {
        await_queue(end);
    }
}

/// As [`veth`], with the far end in another namespace.
pub fn veth_across(near: &str, far: &str, mtu: u32, there: &Elsewhere) {
    join(near, far, mtu, 1, |peer| {
        peer.number(libc::IFLA_NET_NS_FD, there.0.as_raw_fd() as u32)
    });
    set_up(near, true);
    there.visit(|| {
        set_up(far, true);
        await_queue(far);
    });
    await_queue(near);
}

fn join(near: &str, far: &str, mtu: u32, queues: u32, place: impl FnOnce(Message) -> Message) {
    const VETH_INFO_PEER: u16 = 1;
    const NUM_TX_QUEUES: u16 = 31;
    const NUM_RX_QUEUES: u16 = 32;
    let end = |name| {
        Message::interface(0, 0)
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_MTU, mtu)
            .number(NUM_TX_QUEUES, queues)
            .number(NUM_RX_QUEUES, queues)
    };
    let peer = place(end(far));
    let info = Message::default().text(libc::IFLA_INFO_KIND, "veth").nested(
        libc::IFLA_INFO_DATA,
        &Message::default().nested(VETH_INFO_PEER, &peer),
    );
    let message = end(near).nested(libc::IFLA_LINKINFO, &info);
    message.send(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
}

/// An interface sends nothing of the kernel's before the kernel has noticed, in its own time, that the other end is up as well.
fn await_queue(interface: &str) {
    let request = Message::interface(index(interface), 0);
    let sends_nothing = |link: &[u8]| link.windows(5).any(|name| name == b"noop\0");
    while sends_nothing(&request.exchange(libc::RTM_GETLINK, 0)) {
        thread::yield_now();
    }
}

/// Takes an interface up or down.
pub fn set_up(interface: &str, up: bool) {
    let flags = if up { libc::IFF_UP as u32 } else { 0 };
    Message::interface(index(interface), flags).send(libc::RTM_NEWLINK, 0);
}

/// Changes the MTU of an interface.
pub fn set_mtu(interface: &str, mtu: u32) {
    Message::interface(index(interface), libc::IFF_UP as u32)
        .number(libc::IFLA_MTU, mtu)
        .send(libc::RTM_NEWLINK, 0);
}

/// Makes an interface another station.
pub fn set_hardware_address(interface: &str, address: [u8; 6]) {
    Message::interface(index(interface), libc::IFF_UP as u32)
        .attribute(libc::IFLA_ADDRESS, &address)
        .send(libc::RTM_NEWLINK, 0);
}

/// Takes an interface away, and its twin.
pub fn remove(interface: &str) {
    Message::interface(index(interface), 0).send(libc::RTM_DELLINK, 0);
}

/// Sends what is for others through `gateway`.
pub fn add_default_route(gateway: IpAddr) {
    let (family, octets) = octets_of(gateway);
    let mut message = Message(vec![family, 0, 0, 0]);
    message.0.extend_from_slice(&[
        libc::RT_TABLE_MAIN,
        libc::RTPROT_BOOT,
        libc::RT_SCOPE_UNIVERSE,
        libc::RTN_UNICAST,
    ]);
    message.0.extend_from_slice(&[0; 4]);
    message
        .attribute(libc::RTA_GATEWAY, &octets)
        .send(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
}

/// Lets the kernel pass on what is for others.
pub fn forward() {
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(format!("/proc/sys/net/{setting}"), "1").expect("the namespace is ours");
    }
}

fn octets_of(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (libc::AF_INET as u8, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6 as u8, address.octets().to_vec()),
    }
}

/// Gives the kernel's end of an interface an address, usable at once.
pub fn add_address(interface: &str, address: IpAddr, prefix: u8) {
    let (family, octets) = octets_of(address);
    let mut message = Message(vec![family, prefix, libc::IFA_F_NODAD as u8, 0]);
    message.0.extend_from_slice(&index(interface).to_ne_bytes());
    message
        .attribute(libc::IFA_LOCAL, &octets)
        .attribute(libc::IFA_ADDRESS, &octets)
        .send(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    if address.is_ipv6() {
        await_local_route(&octets);
    }
}

/// An IPv6 address is an address to packets that arrive only when the kernel has noticed, in its own time, that the interface is up.
fn await_local_route(octets: &[u8]) {
    let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let route = format!("{digits} 80 ");
    let routes = || fs::read_to_string("/proc/thread-self/net/ipv6_route").expect("the kernel's routes");
    while !routes().lines().any(|line| line.starts_with(&route)) {
        thread::yield_now();
    }
}

/// A socket that fails a test rather than letting it wait for ever.
pub fn udp_socket(address: IpAddr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).expect("the address is the kernel's");
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).expect("a time limit");
    socket
}

/// The number of an interface.
pub fn index(interface: &str) -> u32 {
    find(interface).expect("the interface exists")
}

/// Whether there is an interface of this name.
pub fn exists(interface: &str) -> bool {
    find(interface).is_ok()
}

fn find(interface: &str) -> rustix::io::Result<u32> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    rustix::net::netdevice::name_to_index(&socket, interface)
}
