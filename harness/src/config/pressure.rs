//! What bounds connections and TIME_WAIT entries: addresses, ports, and the settings of the kernel that rule them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::positive;
use super::{Misfit, PathKind, ScenarioKind};

/// Addresses that a client has at most.
pub(crate) const MOST_ADDRESSES: u32 = 1024;
/// Addresses of a host that connects over devices at most: a kernel at the other end keeps no more than 1024 neighbours.
const MOST_NEIGHBOURS: u32 = 256;
/// Ports that a server listens on at most.
pub(crate) const MOST_PORTS: u32 = 1024;

/// Pairs of an address and a port, each with 8 KiB of an engine's memory for the local ports towards it.
const MOST_PAIRS: u32 = 16_384;

/// Limits that were asked for; what is `None` is as the stack and the scenario have it.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema, clap::Args)]
#[serde(default)]
pub(crate) struct Pressure {
    /// Addresses that each generator's client connects from [default: as many as no four-tuple needs to come back in 60 s; 1 with --ports or --port-range]
    #[arg(long, value_name = "N", value_parser = addresses)]
    pub(crate) addresses: Option<u32>,
    /// Ports that each generator's server listens on [default: 1]
    #[arg(long, value_name = "N", value_parser = ports)]
    pub(crate) ports: Option<u32>,
    /// Local ports that connections are opened from [default: 1024-65535; for the kernel what its namespace has]
    #[arg(long, value_name = "A-B")]
    pub(crate) port_range: Option<PortRange>,
    /// A setting of the kernel in the run's own namespace, as in tcp_tw_reuse=1; may be given several times
    #[arg(long = "sysctl", value_name = "NAME=VALUE")]
    pub(crate) sysctls: Vec<Setting>,
}

impl Pressure {
    /// Whether the number of four-tuples was asked for.
    pub(crate) fn bounds_tuples(&self) -> bool {
        self.addresses.is_some() || self.ports.is_some() || self.port_range.is_some()
    }

    /// The number of client addresses, which is `unbounded` when nothing was said of four-tuples.
    pub(crate) fn addresses_or(&self, unbounded: u32) -> u32 {
        let default = if self.bounds_tuples() { 1 } else { unbounded };
        self.addresses.unwrap_or(default)
    }

    /// Refuses what the scenario or the path has no use for.
    ///
    /// # Errors
    /// [`Misfit`] names the option and the way out.
    pub(super) fn check(&self, scenario: ScenarioKind, path: Option<PathKind>) -> Result<(), Misfit> {
        let names = self.sysctls.iter().map(|setting| &setting.name);
        if let Some((_, twice)) = (1..)
            .zip(names.clone())
            .find(|&(n, name)| names.clone().skip(n).any(|other| other == name))
        {
            return Err(Misfit(format!("--sysctl sets {twice} twice: keep one of them")));
        }
        let counted = [("--addresses", self.addresses), ("--ports", self.ports)];
        let Some((option, _)) = counted.into_iter().find(|(_, number)| number.is_some()) else {
            return Ok(());
        };
        let leads_through_devices = path.is_some_and(PathKind::leads_through_devices);
        if let Some(addresses) = self.addresses.filter(|&addresses| addresses > MOST_NEIGHBOURS)
            && leads_through_devices
        {
            return Err(Misfit(format!(
                "--addresses {addresses} is more neighbours than a kernel keeps: on a path through devices stay within {MOST_NEIGHBOURS}"
            )));
        }
        let pairs = self.addresses_or(1) * self.ports.unwrap_or(1);
        if pairs > MOST_PAIRS {
            return Err(Misfit(format!(
                "--addresses times --ports is {pairs}, and every pair has ports of its own: stay within {MOST_PAIRS}"
            )));
        }
        if matches!(
            scenario,
            ScenarioKind::Udp | ScenarioKind::Reorder | ScenarioKind::Packets
        ) {
            return Err(Misfit(format!(
                "{option} is for scenarios that open connections, and {scenario} does not"
            )));
        }
        Ok(())
    }
}

/// Local ports, both bounds included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PortRange {
    pub(crate) low: u16,
    pub(crate) high: u16,
}

impl PortRange {
    /// How many ports there are.
    pub(crate) fn len(self) -> u64 {
        u64::from(self.high - self.low) + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.low, self.high)
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let way_out = "write the lowest and the highest, as in 40000-40999";
        let (low, high) = text
            .split_once('-')
            .ok_or_else(|| format!("`{text}` is not a range of ports: {way_out}"))?;
        let port = |text: &str| {
            text.trim()
                .parse::<u16>()
                .ok()
                .filter(|&port| port > 0)
                .ok_or_else(|| format!("`{text}` is not a port (1 to 65535): {way_out}"))
        };
        let (low, high) = (port(low)?, port(high)?);
        if low > high {
            return Err(format!("{low}-{high} holds no port: {way_out}"));
        }
        Ok(Self { low, high })
    }
}

/// One setting of the kernel's network namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Setting {
    /// Of [`ALLOWED`].
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Settings that may be changed: those that bear on connections, and that belong to a namespace.
pub(crate) const ALLOWED: [&str; 12] = [
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_tw_reuse_delay",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.core.somaxconn",
];

impl Setting {
    /// The name as it is in [`ALLOWED`]; `tcp_tw_reuse` stands for `net.ipv4.tcp_tw_reuse`.
    fn full_name(name: &str) -> Option<&'static str> {
        ALLOWED
            .into_iter()
            .find(|full| *full == name || full.rsplit('.').next() == Some(name))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.name, self.value)
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` sets nothing: write NAME=VALUE, as in tcp_tw_reuse=1"))?;
        let full = Self::full_name(name.trim()).ok_or_else(|| {
            let allowed: Vec<_> = ALLOWED
                .iter()
                .filter_map(|name| name.rsplit('.').next())
                .collect();
            format!("`{name}` may not be set here; these may: {}", allowed.join(", "))
        })?;
        let value = value.trim();
        value.parse::<u32>().map_err(|_| {
            format!("`{value}` is not a value of {full}: write a whole number, as in {full}=1")
        })?;
        Ok(Self {
            name: full.to_owned(),
            value: value.to_owned(),
        })
    }
}

fn addresses(text: &str) -> Result<u32, String> {
    at_most(text, MOST_ADDRESSES, "addresses")
}

fn ports(text: &str) -> Result<u32, String> {
    at_most(text, MOST_PORTS, "ports")
}

fn at_most(text: &str, most: u32, what: &str) -> Result<u32, String> {
    match positive(text)? {
        number if number <= most => Ok(number),
        _ => Err(format!("{text} {what} are too many: give at most {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ports_has_two_bounds_in_order() {
        let range: PortRange = "40000-40999".parse().expect("a range");
        assert_eq!((range.low, range.high, range.len()), (40_000, 40_999, 1000));
        assert_eq!(range.to_string(), "40000-40999");
        for wrong in ["40000", "0-5", "5-4", "1-65536", "a-b", ""] {
            let error = wrong.parse::<PortRange>().expect_err(wrong);
            assert!(error.contains("as in 40000-40999"), "{error}");
        }
    }

    #[test]
    fn only_settings_of_the_list_are_taken_by_their_short_name_or_their_long() {
        let long: Setting = "net.ipv4.tcp_tw_reuse=1".parse().expect("allowed");
        assert_eq!(long, "tcp_tw_reuse = 1".parse().expect("the same"));
        for wrong in [
            "net.ipv4.ip_forward=1",
            "tcp_tw_reuse",
            "tcp_tw_reuse=yes",
            "reuse=1",
        ] {
            wrong.parse::<Setting>().expect_err(wrong);
        }
    }

    #[test]
    fn addresses_are_asked_for_where_they_can_be_had() {
        let asked = Pressure {
            addresses: Some(4),
            ..Pressure::default()
        };
        for path in [None, Some(PathKind::Veth), Some(PathKind::Tun)] {
            assert!(asked.check(ScenarioKind::TimeWait, path).is_ok(), "{path:?}");
            for scenario in [ScenarioKind::Udp, ScenarioKind::Packets] {
                assert!(asked.check(scenario, path).is_err(), "{scenario} {path:?}");
            }
        }
        let many = Pressure {
            addresses: Some(1024),
            ..Pressure::default()
        };
        assert!(many.check(ScenarioKind::Crr, None).is_ok());
        let misfit = many
            .check(ScenarioKind::Crr, Some(PathKind::Bridge))
            .expect_err("they are neighbours there");
        assert!(misfit.to_string().contains("within 256"), "{misfit}");
        let ports = Pressure {
            ports: Some(4),
            ..Pressure::default()
        };
        for path in [None, Some(PathKind::Veth)] {
            assert!(ports.check(ScenarioKind::TimeWait, path).is_ok(), "{path:?}");
        }
        assert!(addresses("1025").is_err());
        let setting = |text: &str| text.parse().expect("allowed");
        let twice = Pressure {
            sysctls: vec![setting("tcp_tw_reuse=1"), setting("net.ipv4.tcp_tw_reuse=0")],
            ..Pressure::default()
        };
        let misfit = twice
            .check(ScenarioKind::Crr, None)
            .expect_err("it contradicts itself");
        assert!(
            misfit.to_string().contains("net.ipv4.tcp_tw_reuse twice"),
            "{misfit}"
        );
    }
}
