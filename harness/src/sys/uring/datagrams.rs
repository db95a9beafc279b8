//! Datagrams of a ring, in runs of equal ones that the kernel cuts from one send and joins to one receive (UDP GSO and GRO).

use std::ffi::c_int;
use std::mem::offset_of;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use io_uring::types::RecvMsgOut;
use socket2::SockAddr;

use super::{Arrived, Ring, entries};

/// Datagrams that came together, all but the last of one length.
#[derive(Debug)]
pub(crate) struct Run {
    arrived: Arrived,
    segment: usize,
    left: usize,
}

impl Run {
    /// Goes on to the next datagram, unless this was the last one.
    pub(crate) fn has_next(&mut self) -> bool {
        self.arrived.consume(self.segment);
        self.left -= 1;
        self.left > 0
    }
}

impl Ring {
    /// Receives every datagram that comes to a socket, which has to be one that waits (no `O_NONBLOCK`), until an error.
    pub(crate) fn receive_datagrams(&mut self, socket: BorrowedFd<'_>, token: u32) {
        let entry = entries::receive_datagrams(&self.constants, socket, token);
        self.push(&[entry]);
    }

    /// Sends `length` bytes, at most [`Ring::longest_send`], which `fill` produces, as the kernel cuts them for this socket.
    pub(crate) fn send_datagrams(
        &mut self,
        socket: BorrowedFd<'_>,
        token: u32,
        to: SocketAddr,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let buffer = self.outgoing.take();
        let bytes = &mut self.outgoing.bytes(buffer)[..length];
        fill(bytes);
        // Few sockets send to few places, and each is kept for as long as the ring is.
        let to = self
            .destinations
            .entry(to)
            .or_insert_with(|| Box::new(SockAddr::from(to)));
        let entry = entries::send_datagrams(socket, token, buffer, bytes, to);
        self.push(&[entry]);
    }

    /// Bytes of one send at most.
    pub(crate) fn longest_send(&self) -> usize {
        self.outgoing.size()
    }

    /// What is in a buffer that a completion of [`Ring::receive_datagrams`] brought; the buffer itself when it is nothing whole.
    pub(crate) fn run_in(&self, mut arrived: Arrived) -> Result<Run, Arrived> {
        let bytes = self.incoming.bytes(&arrived);
        let Ok(message) = RecvMsgOut::parse(bytes, &self.constants.message) else {
            return Err(arrived);
        };
        if message.is_payload_truncated() {
            return Err(arrived);
        }
        let payload = message.payload_data().len();
        let before_payload = bytes.len() - payload;
        let segment = segment(message.control_data()).unwrap_or(payload);
        arrived.consume(before_payload);
        Ok(Run {
            arrived,
            segment,
            // An empty datagram is one, too.
            left: payload.div_ceil(segment.max(1)).max(1),
        })
    }

    /// The datagram that a run has come to.
    pub(crate) fn datagram<'a>(&'a self, run: &'a Run) -> &'a [u8] {
        let bytes = self.incoming.bytes(&run.arrived);
        &bytes[..run.segment.min(bytes.len())]
    }

    /// Lets the kernel use the buffer of a run again.
    pub(crate) fn give_run_back(&mut self, run: Run) {
        self.incoming.give_back(run.arrived);
    }
}

/// The length of joined datagrams, from the control message of `UDP_GRO`; `None` where there is none, because one came alone.
fn segment(control: &[u8]) -> Option<usize> {
    const DATA: usize = size_of::<libc::cmsghdr>();
    let word = |start: usize| {
        let bytes = control.get(start..start + size_of::<c_int>())?;
        Some(c_int::from_ne_bytes(bytes.try_into().ok()?))
    };
    let level = word(offset_of!(libc::cmsghdr, cmsg_level))?;
    let kind = word(offset_of!(libc::cmsghdr, cmsg_type))?;
    let length = word(DATA)?;
    ((level, kind) == (libc::SOL_UDP, libc::UDP_GRO) && length > 0).then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(level: c_int, kind: c_int, length: c_int) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<libc::cmsghdr>()];
        bytes[offset_of!(libc::cmsghdr, cmsg_level)..][..4].copy_from_slice(&level.to_ne_bytes());
        bytes[offset_of!(libc::cmsghdr, cmsg_type)..][..4].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(length.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_the_message_that_was_asked_for_has_a_length() {
        assert_eq!(segment(&control(libc::SOL_UDP, libc::UDP_GRO, 18)), Some(18));
        assert_eq!(segment(&control(libc::SOL_UDP, libc::UDP_GRO, 0)), None);
        assert_eq!(segment(&control(libc::SOL_SOCKET, libc::UDP_GRO, 18)), None);
        assert_eq!(segment(&control(libc::SOL_UDP, libc::UDP_GRO, 18)[..17]), None);
        assert_eq!(segment(&[]), None);
    }
}
