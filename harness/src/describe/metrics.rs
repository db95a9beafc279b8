//! What each metric means. Percentiles share the description of their histogram.

/// The definition of a metric.
#[derive(Debug)]
pub(crate) struct Definition {
    /// Its name in the JSON; that of the histogram for percentiles.
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What it is and how it is computed.
    pub(crate) meaning: &'static str,
    /// What a reader might think is in it, and is not.
    pub(crate) excludes: &'static str,
}

pub(super) const fn metric(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    excludes: &'static str,
) -> Definition {
    Definition {
        name,
        unit,
        meaning,
        excludes,
    }
}

const CPU: &str = "the work of softirqs on other cores; the load generator's own share is included";

const SIDE: &str = "what the kernel does for this side on the other's time or core: a softirq of the receiver often runs in the sender's thread";
const MACHINE: &str = "nothing: whatever else ran is in it, in the steps of the kernel's clock (10 ms)";

/// Every metric that a scenario reports.
pub(crate) const DEFINITIONS: &[Definition] = &[
    metric(
        "achieved_per_second",
        "1/s",
        "open loop (`--rate`): operations that succeeded in the window ÷ the window's length, summed over generators. A run is short_of_rate below 99 % of offered_per_second, what is in service at the end apart",
        "operations that were to start in the window and ended after it, which `response_ns` has",
    ),
    metric(
        "allocations_per_operation",
        "count",
        "heap allocations in the window ÷ operations; null for kernels",
        "what the kernel allocates",
    ),
    metric(
        "bare_packets_per_second",
        "1/s",
        "packets that a bare loop over the device (receive, swap addresses, transmit) sent back ÷ the processor time of its turns that moved packets",
        "sending the bursts and hearing the answers, turns that found nothing, and what ran on the core in between",
    ),
    metric(
        "bare_system_calls_per_packet",
        "count",
        "system calls of the device in those turns of the bare loop ÷ packets that it sent back",
        "system calls of who sends and hears, and of turns that found nothing",
    ),
    metric(
        "bytes_per_idle_connection",
        "bytes",
        "bytes mapped for connection state, index, handle and timer ÷ connections, of the dearer end",
        "buffers, of which idle connections of the engine own none, and the other end",
    ),
    metric(
        "client_busy_ratio",
        "ratio, 0 to 1",
        "open loop: the part of the window in which the client's threads had the processor and their stack had an event; null where both ends share a thread. A run is client_bound from 0.95 on while server_busy_ratio is below 0.5",
        "turns of a polling thread that found nothing",
    ),
    metric(
        "client_cpu_ns_per_connection",
        "ns",
        "processor time of the client's threads in the window ÷ connections completed; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "client_cpu_ns_per_datagram",
        "ns",
        "processor time of the client's threads in the window ÷ datagrams that arrived; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "client_cpu_ns_per_kibibyte",
        "ns",
        "processor time of the client's threads in the window × 1024 ÷ payload bytes received; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "client_cpu_ns_per_teardown",
        "ns",
        "processor time of the client's threads in the window × the share of the window spent tearing down ÷ teardowns; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "client_cpu_ns_per_transaction",
        "ns",
        "processor time of the client's threads in the window ÷ transactions completed; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "connections_open",
        "count",
        "connections that were open for the requests",
        "connections opened as a load beside them (`idle_reached`)",
    ),
    metric(
        "connections_per_second",
        "1/s",
        "connections completed in the window ÷ the window's length, summed over generators",
        "connections that failed, and those of warm-up and drain",
    ),
    metric(
        "copied_bytes_per_payload_byte",
        "ratio",
        "bytes that the stack copied ÷ payload bytes that it carried; null for kernels",
        "copies by the application",
    ),
    metric(
        "core_wait_ratio",
        "ratio, 0 to 1",
        "the part of the window in which load generators could run and waited for a core, the mean of their threads",
        "time spent waiting for packets",
    ),
    metric(
        "cpu_ns_per_connection",
        "ns",
        "processor time of the whole process, user and system, in the window ÷ connections completed",
        CPU,
    ),
    metric(
        "cpu_ns_per_datagram",
        "ns",
        "processor time of the whole process, user and system, in the window ÷ datagrams that arrived",
        CPU,
    ),
    metric(
        "cpu_ns_per_kibibyte",
        "ns",
        "processor time of the whole process, user and system, in the window × 1024 ÷ payload bytes received",
        CPU,
    ),
    metric(
        "cpu_ns_per_teardown",
        "ns",
        "processor time of the whole process, user and system, × the share of the window spent tearing down ÷ teardowns",
        CPU,
    ),
    metric(
        "cpu_ns_per_transaction",
        "ns",
        "processor time of the whole process, user and system, in the window ÷ transactions completed",
        CPU,
    ),
    metric(
        "cpu_ns_per_useful_poll",
        "ns",
        "processor time of the whole process in the window ÷ polls of both ends that found something to do",
        "nothing: the generator's share and the polls that found nothing are in it; see useful_polls_ratio",
    ),
    metric(
        "datagrams_per_second",
        "1/s",
        "datagrams that arrived in the window ÷ the window's length",
        "datagrams that were sent and did not arrive",
    ),
    metric(
        "delay_ns",
        "ns",
        "from a datagram's send to its arrival, on one clock; what a holding path adds is in it",
        "datagrams that were lost",
    ),
    metric(
        "dropped",
        "count",
        "packets that the stack dropped for want of room, in the window",
        "packets lost elsewhere on the path",
    ),
    metric(
        "dropped_arrivals",
        "count",
        "open loop: operations that were to start in the window and never did, because all of `--connections` were in flight and 2 s of arrivals (1,024 to 1,048,576 operations a generator) already waited",
        "operations that waited and started late, whose wait is in `response_ns`",
    ),
    metric(
        "duplicated",
        "count",
        "arrivals of a number that had arrived before; never taken for reordering (RFC 4737 section 3)",
        "retransmissions, which datagrams do not have",
    ),
    metric(
        "empty_polls",
        "count",
        "polls of the stack in the window that found nothing to do, both ends together",
        "polls of warm-up and drain",
    ),
    metric(
        "engine_to_bare",
        "ratio",
        "packets_per_second ÷ bare_packets_per_second: the part of the bare device that the engine leaves, 1 for a stack that costs nothing",
        "what both pay alike: the kernel's part of each packet is in both rates",
    ),
    metric(
        "exhausted_after_ns",
        "ns",
        "from the start of the window to the first connect that found no four-tuple free; null when there was none",
        "the time in which the table was filled beforehand",
    ),
    metric(
        "exhausted_connect_ns",
        "ns",
        "time of a call of connect that found no four-tuple free",
        "connects that succeeded, and all of kernel-uring, whose calls only queue",
    ),
    metric(
        "exhausted_ratio",
        "ratio, 0 to 1",
        "attempts to connect that found no free local port ÷ all attempts",
        "attempts that failed for another reason",
    ),
    metric(
        "failed",
        "count",
        "operations of the window that did not succeed, the sum of all `failed_…`",
        "failures of warm-up",
    ),
    metric(
        "failed_broken",
        "count",
        "connections that were refused, reset or timed out after they were started",
        "attempts that the local stack refused",
    ),
    metric(
        "failed_other",
        "count",
        "attempts that the local stack refused for another reason than ports or room",
        "connections that broke later",
    ),
    metric(
        "failed_ports_exhausted",
        "count",
        "attempts that found no free local port (EADDRNOTAVAIL)",
        "attempts refused for want of memory or descriptors",
    ),
    metric(
        "failed_too_many_connections",
        "count",
        "attempts for which the stack had no room",
        "attempts for which it had no port",
    ),
    metric(
        "failed_unended",
        "count",
        "operations that were outstanding when the drain was over",
        "operations that ended late, but ended",
    ),
    metric(
        "gigabits_per_second",
        "Gbit/s",
        "goodput: 8 × payload bytes that the receiver read in the window ÷ the window's length ÷ 10⁹ (RFC 2647 section 3.17)",
        "headers and retransmitted bytes",
    ),
    metric(
        "idle_reached",
        "count",
        "idle connections that were open when the window began (`--idle`), those that further processes hold included",
        "connections that carry the load",
    ),
    metric(
        "in_flight_mean",
        "count",
        "the time of all operations in the window (in an open loop from their intended start) ÷ the window's length: by Little's law the number outstanding",
        "open connections without an operation",
    ),
    metric(
        "lag_ns",
        "ns",
        "open loop: from an operation's intended start to the step of the generator that found it due: the generator's own lateness. A run is client_bound when p99 is above the mean time between two of a generator's arrivals (0.1 to 10 ms) and above service_ns_p99",
        "the wait for a place among `--connections`, which `response_ns` has",
    ),
    metric(
        "latency_ns",
        "ns",
        "from a request's send to the last byte of its response",
        "the wait before a request that a stalled stack held up (coordinated omission): `response_ns` of an open loop (`--rate`) has it",
    ),
    metric(
        "lost",
        "count",
        "datagrams sent in the window that had not arrived when the drain was over",
        "datagrams that came late, which count as arrived",
    ),
    metric(
        "machine_cpu_ns_per_connection",
        "ns",
        "busy time of all cores, softirqs included, in the window ÷ connections completed",
        MACHINE,
    ),
    metric(
        "machine_cpu_ns_per_datagram",
        "ns",
        "busy time of all cores, softirqs included, in the window ÷ datagrams that arrived",
        MACHINE,
    ),
    metric(
        "machine_cpu_ns_per_kibibyte",
        "ns",
        "busy time of all cores, softirqs included, in the window × 1024 ÷ payload bytes received",
        MACHINE,
    ),
    metric(
        "machine_cpu_ns_per_teardown",
        "ns",
        "busy time of all cores, softirqs included, in the window × the share of the window spent tearing down ÷ teardowns",
        MACHINE,
    ),
    metric(
        "machine_cpu_ns_per_transaction",
        "ns",
        "busy time of all cores, softirqs included, in the window ÷ transactions completed",
        MACHINE,
    ),
    metric(
        "offered_per_second",
        "1/s",
        "open loop: operations that were to start in the window by the seeded schedule ÷ the window's length, summed over generators",
        "nothing: operations that were dropped or failed are in it",
    ),
    metric(
        "other_programs_ratio",
        "ratio, 0 to 1",
        "busy time of the load generators' cores that neither the run nor the kernel's softirq threads (ksoftirqd) took ÷ the cores' time in the window",
        "what other programs did on other cores, and steps below the kernel's clock (10 ms a core)",
    ),
    metric(
        "reached",
        "count",
        "idle connections that were open when the window began, those that further processes hold included",
        "connections that could not be opened within 30 s",
    ),
    metric(
        "reordered_ratio",
        "ratio, 0 to 1",
        "datagrams that arrived after one with a higher number ÷ datagrams that arrived (RFC 4737 section 4.1)",
        "duplicates and losses",
    ),
    metric(
        "reordering_free_run_mean",
        "datagrams",
        "mean number of datagrams in order between two reordered ones (RFC 4737 section 4.6)",
        "the run that the end of the window cut off",
    ),
    metric(
        "response_ns",
        "ns",
        "open loop: from an operation's intended start, drawn ahead of the clock, to its end (the end of the connection, the last byte of the response, the datagram's arrival); lag, wait and service together",
        "operations that were dropped, failed or lost",
    ),
    metric(
        "retransmitted_segments",
        "count",
        "segments that the stacks sent again in the window; null where the stack cannot tell",
        "segments that a path duplicated",
    ),
    metric(
        "reuse_interval_ns",
        "ns",
        "from the end of a connection to the next one of the same four-tuple",
        "four-tuples that did not come back in the window, and all of kernel-uring, which does not tell its ports; more than the histogram's bound counts as the bound",
    ),
    metric(
        "sent",
        "count",
        "datagrams that the sender handed to its stack in the window",
        "datagrams of warm-up and drain",
    ),
    metric(
        "packets_per_second",
        "1/s",
        "packets that the engine's UDP sent back ÷ the processor time of its turns (poll, answer, transmit) that moved packets",
        "sending the bursts and hearing the answers, turns that found nothing, and what ran on the core in between",
    ),
    metric(
        "server_busy_ratio",
        "ratio, 0 to 1",
        "open loop: the part of the window in which the server's threads had the processor and their stack had an event; null where both ends share a thread",
        "turns of a polling thread that found nothing",
    ),
    metric(
        "server_cpu_ns_per_connection",
        "ns",
        "processor time of the server's threads in the window ÷ connections completed; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "server_cpu_ns_per_datagram",
        "ns",
        "processor time of the server's threads in the window ÷ datagrams that arrived; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "server_cpu_ns_per_kibibyte",
        "ns",
        "processor time of the server's threads in the window × 1024 ÷ payload bytes received; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "server_cpu_ns_per_teardown",
        "ns",
        "processor time of the server's threads in the window × the share of the window spent tearing down ÷ teardowns; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "server_cpu_ns_per_transaction",
        "ns",
        "processor time of the server's threads in the window ÷ transactions completed; null where both ends share a thread",
        SIDE,
    ),
    metric(
        "service_ns",
        "ns",
        "open loop: from an operation's actual start (the call of connect or send) to its end; for rr the same interval as `latency_ns`, of the operations that were to start in the window",
        "the wait before the start that a stalled stack caused: see `response_ns`",
    ),
    metric(
        "setup_ns",
        "ns",
        "set-up time: from the call of connect to the established connection at the client (the SYN-ACK has come)",
        "what the server does after the SYN-ACK, and attempts that failed",
    ),
    metric(
        "stolen_ratio",
        "ratio, 0 to 1",
        "the part of the load generators' cores that the hypervisor gave to other machines in the window (steal)",
        "what a hypervisor keeps to itself: many report no steal at all",
    ),
    metric(
        "system_calls_per_operation",
        "count",
        "system calls by the stack in the window ÷ operations; null where the stack cannot tell",
        "system calls of the generator",
    ),
    metric(
        "system_calls_per_packet",
        "count",
        "system calls by the stack in the window ÷ packets (of `packets`: those sent back, in turns that moved packets); null where the stack cannot tell",
        "system calls of the generator",
    ),
    metric(
        "teardown_ns",
        "ns",
        "teardown time: from the initiator's close to the acknowledgement of its FIN, both ends having closed (RFC 3511 appendix C)",
        "set-up, and the 60 s in TIME_WAIT that follow",
    ),
    metric(
        "teardowns_per_second",
        "1/s",
        "connections closed ÷ the time spent tearing down",
        "the time for setting up the batches",
    ),
    metric(
        "time_wait_bytes",
        "bytes",
        "bytes mapped for TIME_WAIT entries and their index at the end of the window; estimated from the size of an entry for kernels",
        "memory of connections that are not in TIME_WAIT",
    ),
    metric(
        "time_wait_bytes_per_entry",
        "bytes",
        "bytes mapped for TIME_WAIT entries and their index, what was sized ahead included, ÷ entries held, at the end of the window; it says what an entry costs only when the table is as full as it was sized for",
        "memory of connections that are not in TIME_WAIT",
    ),
    metric(
        "time_wait_filled",
        "count",
        "TIME_WAIT entries that were there when the window began (`--time-wait`)",
        "entries that the load itself makes",
    ),
    metric(
        "time_wait_peak",
        "count",
        "the most TIME_WAIT entries held at one time",
        "moments between two samples",
    ),
    metric(
        "time_wait_pressure",
        "ratio",
        "connections per second × seconds that a four-tuple is held ÷ four-tuples: above 1 they run out",
        "connects that failed",
    ),
    metric(
        "time_wait_reused",
        "count",
        "TIME_WAIT entries that made way for a new connection by the rules (RFC 6191; RFC 9293 section 3.6.1); for kernels TWRecycled",
        "entries that ended after their full time",
    ),
    metric(
        "time_wait_unaccounted",
        "count",
        "difference between TIME_WAIT entries made and connections closed with a FIN in the window; those in flight explain up to twice their number",
        "connections that were reset",
    ),
    metric(
        "time_wait_violations",
        "count",
        "TIME_WAIT entries that ended early although no rule allows it, such as by a full table",
        "early ends that RFC 6191 and RFC 9293 allow",
    ),
    metric(
        "transactions_per_second",
        "1/s",
        "responses received in full in the window ÷ the window's length",
        "requests that were not answered",
    ),
    metric(
        "tuples",
        "count",
        "four-tuples that a run may use: client addresses × ports of the range × server ports",
        "tuples that another program holds",
    ),
    metric(
        "useful_polls",
        "count",
        "polls of the stack in the window that found something to do, both ends together",
        "how much was done in a poll",
    ),
    metric(
        "useful_polls_ratio",
        "ratio, 0 to 1",
        "polls of the stack that found something to do ÷ all polls",
        "how much was done in a poll",
    ),
    metric(
        "window_seconds",
        "s",
        "length of the measured window, the shortest of all generators'",
        "warm-up and drain",
    ),
];
