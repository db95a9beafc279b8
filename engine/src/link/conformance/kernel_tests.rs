//! The devices of the kernel, each in a namespace of its own, with a packet socket at the other end.

use super::*;
use crate::link::Medium;
use crate::link::namespace::{exists, isolated, open, remove, set_up, veth, without_ipv6};
use crate::link::packet::{Delivery, PacketConfig, PacketDevice, Transmission};
use crate::link::raw::{RawConfig, RawDevice};
use crate::link::tun::{TunConfig, TunDevice};
use crate::link::xdp::{Attachment, XdpConfig, XdpDevice};

/// As [`Ends::new`] where the system lets us.
fn ends(connect: fn(&[FramePool; 2]) -> Option<Connected>) -> Option<Ends> {
    without_ipv6();
    let pools = [(); 2].map(|()| FramePool::new(PoolConfig::default()));
    let (near, far) = connect(&pools)?;
    Some(Ends { near, far, pools })
}

macro_rules! conforms_in_the_kernel {
    ($device:ident, $connect:expr) => {
        conforms_in_the_kernel!($device, $connect, [
            packets_arrive_whole_and_in_order,
            no_more_is_received_than_there_is_room_for,
            what_is_too_large_is_dropped_and_counted,
            what_nobody_receives_comes_home,
            what_is_no_packet_is_dropped_and_counted,
            a_flood_that_nobody_receives_ends_and_its_frames_come_home,
            an_interface_that_was_down_carries_packets_again,
            an_interface_that_is_deleted_under_load_takes_no_frames_with_it
        ]);
    };
    ($device:ident, $connect:expr, $properties:tt) => {
        mod $device {
            use super::*;

            conforms_in_the_kernel!($connect, $properties);
        }
    };
    ($connect:expr, [$($property:ident),+]) => {
        $(#[test]
        fn $property() {
            isolated(|| {
                if let Some(ends) = ends($connect) {
                    super::$property(ends);
                }
            });
        })+
    };
}

/// Nothing at all; no more than a link's header, where there is one; no IP packet, where there is none.
fn what_is_no_packet_is_dropped_and_counted(mut ends: Ends) {
    let link_header = ends.near.capabilities().medium.header_len();
    let mut batch = PacketQueue::with_capacity(4);
    let runts = [vec![], vec![0xff; link_header.max(1)]];
    for bytes in &runts {
        let frame = ends.pools[0].copy(Purpose::Application, bytes).unwrap();
        batch.push().unwrap().push_piece(frame.freeze()).unwrap();
    }
    ends.build(batch.push().unwrap(), 0, 60, &[10]);
    let expected = bytes_of(batch.get(2).unwrap());
    assert_eq!(ends.near.transmit(NOW, &mut batch), 3);
    let near = ends.near.counters();
    // Behind an interface without link headers a packet socket sends whatever bytes there are.
    let sent = if link_header > 0 { 1 } else { near.sent as usize };
    assert!(sent <= 2);
    assert_eq!((near.sent, near.dropped), (sent as u64, 3 - sent as u64));
    assert_eq!(ends.collect(sent, 4).last(), Some(&expected));
    ends.finish();
}

fn a_flood_that_nobody_receives_ends_and_its_frames_come_home(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(64);
    for number in 0..5000 {
        if batch.room() > 0 {
            ends.build(batch.push().unwrap(), number, 40, &[700, 700]);
        }
        if batch.room() == 0 {
            ends.near.transmit(NOW, &mut batch);
        }
    }
    let near = ends.near.counters();
    assert!(near.sent >= 64, "{near:?}");
    batch.clear();
    ends.finish();
}

/// The interface that both ends are on, or the near one.
fn interface() -> &'static str {
    let known = ["near", "tun0", "lo"];
    known.into_iter().find(|name| exists(name)).unwrap()
}

/// What is sent meanwhile is lost, or waits in a ring; nothing stays with a device that has been told that it is down.
fn an_interface_that_was_down_carries_packets_again(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(64);
    for number in 0..64 {
        if number == 32 {
            set_up(interface(), false);
        }
        ends.build(batch.push().unwrap(), number, 40, &[300]);
        ends.near.transmit(NOW, &mut batch);
    }
    set_up(interface(), true);
    // The kernel notices in its own time that both ends are up.
    let carries = (1000..11_000).any(|number| {
        batch.clear();
        ends.build(batch.push().unwrap(), number, 40, &[300]);
        let wanted = bytes_of(batch.get(0).unwrap());
        ends.near.transmit(NOW, &mut batch);
        ends.collect_now().contains(&wanted)
    });
    assert!(carries, "{:?} {:?}", ends.near.counters(), ends.far.counters());
    batch.clear();
    ends.finish();
}

/// The whole namespace may go like this, with its interfaces. Nothing hangs, and nobody is woken up for ever.
fn an_interface_that_is_deleted_under_load_takes_no_frames_with_it(mut ends: Ends) {
    let mut batch = PacketQueue::with_capacity(64);
    let mut arrived = PacketQueue::with_capacity(64);
    for round in 0..200 {
        while batch.room() > 0 {
            ends.build(batch.push().unwrap(), round, 40, &[700]);
        }
        if round == 5 {
            remove(interface());
        }
        ends.near.transmit(NOW, &mut batch);
        ends.far.receive(NOW, &mut arrived);
        ends.near.receive(NOW, &mut arrived);
        arrived.clear();
    }
    for device in [&ends.near, &ends.far] {
        let mut waiter = Waiter::new(Duration::ZERO).unwrap();
        let watch = Watch::readable(device.descriptor().unwrap());
        let mut sleeps = || {
            let woken = waiter.wait(NOW, Some(NOW + Duration::from_millis(1)), &[watch]);
            woken.unwrap() == Wakeup::Due
        };
        assert!((0..1000).any(|_| sleeps()), "it sleeps when nothing more comes");
    }
    batch.clear();
    ends.finish();
}

/// The engine's end of a tunnel, and a packet socket on the kernel's.
fn tunnel(pools: &[FramePool; 2], medium: Medium, offloads: bool) -> Option<(TunDevice, PacketDevice)> {
    let config = TunConfig {
        medium,
        mtu: MTU,
        offloads,
        ..TunConfig::default()
    };
    let near = open(TunDevice::new(&config, pools[0].clone()))?;
    let config = PacketConfig {
        offloads,
        ..PacketConfig::new(near.name())
    };
    let far = open(PacketDevice::new(&config, pools[1].clone()))?;
    Some((near, far))
}

fn cable(pools: &[FramePool; 2], config: &PacketConfig) -> Option<Connected> {
    veth("near", "far", MTU);
    let end = |name: &str, pool: &FramePool| {
        let config = PacketConfig {
            interface: name.to_owned(),
            ..config.clone()
        };
        open(PacketDevice::new(&config, pool.clone()))
    };
    Some((
        Box::new(end("near", &pools[0])?),
        Box::new(end("far", &pools[1])?),
    ))
}

fn boxed(ends: (impl Device + 'static, impl Device + 'static)) -> Connected {
    (Box::new(ends.0), Box::new(ends.1))
}

fn reversed(ends: (impl Device + 'static, impl Device + 'static)) -> Connected {
    (Box::new(ends.1), Box::new(ends.0))
}

conforms_in_the_kernel!(tun_sends, |pools| tunnel(pools, Medium::Ip, true).map(boxed));
conforms_in_the_kernel!(tun_sends_without_offloads, |pools| {
    tunnel(pools, Medium::Ip, false).map(boxed)
});
conforms_in_the_kernel!(tun_receives, |pools| tunnel(pools, Medium::Ip, true)
    .map(reversed));
conforms_in_the_kernel!(tap_sends, |pools| tunnel(pools, Medium::Ethernet, true)
    .map(boxed));
conforms_in_the_kernel!(tap_receives, |pools| {
    tunnel(pools, Medium::Ethernet, true).map(reversed)
});
conforms_in_the_kernel!(packet_socket, |pools| cable(pools, &PacketConfig::new("")));
conforms_in_the_kernel!(packet_socket_with_blocks, |pools| {
    let config = PacketConfig {
        delivery: Delivery::Blocks(Duration::from_millis(1)),
        ..PacketConfig::new("")
    };
    cable(pools, &config)
});
conforms_in_the_kernel!(packet_socket_with_transmit_ring, |pools| {
    let config = PacketConfig {
        transmission: Transmission::Ring,
        ..PacketConfig::new("")
    };
    cable(pools, &config)
});
conforms_in_the_kernel!(packet_socket_with_blocks_and_transmit_ring, |pools| {
    let config = PacketConfig {
        transmission: Transmission::Ring,
        delivery: Delivery::Blocks(Duration::from_millis(1)),
        offloads: false,
        ..PacketConfig::new("")
    };
    cable(pools, &config)
});
conforms_in_the_kernel!(packet_socket_without_offloads, |pools| {
    let config = PacketConfig {
        offloads: false,
        ..PacketConfig::new("")
    };
    cable(pools, &config)
});

/// An AF_XDP device and a packet socket on the two ends of a cable.
fn steered(pools: &[FramePool; 2], attachment: Attachment) -> Option<(XdpDevice, PacketDevice)> {
    veth("near", "far", MTU);
    let config = XdpConfig {
        attachment,
        ..XdpConfig::new("near")
    };
    let near = open(XdpDevice::new(&config, pools[0].clone()))?;
    let far = open(PacketDevice::new(&PacketConfig::new("far"), pools[1].clone()))?;
    Some((near, far))
}

conforms_in_the_kernel!(xdp_sends, |pools| steered(pools, Attachment::Generic).map(boxed));
conforms_in_the_kernel!(xdp_sends_native, |pools| {
    steered(pools, Attachment::Native).map(boxed)
});
conforms_in_the_kernel!(xdp_receives, |pools| {
    steered(pools, Attachment::Generic).map(reversed)
});
conforms_in_the_kernel!(xdp_receives_native, |pools| {
    steered(pools, Attachment::Native).map(reversed)
});

#[test]
fn a_tap_is_a_station_that_is_not_the_kernels() {
    isolated(|| {
        let pools = [(); 2].map(|()| FramePool::new(PoolConfig::default()));
        let Some((near, far)) = tunnel(&pools, Medium::Ethernet, true) else {
            return;
        };
        let [ours, kernels] = [near.hardware_address(), far.hardware_address()].map(Option::unwrap);
        assert!(ours.is_station() && kernels.is_station());
        assert_ne!(ours, kernels);
    });
}

/// Two addresses of one loopback device, which has nothing that could be deleted.
fn raw(pools: &[FramePool; 2]) -> Option<Connected> {
    set_up("lo", true);
    let end = |address: [u8; 4], pool: &FramePool| {
        let config = RawConfig {
            mtu: MTU,
            ..RawConfig::loopback(address.into())
        };
        open(RawDevice::new(config, pool.clone()))
    };
    let [near, far] = [IPV4_HEADER[12..16].as_array(), IPV4_HEADER[16..].as_array()].map(Option::unwrap);
    Some(boxed((end(*near, &pools[0])?, end(*far, &pools[1])?)))
}

conforms_in_the_kernel!(
    raw_sockets,
    raw,
    [
        packets_arrive_whole_and_in_order,
        no_more_is_received_than_there_is_room_for,
        what_is_too_large_is_dropped_and_counted,
        what_nobody_receives_comes_home,
        what_is_no_packet_is_dropped_and_counted,
        a_flood_that_nobody_receives_ends_and_its_frames_come_home,
        an_interface_that_was_down_carries_packets_again
    ]
);
