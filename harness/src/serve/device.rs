//! Devices by the names that people give them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use handfast::frame::FramePool;
use handfast::link::error::OpenError;
use handfast::link::packet::{PacketConfig, PacketDevice, Transmission};
use handfast::link::raw::{RawConfig, RawDevice};
use handfast::link::tun::{TunConfig, TunDevice};
use handfast::link::xdp::{XdpConfig, XdpDevice};
use handfast::link::{Device, Medium};

use super::station::Host;

/// Which device the engine is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum DeviceName {
    /// A TUN interface, which is made unless it exists.
    Tun(String),
    /// A TAP interface, which is made unless it exists.
    Tap(String),
    /// An interface, beside the kernel.
    Packet(String),
    /// The same, with what is sent going through a ring.
    PacketRing(String),
    /// The first queue of an interface, instead of the kernel.
    Xdp(String),
    /// The kernel's IPv4 address that the server has, beside the kernel.
    Raw,
}

const FORMS: &str =
    "write tun:NAME, tap:NAME, packet:INTERFACE, packet-ring:INTERFACE, xdp:INTERFACE, or raw";

impl DeviceName {
    /// Whether its packets begin with Ethernet headers.
    pub(crate) fn has_stations(&self) -> bool {
        !matches!(self, Self::Tun(_) | Self::Raw)
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "raw" {
            return Ok(Self::Raw);
        }
        let (kind, name) = text
            .split_once(':')
            .filter(|(_, name)| !name.is_empty())
            .ok_or_else(|| format!("`{text}` names no device; {FORMS}"))?;
        let name = name.to_owned();
        match kind {
            "tun" => Ok(Self::Tun(name)),
            "tap" => Ok(Self::Tap(name)),
            "packet" => Ok(Self::Packet(name)),
            "packet-ring" => Ok(Self::PacketRing(name)),
            "xdp" => Ok(Self::Xdp(name)),
            _ => Err(format!("`{kind}` is no kind of device; {FORMS}")),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tun(name) => write!(f, "tun:{name}"),
            Self::Tap(name) => write!(f, "tap:{name}"),
            Self::Packet(name) => write!(f, "packet:{name}"),
            Self::PacketRing(name) => write!(f, "packet-ring:{name}"),
            Self::Xdp(name) => write!(f, "xdp:{name}"),
            Self::Raw => f.write_str("raw"),
        }
    }
}

/// Opens the device of a host.
pub(super) fn open(host: &Host, pool: &FramePool) -> Result<Box<dyn Device>, OpenError> {
    let pool = pool.clone();
    Ok(match &host.device {
        DeviceName::Tun(name) => tunnel(host, name, Medium::Ip, pool)?,
        DeviceName::Tap(name) => tunnel(host, name, Medium::Ethernet, pool)?,
        DeviceName::Packet(name) => Box::new(PacketDevice::new(&PacketConfig::new(name), pool)?),
        DeviceName::PacketRing(name) => {
            let config = PacketConfig {
                transmission: Transmission::Ring,
                ..PacketConfig::new(name)
            };
            Box::new(PacketDevice::new(&config, pool)?)
        }
        DeviceName::Xdp(name) => {
            let config = XdpConfig {
                trusted: host.trusted,
                ..XdpConfig::new(name)
            };
            Box::new(XdpDevice::new(&config, pool)?)
        }
        DeviceName::Raw => {
            let own = host.addresses.iter().map(|subnet| subnet.address);
            let [IpAddr::V4(local)] = own.collect::<Vec<_>>()[..] else {
                return Err(OpenError::Invalid(
                    "a raw device is for one IPv4 address of the kernel's: give one --address, as in 127.0.0.2"
                        .to_owned(),
                ));
            };
            let config = RawConfig {
                trusted: host.trusted,
                ..RawConfig::loopback(local)
            };
            Box::new(RawDevice::new(config, pool)?)
        }
    })
}

fn tunnel(host: &Host, name: &str, medium: Medium, pool: FramePool) -> Result<Box<dyn Device>, OpenError> {
    let config = TunConfig {
        name: name.to_owned(),
        medium,
        mtu: host.mtu,
        ..TunConfig::default()
    };
    Ok(Box::new(TunDevice::new(&config, pool)?))
}

#[cfg(test)]
mod tests {
    use super::DeviceName;

    #[test]
    fn devices_are_kinds_and_names() {
        for text in [
            "tun:handfast0",
            "tap:t0",
            "packet:veth1",
            "packet-ring:veth1",
            "xdp:veth1",
            "raw",
        ] {
            let device: DeviceName = text.parse().expect("a device");
            assert_eq!(device.to_string(), text);
        }
        let error = |text: &str| text.parse::<DeviceName>().expect_err("no device");
        assert!(error("veth1").contains("`veth1`") && error("xdp:").contains("xdp:INTERFACE"));
        assert!(error("dpdk:0").contains("`dpdk`"));
    }
}
