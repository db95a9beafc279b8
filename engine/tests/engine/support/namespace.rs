//! A network namespace for one test: interfaces and addresses made by hand-written rtnetlink messages, gone with the test's thread.
#![allow(
    dead_code,
    reason = "the devices' own tests use other parts than the tests from outside"
)]
#![allow(
    unsafe_code,
    reason = "rustix marks `unshare` so for the sake of descriptors, which stay shared here"
)]

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use std::{fs, panic, thread};

use handfast::link::error::OpenError;
use rustix::thread::UnshareFlags;
use socket2::{Domain, Protocol, Socket, Type};

/// Runs `test` on a thread of its own in an empty network namespace, or says loudly that it could not.
pub(crate) fn isolated(test: impl FnOnce() + Send + 'static) {
    let inside = thread::spawn(|| {
        // SAFETY: descriptors stay shared.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
        test();
        Ok::<_, rustix::io::Errno>(())
    });
    match inside.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => skip(format_args!(
            "a network namespace of its own was refused ({error})"
        )),
        Err(failure) => panic::resume_unwind(failure),
    }
}

/// Says past the capture of test output that the test in this thread proves nothing.
pub(crate) fn skip(reason: impl Display) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    writeln!(io::stderr().lock(), "SKIPPED: {name} because {reason}").expect("standard error takes a line");
}

/// A device, or a loud word on what is missing here. An error that is not the environment's fails the test.
pub(crate) fn open<D>(device: Result<D, OpenError>) -> Option<D> {
    match device {
        Ok(device) => Some(device),
        Err(
            error @ (OpenError::NoDeviceNode(_)
            | OpenError::NotPermitted { .. }
            | OpenError::NotSupported { .. }),
        ) => {
            skip(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Lets the kernel keep quiet: no IPv6, and so no neighbour discovery on interfaces that come up.
pub(crate) fn without_ipv6() {
    for scope in ["all", "default"] {
        let setting = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        fs::write(setting, "1").expect("the namespace is ours");
    }
}

/// A network namespace beside the one that the calling thread is in.
pub(crate) struct Elsewhere(OwnedFd);

impl Elsewhere {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let made = thread::spawn(|| {
            // SAFETY: descriptors stay shared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.expect("as the one before it");
            current()
        });
        Self(made.join().expect("the thread ends"))
    }

    /// Does something there. Sockets and devices belong for good to the namespace in which they are made.
    pub(crate) fn visit<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = current();
        enter(&self.0);
        let result = work();
        enter(&home);
        result
    }

    /// A thread that is there to its end.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        self.visit(|| thread::spawn(work))
    }
}

fn current() -> OwnedFd {
    let file = fs::File::open("/proc/thread-self/ns/net");
    file.expect("/proc shows the namespaces of a thread").into()
}

fn enter(namespace: &OwnedFd) {
    rustix::thread::move_into_link_name_space(
        namespace.as_fd(),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .expect("whoever made the namespace may enter it");
}

/// Two joined Ethernet interfaces, both up.
pub(crate) fn veth(near: &str, far: &str, mtu: u32) {
    veth_with_queues(near, far, mtu, 1);
}

/// As [`veth`], with so many queues in each direction, among which the kernel chooses by the flow.
pub(crate) fn veth_with_queues(near: &str, far: &str, mtu: u32, queues: u32) {
    join(near, far, mtu, queues, |peer| peer);
    for end in [near, far] {
        set_up(end, true);
    }
    for end in [near, far] {
        await_queue(end);
    }
}

/// As [`veth`], with the far end in another namespace.
pub(crate) fn veth_across(near: &str, far: &str, mtu: u32, there: &Elsewhere) {
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
pub(crate) fn set_up(interface: &str, up: bool) {
    let flags = if up { libc::IFF_UP as u32 } else { 0 };
    Message::interface(index(interface), flags).send(libc::RTM_NEWLINK, 0);
}

/// Changes the MTU of an interface.
pub(crate) fn set_mtu(interface: &str, mtu: u32) {
    Message::interface(index(interface), libc::IFF_UP as u32)
        .number(libc::IFLA_MTU, mtu)
        .send(libc::RTM_NEWLINK, 0);
}

/// Makes an interface another station.
pub(crate) fn set_hardware_address(interface: &str, address: [u8; 6]) {
    Message::interface(index(interface), libc::IFF_UP as u32)
        .attribute(libc::IFLA_ADDRESS, &address)
        .send(libc::RTM_NEWLINK, 0);
}

/// Takes an interface away, and its twin.
pub(crate) fn remove(interface: &str) {
    Message::interface(index(interface), 0).send(libc::RTM_DELLINK, 0);
}

/// Sends what is for others through `gateway`.
pub(crate) fn add_default_route(gateway: IpAddr) {
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
pub(crate) fn forward() {
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
pub(crate) fn add_address(interface: &str, address: IpAddr, prefix: u8) {
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
pub(crate) fn udp_socket(address: IpAddr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).expect("the address is the kernel's");
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).expect("a time limit");
    socket
}

pub(crate) fn index(interface: &str) -> u32 {
    find(interface).expect("the interface exists")
}

pub(crate) fn exists(interface: &str) -> bool {
    find(interface).is_ok()
}

fn find(interface: &str) -> rustix::io::Result<u32> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    rustix::net::netdevice::name_to_index(&socket, interface)
}

/// Keeps the kernel from resetting connections of `address` that it knows nothing of: drops its resets, which have no mark, on their way out.
/// `false` when the kernel has no nftables.
pub(crate) fn drop_resets_of(address: Ipv4Addr) -> bool {
    const IS: u32 = 0;
    const IS_NOT: u32 = 1;
    const META_MARK: u32 = 3;
    const META_PROTOCOL: u32 = 16;
    const NETWORK_HEADER: u32 = 1;
    const TRANSPORT_HEADER: u32 = 2;
    const RESET: u8 = 4;
    const TCP: u8 = 6;
    let hook = Message::default().network_number(1, 3).network_number(2, 0);
    let rule = [
        expression(
            "meta",
            Message::default()
                .network_number(1, 1)
                .network_number(2, META_PROTOCOL),
        ),
        compare(IS, &[TCP]),
        expression("payload", load(NETWORK_HEADER, 12, 4)),
        compare(IS, &address.octets()),
        expression("payload", load(TRANSPORT_HEADER, 13, 1)),
        expression(
            "bitwise",
            Message::default()
                .network_number(1, 1)
                .network_number(2, 1)
                .network_number(3, 1)
                .nested(4, &Message::default().attribute(1, &[RESET]))
                .nested(5, &Message::default().attribute(1, &[0])),
        ),
        compare(IS_NOT, &[0]),
        expression(
            "meta",
            Message::default()
                .network_number(1, 1)
                .network_number(2, META_MARK),
        ),
        compare(IS, &[0; 4]),
        expression(
            "immediate",
            Message::default().network_number(1, 0).nested(
                2,
                &Message::default().nested(2, &Message::default().network_number(1, 0)),
            ),
        ),
    ];
    let rule = rule
        .iter()
        .fold(Message::default(), |list, one| list.nested(1, one));
    let messages = [
        (0, Message::netfilter().text(1, "engine")),
        (
            3,
            Message::netfilter()
                .text(1, "engine")
                .text(3, "out")
                .nested(4, &hook)
                .text(7, "filter"),
        ),
        (
            6,
            Message::netfilter()
                .text(1, "engine")
                .text(2, "out")
                .nested(4, &rule),
        ),
    ];
    send_to_netfilter(&messages)
}

fn expression(name: &str, data: Message) -> Message {
    Message::default().text(1, name).nested(2, &data)
}

fn load(base: u32, offset: u32, len: u32) -> Message {
    Message::default()
        .network_number(1, 1)
        .network_number(2, base)
        .network_number(3, offset)
        .network_number(4, len)
}

fn compare(operation: u32, value: &[u8]) -> Message {
    let data = Message::default()
        .network_number(1, 1)
        .network_number(2, operation)
        .nested(3, &Message::default().attribute(1, value));
    expression("cmp", data)
}

/// Sends nftables messages as one transaction and says whether all of it was accepted.
fn send_to_netfilter(messages: &[(u16, Message)]) -> bool {
    const NFTABLES: u16 = 10;
    const BEGIN: u16 = 0x10;
    const END: u16 = 0x11;
    let bracket = || Message(vec![0, 0, 0, NFTABLES as u8]);
    let create = libc::NLM_F_CREATE;
    let mut bytes = bracket().with_header(BEGIN, 0);
    for (index, (kind, message)) in messages.iter().enumerate() {
        let is_last = index + 1 == messages.len();
        let acknowledged = if is_last { libc::NLM_F_ACK } else { 0 };
        bytes.extend(message.with_header(NFTABLES << 8 | kind, create | acknowledged));
    }
    bytes.extend(bracket().with_header(END, 0));
    let protocol = Protocol::from(libc::NETLINK_NETFILTER);
    let Ok(socket) = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol)) else {
        return false;
    };
    socket.send(&bytes).is_ok() && code_of(&read_answer(&socket)) == 0
}

/// The part of a netlink message behind its header.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// `struct ifinfomsg`, of which `IFF_UP` is to be as in `flags`.
    fn interface(index: u32, flags: u32) -> Self {
        let words = [0, index, flags, libc::IFF_UP as u32];
        Self(words.into_iter().flat_map(u32::to_ne_bytes).collect())
    }

    /// `struct nfgenmsg` for IPv4.
    fn netfilter() -> Self {
        Self(vec![libc::AF_INET as u8, 0, 0, 0])
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, format!("{value}\0").as_bytes())
    }

    fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// As nftables has its numbers.
    fn network_number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    fn nested(self, kind: u16, value: &Self) -> Self {
        self.attribute(kind, &value.0)
    }

    /// Sends the message and expects that the kernel agrees.
    fn send(&self, kind: u16, flags: i32) {
        let code = code_of(&self.exchange(kind, flags | libc::NLM_F_ACK));
        assert_eq!(code, 0, "{}", io::Error::from_raw_os_error(-code));
    }

    /// Sends the message and gives what stands behind the header of the answer.
    fn exchange(&self, kind: u16, flags: i32) -> Vec<u8> {
        let protocol = Protocol::from(libc::NETLINK_ROUTE);
        let socket =
            Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol)).expect("a socket");
        let message = self.with_header(kind, flags);
        socket.send(&message).expect("the kernel listens");
        read_answer(&socket)
    }

    fn with_header(&self, kind: u16, flags: i32) -> Vec<u8> {
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        let mut bytes = ((HEADER + self.0.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&self.0);
        bytes
    }
}

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// What stands behind the header of the kernel's answer.
fn read_answer(socket: &Socket) -> Vec<u8> {
    let mut answer = vec![0; 16 << 10];
    let len = io::Read::read(&mut &*socket, &mut answer).expect("the kernel answers");
    answer[HEADER..len].to_vec()
}

/// What an acknowledgment says: 0, or an error as a negative number.
fn code_of(answer: &[u8]) -> i32 {
    i32::from_ne_bytes(*answer.first_chunk().expect("an answer has a code"))
}
