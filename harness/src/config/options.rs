//! What the command line may say of a run.

use std::time::Duration;

use super::arrivals::ArrivalOptions;
use super::link::LinkOptions;
use super::pressure::Pressure;
use super::quantity::{at_most, bytes, count, duration, mtu, positive, seed};
use super::{Checksums, Close, Closer, DeviceKind, IpVersion, PathKind, Placement, ScenarioKind, StackKind};

/// Load generators at most: more than machines have cores for.
const MOST_GENERATORS: u32 = 1024;
/// Runs of a stack at most: tests of ranks tell nothing more from more.
const MOST_RUNS: u32 = 10_000;

/// SYNs per second of a flood at most: what 10 Gbit/s of Ethernet carry of the smallest frames.
const MOST_SYNS: u32 = 14_880_000;

/// What was asked for; what is `None` takes the scenario's default.
#[derive(Clone, Default, Debug, clap::Args)]
pub(crate) struct Options {
    /// Stacks to compare [default: engine,kernel-tuned,smoltcp]
    #[arg(long = "stack", value_name = "STACK", value_enum, value_delimiter = ',')]
    pub(crate) stacks: Vec<StackKind>,
    /// Stacks that connect to those of --server, in place of --stack
    #[arg(
        long = "client",
        value_name = "STACK",
        value_enum,
        value_delimiter = ',',
        requires = "servers",
        conflicts_with = "stacks"
    )]
    pub(crate) clients: Vec<StackKind>,
    /// Stacks that answer those of --client; every one meets every one
    #[arg(
        long = "server",
        value_name = "STACK",
        value_enum,
        value_delimiter = ',',
        requires = "clients",
        conflicts_with = "stacks"
    )]
    pub(crate) servers: Vec<StackKind>,
    /// Where packets travel [default: memory for engine, smoltcp and null, loopback for the kernel's stacks, veth for two that differ]
    #[arg(long, value_enum)]
    pub(crate) path: Option<PathKind>,
    /// Which cores the two ends run on [default: same-core]
    #[arg(long, value_enum)]
    pub(crate) placement: Option<Placement>,
    /// Load generators, each a pinned thread with connections of its own [default: 1]
    #[arg(long, value_name = "N", value_parser = at_most(MOST_GENERATORS))]
    pub(crate) generators: Option<u32>,
    /// Connections in flight, or open, for each generator; packets of a burst for packets [default: 64; 1 for stream, udp and reorder]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) connections: Option<u32>,
    /// Idle connections open beside the load [default: 0]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) idle: Option<u64>,
    /// TIME_WAIT entries filled in before the load starts [default: 0]
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) time_wait: Option<u64>,
    /// How a connection is closed [default: fin]
    #[arg(long, value_enum)]
    pub(crate) close: Option<Close>,
    /// Who closes first [default: client]
    #[arg(long, value_enum)]
    pub(crate) closer: Option<Closer>,
    /// Bytes of a message: 1 for requests, 64KiB for stream, 18 for udp and packets, 64 for reorder unless given
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) message: Option<u32>,
    /// Bytes of the largest IP packet [default: 1500]
    #[arg(long, value_name = "N", value_parser = mtu)]
    pub(crate) mtu: Option<u32>,
    /// Who computes transport checksums [default: device]
    #[arg(long, value_enum)]
    pub(crate) checksums: Option<Checksums>,
    /// How an engine gets at its end of the path veth [default: packet]
    #[arg(long, value_enum)]
    pub(crate) device: Option<DeviceKind>,
    /// The version of IP; 6 on the paths veth, bridge, wire, tap and tun, and for syn-flood in memory [default: 4]
    #[arg(long, value_enum)]
    pub(crate) ip: Option<IpVersion>,
    #[command(flatten)]
    pub(crate) arrivals: ArrivalOptions,
    /// SYNs per second that flood the server, over all generators, from addresses that nobody has; of syn-flood [default: 100k]
    #[arg(long, value_name = "N", value_parser = at_most(MOST_SYNS))]
    pub(crate) flood: Option<u32>,
    #[command(flatten)]
    pub(crate) pressure: Pressure,
    #[command(flatten)]
    pub(crate) link: LinkOptions,
    /// The measured part of a run [default: 3s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Runs of each stack, interleaved [default: 3]
    #[arg(long, value_name = "N", value_parser = at_most(MOST_RUNS))]
    pub(crate) runs: Option<u32>,
    /// Seed of everything that is random [default: 1]
    #[arg(long, value_name = "N", value_parser = seed)]
    pub(crate) seed: Option<u64>,
}

/// Options that do not fit together, with the way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misfit(pub(super) String);

impl Options {
    fn has_kernel(&self) -> bool {
        let named = || self.stacks.iter().chain(&self.clients).chain(&self.servers);
        named().next().is_none() || named().any(|stack| stack.is_kernel())
    }

    /// Refuses what each option allows by itself but the scenario does not.
    ///
    /// # Errors
    /// [`Misfit`] names the option and the way out.
    pub(crate) fn check(&self, scenario: ScenarioKind) -> Result<(), Misfit> {
        let misfit = |text: String| Err(Misfit(text));
        let through_devices = self.path.is_some_and(PathKind::leads_through_devices);
        let in_memory = scenario == ScenarioKind::SynFlood && self.path != Some(PathKind::Loopback);
        match (self.device, self.ip) {
            (Some(device), _) if self.path != Some(PathKind::Veth) => {
                return misfit(format!("--device {device} is one of --path veth: ask for both"));
            }
            (_, Some(IpVersion::V6)) if !through_devices && !in_memory => {
                return misfit(
                    "--ip 6 is for --path veth, bridge, wire, tap or tun, and for syn-flood in memory: ask for one of them".to_owned(),
                );
            }
            _ => {}
        }
        self.arrivals.check(scenario, self.message)?;
        self.check_packets(scenario)?;
        self.check_flood(scenario)?;
        self.pressure.check(scenario, self.path)?;
        self.link.check(self.path)?;
        if !self.pressure.sysctls.is_empty() && !self.has_kernel() {
            return misfit("--sysctl sets the kernel's stack: name it with --stack kernel".to_owned());
        }
        let Some(message) = self.message else {
            return Ok(());
        };
        match scenario {
            ScenarioKind::Udp | ScenarioKind::Reorder if message > LARGEST_DATAGRAM => misfit(format!(
                "--message {message} does not fit a UDP datagram: {scenario} takes at most {LARGEST_DATAGRAM}"
            )),
            ScenarioKind::Reorder if message < SMALLEST_NUMBERED => misfit(format!(
                "--message {message} has no room for a number and a time: reorder takes at least {SMALLEST_NUMBERED}"
            )),
            _ => Ok(()),
        }
    }
}

/// What `packets` cannot be asked for, and what it alone can.
impl Options {
    fn check_packets(&self, scenario: ScenarioKind) -> Result<(), Misfit> {
        let misfit = |text: String| Err(Misfit(text));
        let raw = self.device == Some(DeviceKind::Raw);
        if scenario != ScenarioKind::Packets {
            return if raw {
                misfit(format!(
                    "--device raw is for packets: the kernel, which has the address too, would meddle with {scenario}"
                ))
            } else {
                Ok(())
            };
        }
        if let Some(path @ (PathKind::Wire | PathKind::Bridge)) = self.path {
            return misfit(format!(
                "packets compares single devices, and the path {path} is none: ask for --path veth, tap or tun"
            ));
        }
        if raw && self.ip == Some(IpVersion::V6) {
            return misfit("--device raw is for IPv4: leave --ip 6 away".to_owned());
        }
        if self.placement == Some(Placement::Split) || self.generators.is_some_and(|number| number > 1) {
            return misfit("packets runs in one thread: leave --placement and --generators away".to_owned());
        }
        if let Some(burst) = self.connections.filter(|&burst| burst > LARGEST_BURST) {
            return misfit(format!(
                "--connections {burst} is more than a receiving socket holds: a burst of packets has at most {LARGEST_BURST}"
            ));
        }
        let most = self.mtu.unwrap_or(1500).saturating_sub(LONGEST_HEADERS);
        match self.message {
            Some(message) if message == 0 || message > most => misfit(format!(
                "--message {message} does not make one packet: packets takes 1 to {most} with this MTU"
            )),
            _ => Ok(()),
        }
    }
}

impl Options {
    fn check_flood(&self, scenario: ScenarioKind) -> Result<(), Misfit> {
        match self.flood {
            Some(rate) if scenario != ScenarioKind::SynFlood => Err(Misfit(format!(
                "--flood {rate} is for syn-flood, and {scenario} has no flood: leave it out"
            ))),
            _ => Ok(()),
        }
    }
}

/// Packets of a burst: fewer than fill the buffer that the kernel gives a UDP socket.
const LARGEST_BURST: u32 = 256;

/// Bytes of the headers of IPv6 and UDP.
const LONGEST_HEADERS: u32 = 48;

/// 65,535 bytes less the headers of IPv4 and UDP.
const LARGEST_DATAGRAM: u32 = 65_507;

/// A sequence number and a time of sending, eight bytes each.
const SMALLEST_NUMBERED: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn options_are_parsed_and_settings_are_for_the_kernel() {
        <Line as clap::CommandFactory>::command().debug_assert();
        let parsed = |stacks| {
            let words = [
                "line",
                "--stack",
                stacks,
                "--sysctl",
                "tcp_tw_reuse=0",
                "--port-range",
                "5-9",
            ];
            <Line as clap::Parser>::try_parse_from(words)
                .expect("fits")
                .options
        };
        let mixed = parsed("engine,kernel");
        assert_eq!(
            mixed.pressure.port_range.map(|range| (range.low, range.high)),
            Some((5, 9))
        );
        assert!(mixed.check(ScenarioKind::TimeWait).is_ok());
        assert!(parsed("engine").check(ScenarioKind::TimeWait).is_err());
    }

    #[test]
    fn what_only_some_paths_have_is_asked_for_with_the_path() {
        let options = |path, device, ip| Options {
            path,
            device,
            ip,
            ..Options::default()
        };
        for (options, fits) in [
            (
                options(Some(PathKind::Veth), Some(DeviceKind::Xdp), Some(IpVersion::V6)),
                true,
            ),
            (options(Some(PathKind::Tap), None, Some(IpVersion::V6)), true),
            (options(Some(PathKind::Tap), Some(DeviceKind::Xdp), None), false),
            (options(None, Some(DeviceKind::Packet), None), false),
            (options(Some(PathKind::Memory), None, Some(IpVersion::V6)), false),
            (options(None, None, Some(IpVersion::V4)), true),
        ] {
            assert_eq!(options.check(ScenarioKind::Rr).is_ok(), fits, "{options:?}");
        }
        let flooded = |path| options(path, None, Some(IpVersion::V6)).check(ScenarioKind::SynFlood);
        assert!(flooded(None).is_ok() && flooded(Some(PathKind::Memory)).is_ok());
        assert!(flooded(Some(PathKind::Loopback)).is_err());
    }

    #[test]
    fn packets_are_asked_for_within_what_a_device_and_one_thread_can() {
        let asked = |change: fn(&mut Options)| {
            let mut options = Options {
                path: Some(PathKind::Veth),
                ..Options::default()
            };
            change(&mut options);
            options
        };
        let raw = asked(|options| options.device = Some(DeviceKind::Raw));
        assert!(raw.check(ScenarioKind::Packets).is_ok());
        assert!(raw.check(ScenarioKind::Udp).is_err());
        let refused: [fn(&mut Options); 7] = [
            |options| options.path = Some(PathKind::Wire),
            |options| options.path = Some(PathKind::Bridge),
            |options| (options.device, options.ip) = (Some(DeviceKind::Raw), Some(IpVersion::V6)),
            |options| options.placement = Some(Placement::Split),
            |options| options.connections = Some(257),
            |options| options.message = Some(1453),
            |options| options.message = Some(0),
        ];
        for change in refused {
            let options = asked(change);
            assert!(options.check(ScenarioKind::Packets).is_err(), "{options:?}");
        }
        assert!(
            asked(|options| options.message = Some(1452))
                .check(ScenarioKind::Packets)
                .is_ok()
        );
    }

    #[test]
    fn a_flood_is_of_the_scenario_that_has_one() {
        let asked = Options {
            flood: Some(5000),
            ..Options::default()
        };
        assert!(asked.check(ScenarioKind::SynFlood).is_ok());
        let error = asked.check(ScenarioKind::Crr).expect_err("no flood");
        assert!(error.to_string().contains("--flood 5000"), "{error}");
    }

    #[test]
    fn a_message_has_to_fit_the_scenario() {
        let options = |message| Options {
            message: Some(message),
            ..Options::default()
        };
        assert!(options(65_508).check(ScenarioKind::Udp).is_err());
        assert!(options(65_507).check(ScenarioKind::Udp).is_ok());
        assert!(options(1_000_000).check(ScenarioKind::Stream).is_ok());
        let error = options(15)
            .check(ScenarioKind::Reorder)
            .expect_err("no room for the number");
        assert!(error.to_string().contains("at least 16"));
        assert!(Options::default().check(ScenarioKind::Reorder).is_ok());
    }
}
