//! UDP sockets: one datagram a call, or runs of equal datagrams through segmentation and coalescing offload.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsFd;

use mio::net::UdpSocket;
use socket2::{Domain, Socket, Type};

use super::{Options, Tally};
use crate::sys::{self, Coalesced};

/// Largest payload of one IPv4 datagram, and of one run of datagrams given to the kernel.
pub(in crate::stack) const LARGEST_PAYLOAD: usize = 65_507;
/// Datagrams that every kernel with UDP GSO cuts from one run (`UDP_MAX_SEGMENTS`; newer ones take 128).
const LONGEST_RUN: usize = 64;
/// Asked for; the kernel grants no more than `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A socket at `at`, of a type that waits or one that does not.
pub(in crate::stack) fn open(at: SocketAddr, kind: Type, options: &Options) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if options.udp_offload {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        sys::enable_udp_gro(socket.as_fd())?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// How many datagrams of `length` bytes the kernel cuts from one buffer of `room` bytes.
pub(in crate::stack) fn longest_run(length: usize, room: usize) -> usize {
    LARGEST_PAYLOAD
        .min(room)
        .checked_div(length)
        .unwrap_or(1)
        .clamp(1, LONGEST_RUN)
}

#[derive(Debug)]
pub(super) struct DatagramSocket {
    socket: UdpSocket,
    outgoing: Box<[u8]>,
    incoming: Box<[u8]>,
    /// Datagrams that came with others in one read and were not yet handed out.
    held: Held,
    offload: Offload,
}

/// How many datagrams one call moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offload {
    /// One.
    Off,
    /// A run, which the kernel cuts into datagrams of so many bytes (0: not yet told).
    Segments(usize),
}

/// Part of the incoming buffer, in datagrams of `segment` bytes.
#[derive(Clone, Copy, Default, Debug)]
struct Held {
    start: usize,
    end: usize,
    segment: usize,
}

impl DatagramSocket {
    pub(super) fn bind(at: SocketAddr, options: &Options) -> io::Result<Self> {
        let socket = open(at, Type::DGRAM.nonblocking(), options)?;
        let buffer = || vec![0; LARGEST_PAYLOAD + 1].into_boxed_slice();
        Ok(Self {
            socket: UdpSocket::from_std(socket.into()),
            outgoing: buffer(),
            incoming: buffer(),
            held: Held::default(),
            offload: if options.udp_offload {
                Offload::Segments(0)
            } else {
                Offload::Off
            },
        })
    }

    /// What epoll watches.
    pub(super) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Sends until `count` is reached or the socket takes no more; returns how many were sent.
    pub(super) fn send(
        &mut self,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
        tally: &mut Tally,
    ) -> usize {
        if length > LARGEST_PAYLOAD {
            return 0;
        }
        let run = self.run_of(length, tally);
        let mut sent = 0;
        while sent < count {
            let datagrams = run.min(count - sent);
            for index in 0..datagrams {
                fill(sent + index, &mut self.outgoing[index * length..][..length]);
            }
            tally.system_calls += 1;
            match self.socket.send_to(&self.outgoing[..datagrams * length], to) {
                Ok(_) => sent += datagrams,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        sent
    }

    /// How many datagrams of `length` bytes one call may carry.
    fn run_of(&mut self, length: usize, tally: &mut Tally) -> usize {
        let Offload::Segments(told) = self.offload else {
            return 1;
        };
        if told != length {
            tally.system_calls += 1;
            let length = u16::try_from(length).expect("at most the largest payload");
            if sys::set_udp_segment(self.socket.as_fd(), length).is_err() {
                self.offload = Offload::Off;
                return 1;
            }
            self.offload = Offload::Segments(length.into());
        }
        longest_run(length, LARGEST_PAYLOAD)
    }

    /// Hands out datagrams until `limit` is reached or none is left; returns how many there were.
    pub(super) fn receive(
        &mut self,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
        tally: &mut Tally,
    ) -> usize {
        let mut received = 0;
        while received < limit {
            if self.held.is_empty() {
                match self.read(tally) {
                    Ok(held) => self.held = held,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(_) => break,
                }
            }
            consume(&self.incoming[self.held.next_datagram()]);
            received += 1;
        }
        received
    }

    fn read(&mut self, tally: &mut Tally) -> io::Result<Held> {
        tally.system_calls += 1;
        let read = match self.offload {
            Offload::Off => {
                let (bytes, _) = self.socket.recv_from(&mut self.incoming)?;
                Coalesced {
                    bytes,
                    segment: bytes,
                }
            }
            Offload::Segments(_) => sys::receive_coalesced(self.socket.as_fd(), &mut self.incoming)?,
        };
        Ok(Held {
            start: 0,
            end: read.bytes,
            segment: read.segment,
        })
    }
}

impl Held {
    fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes of the next datagram. An empty datagram leaves nothing held.
    fn next_datagram(&mut self) -> std::ops::Range<usize> {
        let start = self.start;
        self.start = self.end.min(start + self.segment);
        start..self.start
    }
}
