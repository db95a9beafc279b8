//! The options of scripts that packetdrill takes on its command line, too, so that what starts it can start this.

use clap::{ArgAction, Args};

use crate::script::MTUS;

/// What goes before the options of all scripts.
#[derive(Debug, Default, Args)]
pub(super) struct Given {
    /// Microseconds by which times may differ, in place of what scripts say
    #[arg(long = "tolerance_usecs", value_name = "N")]
    tolerance_micros: Option<u64>,
    /// Percent of a pause by which its end may differ, likewise
    #[arg(long = "tolerance_percent", value_name = "N", value_parser = clap::value_parser!(u8).range(..=100))]
    tolerance_percent: Option<u8>,
    /// The MTU of the device, likewise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(*MTUS.start())..=i64::from(*MTUS.end())))]
    mtu: Option<u32>,
    /// The port that bind() asks for, likewise
    #[arg(long = "bind_port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    bind_port: Option<u16>,
    /// The port that connect() goes to, likewise
    #[arg(long = "connect_port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    connect_port: Option<u16>,
    /// Microseconds of one step of our timestamps, which are compared then, likewise
    #[arg(long = "tcp_ts_tick_usecs", value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 30))]
    timestamp_tick: Option<u64>,
    /// What may differ without failing the script, likewise
    #[arg(long = "non_fatal", value_name = "KIND", value_delimiter = ',', value_parser = ["packet", "syscall"])]
    non_fatal: Vec<String>,
    /// Segments must be cut as scripts have them, likewise
    #[arg(long = "strict_segments")]
    strict_segments: bool,
    /// The addresses that the machine below packetdrill needs; no script names one.
    #[arg(long = "local_ip", aliases = ["remote_ip", "gateway_ip", "netmask_ip"], action = ArgAction::Append, hide = true)]
    addresses: Vec<String>,
    /// How that machine would cut what arrives.
    #[arg(long, hide = true)]
    mss: Option<u32>,
    /// What it does at the end of a script, and what it prints.
    #[arg(long = "send_omit_free", aliases = ["is_anyip", "tcp_ts_ecr_scaled", "verbose"], short_alias = 'v', action = ArgAction::Count, hide = true)]
    habits: u8,
}

impl Given {
    /// Names and values, as a script has them.
    pub(super) fn into_pairs(self) -> Vec<(&'static str, String)> {
        let kinds = (!self.non_fatal.is_empty()).then(|| self.non_fatal.join(","));
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        [
            ("tolerance_usecs", text(self.tolerance_micros)),
            ("tolerance_percent", text(self.tolerance_percent.map(u64::from))),
            ("mtu", text(self.mtu.map(u64::from))),
            ("bind_port", text(self.bind_port.map(u64::from))),
            ("connect_port", text(self.connect_port.map(u64::from))),
            ("tcp_ts_tick_usecs", text(self.timestamp_tick)),
            ("non_fatal", kinds),
            ("strict_segments", self.strict_segments.then(String::new)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Given;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        given: Given,
    }

    fn pairs(line: &str) -> Result<Vec<(&'static str, String)>, clap::Error> {
        let words = std::iter::once("script").chain(line.split_whitespace());
        Ok(Line::try_parse_from(words)?.given.into_pairs())
    }

    /// As the scripts of the kernel are started over IPv6.
    #[test]
    fn what_starts_packetdrill_starts_this() {
        let line = "--mtu=1520 --local_ip=fd3d:0a0b:17d6::1 --gateway_ip=fd3d:0a0b:17d6:8888::1 --remote_ip=fd3d:fa7b:d17d::1 \
                    --tolerance_usecs=14000 --non_fatal=packet,syscall --send_omit_free -v";
        let expected = [
            ("tolerance_usecs", "14000"),
            ("mtu", "1520"),
            ("non_fatal", "packet,syscall"),
        ];
        let found = pairs(line).expect("known options");
        assert_eq!(found, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(pairs("").expect("no options"), []);
    }

    #[test]
    fn what_no_script_could_ask_for_is_refused() {
        for line in [
            "--mtu=67",
            "--mtu=x",
            "--bind_port=0",
            "--tolerance_percent=101",
            "--non_fatal=all",
        ] {
            assert!(pairs(line).is_err(), "{line}");
        }
    }
}
