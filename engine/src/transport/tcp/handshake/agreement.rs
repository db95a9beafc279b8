//! What the two ends agree on in their SYNs.

use super::super::congestion::Congestion;
use super::super::connection::{Connection, Flags as Has};
use super::super::input::coarse_clock;
use super::super::options;
use super::syn::{default_mss, own_mss};
use crate::config::TcpConfig;
use crate::internet::Output;

/// What a peer that announces an absurd MSS is sent: a floor against tiny segments, the one of Linux.
const MIN_MSS: u16 = 48;

/// What both ends agreed on in their SYNs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) peer_mss: u16,
    pub(super) peer_scale: Option<u8>,
    pub(super) timestamps: bool,
    pub(super) sack: bool,
    pub(super) ecn: bool,
    pub(super) ts_recent: u32,
}

/// Sets what the SYNs agreed on. Scaling and timestamps hold only when both ends offered them.
pub(super) fn agree(
    config: &TcpConfig,
    window_scale: u8,
    out: &Output<'_>,
    connection: &mut Connection,
    agreed: Agreed,
) {
    let is_v4 = connection.local().is_v4();
    let peer_mss = match agreed.peer_mss {
        0 => default_mss(is_v4),
        announced => announced.max(MIN_MSS),
    };
    let options_len = options::segment_len(agreed.timestamps, 0) as u16;
    connection.mss = peer_mss
        .min(own_mss(config, out, is_v4))
        .saturating_sub(options_len)
        .max(1);
    if let Some(scale) = agreed.peer_scale {
        connection.snd_scale = scale;
        connection.rcv_scale = window_scale;
        connection.flags.set(Has::SCALES);
    }
    if agreed.sack {
        connection.flags.set(Has::SACK);
    }
    if agreed.ecn {
        connection.flags.set(Has::ECN);
    }
    if agreed.timestamps {
        connection.flags.set(Has::TIMESTAMPS);
        connection.ts_recent = agreed.ts_recent;
        connection.ts_recent_at = coarse_clock(out.now);
    }
    connection.congestion = Congestion::new(config.congestion.into(), connection.mss);
}
