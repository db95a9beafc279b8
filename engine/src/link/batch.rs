//! The loops that the devices of the kernel have in common: into a batch, and out of it.

use std::io;

use super::DeviceCounters;
use crate::frame::{Packet, PacketQueue};

/// What came of an attempt to receive a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// It is where it was asked for.
    Received,
    /// It was of no use, and is lost.
    Lost,
    /// Nothing waits that could be received now.
    Nothing,
}

/// What became of the packets in front of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Departure {
    /// So many are on their way, or as good as.
    Sent(usize),
    /// So many can never be sent.
    Lost(usize),
    /// None, but another try may do better.
    Again,
    /// None, and none will be soon.
    Full,
}

/// Receives by `take` into the empty packets of `batch` as far as there is room, and returns how many.
#[inline]
pub(super) fn fill<D>(
    device: &mut D,
    batch: &mut PacketQueue,
    counters: fn(&mut D) -> &mut DeviceCounters,
    take: fn(&mut D, &mut Packet) -> Arrival,
) -> usize {
    let (mut received, mut lost) = (0, 0);
    while let Some(packet) = batch.push() {
        match take(device, packet) {
            Arrival::Received => {
                received += 1;
                continue;
            }
            Arrival::Lost => lost += 1,
            Arrival::Nothing => {
                batch.pop_back();
                break;
            }
        }
        batch.pop_back();
    }
    let counters = counters(device);
    counters.received += received as u64;
    counters.dropped += lost;
    received
}

/// Sends from the front of `batch` by `send` until it is empty or no more is taken, and returns how many packets left it.
#[inline]
pub(super) fn empty<D>(
    device: &mut D,
    batch: &mut PacketQueue,
    counters: fn(&mut D) -> &mut DeviceCounters,
    send: fn(&mut D, &mut PacketQueue) -> Departure,
) -> usize {
    let (mut sent, mut lost) = (0, 0);
    while !batch.is_empty() {
        let gone = match send(device, batch) {
            Departure::Sent(count) => {
                sent += count;
                count
            }
            Departure::Lost(count) => {
                lost += count;
                count
            }
            Departure::Again => 0,
            Departure::Full => break,
        };
        for _ in 0..gone {
            batch.pop_front();
        }
    }
    let counters = counters(device);
    counters.sent += sent as u64;
    counters.dropped += lost as u64;
    counters.refused += batch.len() as u64;
    sent + lost
}

/// Whether the system has no room for a packet now that it may have room for later.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM)
    )
}
