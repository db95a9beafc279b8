//! What a SYN says, and how it is written.

use super::super::Tcp;
use super::super::half_open::Offered;
use super::super::options::{self, SynOptions, Timestamps};
use super::super::segment::{CHECKSUM_AT, EmitHeader, Flags, HEADER_LEN};
use super::super::seq::SeqNumber;
use crate::config::TcpConfig;
use crate::frame::Packet;
use crate::internet::{Internet, Output, protocol};
use crate::transport::flow::FlowKey;

/// What a peer that announces no MSS is sent (RFC 9293 MUST-15).
pub(super) const DEFAULT_MSS_V4: u16 = 536;
const DEFAULT_MSS_V6: u16 = 1220;

/// What a SYN says.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport::tcp) struct Syn {
    pub(in crate::transport::tcp) flags: Flags,
    pub(in crate::transport::tcp) seq: SeqNumber,
    pub(in crate::transport::tcp) ack: SeqNumber,
    pub(in crate::transport::tcp) window_scale: Option<u8>,
    pub(in crate::transport::tcp) sack_permitted: bool,
    pub(in crate::transport::tcp) timestamps: Option<Timestamps>,
    pub(in crate::transport::tcp) traffic_class: u8,
}

impl Tcp {
    #[inline(always)]
    pub(in crate::transport::tcp) fn emit_syn(
        &mut self,
        out: &mut Output<'_>,
        key: &FlowKey,
        syn: Syn,
    ) -> Option<()> {
        let syn_options = SynOptions {
            mss: own_mss(&self.config, out, key.local.is_v4()),
            window_scale: syn.window_scale,
            sack_permitted: syn.sack_permitted,
            timestamps: syn.timestamps,
        };
        let header = EmitHeader {
            seq: syn.seq,
            ack: syn.ack,
            source_port: key.local_port,
            destination_port: key.remote_port,
            window: initial_window(&self.config),
            urgent: 0,
            flags: syn.flags,
        };
        let packet = out.queue.push()?;
        match syn_options.full() {
            Some(all) => out
                .internet
                .begin_array::<{ HEADER_LEN + options::FULL_SYN_LEN }>(
                    packet,
                    &key.local,
                    &key.remote,
                    protocol::TCP,
                    syn.traffic_class,
                    |bytes| {
                        let (fixed, rest) =
                            bytes.split_first_chunk_mut().expect("longer than a fixed header");
                        header.emit(options::FULL_SYN_LEN, fixed);
                        rest.copy_from_slice(&all);
                    },
                ),
            None => begin_partial_syn(
                out.internet,
                packet,
                key,
                syn.traffic_class,
                &header,
                &syn_options,
            ),
        }
        out.internet
            .complete(packet, &key.local, &key.remote, protocol::TCP, CHECKSUM_AT);
        self.counters.segments_sent += 1;
        Some(())
    }
}

/// The headers of a SYN that does not offer all there is.
fn begin_partial_syn(
    internet: &mut Internet,
    packet: &mut Packet,
    key: &FlowKey,
    traffic_class: u8,
    header: &EmitHeader,
    syn_options: &SynOptions,
) {
    let options_len = syn_options.wire_len();
    let bytes = internet.begin(
        packet,
        &key.local,
        &key.remote,
        protocol::TCP,
        traffic_class,
        HEADER_LEN + options_len,
    );
    let (fixed, rest) = bytes
        .split_first_chunk_mut::<HEADER_LEN>()
        .expect("as long as asked for");
    header.emit(options_len, fixed);
    options::emit_syn(syn_options, rest);
}

/// The largest segment that we can receive whole, options not counted (RFC 6691).
pub(super) fn own_mss(config: &TcpConfig, out: &Output<'_>, is_v4: bool) -> u16 {
    let headers = HEADER_LEN as u32 + if is_v4 { 20 } else { 40 };
    let most = u32::from(config.max_segment);
    out.internet.mtu().saturating_sub(headers).min(most) as u16
}

/// What a peer takes that announces no MSS.
pub(in crate::transport::tcp) fn default_mss(is_v4: bool) -> u16 {
    if is_v4 { DEFAULT_MSS_V4 } else { DEFAULT_MSS_V6 }
}

/// The window in a SYN: never scaled.
pub(in crate::transport::tcp) fn initial_window(config: &TcpConfig) -> u16 {
    config.receive_buffer.min(u32::from(u16::MAX)) as u16
}

/// The shift that lets 16 bits tell of the whole receive buffer, as large as it may grow.
pub(in crate::transport::tcp) fn window_scale(config: &TcpConfig) -> u8 {
    let largest = config.receive_buffer.max(config.receive_buffer_limit);
    let bits = u32::BITS - largest.leading_zeros();
    (bits.saturating_sub(u16::BITS) as u8).min(options::MAX_WINDOW_SCALE)
}

/// ECE alone grants what the SYN asked for (RFC 3168 section 6.1.1).
pub(in crate::transport::tcp) fn syn_ack_flags(offered: Offered) -> Flags {
    if offered.contains(Offered::ECN) {
        Flags::SYN | Flags::ACK | Flags::ECE
    } else {
        Flags::SYN | Flags::ACK
    }
}

#[cfg(test)]
mod tests {
    use super::window_scale;
    use crate::config::TcpConfig;

    /// RFC 7323 section 2.3.
    #[test]
    fn the_window_scale_is_the_least_that_tells_of_the_whole_buffer() {
        let cases = [
            (0, 0),
            (65_535, 0),
            (65_536, 1),
            (131_071, 1),
            (131_072, 2),
            ((1 << 30) - 1, 14),
            (u32::MAX, 14),
        ];
        for (receive_buffer, shift) in cases {
            let config = TcpConfig {
                receive_buffer,
                receive_buffer_limit: 0,
                ..TcpConfig::default()
            };
            assert_eq!(window_scale(&config), shift, "{receive_buffer} bytes");
            let grown = TcpConfig {
                receive_buffer: 1,
                receive_buffer_limit: receive_buffer,
                ..TcpConfig::default()
            };
            assert_eq!(window_scale(&grown), shift, "up to {receive_buffer} bytes");
        }
    }
}
