//! Programs, maps and links of `bpf(2)`, as far as programs that redirect and steer packets need them.

pub(super) mod extended;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const MAP_CREATE: i64 = 0;
const MAP_UPDATE: i64 = 2;
const PROGRAM_LOAD: i64 = 5;
const LINK_CREATE: i64 = 28;

const MAP_TYPE_SOCKETS: u32 = 17;
const ATTACH_TYPE_XDP: u32 = 37;
/// Packets may lie in several buffers (`BPF_F_XDP_HAS_FRAGS`).
const HAS_FRAGMENTS: u32 = 1 << 5;

/// What a program is called for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Kind {
    /// A packet that the driver of an interface has received.
    Xdp,
    /// A packet that a socket receives, or whose queue in a tunnel is looked for.
    SocketFilter,
}

impl Kind {
    /// The type of the program, and flags.
    fn codes(self) -> (u32, u32) {
        match self {
            Self::Xdp => (6, HAS_FRAGMENTS),
            Self::SocketFilter => (1, 0),
        }
    }
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapUpdate {
    map: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// # Safety
/// Every address in `attributes` must be that of what `command` expects there, alive until the call returns.
unsafe fn bpf<T>(command: i64, attributes: &T) -> io::Result<i64> {
    // SAFETY: the attributes begin as the command expects, the kernel takes what is missing at their end for zeros, and the rest is the
    // caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result as i64)
    }
}

/// The same for commands that give a descriptor.
///
/// # Safety
/// As for [`bpf`].
unsafe fn bpf_descriptor<T>(command: i64, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { bpf(command, attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) })
}

fn number(of: BorrowedFd<'_>) -> u32 {
    of.as_raw_fd().cast_unsigned()
}

/// A map from so many receive queues to sockets.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn socket_map(queues: u32) -> io::Result<OwnedFd> {
    let attributes = MapCreate {
        map_type: MAP_TYPE_SOCKETS,
        key_size: 4,
        value_size: 4,
        max_entries: queues,
    };
    // SAFETY: there are no addresses in it.
    unsafe { bpf_descriptor(MAP_CREATE, &attributes) }
}

/// Redirects a queue to a socket.
///
/// # Errors
/// What the system says.
pub(in crate::link) fn set_socket(map: BorrowedFd<'_>, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
    let socket = number(socket);
    let attributes = MapUpdate {
        map: number(map),
        key: &raw const queue as u64,
        value: &raw const socket as u64,
        ..MapUpdate::default()
    };
    // SAFETY: the addresses are those of a key and a value of four bytes each, as the map was made for.
    unsafe { bpf(MAP_UPDATE, &attributes) }.map(drop)
}

/// Loads a program.
///
/// # Errors
/// What the system says; when the verifier refuses the program, its last words.
pub(in crate::link) fn load(kind: Kind, instructions: &[[u8; 8]]) -> io::Result<OwnedFd> {
    load_with_log(kind, instructions, &mut []).or_else(|error| {
        if error.raw_os_error() == Some(libc::EPERM) {
            return Err(error);
        }
        let mut log = vec![0; 64 << 10];
        load_with_log(kind, instructions, &mut log).map_err(|error| {
            let text = String::from_utf8_lossy(&log);
            let last = text.trim_end_matches('\0').trim_end().lines().next_back();
            io::Error::new(
                error.kind(),
                format!("{error}; {}", last.unwrap_or("no reason given")),
            )
        })
    })
}

fn load_with_log(kind: Kind, instructions: &[[u8; 8]], log: &mut [u8]) -> io::Result<OwnedFd> {
    let (program_type, flags) = kind.codes();
    let mut attributes = ProgramLoad {
        program_type,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        flags,
        ..ProgramLoad::default()
    };
    if !log.is_empty() {
        attributes.log_level = 1;
        attributes.log_size = log.len() as u32;
        attributes.log = log.as_mut_ptr() as u64;
    }
    // SAFETY: instructions, license and log are alive and as long as said.
    unsafe { bpf_descriptor(PROGRAM_LOAD, &attributes) }
}

/// Attaches a program to an interface for as long as the descriptor that it returns is open. `flags` are `XDP_FLAGS_...`.
///
/// # Errors
/// What the system says: `EBUSY` when the interface has a program already.
pub(in crate::link) fn attach(program: BorrowedFd<'_>, interface: u32, flags: u32) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        program: number(program),
        interface,
        attach_type: ATTACH_TYPE_XDP,
        flags,
    };
    // SAFETY: there are no addresses in it.
    unsafe { bpf_descriptor(LINK_CREATE, &attributes) }
}
