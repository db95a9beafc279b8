//! How a script wants the engine: its options, sysctls, and the buffers that it sets.

use std::net::IpAddr;

use handfast::config::{AddressBlock, Config};

use super::lexer::Position;
use super::tree::Script;
use super::verdict::Stop;
use super::{Options, shell};

/// Which addresses a script's packets have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum IpVersion {
    Ipv4,
    Ipv6,
    /// Sockets of IPv6, packets of IPv4
    #[value(name = "ipv4-mapped-ipv6")]
    Mapped,
}

/// What a script's options say.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) version: IpVersion,
    pub(super) mtu: u32,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) bind_port: u16,
    pub(super) connect_port: u16,
    /// `None` unless the script says so.
    pub(super) tolerance_micros: Option<u64>,
    pub(super) tolerance_percent: Option<u64>,
    /// Microseconds that one step of a timestamp stands for; timestamps of ours are not compared without it.
    pub(super) timestamp_tick: Option<u64>,
    pub(super) strict_segments: bool,
    /// `--non_fatal=packet` and `--non_fatal=syscall`.
    pub(super) packets_may_fail: bool,
    pub(super) calls_may_fail: bool,
}

impl Settings {
    /// From the options of a script. What the command line gives goes first.
    pub(super) fn new(script: &Script, options: &Options) -> Result<Self, (Position, Stop)> {
        let version = options.version;
        let mut settings = Self {
            version: version.unwrap_or(IpVersion::Ipv4),
            // With 20 bytes more for the larger header, the segments of a script are the same over IPv6.
            mtu: if version == Some(IpVersion::Ipv6) {
                1520
            } else {
                1500
            },
            local: [192, 168, 0, 1].into(),
            remote: [192, 0, 2, 1].into(),
            bind_port: 8080,
            connect_port: 8080,
            tolerance_micros: None,
            tolerance_percent: None,
            timestamp_tick: None,
            strict_segments: false,
            packets_may_fail: false,
            calls_may_fail: false,
        };
        for (name, value, at) in &script.options {
            settings
                .apply(name, value, version.is_some())
                .map_err(|stop| (*at, stop))?;
        }
        for (name, value) in &options.given {
            settings
                .apply(name, value, true)
                .map_err(|stop| (script.start(), stop))?;
        }
        if settings.version == IpVersion::Ipv6 {
            settings.local = [0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1].into();
            settings.remote = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into();
        }
        Ok(settings)
    }

    fn apply(&mut self, name: &str, value: &str, version_is_given: bool) -> Result<(), Stop> {
        match name {
            "ip_version" if version_is_given => {}
            "ip_version" => {
                self.version = clap::ValueEnum::from_str(value, false)
                    .map_err(|_| Stop::failed(format!("`{value}` is no IP version")))?;
            }
            "mtu" => {
                let (least, most) = (*shell::MTUS.start(), *shell::MTUS.end());
                self.mtu = number(name, value, least.into(), most.into())? as u32;
            }
            "bind_port" => self.bind_port = number(name, value, 1, 65_535)? as u16,
            "connect_port" => self.connect_port = number(name, value, 1, 65_535)? as u16,
            "tolerance_usecs" => self.tolerance_micros = Some(number(name, value, 0, 1 << 40)?),
            "tolerance_percent" => {
                let (whole, _) = value.split_once('.').unwrap_or((value, ""));
                self.tolerance_percent = Some(number(name, whole, 0, 100)?);
            }
            "tcp_ts_tick_usecs" => {
                self.timestamp_tick = Some(number(name, value, 0, 1 << 30)?).filter(|tick| *tick > 0);
            }
            "strict_segments" => self.strict_segments = true,
            "non_fatal" => return self.set_non_fatal(value),
            // How an offloading device would cut what arrives; here it arrives as it is written.
            "mss" => {
                number(name, value, 1, 65_535)?;
            }
            "define" | "D" | "local_ip" | "remote_ip" | "gateway_ip" | "netmask_ip" | "tcp_ts_ecr_scaled"
            | "send_omit_free" | "is_anyip" | "verbose" | "v" | "debug" => {}
            _ => return Err(Stop::unsupported(format!("option --{name}"))),
        }
        Ok(())
    }

    fn set_non_fatal(&mut self, kinds: &str) -> Result<(), Stop> {
        for kind in kinds.split(',') {
            match kind {
                "packet" => self.packets_may_fail = true,
                "syscall" => self.calls_may_fail = true,
                _ => {
                    return Err(Stop::failed(format!(
                        "--non_fatal={kinds}: `{kind}` is neither `packet` nor `syscall`"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The engine's configuration for a script, before its sysctls.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new([7; 32], [AddressBlock::single(self.local)]);
        // A script has few connections, and a new engine: what is mapped for more costs more than playing it.
        config.destinations = 16;
        config.tcp.connections = 128;
        config.tcp.half_open = 64;
        config.tcp.time_wait_entries = 512;
        config.tcp.time_wait_presize = 64;
        config.udp.sockets = 16;
        // The largest for which Linux's default, a shift of 8, still does.
        config.tcp.receive_buffer = 65_535 << 8;
        config.tcp.send_buffer = 4 << 20;
        // As Linux has it, the first unless tcp_mtu_probing is set.
        config.tcp.black_hole_detection = false;
        config.tcp.random_back_off = false;
        config
    }
}

fn number(name: &str, value: &str, least: u64, most: u64) -> Result<u64, Stop> {
    value
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Stop::failed(format!("--{name}={value}: not a number from {least} to {most}")))
}

/// Linux books twice what is asked for, and 2,048 at least.
pub(super) fn doubled(value: i64) -> u32 {
    (value.clamp(1024, 1 << 28) * 2) as u32
}
