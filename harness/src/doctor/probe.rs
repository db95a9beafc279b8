//! The probes, one function each.

use std::fs::{self, OpenOptions};

use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use super::Verdict;
use crate::calibration::{Machine, Noise, usual_place};
use crate::measure::counters::Hardware;
use crate::measure::environment::Environment;
use crate::path::lab;
use crate::path::namespace::{self, NotPossible};
use crate::path::switch::Switch;
use crate::sys::uring::Ring;

type Probe = fn() -> Verdict;

/// In the order in which they are tried: the last ones move the process to a host of its own.
pub(super) const ALL: [(&str, Probe); 14] = [
    ("machine", machine),
    ("a quiet machine", quiet),
    ("noise that `compare` knows", noise),
    ("counters of the processor", hardware),
    ("placement split", two_cores),
    ("open files", open_files),
    ("io_uring (kernel-uring)", io_uring),
    ("huge pages", huge_pages),
    ("paths memory and loopback", always),
    ("TUN and TAP devices", tun),
    ("path veth, and fresh namespaces", hosts),
    ("path bridge", bridge),
    ("AF_PACKET devices", packet_sockets),
    ("AF_XDP devices", xdp_sockets),
];

const AS_ROOT: &str = "run as root, or allow unprivileged user namespaces (sysctl user.max_user_namespaces, and \
                       kernel.apparmor_restrict_unprivileged_userns=0 where that exists)";

fn machine() -> Verdict {
    let here = Environment::observe();
    Verdict::works(format!(
        "Linux {} on {} ({} cores{}); a bare system call costs {:.0} ns",
        here.kernel.unwrap_or_default(),
        here.cpu.as_deref().unwrap_or("an unnamed processor"),
        here.nproc,
        if here.virtual_machine == Some(true) {
            ", virtual"
        } else {
            ""
        },
        here.syscall_ns
    ))
}

fn quiet() -> Verdict {
    let here = Environment::observe();
    match here.load {
        Some([last_minute, ..]) if !is_quiet(last_minute, here.nproc) => Verdict::missing(
            format!(
                "a load of {last_minute} on {} cores in the last minute: runs will be called disturbed",
                here.nproc
            ),
            "end what else runs, or wait a minute if that was this program",
        ),
        Some([last_minute, ..]) => Verdict::works(format!("a load of {last_minute} on {} cores", here.nproc)),
        None => Verdict::missing(
            "/proc/loadavg tells nothing",
            "look at other_programs_ratio of each run",
        ),
    }
}

/// Whether cores are left for load generators: more than a tenth of them disturbs a run.
fn is_quiet(load: f64, cores: usize) -> bool {
    load <= 0.1 * cores as f64
}

fn noise() -> Verdict {
    const CALIBRATE: &str =
        "handfast calibrate: without it a gate below the machine's noise fails for nothing";
    let here = Machine::of(&Environment::observe());
    let Some(file) = usual_place() else {
        return Verdict::missing("there is no home to keep it in", "set XDG_STATE_HOME");
    };
    let known = Noise::load(here, &file);
    if known.floors.is_empty() {
        return Verdict::missing(format!("nothing is known in {}", file.display()), CALIBRATE);
    }
    Verdict::works(format!(
        "{} figures, measured {}",
        known.floors.len(),
        known.measured
    ))
}

fn hardware() -> Verdict {
    match Hardware::open().missing() {
        None => Verdict::works("cycles, instructions, cache and branch misses are in every run"),
        Some(reason) => Verdict::missing(
            format!("{reason}: `hardware` is null in every run"),
            "run on the machine itself, with kernel.perf_event_paranoid at most 2",
        ),
    }
}

fn two_cores() -> Verdict {
    match std::thread::available_parallelism().map_or(1, usize::from) {
        1 => Verdict::missing(
            "there is one core",
            "two ends on one core measure each other: use --placement same-core",
        ),
        cores => Verdict::works(format!("{cores} cores")),
    }
}

fn open_files() -> Verdict {
    const COMFORTABLE: u64 = 20_000;
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if most < COMFORTABLE {
        Verdict::missing(
            format!(
                "a process may open {most} files, so kernel stacks reach half as many connections that carry load"
            ),
            "raise the hard limit (ulimit -Hn, limits.conf, LimitNOFILE=); the engine needs none",
        )
    } else {
        Verdict::works(format!(
            "{most}: kernel stacks reach {} connections, and further processes hold idle ones",
            most / 2
        ))
    }
}

fn io_uring() -> Verdict {
    match Ring::probe() {
        Ok(()) => Verdict::works("rings with deferred task work, direct descriptors and provided buffers"),
        Err(error) => Verdict::missing(
            format!("the kernel refuses: {error}"),
            "it takes Linux 6.11, kernel.io_uring_disabled=0, and a sandbox that lets io_uring_setup through",
        ),
    }
}

fn huge_pages() -> Verdict {
    let mode = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if mode.contains("[never]") || mode.is_empty() {
        Verdict::missing(
            "transparent huge pages are off",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, or large tables will miss the TLB",
        )
    } else {
        Verdict::works(mode.trim())
    }
}

fn always() -> Verdict {
    Verdict::works("no privilege needed")
}

fn tun() -> Verdict {
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Verdict::works("/dev/net/tun opens"),
        Err(error) => Verdict::missing(
            format!("/dev/net/tun: {error}"),
            "run as root, or give the user that device node",
        ),
    }
}

fn hosts() -> Verdict {
    match lab::build(1500, lab::Occupants::default()) {
        Ok(_) => Verdict::works("two hosts and a cable between them were made, and go with this process"),
        Err(NotPossible(reason)) => Verdict::missing(reason, AS_ROOT),
    }
}

fn bridge() -> Verdict {
    match Switch::new() {
        Ok(_) => Verdict::works("a bridge was made, and is gone; an engine's end of it is a TAP device"),
        Err(NotPossible(reason)) => Verdict::missing(
            reason,
            "it takes what the path veth does, and a kernel with bridges (modprobe bridge)",
        ),
    }
}

fn packet_sockets() -> Verdict {
    privileged_socket(Domain::PACKET)
}

fn xdp_sockets() -> Verdict {
    let opened = privileged_socket(Domain::from(libc::AF_XDP));
    // A user namespace is not enough: the program that feeds the socket is loaded on behalf of the whole machine.
    let root_outside = fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
    match opened {
        Verdict::Works { .. } if !(root_outside && rustix::process::geteuid().is_root()) => Verdict::missing(
            "XDP programs need privileges outside of user namespaces",
            "run as root",
        ),
        opened => opened,
    }
}

fn privileged_socket(domain: Domain) -> Verdict {
    match Socket::new(domain, Type::RAW, Some(Protocol::from(0))) {
        Ok(_) if namespace::entered() => Verdict::works("in a namespace of the program's own"),
        Ok(_) => Verdict::works("on the host"),
        Err(error) => Verdict::missing(error, AS_ROOT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_quiet_that_has_nine_tenths_of_its_cores_free() {
        assert!(is_quiet(0.2, 2) && is_quiet(3.0, 64));
        assert!(!is_quiet(0.3, 2) && !is_quiet(10.5, 2));
    }
}
