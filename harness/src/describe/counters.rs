//! What the counters of a run mean, which `run.json` has beside the metrics.

use super::metrics::{Definition, metric};

/// Every field of the counters of a run.
pub(crate) const COUNTERS: &[Definition] = &[
    metric(
        "branch_misses",
        "count",
        "branches that the processor predicted wrongly, in all threads of the run",
        "what the kernel did where with_kernel is false",
    ),
    metric(
        "cache_misses",
        "count",
        "accesses that missed the last level of the processor's cache, in all threads of the run",
        "what the kernel did where with_kernel is false",
    ),
    metric(
        "cycles",
        "count",
        "cycles of the processor for all threads of the run",
        "what the kernel did where with_kernel is false, and other threads",
    ),
    metric(
        "hardware_missing",
        "text",
        "why there are no counters of the processor; null where there are",
        "counters of the kernel, which need none of the processor",
    ),
    metric(
        "host",
        "text",
        "whose host the kernel's counters are of: client, server, or both where the two share one",
        "the far end of a TUN or TAP interface, which is the engine",
    ),
    metric(
        "idle_seconds",
        "s",
        "time of all cores with nothing to do, waiting for disks included",
        "time that another guest of the host had (steal_seconds)",
    ),
    metric(
        "instructions",
        "count",
        "instructions that the processor completed for all threads of the run",
        "what the kernel did where with_kernel is false, and other threads",
    ),
    metric(
        "involuntary_switches",
        "count",
        "times that the kernel took the core away from a thread of the run: somebody else wanted it",
        "waits of the threads' own",
    ),
    metric(
        "irq_seconds",
        "s",
        "time of all cores in hardware interrupts, in steps of 10 ms",
        "interrupts that the kernel does not account for by themselves: those are in machine_system_seconds or in whoever was interrupted",
    ),
    metric(
        "machine_system_seconds",
        "s",
        "time of all cores in the kernel on behalf of programs, in steps of 10 ms",
        "softirqs, where the kernel accounts for them by themselves",
    ),
    metric(
        "machine_user_seconds",
        "s",
        "time of all cores in programs outside of the kernel, whoever's, in steps of 10 ms",
        "nothing: other programs are in it",
    ),
    metric(
        "major_faults",
        "count",
        "page faults of the process that had to read a disk",
        "faults that found the page in memory",
    ),
    metric(
        "minor_faults",
        "count",
        "page faults of the process that needed no disk: memory touched for the first time",
        "memory that was touched before the window",
    ),
    metric(
        "nstat",
        "counts by name",
        "what grew or shrank of snmp, netstat and snmp6 on that host, by the names of nstat; what stayed as it was is left out",
        "packets that never met the kernel's stack, as an engine's in memory",
    ),
    metric(
        "packets",
        "count",
        "packets that the stacks moved, both ends together; null where they cannot tell",
        "packets of warm-up and drain",
    ),
    metric(
        "shared",
        "true or false",
        "whether that host is the machine's own, so that packets of other programs are counted too",
        "other programs, where it is false",
    ),
    metric(
        "sockstat_after",
        "counts by name",
        "sockets, TIME_WAIT entries (TCP_tw) and pages of memory (TCP_mem) on that host when the window ended",
        "what was held in between",
    ),
    metric(
        "sockstat_before",
        "counts by name",
        "the same when the window began",
        "what warm-up had closed by then",
    ),
    metric(
        "softirq_seconds",
        "s",
        "time of all cores in softirqs, in which the kernel receives packets and runs timers, in steps of 10 ms",
        "softirqs that the kernel bills to the thread that they interrupted, as most do where IRQ_TIME_ACCOUNTING is off",
    ),
    metric(
        "softnet_dropped",
        "count",
        "packets dropped because a core's queue towards the protocols was full, whole machine",
        "packets dropped elsewhere",
    ),
    metric(
        "softnet_processed",
        "count",
        "packets that softirqs took from devices' queues, whole machine; several that were joined (GRO, GSO) count as one",
        "packets that an engine took from its device itself",
    ),
    metric(
        "softnet_time_squeeze",
        "count",
        "times that a softirq stopped with packets left because its share of time or packets was used up, whole machine",
        "packets that were dropped",
    ),
    metric(
        "steal_seconds",
        "s",
        "time for which another guest of the same host had a core that this machine wanted",
        "waits for cores inside of this machine (core_wait_ratio)",
    ),
    metric(
        "system_calls",
        "count",
        "system calls by the stacks, both ends together; null where they cannot tell",
        "system calls of the generator",
    ),
    metric(
        "system_seconds",
        "s",
        "processor time of the process inside of the kernel",
        "what softirqs did on other cores; what they did on this thread's time is in it, whomever it was for",
    ),
    metric(
        "user_seconds",
        "s",
        "processor time of the process outside of the kernel",
        "other programs",
    ),
    metric(
        "voluntary_switches",
        "count",
        "times that a thread of the run gave up its core to wait",
        "cores that were taken away (involuntary_switches)",
    ),
    metric(
        "with_kernel",
        "true or false",
        "whether the processor's counters include what the kernel did for these threads",
        "other threads, either way",
    ),
];
