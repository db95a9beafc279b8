//! What the block `wire` of a run means: the emulator's own account of what it did to packets.

use super::metrics::{Definition, metric};

/// Every field of what a run says of its wire.
pub(super) const WIRE: &[Definition] = &[
    metric(
        "back",
        "object",
        "what was done to packets from server to client (`--link-back`)",
        "packets the other way: those are in forward",
    ),
    metric(
        "bypassed",
        "packets",
        "packets of other protocols than TCP and UDP, such as ARP, which are passed on at once and not numbered",
        "all that the other counts are of",
    ),
    metric(
        "corrupted",
        "packets",
        "packets that were delivered with one bit flipped",
        "packets that were delivered as they were sent (passed)",
    ),
    metric(
        "delay",
        "object",
        "from a packet's sending to when it was due: the link's delay and jitter, and the wait in its queue",
        "what the emulator's own thread adds: that is lateness",
    ),
    metric(
        "dropped_by_loss",
        "packets",
        "packets that the link's loss took",
        "what found the queue full, or was told to go by its rule (dropped_by_queue)",
    ),
    metric(
        "dropped_by_queue",
        "packets",
        "packets that found the link's queue full, or that its rule (RED, CoDel) dropped",
        "what was lost by chance (dropped_by_loss), and what never came as far (overrun)",
    ),
    metric(
        "duplicated",
        "packets",
        "passed packets that were delivered twice",
        "copies that the hosts themselves sent again",
    ),
    metric(
        "forward",
        "object",
        "what was done to packets from client to server (`--link`)",
        "packets the other way: those are in back",
    ),
    metric(
        "in_flight",
        "packets",
        "packets that were still on the way when the run was over",
        "nothing: offered is passed, corrupted, dropped and in_flight together",
    ),
    metric(
        "lateness",
        "object",
        "from when a packet was due to when it was delivered: what the emulator's own thread adds to the delay that was asked for",
        "the delay that was asked for",
    ),
    metric("max_ns", "ns", "the longest, to three significant digits", "–"),
    metric("min_ns", "ns", "the shortest, to three significant digits", "–"),
    metric(
        "offered",
        "packets",
        "TCP and UDP packets that came to the emulator, from the first of the run to the last, the warm-up included",
        "packets that the sender's device dropped before (overrun)",
    ),
    metric(
        "overrun",
        "packets",
        "packets that the sender's device dropped before they came to the emulator: with any, the run does not count; null where the kernel does not tell",
        "what the link did by itself",
    ),
    metric("p50_ns", "ns", "the median, to three significant digits", "–"),
    metric(
        "p99_ns",
        "ns",
        "the 99th percentile, to three significant digits",
        "–",
    ),
    metric(
        "passed",
        "packets",
        "packets that were delivered as they were sent, duplicated and reordered ones included, each once",
        "corrupted ones",
    ),
    metric(
        "refused",
        "packets",
        "packets that the receiver's device refused: with any, the run does not count",
        "what the link did by itself",
    ),
    metric(
        "reordered",
        "packets",
        "passed packets that were delivered after one that was sent later (RFC 4737 §3.3)",
        "second copies of duplicated ones",
    ),
];
