//! What TCP counts.

/// What has happened since the engine was made. Every segment that is dropped is in one of these.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TcpCounters {
    /// Segments received, whatever became of them.
    pub segments_received: u64,
    /// Segments sent (a virtual segment counts once).
    pub segments_sent: u64,
    /// Payload bytes that arrived in order and were queued for the application.
    pub bytes_received: u64,
    /// Payload bytes sent for the first time.
    pub bytes_sent: u64,
    /// Segments sent again: because they were lost, as a tail loss probe, or a SYN that was not answered.
    pub segments_retransmitted: u64,
    /// Times that a retransmission timer ran out.
    pub timeouts: u64,
    /// Times that a loss was found before the retransmission timer ran out, and the congestion window reduced.
    pub fast_recoveries: u64,
    /// Times that a reduction was taken back, because nothing was lost.
    pub recoveries_undone: u64,
    /// Tail loss probes sent.
    pub tail_loss_probes: u64,
    /// Window probes sent.
    pub window_probes: u64,
    /// Keep-alive probes sent.
    pub keep_alive_probes: u64,
    /// Connections opened by the application.
    pub active_opens: u64,
    /// Connections opened by peers and established.
    pub passive_opens: u64,
    /// Attempts that the peer refused, or that timed out.
    pub failed_opens: u64,
    /// Connections that the peer reset.
    pub resets_received: u64,
    /// Resets sent.
    pub resets_sent: u64,
    /// Dropped: a header that is no TCP header (length, data offset, option length).
    pub dropped_malformed: u64,
    /// Dropped: the checksum was wrong.
    pub dropped_checksum: u64,
    /// Segments with text that arrived with the mark of congestion, on connections that use ECN (RFC 3168).
    pub ecn_marks_received: u64,
    /// Times that a peer's echo of congestion reduced the congestion window.
    pub ecn_reductions: u64,
    /// SYNs that found the half-open table full and were answered with a SYN cookie (RFC 4987).
    pub syn_cookies_sent: u64,
    /// Connections that a SYN cookie opened; they are among `passive_opens`.
    pub syn_cookies_accepted: u64,
    /// Acknowledgments to a listener that brought no cookie, or one too old, while cookies were out. They were reset.
    pub syn_cookies_refused: u64,
    /// Dropped: a SYN, because the half-open table was full and cookies are off.
    pub dropped_half_open_full: u64,
    /// Dropped: a SYN or the last acknowledgment of a handshake, because the accept queue was full.
    pub dropped_accept_queue_full: u64,
    /// Dropped: the last acknowledgment of a handshake, because there was no room for a connection.
    pub dropped_no_connection: u64,
    /// Dropped: a segment older than what was seen already, by its timestamp (RFC 7323 section 5).
    pub dropped_paws: u64,
    /// Dropped: outside the window.
    pub dropped_out_of_window: u64,
    /// Dropped: an acknowledgment of what was never sent, or too old to be honest (RFC 5961 section 5).
    pub dropped_bad_acknowledgment: u64,
    /// Dropped: no flag that the state allows.
    pub dropped_unexpected: u64,
    /// Dropped: the receive queue had no room for the pieces.
    pub dropped_queue_full: u64,
    /// Segments that arrived before their turn and were kept.
    pub out_of_order: u64,
    /// Challenge acknowledgments sent (RFC 5961).
    pub challenge_acks: u64,
    /// Challenge acknowledgments withheld by the limit of a connection.
    pub challenge_acks_limited: u64,
    /// Replies that found the transmit queue full and were not sent; the peer's retransmission asks again.
    pub replies_lost: u64,
    /// Payload bytes copied from or to the application's memory.
    pub application_bytes_copied: u64,
    /// Payload bytes of small writes that were copied together to be sent again.
    pub gathered_bytes: u64,
    /// Payload bytes copied into compact slots so that they do not pin larger ones.
    pub copybreak_bytes: u64,
    /// Connections that were reset because data was unread or arrived after the close (RFC 9293 SHLD-3).
    pub aborted_with_data: u64,
    /// Connections given up because the peer's FIN did not come.
    pub fin_wait_2_timeouts: u64,
    /// Connections reset at their close because there were too many orphans.
    pub orphans_refused: u64,
    /// Connections reset because they did not get rid of their data in the time they were given to linger.
    pub linger_timeouts: u64,
    /// `connect` found no free port towards the destination.
    pub ports_exhausted: u64,
    /// Times that the flow table got a new key because of too long a probe.
    pub flow_table_rebuilds: u64,
    /// ICMP errors that changed nothing: forged, or only told to the application because it is a connection that is established.
    pub icmp_errors_ignored: u64,
    /// Times that a router's message made the segments of a connection smaller (RFC 1191, RFC 8201).
    pub path_mtu_reductions: u64,
    /// Times that timeouts in a row made the segments of a connection smaller, on the suspicion that no router tells of too large ones.
    pub path_mtu_suspicions: u64,
    /// Resets that were ignored in TIME_WAIT (RFC 1337).
    pub time_wait_resets_ignored: u64,
    /// Acknowledgments sent from TIME_WAIT: the last ACK was lost, or an old duplicate came.
    pub time_wait_acks: u64,
}
