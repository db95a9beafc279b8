//! What the files are that verbs leave in a directory of results.

/// A file, or all files of a kind: a `*` in the name stands for anything.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

pub(super) const FILES: &[Kept] = &[
    Kept {
        name: "run.json",
        about: "the document of a run, handfast.run/1: what was asked, where it ran, and what came out; results/README.md explains its fields",
    },
    Kept {
        name: "report.html",
        about: "the same as a page that needs no network",
    },
    Kept {
        name: "index.html",
        about: "all results below a directory, by `handfast report DIR`",
    },
    Kept {
        name: "counters.csv",
        about: "what the system counted in each run, a row for each counter; `handfast describe COUNTER` says what it is",
    },
    Kept {
        name: "intervals.csv",
        about: "with --interval, a row for each interval of each run: stack, path, placement, connections, run (from 1), operation, from_s and to_s \
                (since the window began), operations, per_second, failed, time_wait (entries held at its end; empty where the stack does not tell), \
                latencies (how many), p50_ns, p99_ns, p999_ns, max_ns (empty without any), dropped_arrivals and response_… (from the intended \
                starts; empty in a closed loop)",
    },
    Kept {
        name: "interval-counters.csv",
        about: "with --interval, what the kernel counted in each interval of each run, a row for each counter: its packets between devices and \
                protocols (softnet), what changed of nstat, and sockstat at its end, for each host that packets went through",
    },
    Kept {
        name: "intervals.hlog",
        about: "with --interval, each interval's histogram of latencies, in nanoseconds: an HdrHistogram log with tags stack:path:placement:connections",
    },
    Kept {
        name: "*_ns.hlog",
        about: "each run's histogram of the metric of that name, in nanoseconds: an HdrHistogram log with tags stack:path:placement:connections, a line for each run",
    },
    Kept {
        name: "sequence-*.csv",
        about: "with --keep-sequence, every arrival of a run of reorder, in order: seq, sent_ns, received_ns, bytes, and the number sent in a comment above; \
                `handfast replay-seq` tells its metrics anew. One file for each stack, path, placement, number of connections and run, and for each generator from the second on",
    },
    Kept {
        name: "capture-*.pcapng",
        about: "with --capture N, the first N IP packets of a run that arrived over a device of the kernel (over tap and tun those sent, too), filled-in \
                connections and warm-up included, with the kernel's times; the file's last block says how many came too fast to be kept",
    },
    Kept {
        name: "search.json",
        about: "the document of a search, handfast.search/1: every run that it made, and what it found",
    },
];

impl Kept {
    /// Whether a file of that name is meant.
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self.name.split_once('*') {
            None => self.name == name,
            Some((before, after)) => {
                name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
            }
        }
    }
}
