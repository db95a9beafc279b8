//! The tables of the kernel's stack: `snmp`, `netstat`, `snmp6`, `sockstat` of a network namespace, and `softnet_stat` of the machine.

use std::collections::BTreeMap;
use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the kernel's stack of one host counted.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HostCounters {
    /// Whose host it is: `client`, `server`, or `both`.
    pub(crate) host: String,
    /// Whether it is the machine's own, so that other programs' packets are counted too.
    pub(crate) shared: bool,
    /// What grew or shrank, by the names of `nstat`; what stayed as it was is left out.
    pub(crate) nstat: BTreeMap<String, i64>,
    /// `sockstat` when the window began: sockets, TIME_WAIT entries and pages of memory held.
    pub(crate) sockstat_before: BTreeMap<String, u64>,
    /// The same when it ended.
    pub(crate) sockstat_after: BTreeMap<String, u64>,
}

/// The tables of a host at one moment.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tables {
    nstat: BTreeMap<String, u64>,
    sockstat: BTreeMap<String, u64>,
}

impl Tables {
    /// Those of the namespace that the calling thread is in; empty where the kernel does not tell.
    pub(crate) fn read_here() -> Self {
        // `/proc/net` would be that of the process's first thread.
        let table =
            |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
        let mut nstat = in_pairs_of_lines(&table("snmp"));
        nstat.extend(in_pairs_of_lines(&table("netstat")));
        nstat.extend(in_lines(&table("snmp6")));
        Self {
            nstat,
            sockstat: in_pairs_of_words(&table("sockstat")),
        }
    }

    /// What changed since `earlier`.
    pub(crate) fn since(&self, earlier: &Self, host: &str, shared: bool) -> HostCounters {
        let changed = self.nstat.iter().filter_map(|(name, now)| {
            let then = earlier.nstat.get(name).copied().unwrap_or(0);
            let change = now.wrapping_sub(then).cast_signed();
            (change != 0).then(|| (name.clone(), change))
        });
        HostCounters {
            host: host.to_owned(),
            shared,
            nstat: changed.collect(),
            sockstat_before: earlier.sockstat.clone(),
            sockstat_after: self.sockstat.clone(),
        }
    }
}

/// `Tcp: InSegs OutSegs` and below it `Tcp: 5 6`. Negative values, which are settings, are skipped.
fn in_pairs_of_lines(table: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = table.lines().collect();
    let mut found = BTreeMap::new();
    for pair in lines.chunks_exact(2) {
        let (Some((group, names)), Some((_, values))) = (pair[0].split_once(": "), pair[1].split_once(": "))
        else {
            continue;
        };
        let values = values.split(' ').map(str::parse);
        for (name, value) in names.split(' ').zip(values) {
            if let Ok(value) = value {
                found.insert(format!("{group}{name}"), value);
            }
        }
    }
    found
}

/// `Ip6InReceives 5`.
fn in_lines(table: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    table.lines().filter_map(pair).collect()
}

/// `TCP: inuse 1 tw 2` as `TCP_inuse` and `TCP_tw`.
fn in_pairs_of_words(table: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for (group, rest) in table.lines().filter_map(|line| line.split_once(": ")) {
        let words: Vec<&str> = rest.split(' ').collect();
        for pair in words.chunks_exact(2) {
            if let Ok(value) = pair[1].parse() {
                found.insert(format!("{group}_{}", pair[0]), value);
            }
        }
    }
    found
}

/// Packets on their way between devices and protocols, over all cores of the machine.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SoftnetCounters {
    /// Packets that softirqs took from devices' queues; several that were joined count as one.
    pub(crate) softnet_processed: u64,
    /// Packets dropped because a core's queue was full.
    pub(crate) softnet_dropped: u64,
    /// Times that a softirq had to stop with packets left, because its share of time or packets was used up.
    pub(crate) softnet_time_squeeze: u64,
}

/// The same since the machine started; each wraps at 32 bits for each core.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Softnet([u32; 3]);

impl Softnet {
    pub(super) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/net/softnet_stat").ok()?)
    }

    /// A line for each core, in hexadecimal.
    fn parse(table: &str) -> Option<Self> {
        table.lines().try_fold(Self::default(), |sum, line| {
            let mut fields = line.split_ascii_whitespace();
            let mut next = |sum: u32| Some(sum.wrapping_add(u32::from_str_radix(fields.next()?, 16).ok()?));
            Some(Self([next(sum.0[0])?, next(sum.0[1])?, next(sum.0[2])?]))
        })
    }

    pub(super) fn since(self, earlier: Self) -> SoftnetCounters {
        let grown = |at: usize| u64::from(self.0[at].wrapping_sub(earlier.0[at]));
        SoftnetCounters {
            softnet_processed: grown(0),
            softnet_dropped: grown(1),
            softnet_time_squeeze: grown(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_group_and_name() {
        let snmp = "Tcp: RtoMin MaxConn InSegs CurrEstab\nTcp: 200 -1 42 3\nUdp: InSegs\nUdp: 5\n";
        let found = in_pairs_of_lines(snmp);
        assert_eq!((found["TcpInSegs"], found["UdpInSegs"]), (42, 5));
        assert!(
            !found.contains_key("TcpMaxConn"),
            "a setting below zero counts nothing"
        );
        assert_eq!(in_lines("Ip6InReceives      \t7\nnonsense\n")["Ip6InReceives"], 7);
        let sockets = in_pairs_of_words("sockets: used 20\nTCP: inuse 1 orphan 0 tw 9\n");
        assert_eq!((sockets["sockets_used"], sockets["TCP_tw"]), (20, 9));
    }

    #[test]
    fn only_what_changed_is_told_and_levels_may_fall() {
        let tables = |in_segments, open| Tables {
            nstat: BTreeMap::from([
                ("TcpInSegs".to_owned(), in_segments),
                ("TcpCurrEstab".to_owned(), open),
                ("TcpRtoMin".to_owned(), 200),
            ]),
            sockstat: BTreeMap::new(),
        };
        let found = tables(50, 1).since(&tables(42, 3), "both", false);
        let expected = BTreeMap::from([("TcpInSegs".to_owned(), 8), ("TcpCurrEstab".to_owned(), -2)]);
        assert_eq!(found.nstat, expected);
    }

    #[test]
    fn cores_are_added_up_and_may_wrap() {
        let before = Softnet::parse("fffffffe 0 1 0\n00000001 2 0 0\n").expect("two cores");
        let after = Softnet::parse("00000003 1 1 0\n00000002 2 4 0\n").expect("two cores");
        let expected = SoftnetCounters {
            softnet_processed: 6,
            softnet_dropped: 1,
            softnet_time_squeeze: 4,
        };
        assert_eq!(after.since(before), expected);
        assert_eq!(Softnet::parse("zebra"), None);
    }

    #[test]
    fn this_kernel_has_the_tables() {
        let here = Tables::read_here();
        assert!(here.nstat.contains_key("TcpRetransSegs") && here.nstat.contains_key("TcpExtTW"));
        assert!(here.sockstat.contains_key("TCP_tw"));
    }
}
