//! Groups and broadcasts that the engine and the kernel are in together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::SockRef;

use super::captures::Tape;
use super::lines::{INTERFACE, Kind, Setting};
use crate::support::Family;
use crate::support::namespace::{index, isolated, udp_socket};

const PORT: u16 = 7007;
const BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

/// A socket of the kernel's that is in the group.
fn member(family: Family, group: IpAddr) -> UdpSocket {
    let any: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = udp_socket(any, PORT);
    let settings = SockRef::from(&socket);
    match (group, family.server()) {
        (BROADCAST, _) => {
            settings.set_broadcast(true).expect("a socket");
            settings
                .bind_device(Some(INTERFACE.as_bytes()))
                .expect("the interface is there");
        }
        (IpAddr::V4(group), IpAddr::V4(ours)) => {
            socket
                .join_multicast_v4(&group, &ours)
                .expect("the address is ours");
            settings.set_multicast_if_v4(&ours).expect("the address is ours");
        }
        (IpAddr::V6(group), _) => {
            let interface = index(INTERFACE);
            socket.join_multicast_v6(&group, interface).expect("an interface");
            settings.set_multicast_if_v6(interface).expect("an interface");
        }
        _ => unreachable!("both are of one family"),
    }
    socket
}

#[test]
fn in_groups_the_engine_and_the_kernel_hear_each_other() {
    let groups = [
        (Family::V4, IpAddr::from([239, 1, 1, 1])),
        (Family::V6, IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x7007])),
        (Family::V4, BROADCAST),
    ];
    for (kind, family, group) in Kind::ALL
        .into_iter()
        .flat_map(|kind| groups.map(|(family, group)| (kind, family, group)))
    {
        isolated(move || {
            let setting = Setting {
                kind,
                mtu: 1500,
                offloads: false,
            };
            let Some(line) = setting.lay() else { return };
            let tape = Tape::default();
            let mut host = tape.record(line).host(family);
            let (kernel, at) = (member(family, group), SocketAddr::new(group, PORT));
            let socket = host
                .engine
                .udp_bind(SocketAddr::from(([0; 4], PORT)))
                .expect("a free port");
            host.engine.join_group(group).expect("a group");
            host.turn();
            host.engine
                .udp_send(socket, at, b"from the engine")
                .expect("room for a datagram");
            host.turn();
            let mut buffer = [0; 64];
            let (len, from) = kernel.recv_from(&mut buffer).expect("it is on its way");
            assert_eq!(
                (&buffer[..len], from.ip()),
                (&b"from the engine"[..], family.client())
            );
            kernel
                .send_to(b"from the kernel", at)
                .expect("the group is on the link");
            let datagram = loop {
                host.turn();
                // Its own reports and whatever else the kernel says to groups come, too.
                if let Some(datagram) = host.engine.udp_receive(socket) {
                    break datagram;
                }
            };
            assert_eq!(*datagram.payload, *b"from the kernel");
            assert_eq!(datagram.destination(), group);
            tape.judge(
                &format!("many-{kind:?}-{group}").replace(':', "_"),
                "udp.port == 7007",
            );
        });
    }
}
