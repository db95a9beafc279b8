//! The kernel's TCP_INFO, field by field.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// Octets of `struct tcp_info` as of Linux 6.2; an older kernel fills in fewer.
const LEN: usize = 240;

/// What the kernel tells of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Info {
    bytes: [u8; LEN],
    len: usize,
}

/// Where the fields of 8 bits are, of 32, and of 64.
const OCTETS: [(&str, usize); 6] = [
    ("tcpi_state", 0),
    ("tcpi_ca_state", 1),
    ("tcpi_retransmits", 2),
    ("tcpi_probes", 3),
    ("tcpi_backoff", 4),
    ("tcpi_options", 5),
];
const WORDS: [(&str, usize); 38] = [
    ("tcpi_rto", 8),
    ("tcpi_ato", 12),
    ("tcpi_snd_mss", 16),
    ("tcpi_rcv_mss", 20),
    ("tcpi_unacked", 24),
    ("tcpi_sacked", 28),
    ("tcpi_lost", 32),
    ("tcpi_retrans", 36),
    ("tcpi_fackets", 40),
    ("tcpi_last_data_sent", 44),
    ("tcpi_last_ack_sent", 48),
    ("tcpi_last_data_recv", 52),
    ("tcpi_last_ack_recv", 56),
    ("tcpi_pmtu", 60),
    ("tcpi_rcv_ssthresh", 64),
    ("tcpi_rtt", 68),
    ("tcpi_rttvar", 72),
    ("tcpi_snd_ssthresh", 76),
    ("tcpi_snd_cwnd", 80),
    ("tcpi_advmss", 84),
    ("tcpi_reordering", 88),
    ("tcpi_rcv_rtt", 92),
    ("tcpi_rcv_space", 96),
    ("tcpi_total_retrans", 100),
    ("tcpi_segs_out", 136),
    ("tcpi_segs_in", 140),
    ("tcpi_notsent_bytes", 144),
    ("tcpi_min_rtt", 148),
    ("tcpi_data_segs_in", 152),
    ("tcpi_data_segs_out", 156),
    ("tcpi_delivered", 192),
    ("tcpi_delivered_ce", 196),
    ("tcpi_dsack_dups", 216),
    ("tcpi_reord_seen", 220),
    ("tcpi_rcv_ooopack", 224),
    ("tcpi_snd_wnd", 228),
    ("tcpi_rcv_wnd", 232),
    ("tcpi_rehash", 236),
];
const LONG_WORDS: [(&str, usize); 10] = [
    ("tcpi_pacing_rate", 104),
    ("tcpi_max_pacing_rate", 112),
    ("tcpi_bytes_acked", 120),
    ("tcpi_bytes_received", 128),
    ("tcpi_delivery_rate", 160),
    ("tcpi_busy_time", 168),
    ("tcpi_rwnd_limited", 176),
    ("tcpi_sndbuf_limited", 184),
    ("tcpi_bytes_sent", 200),
    ("tcpi_bytes_retrans", 208),
];
/// Two shifts of four bits, ours in the upper ones.
const SHIFTS: usize = 6;

fn place_of(name: &str, fields: &[(&str, usize)]) -> Option<usize> {
    let known = fields.iter().find(|(known, _)| *known == name);
    known.map(|(_, place)| *place)
}

impl Info {
    pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let mut bytes = [0; LEN];
        let len = sys::option_bytes(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut bytes)?;
        Ok(Self { bytes, len })
    }

    /// The field of that name; `None` when this kernel does not tell it.
    pub(super) fn field(&self, name: &str) -> Option<i64> {
        match name {
            "tcpi_snd_wscale" => return Some(i64::from(self.bytes[SHIFTS] & 15)),
            "tcpi_rcv_wscale" => return Some(i64::from(self.bytes[SHIFTS] >> 4)),
            _ => {}
        }
        if let Some(at) = place_of(name, &OCTETS) {
            return self.number::<1>(at);
        }
        if let Some(at) = place_of(name, &WORDS) {
            return self.number::<4>(at);
        }
        self.number::<8>(place_of(name, &LONG_WORDS)?)
    }

    fn number<const N: usize>(&self, at: usize) -> Option<i64> {
        let found = self.bytes[..self.len].get(at..at + N)?;
        let mut whole = [0; 8];
        // The kernel writes numbers as this processor reads them, and fields are read as the low part of a longer one.
        let from = if cfg!(target_endian = "big") { 8 - N } else { 0 };
        whole[from..from + N].copy_from_slice(found);
        Some(i64::from_ne_bytes(whole))
    }
}
