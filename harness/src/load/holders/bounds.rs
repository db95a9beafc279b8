//! How many connections other processes may hold, and how they share them.

use std::fs;

use crate::measure::environment::available_memory;

/// Processes that hold connections of one run, at most.
pub(super) const MOST_HOLDERS: u64 = 64;
/// Bytes of both ends of an idle connection, with what a process keeps of it: more than any kernel column was seen to need.
const CONNECTION_BYTES: u64 = 12 << 10;

/// What the machine has left for everybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Machine {
    /// `MemAvailable` in bytes.
    pub(super) memory: u64,
    /// Descriptors below `fs.file-max`.
    pub(super) files: u64,
}

impl Machine {
    /// Nothing is left where the system does not tell.
    pub(super) fn now() -> Self {
        Self {
            memory: available_memory().unwrap_or(0),
            files: free_files().unwrap_or(0),
        }
    }
}

/// Connections that the holders of one of `generators` may open: half of what is left, and what that is of.
pub(super) fn most(machine: Machine, generators: u64) -> (u64, &'static str) {
    let memory = machine.memory / 2 / CONNECTION_BYTES;
    let files = machine.files / 2 / 2;
    let (least, limit) = if memory <= files {
        (
            memory,
            "which take half of the memory that is left (MemAvailable)",
        )
    } else {
        (
            files,
            "which take half of the descriptors that are left on the machine (fs.file-max)",
        )
    };
    (least / generators, limit)
}

/// Divides `wanted` connections among as few holders of `room` as can be, alike.
pub(super) fn shares(wanted: u64, room: u64, most_holders: u64) -> Vec<u64> {
    if room == 0 {
        return Vec::new();
    }
    let holders = wanted.div_ceil(room).min(most_holders);
    let wanted = wanted.min(holders * room);
    (0..holders)
        .map(|holder| wanted / holders + u64::from(holder < wanted % holders))
        .collect()
}

fn free_files() -> Option<u64> {
    let numbers = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
    let mut numbers = numbers.split_whitespace().map(str::parse::<u64>);
    let (allocated, _, most) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
    Some(most.saturating_sub(allocated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_alike_and_fit_where_they_go() {
        assert_eq!(shares(10, 4, 64), [4, 3, 3]);
        assert_eq!(shares(8, 4, 64), [4, 4]);
        assert_eq!(
            shares(1000, 4, 3),
            [4, 4, 4],
            "no more processes than are allowed"
        );
        assert!(shares(0, 4, 64).is_empty());
        assert!(shares(5, 0, 64).is_empty(), "nobody has room");
    }

    #[test]
    fn half_of_what_is_left_is_left_to_others() {
        let machine = Machine {
            memory: 24 << 20,
            files: 1 << 20,
        };
        let (granted, limit) = most(machine, 1);
        assert_eq!(granted, 1024);
        assert!(limit.contains("MemAvailable"), "{limit}");
        let few_files = Machine {
            files: 4000,
            ..machine
        };
        let (granted, limit) = most(few_files, 2);
        assert_eq!(granted, 500, "two generators share them");
        assert!(limit.contains("fs.file-max"), "{limit}");
    }

    #[test]
    fn this_kernel_tells_what_is_left() {
        let machine = Machine::now();
        assert!(machine.memory > 0 && machine.files > 0, "{machine:?}");
    }
}
