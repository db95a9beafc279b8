//! What scripts may ask about a connection: the names of TCP_INFO and its constants.

use handfast::application::TcpInfo;
use handfast::transport::tcp::state::State;

/// Linux's numbers of the states.
pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}

/// The value of a constant that assertions may name.
pub(super) fn constant(name: &str) -> Option<i64> {
    const NAMES: [(&str, i64); 25] = [
        ("TCP_ESTABLISHED", 1),
        ("TCP_SYN_SENT", 2),
        ("TCP_SYN_RECV", 3),
        ("TCP_FIN_WAIT1", 4),
        ("TCP_FIN_WAIT2", 5),
        ("TCP_TIME_WAIT", 6),
        ("TCP_CLOSE", 7),
        ("TCP_CLOSE_WAIT", 8),
        ("TCP_LAST_ACK", 9),
        ("TCP_LISTEN", 10),
        ("TCP_CLOSING", 11),
        ("TCP_CA_Open", 0),
        ("TCP_CA_Disorder", 1),
        ("TCP_CA_CWR", 2),
        ("TCP_CA_Recovery", 3),
        ("TCP_CA_Loss", 4),
        ("TCPI_OPT_TIMESTAMPS", 1),
        ("TCPI_OPT_SACK", 2),
        ("TCPI_OPT_WSCALE", 4),
        ("TCPI_OPT_ECN", 8),
        ("TCPI_OPT_ECN_SEEN", 16),
        ("TCPI_OPT_SYN_DATA", 32),
        ("TCP_INFINITE_SSTHRESH", 0x7fff_ffff),
        ("INFINITE_SSTHRESH", 0x7fff_ffff),
        ("TCP_NEW_SYN_RECV", 12),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| *value)
}

/// What a connection's snapshot does not tell: the link's limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) mtu: u32,
    /// The MSS that our SYNs announce.
    pub(super) advertised_mss: u32,
}

/// Segments that must arrive later, or duplicates, before a loss is found (RFC 5681); RACK's reordering window is one of time.
const REORDERING: i64 = 3;

/// A field of TCP_INFO; `None` when the engine does not tell.
pub(super) fn field(name: &str, link: Link, of: &TcpInfo) -> Option<i64> {
    let segments = |octets: u32| i64::from(octets.div_ceil(of.snd_mss.max(1)));
    let whole_segments = |octets: u32| i64::from(octets / of.snd_mss.max(1));
    let micros = |span: handfast::time::Duration| (span.as_nanos() / 1_000) as i64;
    Some(match name {
        "tcpi_state" => state_number(of.state),
        "tcpi_ca_state" => congestion_state(of),
        "tcpi_retransmits" => i64::from(of.retransmits),
        "tcpi_backoff" => i64::from(of.backoff),
        "tcpi_probes" => i64::from(of.probes),
        "tcpi_min_rtt" => of.min_rtt.map_or(0, micros),
        "tcpi_rcv_rtt" => of.rcv_rtt.map_or(0, micros),
        "tcpi_rcv_ssthresh" => i64::from(of.rcv_buffer),
        "tcpi_pacing_rate" => of.pacing_rate.map_or(-1, |rate| rate.min(i64::MAX as u64) as i64),
        "tcpi_last_data_sent" => of.last_data_sent.as_millis() as i64,
        "tcpi_options" => {
            i64::from(of.timestamps)
                | i64::from(of.sack) << 1
                | i64::from(of.snd_wscale.is_some()) << 2
                | i64::from(of.ecn) << 3
        }
        "tcpi_snd_wscale" => i64::from(of.snd_wscale.unwrap_or_default()),
        "tcpi_rcv_wscale" => i64::from(of.rcv_wscale.unwrap_or_default()),
        "tcpi_rto" => micros(of.rto),
        "tcpi_snd_mss" => i64::from(of.snd_mss),
        "tcpi_unacked" => segments(of.unacked),
        "tcpi_sacked" => segments(of.sacked),
        "tcpi_lost" => segments(of.lost),
        "tcpi_retrans" => segments(of.retrans),
        "tcpi_snd_ssthresh" if of.snd_ssthresh == u32::MAX => 0x7fff_ffff,
        "tcpi_snd_ssthresh" => whole_segments(of.snd_ssthresh),
        "tcpi_snd_cwnd" => whole_segments(of.snd_cwnd),
        "tcpi_rtt" => of.rtt.map_or(0, micros),
        "tcpi_rttvar" => micros(of.rttvar),
        "tcpi_reordering" => REORDERING,
        "tcpi_advmss" => i64::from(link.advertised_mss),
        "tcpi_pmtu" => i64::from(of.path_mtu.unwrap_or(link.mtu)),
        "tcpi_notsent_bytes" => i64::from(of.send_queued.saturating_sub(of.unacked)),
        "tcpi_snd_wnd" => i64::from(of.snd_wnd),
        "tcpi_rcv_wnd" => i64::from(of.rcv_wnd),
        _ => return None,
    })
}

fn congestion_state(of: &TcpInfo) -> i64 {
    if of.in_recovery {
        3
    } else if of.after_timeout || of.retransmits > 0 {
        4
    } else {
        i64::from(of.in_disorder)
    }
}
