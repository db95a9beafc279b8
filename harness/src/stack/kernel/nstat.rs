//! What the kernel counts for the network namespace of the calling thread.

use std::fs;
use std::io;

/// Counters that only grow, from `snmp` and `netstat` of the namespace. Their names are the kernel's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Nstat {
    /// `TcpRetransSegs`.
    pub(crate) retransmitted_segments: u64,
    /// `TW`: connections that entered TIME_WAIT.
    pub(crate) time_wait_entered: u64,
    /// `TWKilled`: entries that were given 4 s or less.
    pub(crate) time_wait_killed: u64,
    /// `TWRecycled`: entries that made way for a new connection from this side.
    pub(crate) time_wait_recycled: u64,
    /// `TCPTimeWaitOverflow`: connections that skipped TIME_WAIT because the table was full.
    pub(crate) time_wait_overflow: u64,
    /// `ListenDrops`: SYNs and final ACKs that a listener dropped, a full accept queue (`ListenOverflows`) included.
    pub(crate) listen_drops: u64,
    /// `SyncookiesSent` and `SyncookiesRecv`: SYNs that a full half-open table answered with a cookie, and connections that one opened.
    pub(crate) syn_cookies_sent: u64,
    pub(crate) syn_cookies_accepted: u64,
    /// `UdpRcvbufErrors` and `Udp6RcvbufErrors`: datagrams dropped because the receiver's buffer was full.
    pub(crate) udp_receive_buffer_errors: u64,
    /// `UdpSndbufErrors` and `Udp6SndbufErrors`: datagrams that a device's queue had no room for, and those that were refused.
    pub(crate) udp_send_buffer_errors: u64,
}

impl Nstat {
    pub(crate) fn read() -> io::Result<Self> {
        let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
        let netstat = fs::read_to_string("/proc/thread-self/net/netstat")?;
        // A kernel without IPv6 has no such table, and drops none of its datagrams.
        let snmp6 = fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
        Ok(Self::from_tables(&snmp, &snmp6, &netstat))
    }

    fn from_tables(snmp: &str, snmp6: &str, netstat: &str) -> Self {
        let extended = |name| column(netstat, "TcpExt:", name).unwrap_or(0);
        Self {
            retransmitted_segments: column(snmp, "Tcp:", "RetransSegs").unwrap_or(0),
            time_wait_entered: extended("TW"),
            time_wait_killed: extended("TWKilled"),
            time_wait_recycled: extended("TWRecycled"),
            time_wait_overflow: extended("TCPTimeWaitOverflow"),
            listen_drops: extended("ListenDrops"),
            syn_cookies_sent: extended("SyncookiesSent"),
            syn_cookies_accepted: extended("SyncookiesRecv"),
            udp_receive_buffer_errors: column(snmp, "Udp:", "RcvbufErrors").unwrap_or(0)
                + word_after(snmp6, "Udp6RcvbufErrors").unwrap_or(0),
            udp_send_buffer_errors: column(snmp, "Udp:", "SndbufErrors").unwrap_or(0)
                + word_after(snmp6, "Udp6SndbufErrors").unwrap_or(0),
        }
    }

    /// What was counted since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            retransmitted_segments: self
                .retransmitted_segments
                .wrapping_sub(earlier.retransmitted_segments),
            time_wait_entered: self.time_wait_entered.wrapping_sub(earlier.time_wait_entered),
            time_wait_killed: self.time_wait_killed.wrapping_sub(earlier.time_wait_killed),
            time_wait_recycled: self.time_wait_recycled.wrapping_sub(earlier.time_wait_recycled),
            time_wait_overflow: self.time_wait_overflow.wrapping_sub(earlier.time_wait_overflow),
            listen_drops: self.listen_drops.wrapping_sub(earlier.listen_drops),
            syn_cookies_sent: self.syn_cookies_sent.wrapping_sub(earlier.syn_cookies_sent),
            syn_cookies_accepted: self
                .syn_cookies_accepted
                .wrapping_sub(earlier.syn_cookies_accepted),
            udp_receive_buffer_errors: self
                .udp_receive_buffer_errors
                .wrapping_sub(earlier.udp_receive_buffer_errors),
            udp_send_buffer_errors: self
                .udp_send_buffer_errors
                .wrapping_sub(earlier.udp_send_buffer_errors),
        }
    }
}

/// TIME_WAIT entries that the namespace holds now.
pub(crate) fn time_wait_held() -> Option<u64> {
    let sockstat = fs::read_to_string("/proc/thread-self/net/sockstat").ok()?;
    word_after(sockstat.lines().find(|line| line.starts_with("TCP:"))?, "tw")
}

/// Bytes of the kernel's slab allocator, in which all sockets live: those of every process.
pub(crate) fn slab_bytes() -> Option<u64> {
    let memory = fs::read_to_string("/proc/meminfo").ok()?;
    Some(word_after(memory.lines().find(|line| line.starts_with("Slab:"))?, "Slab:")? * 1024)
}

/// These tables come in pairs of lines: names, then values, both after the same first word.
fn column(table: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.split(' ').next() == Some(group));
    let position = lines.next()?.split(' ').position(|word| word == name)?;
    lines.next()?.split(' ').nth(position)?.parse().ok()
}

fn word_after(line: &str, name: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "Tcp: RtoAlgorithm InErrs RetransSegs\nTcp: 1 7 42\n\
                        Udp: InDatagrams RcvbufErrors SndbufErrors\nUdp: 5 6 7\nUdpLite: InDatagrams RcvbufErrors\nUdpLite: 8 9\n";
    const SNMP6: &str = "Udp6InDatagrams \t20\nUdp6RcvbufErrors \t30\nUdpLite6RcvbufErrors \t40\n";
    const NETSTAT: &str = "TcpExt: SyncookiesSent SyncookiesRecv TW TWRecycled TWKilled TCPTimeWaitOverflow\n\
         TcpExt: 8 9 10 11 12 13\nIpExt: TW\nIpExt: 99\n";

    #[test]
    fn values_are_found_by_group_and_name() {
        let found = Nstat::from_tables(SNMP, SNMP6, NETSTAT);
        let expected = Nstat {
            retransmitted_segments: 42,
            syn_cookies_sent: 8,
            syn_cookies_accepted: 9,
            time_wait_entered: 10,
            time_wait_recycled: 11,
            time_wait_killed: 12,
            time_wait_overflow: 13,
            udp_receive_buffer_errors: 6 + 30,
            udp_send_buffer_errors: 7,
            ..Nstat::default()
        };
        assert_eq!(found, expected);
        let earlier = Nstat {
            time_wait_entered: 4,
            ..Nstat::default()
        };
        assert_eq!(found.since(&earlier).time_wait_entered, 6);
    }

    #[test]
    fn this_kernel_has_the_tables() {
        Nstat::read().expect("snmp and netstat are readable");
        assert!(time_wait_held().is_some());
        assert!(slab_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn a_word_is_matched_whole() {
        assert_eq!(
            word_after("TCP: inuse 4 orphan 0 tw 17 alloc 5 mem 1", "tw"),
            Some(17)
        );
        assert_eq!(word_after("TCP: inuse 4", "tw"), None);
    }
}
