//! What the kernel tells of the sockets on a host.

use std::fs;

/// Connections in SYN-RECEIVED on the calling thread's host, of both families; `None` where the kernel does not tell. It goes through all
/// sockets there.
pub(crate) fn half_open() -> Option<u64> {
    let table = |name| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
    let (v4, v6) = (table("tcp").ok()?, table("tcp6").unwrap_or_default());
    Some(in_syn_received(&v4) + in_syn_received(&v6))
}

/// Behind the number of a socket come its two ends, and then its state.
fn in_syn_received(table: &str) -> u64 {
    const SYN_RECEIVED: &str = "03";
    let states = table.lines().filter_map(|line| line.split_whitespace().nth(3));
    states.filter(|state| *state == SYN_RECEIVED).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_told_by_their_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
                     0: 0100007F:1B5F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n   \
                     1: 0100007F:1B5F 030212C6:0303 03 00000000:00000000 01:00000013 00000000     0\n   \
                     2: 0100007F:1B5F 040312C6:0404 03 00000000:00000000 01:00000013 00000000     0\n   \
                     3: 0100007F:1B5F 0100007F:0303 01 00000000:00000000 00:00000000 00000000     0\n";
        assert_eq!(in_syn_received(table), 2);
        assert!(half_open().is_some(), "this kernel has the tables");
    }
}
