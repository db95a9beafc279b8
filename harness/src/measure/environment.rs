//! The machine and the settings that a figure was taken under, without which it means nothing.

mod call_cost;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

/// Where and with what a document's figures were measured. `None` is what this system does not tell.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(crate) struct Environment {
    /// Release of the kernel.
    pub(crate) kernel: Option<String>,
    /// Architecture of the program.
    pub(crate) architecture: String,
    /// Model of the processor.
    pub(crate) cpu: Option<String>,
    /// Cores that the program may use.
    pub(crate) nproc: usize,
    /// Whether the processor says that it is a virtual one.
    pub(crate) virtual_machine: Option<bool>,
    /// What the kernel does against each flaw of the processor; much of it is paid at every system call.
    pub(crate) mitigations: BTreeMap<String, String>,
    /// Nanoseconds of a bare system call (`getppid`).
    pub(crate) syscall_ns: f64,
    /// Nanoseconds of reading the clock.
    pub(crate) clock_ns: f64,
    /// What the kernel's clock reads.
    pub(crate) clock_source: Option<String>,
    /// Bytes of memory.
    pub(crate) memory_bytes: Option<u64>,
    /// Load averages over 1, 5 and 15 minutes when the measurement began.
    pub(crate) load: Option<[f64; 3]>,
    /// Commit that the program was built from; `-dirty` when the tree had changes.
    pub(crate) commit: Option<String>,
    /// Compiler that built the program.
    pub(crate) compiler: Option<String>,
    /// Whether the program was built with optimisation.
    pub(crate) optimised: bool,
    /// The kernel's default congestion control.
    pub(crate) congestion_control: Option<String>,
    /// `net.ipv4.tcp_tw_reuse`: 2 reuses TIME_WAIT on loopback addresses alone.
    pub(crate) tcp_tw_reuse: Option<u64>,
    /// `net.ipv4.tcp_max_tw_buckets`: TIME_WAIT entries that the kernel holds at most.
    pub(crate) tcp_max_tw_buckets: Option<u64>,
    /// First and last port that `connect` chooses from.
    pub(crate) ip_local_port_range: Option<[u64; 2]>,
    /// Longest accept queue.
    pub(crate) somaxconn: Option<u64>,
    /// Files that the process may open.
    pub(crate) open_files: Option<u64>,
}

impl Environment {
    /// Looks at the machine; takes some milliseconds.
    pub(crate) fn observe() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            kernel: text("/proc/sys/kernel/osrelease"),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: field(&processor, "model name").map(str::to_owned),
            nproc: std::thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: field(&processor, "flags")
                .map(|flags| flags.split_ascii_whitespace().any(|flag| flag == "hypervisor")),
            mitigations: mitigations(),
            syscall_ns: call_cost::syscall_ns(),
            clock_ns: call_cost::clock_ns(),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            memory_bytes: memory("MemTotal"),
            load: numbers("/proc/loadavg"),
            commit: option_env!("HANDFAST_COMMIT").map(str::to_owned),
            compiler: option_env!("HANDFAST_COMPILER").map(str::to_owned),
            optimised: !cfg!(debug_assertions),
            congestion_control: text("/proc/sys/net/ipv4/tcp_congestion_control"),
            tcp_tw_reuse: number("/proc/sys/net/ipv4/tcp_tw_reuse"),
            tcp_max_tw_buckets: number("/proc/sys/net/ipv4/tcp_max_tw_buckets"),
            ip_local_port_range: numbers("/proc/sys/net/ipv4/ip_local_port_range"),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
        }
    }
}

fn text(file: &str) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn number(file: &str) -> Option<u64> {
    text(file)?.parse().ok()
}

/// The first `N` words of a file, when they are numbers.
fn numbers<T: std::str::FromStr, const N: usize>(file: &str) -> Option<[T; N]> {
    let words: Option<Vec<T>> = text(file)?
        .split_ascii_whitespace()
        .take(N)
        .map(|word| word.parse().ok())
        .collect();
    words?.try_into().ok()
}

/// The value of the first `name : value` line.
fn field<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| line.split_once(':').filter(|(key, _)| key.trim() == name);
    lines.lines().find_map(named).map(|(_, value)| value.trim())
}

/// Bytes that programs can have without others losing theirs; `None` where the kernel does not tell.
pub(crate) fn available_memory() -> Option<u64> {
    memory("MemAvailable")
}

fn memory(name: &str) -> Option<u64> {
    let lines = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes: u64 = field(&lines, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn mitigations() -> BTreeMap<String, String> {
    let flaws = Path::new("/sys/devices/system/cpu/vulnerabilities");
    let files = fs::read_dir(flaws).into_iter().flatten().flatten();
    let named = files.filter_map(|file| {
        let state = fs::read_to_string(file.path()).ok()?;
        Some((file.file_name().into_string().ok()?, state.trim().to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let lines = "model\t\t: 85\nmodel name\t: Some CPU @ 2.00GHz\nflags : a b\n";
        assert_eq!(field(lines, "model name"), Some("Some CPU @ 2.00GHz"));
        assert_eq!(field(lines, "model"), Some("85"));
        assert_eq!(field(lines, "mod"), None);
    }

    #[test]
    fn this_machine_is_described() {
        let here = Environment::observe();
        assert!(here.kernel.is_some_and(|kernel| !kernel.is_empty()));
        assert!(here.nproc >= 1);
        assert!(here.syscall_ns > 0.0 && here.clock_ns > 0.0);
        let available = available_memory().expect("the kernel tells");
        assert!(available > 1 << 20 && here.memory_bytes > Some(available));
        assert!(here.ip_local_port_range.is_some_and(|[low, high]| low < high));
    }
}
