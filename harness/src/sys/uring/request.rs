//! What is asked of a ring, and what comes back.

use super::Arrived;

/// What a ring is to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shape {
    /// Direct descriptors; the kernel grants no more than `RLIMIT_NOFILE`.
    pub(crate) files: u32,
    /// Buffers that the kernel puts received bytes in: a power of two up to 32,768.
    pub(crate) receive_buffers: u16,
    /// Bytes of each of those.
    pub(crate) receive_buffer: u32,
    /// Bytes of one send at most.
    pub(crate) send_buffer: u32,
}

/// What is set on a socket before it connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SocketOptions {
    /// `TCP_NODELAY`.
    pub(crate) nodelay: bool,
    /// `TCP_CONGESTION`.
    pub(crate) congestion_control: Option<&'static str>,
    /// `IP_LOCAL_PORT_RANGE`, both bounds included.
    pub(crate) local_ports: Option<(u16, u16)>,
}

/// What a submission asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Something before the connect or the close of a socket; completes only when it fails, and what was linked to it then
    /// does not complete at all.
    Prepare,
    Connect,
    Accept,
    Receive,
    Send,
    Shutdown,
    Cancel,
    Close,
    ReceiveDatagrams,
    SendDatagrams,
}

impl Operation {
    pub(super) const ALL: [Self; 10] = [
        Self::Prepare,
        Self::Connect,
        Self::Accept,
        Self::Receive,
        Self::Send,
        Self::Shutdown,
        Self::Cancel,
        Self::Close,
        Self::ReceiveDatagrams,
        Self::SendDatagrams,
    ];
}

/// What became of a submission.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) operation: Operation,
    /// What the submission was called by its user.
    pub(crate) token: u32,
    /// Bytes or a descriptor, or the number of the error.
    pub(crate) result: Result<u32, i32>,
    /// The submission stays in force and completes again.
    pub(crate) more: bool,
    /// What was received, to be given back with [`Ring::give_back`](super::Ring::give_back).
    pub(crate) arrived: Option<Arrived>,
}
