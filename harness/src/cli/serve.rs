//! The verb `serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use handfast::link::ethernet::MacAddress;

use crate::serve::{self, DeviceName, Network, Plan, Subnet};
use crate::session::Exit;

/// What `handfast serve` takes.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// What clients find
    #[arg(value_enum)]
    service: ServiceName,
    /// Whose TCP and UDP answer
    #[arg(long, value_enum, default_value_t = StackName::Engine)]
    stack: StackName,
    /// Where the engine's packets come from: tun:NAME, tap:NAME, packet:INTERFACE, packet-ring:INTERFACE, xdp:INTERFACE, or raw
    #[arg(long, value_name = "KIND:NAME")]
    device: Option<DeviceName>,
    /// An address of the server, with the length of its link's prefix, as in 10.1.0.2/24 or fd01::2/64; more of them with more options, or commas
    #[arg(long, value_name = "ADDRESS/PREFIX", value_delimiter = ',')]
    address: Vec<Subnet>,
    /// Who passes on what is for other networks; one for each address family
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    gateway: Vec<IpAddr>,
    /// The engine's station, instead of the device's, as in 02:00:00:00:00:07: what is for it, the kernel beside the engine drops at once (packet,
    /// packet-ring, xdp, tap)
    #[arg(long, value_name = "MAC", value_parser = station)]
    hardware_address: Option<MacAddress>,
    /// The port [default: echo 7, discard 9, chargen 19, http 80]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The folder that `http` serves; without one, every path answers `hello`
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Bytes of the largest IP packet of a tun or tap device [default: 1500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1280..=65_535))]
    mtu: Option<u32>,
    /// Do not verify received checksums: for clients of this machine, whose kernel leaves them unfinished (xdp, raw)
    #[arg(long)]
    trusted: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ServiceName {
    /// Sends back what comes, over TCP and UDP (RFC 862)
    Echo,
    /// Takes what comes, over TCP and UDP (RFC 863)
    Discard,
    /// Sends characters without end, over TCP, and a line for each datagram (RFC 864)
    Chargen,
    /// HTTP/1.1: a greeting, or the files of a folder; what is uploaded is counted and thrown away
    Http,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum StackName {
    /// The engine, over a device
    Engine,
    /// The kernel, with the same services
    Kernel,
}

pub(super) const AFTER_HELP: &str = "Examples:\n  \
    handfast serve http --device tun:handfast0 --address 10.9.0.2/24     # then: ip address add 10.9.0.1/24 dev handfast0\n  \
    handfast serve http --root /srv/www --device packet:eth1 --address 192.0.2.7/24 --gateway 192.0.2.1\n  \
    handfast serve echo --stack kernel --address 127.0.0.1\n\n\
    An interface for packet, packet-ring or xdp should have no address of its own, or the kernel answers as well. The peer of one for\n\
    xdp, if it is a veth of this machine, must cut segments and finish checksums itself: `ethtool -K PEER tx off`; --trusted is for checksums alone.\n\n\
    http answers conditions and ranges, several as multipart/byteranges, and gives up a client after 30 s without a whole request or 60 s in which\n\
    nothing moves.\n\n\
    Ctrl-C or SIGTERM ends the server, which has done its job then, and prints what it did; a second one does not wait for connections to end.\n\n\
    Exit status: 0 told to stop, 2 usage, 5 the environment lacks something, 130 told twice";

/// Serves until it is told to stop.
pub(super) fn main(arguments: ServeArguments) -> ExitCode {
    match plan(arguments) {
        Ok(plan) => serve::main(plan).into(),
        Err(misfit) => {
            note!("error: {misfit}");
            Exit::Usage.into()
        }
    }
}

/// The kernel has devices, routes and checksums of its own.
fn refuse_engine_options(arguments: &ServeArguments) -> Result<(), String> {
    let device = arguments
        .device
        .as_ref()
        .map(|device| format!("--device {device}"));
    let gateway = arguments
        .gateway
        .first()
        .map(|gateway| format!("--gateway {gateway}"));
    let station = arguments
        .hardware_address
        .map(|station| format!("--hardware-address {station}"));
    let mtu = arguments.mtu.map(|mtu| format!("--mtu {mtu}"));
    let trusted = arguments.trusted.then(|| "--trusted".to_owned());
    match device.or(gateway).or(station).or(mtu).or(trusted) {
        Some(option) => Err(format!(
            "{option} is for the engine: the kernel has its own; leave it away"
        )),
        None => Ok(()),
    }
}

/// The hardware address of one station, as `Display` writes it.
fn station(text: &str) -> Result<MacAddress, String> {
    let octet = |text: &str| {
        let is_pair = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(text, 16).ok().filter(|_| is_pair)
    };
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    octets
        .and_then(|octets| octets.try_into().ok())
        .map(MacAddress)
        .filter(MacAddress::is_station)
        .ok_or_else(|| {
            format!("`{text}` is no station's: write six pairs of digits, as in 02:00:00:00:00:07, the first even and not all of them zero")
        })
}

/// Refuses addresses that no host has, and one that is given twice.
fn check_addresses(addresses: &[Subnet], stack: StackName) -> Result<(), String> {
    for (number, subnet) in addresses.iter().enumerate() {
        let address = subnet.address;
        if addresses[..number].iter().any(|other| other.address == address) {
            return Err(format!("--address {address} is given twice: give it once"));
        }
        let is_everybodys = address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST);
        // For the kernel it stands for all addresses of the machine.
        let is_nobodys = address.is_unspecified() && stack == StackName::Engine;
        if is_everybodys || is_nobodys {
            return Err(format!(
                "--address {address} is no address that a host has: give one of its own, as in 10.9.0.2/24"
            ));
        }
        // The kernel has its own idea of which networks it is in.
        let stands_for = subnet.stands_for().filter(|_| stack == StackName::Engine);
        if let Some(whom) = stands_for {
            return Err(format!(
                "--address {subnet} stands for {whom}: give the address of one host, as in 10.9.0.2/24"
            ));
        }
    }
    Ok(())
}

fn plan(arguments: ServeArguments) -> Result<Plan, String> {
    let service = match arguments.service {
        ServiceName::Echo => serve::Service::Echo,
        ServiceName::Discard => serve::Service::Discard,
        ServiceName::Chargen => serve::Service::Chargen,
        ServiceName::Http => serve::Service::Http,
    };
    if arguments.root.is_some() && service != serve::Service::Http {
        return Err("--root is for `http`: the other services have no files".to_owned());
    }
    check_addresses(&arguments.address, arguments.stack)?;
    if arguments.stack == StackName::Kernel {
        refuse_engine_options(&arguments)?;
        return Ok(Plan {
            service,
            port: arguments.port,
            root: arguments.root,
            network: Network::Kernel(arguments.address),
        });
    }
    let device = arguments.device.ok_or(
        "the engine needs --device, as in --device tun:handfast0 (`handfast doctor` tells what works here), or --stack kernel",
    )?;
    if arguments.address.is_empty() {
        return Err("the engine needs --address, as in --address 10.9.0.2/24".to_owned());
    }
    if let Some(station) = arguments.hardware_address.filter(|_| !device.has_stations()) {
        return Err(format!(
            "--hardware-address {station} is for Ethernet, and {device} begins with IP: leave it away"
        ));
    }
    Ok(Plan {
        service,
        port: arguments.port,
        root: arguments.root,
        network: Network::Engine(serve::Host {
            device,
            addresses: arguments.address,
            gateways: arguments.gateway,
            station: arguments.hardware_address,
            mtu: arguments.mtu.unwrap_or(1500),
            trusted: arguments.trusted,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::station;

    #[test]
    fn a_station_is_written_as_it_is_shown() {
        for text in ["02:00:00:00:00:07", "de:ad:be:ef:00:01"] {
            assert_eq!(station(text).expect("a station").to_string(), text);
        }
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:07:08",
            "2:0:0:0:0:7",
            "02:00:00:00:00:+7",
            "02-00-00-00-00-07",
            "03:00:00:00:00:07",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
        ] {
            let error = station(text).expect_err("no station");
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
