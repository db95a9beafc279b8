//! Every effective parameter of a run: what the command line asked for, with the scenario's defaults filled in.

mod arrivals;
mod defaults;
pub(crate) mod file;
mod keys;
mod link;
mod options;
mod pairing;
mod pressure;
pub(crate) mod quantity;

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::Links;

pub(crate) use self::arrivals::{Arrivals, OpenLoop, SMALLEST_TIMED};
pub(crate) use self::defaults::{DEFAULT_STACKS, connections_shown};
pub(crate) use self::keys::Keys;
pub(crate) use self::options::{Misfit, Options};
pub(crate) use self::pairing::Pairing;
#[cfg(test)]
pub(crate) use self::pressure::PortRange;
pub(crate) use self::pressure::Pressure;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ScenarioKind {
    /// Connection set-up rate: connect, then close.
    Connect,
    /// Connect, request, response, close.
    Crr,
    /// Connection teardown rate.
    Teardown,
    /// Set-up rate and latency while the TIME_WAIT table fills.
    TimeWait,
    /// Request and response on open connections.
    Rr,
    /// One-way bulk transfer.
    Stream,
    /// Memory of connections that do nothing.
    Idle,
    /// One-way datagrams.
    Udp,
    /// Reordering of numbered datagrams (RFC 4737, RFC 5236).
    Reorder,
    /// Packets of a device of the kernel's through the engine, and through a bare loop.
    Packets,
    /// Connect, request, response, close, while SYNs from addresses that nobody has flood the server (RFC 4987).
    SynFlood,
}

/// A stack that a scenario can run on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StackKind {
    /// Handfast's own engine.
    Engine,
    /// The kernel's stack as an ordinary application uses it.
    Kernel,
    /// The kernel's stack with every knob that an expert would turn.
    KernelTuned,
    /// The kernel's stack through io_uring, with the knobs of kernel-tuned.
    KernelUring,
    /// smoltcp over the same in-memory wire.
    Smoltcp,
    /// No stack at all: the generator is answered at once, which shows what the generator itself costs.
    Null,
}

/// Where packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PathKind {
    /// A queue in memory.
    Memory,
    /// Kernel sockets over 127/8; for the engine its IP packets inside UDP datagrams over 127/8.
    Loopback,
    /// A pair of virtual Ethernet devices between two network namespaces.
    Veth,
    /// A virtual Ethernet device with the program at its other end.
    Tap,
    /// A virtual IP device with the program at its other end.
    Tun,
    /// A bridge between two ends, an engine's as those of virtual machines have it (TAP), a kernel's behind a pair of virtual Ethernet devices.
    Bridge,
    /// An emulated link between two network namespaces, which impairs packets as --link says.
    Wire,
}

/// How an engine gets at its end of a pair of virtual Ethernet devices.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceKind {
    /// A packet socket that sends from where packets lie.
    Packet,
    /// A packet socket that sends through a ring.
    PacketRing,
    /// An AF_XDP socket, which takes root.
    Xdp,
    /// Raw IP sockets beside the kernel's stack, IPv4 alone; for `packets`.
    Raw,
}

/// The version of IP.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
pub(crate) enum IpVersion {
    /// IPv4.
    #[default]
    #[serde(rename = "4")]
    #[value(name = "4")]
    V4,
    /// IPv6.
    #[serde(rename = "6")]
    #[value(name = "6")]
    V6,
}

impl PathKind {
    /// Whether devices of the kernel are on it.
    pub(crate) fn leads_through_devices(self) -> bool {
        matches!(
            self,
            Self::Veth | Self::Tap | Self::Tun | Self::Bridge | Self::Wire
        )
    }
}

impl StackKind {
    /// The paths that the stack can take; the first is the one it takes unless told otherwise.
    pub(crate) fn paths(self) -> &'static [PathKind] {
        match self {
            Self::Engine => &[
                PathKind::Memory,
                PathKind::Loopback,
                PathKind::Veth,
                PathKind::Bridge,
                PathKind::Wire,
            ],
            Self::Kernel | Self::KernelTuned | Self::KernelUring => &[
                PathKind::Loopback,
                PathKind::Veth,
                PathKind::Bridge,
                PathKind::Wire,
            ],
            Self::Smoltcp | Self::Null => &[PathKind::Memory],
        }
    }

    /// Whether the stack is the kernel's, so that the cost of a system call is in its figures.
    pub(crate) fn is_kernel(self) -> bool {
        matches!(self, Self::Kernel | Self::KernelTuned | Self::KernelUring)
    }
}

/// Which cores the two ends run on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placement {
    /// Both ends in one thread.
    SameCore,
    /// A thread and a core for each end.
    Split,
}

/// How a connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Close {
    /// FIN from both ends.
    Fin,
    /// A reset.
    Rst,
}

/// Who closes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Closer {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}

/// Who computes transport checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Checksums {
    /// As the device says: a wire in memory needs none, as the kernel's loopback device.
    Device,
    /// The stack, over every byte, in packets no larger than the MTU.
    Computed,
}

/// Every effective parameter of one scenario on one stack.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RunConfig {
    pub(crate) scenario: ScenarioKind,
    pub(crate) path: PathKind,
    pub(crate) placement: Placement,
    /// Load generators: pinned threads, each with its own connections, ports and histograms.
    pub(crate) generators: u32,
    /// Connections in flight (or open) for each generator; packets of a burst for `packets`.
    pub(crate) connections: u32,
    /// Idle connections open beside the load.
    pub(crate) idle: u64,
    /// TIME_WAIT entries filled in before the load starts.
    pub(crate) time_wait: u64,
    pub(crate) close: Close,
    pub(crate) closer: Closer,
    /// Bytes of a message (of a write for `stream`, of a payload for `udp` and `reorder`).
    pub(crate) message: u32,
    /// Bytes of the largest IP packet.
    pub(crate) mtu: u32,
    pub(crate) checksums: Checksums,
    /// Of an engine on the path `veth`.
    pub(crate) device: DeviceKind,
    pub(crate) ip: IpVersion,
    /// The clock that starts operations; null when the end of one starts the next.
    #[serde(default)]
    pub(crate) open_loop: Option<OpenLoop>,
    /// SYNs per second of the flood, over all generators; null without a flood.
    #[serde(default)]
    pub(crate) flood: Option<u32>,
    pub(crate) pressure: Pressure,
    /// What the path `wire` does to packets; null on every other.
    #[serde(default)]
    pub(crate) link: Option<Links>,
    /// The measured part of a run.
    #[serde(with = "seconds")]
    #[schemars(with = "f64")]
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
}

/// Shows a value by its name on the command line and in documents.
macro_rules! show_by_name {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = self.to_possible_value().expect("no value is hidden from the command line");
                formatter.pad(value.get_name())
            }
        }
    )*};
}

show_by_name!(
    ScenarioKind,
    StackKind,
    PathKind,
    Placement,
    Close,
    Closer,
    Checksums,
    DeviceKind,
    IpVersion
);

/// Durations as seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(span.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
