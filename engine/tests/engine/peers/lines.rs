//! Lines between an engine and the kernel's stack: each kind of device, MTU, with and without offloads.

use std::env;
use std::net::IpAddr;

use handfast::config::{AddressBlock, Config, Route};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::packet::{PacketConfig, PacketDevice, Transmission};
use handfast::link::raw::{RawConfig, RawDevice};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::xdp::{XdpConfig, XdpDevice, finish_checksums};
use handfast::link::{Device, Medium};

use crate::support::Family;
use crate::support::kernel::Host;
use crate::support::namespace::{
    Elsewhere, add_address, drop_resets_of, open, set_up, skip, veth_across, without_ipv6,
};

/// The interface of the kernel's host.
pub(super) const INTERFACE: &str = "wire0";
/// The interface of the engine's end, where it has one.
const ENGINE_INTERFACE: &str = "engine0";

/// The network that a line is, in each family.
const SUBNETS: [(Family, u8); 2] = [(Family::V4, 24), (Family::V6, 64)];

/// What the engine holds of the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Packet,
    /// The same, with a transmit ring.
    PacketRing,
    Xdp,
    Tap,
    Tun,
    /// IPv4 alone, and the kernel there has the engine's address.
    Raw,
}

impl Kind {
    /// Those that have the line to themselves, over both families.
    pub(super) const ALL: [Self; 5] = [Self::Packet, Self::PacketRing, Self::Xdp, Self::Tap, Self::Tun];

    /// [`Kind::ALL`], and the one that shares its line with a kernel.
    pub(super) fn every() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain([Self::Raw])
    }

    /// The families that it carries.
    pub(super) fn families(self) -> &'static [Family] {
        if self == Self::Raw {
            &[Family::V4]
        } else {
            &Family::BOTH
        }
    }

    /// Each of [`Kind::ALL`], over each family; a sample in passing.
    pub(super) fn with_families() -> Vec<(Self, Family)> {
        if !is_thorough() {
            return vec![(Self::Packet, Family::V4), (Self::Tap, Family::V6)];
        }
        let with_both = |kind| Family::BOTH.map(|family| (kind, family));
        Self::ALL.into_iter().flat_map(with_both).collect()
    }
}

/// One kind of line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    pub(super) kind: Kind,
    pub(super) mtu: u32,
    /// Checksums and segmentation are left to the kernel; over AF_XDP and raw sockets, which have no such thing, arriving checksums are trusted.
    pub(super) offloads: bool,
}

/// A line that is up, at whose far end the kernel has [`Family::server`] of both families.
pub(super) struct Line {
    pub(super) device: Box<dyn Device>,
    pub(super) pool: FramePool,
}

impl Setting {
    /// Every combination for one kind of device.
    pub(super) fn all_of(kind: Kind) -> impl Iterator<Item = Self> {
        let mtus = [1500, 9000];
        mtus.into_iter()
            .flat_map(move |mtu| [true, false].map(|offloads| Self { kind, mtu, offloads }))
    }

    /// Lays the line from the host that the calling thread is on; `None` when the system has no such device, which is said.
    pub(super) fn lay(self) -> Option<Line> {
        set_up("lo", true);
        let pool = FramePool::new(PoolConfig {
            small_slots: 16_384,
            large_slots: 256,
            ..PoolConfig::default()
        });
        let is_tunnel = matches!(self.kind, Kind::Tap | Kind::Tun);
        let device: Box<dyn Device> = if is_tunnel {
            self.open_tunnel(pool.clone())
        } else {
            // The namespace of the engine's end lives as long as the socket in it.
            self.cable().visit(|| self.open_cable(pool.clone()))
        }?;
        for (family, prefix) in SUBNETS {
            add_address(INTERFACE, family.server(), prefix);
        }
        Some(Line { device, pool })
    }

    /// As [`Setting::lay`], over a cable at whose near end the kernel finds nothing that would cut segments or finish checksums for it.
    pub(super) fn lay_bare(self) -> Option<Line> {
        let pool = FramePool::new(PoolConfig::default());
        let cable = self.cable();
        let device = cable.visit(|| {
            finish_checksums(ENGINE_INTERFACE).expect("veth can do without offloads");
            self.open_cable(pool.clone())
        })?;
        add_address(INTERFACE, Family::V4.server(), 24);
        Some(Line { device, pool })
    }

    fn cable(self) -> Elsewhere {
        let cable = Elsewhere::make();
        cable.visit(without_ipv6);
        veth_across(INTERFACE, ENGINE_INTERFACE, self.mtu, &cable);
        if matches!(self.kind, Kind::Xdp | Kind::Raw) || !self.offloads {
            finish_checksums(INTERFACE).expect("veth can do without offloads");
        }
        cable
    }

    fn open_cable(self, pool: FramePool) -> Option<Box<dyn Device>> {
        Some(if self.kind == Kind::Xdp {
            let config = XdpConfig {
                trusted: self.offloads,
                ..XdpConfig::new(ENGINE_INTERFACE)
            };
            Box::new(open(XdpDevice::new(&config, pool))?)
        } else if self.kind == Kind::Raw {
            self.open_raw(pool)?
        } else {
            let config = PacketConfig {
                offloads: self.offloads,
                transmission: if self.kind == Kind::PacketRing {
                    Transmission::Ring
                } else {
                    Transmission::Calls
                },
                ..PacketConfig::new(ENGINE_INTERFACE)
            };
            Box::new(open(PacketDevice::new(&config, pool))?)
        })
    }

    /// Beside a kernel that has the address and is kept from resetting what it knows nothing of.
    fn open_raw(self, pool: FramePool) -> Option<Box<dyn Device>> {
        let ours = Family::V4.client();
        let IpAddr::V4(local) = ours else {
            unreachable!("of that family")
        };
        add_address(ENGINE_INTERFACE, ours, 24);
        if !drop_resets_of(local) {
            skip("the kernel has no netfilter, and its resets would end every connection");
            return None;
        }
        let config = RawConfig {
            local,
            mtu: self.mtu,
            trusted: self.offloads,
        };
        Some(Box::new(open(RawDevice::new(config, pool))?))
    }

    fn open_tunnel(self, pool: FramePool) -> Option<Box<dyn Device>> {
        let config = TunConfig {
            name: INTERFACE.to_owned(),
            medium: if self.kind == Kind::Tap {
                Medium::Ethernet
            } else {
                Medium::Ip
            },
            mtu: self.mtu,
            offloads: self.offloads,
            ..TunConfig::default()
        };
        Some(Box::new(open(TunDevice::new(&config, pool))?))
    }
}

impl Line {
    /// An engine at the near end, with [`Family::client`] of both families, that talks with the kernel over `family`.
    pub(super) fn host(self, family: Family) -> Host<Box<dyn Device>> {
        self.host_of(family, config())
    }

    /// As [`Line::host`], for an engine whose way to everybody else leads through the kernel at the far end.
    pub(super) fn host_behind_router(self, family: Family) -> Host<Box<dyn Device>> {
        let mut config = config();
        for (family, prefix) in SUBNETS {
            let line = Route::on_link(family.client(), prefix).expect("a prefix");
            let elsewhere = Route::default_through(family.server());
            for route in [line, elsewhere] {
                config.add_route(route).expect("no route contradicts another");
            }
        }
        self.host_of(family, config)
    }

    fn host_of(self, family: Family, mut config: Config) -> Host<Box<dyn Device>> {
        config.tcp.connections = 4096;
        Host::with_config(family.client(), &config, self.pool, self.device)
    }
}

/// The configuration of an engine with both addresses.
pub(super) fn config() -> Config {
    let ours = Family::BOTH.map(|family| AddressBlock::single(family.client()));
    let mut config = Config::new([5; 32], ours);
    config.link.duplicate_address_detection = 0;
    config
}

/// How many megabytes go each way in each row of the matrix, and that the rest is to be done thoroughly, too.
const NAME: &str = "HANDFAST_PEERS_MEGABYTES";

/// Whether somebody has asked for more than a test run in passing does.
pub(super) fn is_thorough() -> bool {
    env::var_os(NAME).is_some()
}

/// Bytes that go each way in each row of the matrix: a megabyte, unless somebody has said more.
pub(super) fn amount() -> usize {
    let megabytes = env::var(NAME).map_or(1, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{NAME} is `{text}`, not a number of megabytes"))
    });
    megabytes << 20
}
