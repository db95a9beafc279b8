//! The submissions that a ring makes.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Fixed};
use socket2::SockAddr;

use super::buffers::GROUP;
use super::{Operation, SocketOptions};

/// Submissions of one connect at most.
pub(super) const LONGEST_CHAIN: usize = 8;
const IP_LOCAL_PORT_RANGE: c_int = 51;

/// Values of socket options. The kernel reads them when it gets there, which may be after the submission.
pub(super) struct Constants {
    options: SocketOptions,
    one: c_int,
    port_range: u32,
    reset: libc::linger,
    /// What is wanted of a datagram that arrives, beside its bytes.
    pub(super) message: libc::msghdr,
}

/// Bytes of the one control message that is asked for, the length of joined datagrams.
// SAFETY: this function computes, and is unsafe for its likeness to the macros beside it.
const CONTROL: usize = unsafe { libc::CMSG_SPACE(size_of::<c_int>() as u32) } as usize;

impl Constants {
    pub(super) fn new(options: SocketOptions) -> Self {
        // SAFETY: `msghdr` is plain data for which all zeros is a valid value.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // Buffers are chosen when something arrives; the lengths say how much of each is set aside for what.
        message.msg_controllen = CONTROL as _;
        Self {
            message,
            options,
            one: 1,
            port_range: options
                .local_ports
                .map_or(0, |(low, high)| u32::from(high) << 16 | u32::from(low)),
            reset: libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        }
    }
}

/// Operation, buffer and token in the 64 bits that come back with a completion.
fn user_data(operation: Operation, buffer: u32, token: u32) -> u64 {
    debug_assert!(buffer < 1 << 24, "{buffer}");
    (operation as u64) << 56 | u64::from(buffer) << 32 | u64::from(token)
}

/// The inverse of [`user_data`].
pub(super) fn decode(data: u64) -> (Operation, u32, u32) {
    let operation = Operation::ALL[(data >> 56) as usize];
    (operation, data as u32, (data >> 32) as u32 & 0xff_ffff)
}

/// A socket at `file`, set up, bound, connected and receiving, each after the one before has succeeded.
pub(super) fn connecting(
    constants: &Constants,
    file: u32,
    token: u32,
    from: Option<&SockAddr>,
    to: &SockAddr,
) -> Vec<Entry> {
    let mut chain = Vec::with_capacity(LONGEST_CHAIN);
    let slot = DestinationSlot::try_from_slot_target(file).expect("a table is smaller than 2^32 - 2");
    let domain = to.domain().into();
    chain.push(
        opcode::Socket::new(domain, libc::SOCK_STREAM, 0)
            .file_index(Some(slot))
            .build(),
    );
    if constants.options.nodelay {
        chain.push(option(file, libc::IPPROTO_TCP, libc::TCP_NODELAY, &constants.one));
    }
    if let Some(algorithm) = constants.options.congestion_control {
        chain.push(option(
            file,
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            algorithm.as_bytes(),
        ));
    }
    if constants.options.local_ports.is_some() {
        chain.push(option(
            file,
            libc::IPPROTO_IP,
            IP_LOCAL_PORT_RANGE,
            &constants.port_range,
        ));
    }
    if let Some(from) = from {
        chain.push(option(
            file,
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            &constants.one,
        ));
        chain.push(opcode::Bind::new(Fixed(file), from.as_ptr().cast(), from.len()).build());
    }
    for entry in &mut chain {
        *entry = entry
            .clone()
            .flags(Flags::IO_LINK | Flags::SKIP_SUCCESS)
            .user_data(user_data(Operation::Prepare, 0, token));
    }
    chain.push(
        opcode::Connect::new(Fixed(file), to.as_ptr().cast(), to.len())
            .build()
            .flags(Flags::IO_LINK)
            .user_data(user_data(Operation::Connect, 0, token)),
    );
    chain.push(receive(file, token));
    chain
}

fn option<T: ?Sized>(file: u32, level: c_int, name: c_int, value: &T) -> Entry {
    let (start, length) = (std::ptr::from_ref(value).cast(), size_of_val(value) as u32);
    opcode::SetSockOpt::new(
        Fixed(file),
        level.cast_unsigned(),
        name.cast_unsigned(),
        start,
        length,
    )
    .build()
}

pub(super) fn accept(listener: BorrowedFd<'_>, token: u32) -> Entry {
    opcode::AcceptMulti::new(Fd(listener.as_raw_fd()))
        .allocate_file_index(true)
        .build()
        .user_data(user_data(Operation::Accept, 0, token))
}

pub(super) fn receive(file: u32, token: u32) -> Entry {
    opcode::RecvMulti::new(Fixed(file), GROUP)
        .build()
        .user_data(user_data(Operation::Receive, 0, token))
}

pub(super) fn send(file: u32, token: u32, buffer: u32, start: *const u8, length: usize) -> Entry {
    opcode::Send::new(Fixed(file), start, length as u32)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
        .user_data(user_data(Operation::Send, buffer, token))
}

pub(super) fn receive_datagrams(constants: &Constants, socket: BorrowedFd<'_>, token: u32) -> Entry {
    opcode::RecvMsgMulti::new(Fd(socket.as_raw_fd()), &raw const constants.message, GROUP)
        .build()
        .user_data(user_data(Operation::ReceiveDatagrams, 0, token))
}

pub(super) fn send_datagrams(
    socket: BorrowedFd<'_>,
    token: u32,
    buffer: u32,
    bytes: &[u8],
    to: &SockAddr,
) -> Entry {
    opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), bytes.len() as u32)
        .dest_addr(to.as_ptr().cast())
        .dest_addr_len(to.len())
        .build()
        .user_data(user_data(Operation::SendDatagrams, buffer, token))
}

pub(super) fn shutdown(file: u32, token: u32) -> Entry {
    opcode::Shutdown::new(Fixed(file), libc::SHUT_WR)
        .build()
        .user_data(user_data(Operation::Shutdown, 0, token))
}

pub(super) fn reset_on_close(constants: &Constants, file: u32, token: u32) -> Entry {
    option(file, libc::SOL_SOCKET, libc::SO_LINGER, &constants.reset)
        .flags(Flags::SKIP_SUCCESS)
        .user_data(user_data(Operation::Prepare, 0, token))
}

pub(super) fn cancel(file: u32, token: u32) -> Entry {
    opcode::AsyncCancel2::new(CancelBuilder::fd(Fixed(file)).all())
        .build()
        .user_data(user_data(Operation::Cancel, 0, token))
}

pub(super) fn close(file: u32, token: u32) -> Entry {
    opcode::Close::new(Fixed(file))
        .build()
        .user_data(user_data(Operation::Close, 0, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_what_went_in() {
        for operation in Operation::ALL {
            for (buffer, token) in [(0, 0), (0xff_ffff, 1), (7, u32::MAX)] {
                let data = user_data(operation, buffer, token);
                assert_eq!(decode(data), (operation, token, buffer));
            }
        }
    }
}
