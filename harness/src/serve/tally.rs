//! What a server has done.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use handfast::engine::Counters;

/// Connections, whatever carries them.
#[derive(Default, Debug)]
pub(super) struct Tally {
    accepted: AtomicU64,
    failed: AtomicU64,
    requests: AtomicU64,
}

impl Tally {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn ended(&self, outcome: &io::Result<()>) {
        self.failed.fetch_add(u64::from(outcome.is_err()), Relaxed);
    }

    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections, of which {} broke off",
            self.accepted.load(Relaxed),
            self.failed.load(Relaxed)
        )?;
        match self.requests.load(Relaxed) {
            0 => Ok(()),
            requests => write!(f, "; {requests} requests"),
        }
    }
}

/// What the engine counted, in lines that follow.
#[derive(Debug)]
pub(super) struct Engine<'a>(pub(super) &'a Counters);

impl fmt::Display for Engine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters {
            device,
            internet,
            tcp,
            udp,
            ..
        } = self.0;
        let malformed =
            internet.dropped_malformed.iter().sum::<u64>() + tcp.dropped_malformed + udp.dropped_malformed;
        write!(
            f,
            "\npackets: {} received, {} sent, {} dropped by the device; {} system calls\n\
             tcp: {} bytes received, {} sent; {} segments sent again; {} resets received, {} sent\n\
             udp: {} datagrams received, {} sent, {} dropped for want of room\n\
             dropped: {} for wrong checksums, {malformed} malformed",
            device.received,
            device.sent,
            device.dropped,
            device.system_calls,
            tcp.bytes_received,
            tcp.bytes_sent,
            tcp.segments_retransmitted,
            tcp.resets_received,
            tcp.resets_sent,
            udp.received,
            udp.sent,
            udp.dropped_queue_full,
            tcp.dropped_checksum + udp.dropped_checksum,
        )
    }
}
