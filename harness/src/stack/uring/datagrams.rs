//! UDP over a ring: sends of one step go to the kernel together, and one receive stays in force and fills buffers that the kernel
//! chooses.
//!
//! What was handed to the ring counts as sent. The kernel starts sends in their order; one that it refuses is lost.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::Type;

use super::super::Datagrams;
use super::super::kernel::datagram::{self, LARGEST_PAYLOAD};
use super::Uring;
use crate::path::host::Host;
use crate::sys;
use crate::sys::uring::{Completion, Run};

/// Sends of a socket that the kernel has not completed, at most: their buffers stay in the second-level cache.
const MOST_SENDS: usize = 16;

#[derive(Debug)]
pub(super) struct DatagramSocket {
    pub(super) socket: UdpSocket,
    /// A receive is in force.
    receiving: bool,
    /// Received and not yet handed out, in order.
    arrived: VecDeque<Run>,
    /// Sends in flight.
    sending: usize,
    /// Bytes of the datagrams that the kernel cuts sends into; `None` where it cuts none.
    segment: Option<usize>,
}

impl Uring {
    pub(super) fn bind_datagrams(&mut self, at: SocketAddr) -> io::Result<Datagrams> {
        let _visit = self.host.map(Host::visit).transpose()?;
        let socket = datagram::open(at, Type::DGRAM, &self.options)?;
        let index = u32::try_from(self.datagram_sockets.len()).expect("few datagram sockets");
        self.datagram_sockets.push(DatagramSocket {
            socket: socket.into(),
            receiving: false,
            arrived: VecDeque::new(),
            sending: 0,
            segment: self.options.udp_offload.then_some(0),
        });
        self.receive_datagrams_again();
        Ok(Datagrams(index))
    }

    /// Receives where an error, a datagram without a byte or want of buffers has ended that.
    pub(super) fn receive_datagrams_again(&mut self) {
        for (index, one) in (0..).zip(&mut self.datagram_sockets) {
            if !one.receiving {
                one.receiving = true;
                self.ring.receive_datagrams(one.socket.as_fd(), index);
            }
        }
    }

    /// Takes as many as the socket may have in flight; returns how many those were.
    pub(super) fn send_runs(
        &mut self,
        socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        if length > LARGEST_PAYLOAD.min(self.ring.longest_send()) {
            return 0;
        }
        let run = self.longest_run(socket, length);
        let Some(one) = self.datagram_sockets.get_mut(socket.0 as usize) else {
            return 0;
        };
        let mut sent = 0;
        while sent < count && one.sending < MOST_SENDS {
            let datagrams = run.min(count - sent);
            let mut produce = |bytes: &mut [u8]| {
                for index in 0..datagrams {
                    fill(sent + index, &mut bytes[index * length..][..length]);
                }
            };
            let bytes = datagrams * length;
            self.ring
                .send_datagrams(one.socket.as_fd(), socket.0, to, bytes, &mut produce);
            one.sending += 1;
            sent += datagrams;
        }
        sent
    }

    /// How many datagrams of `length` bytes one send may carry.
    fn longest_run(&mut self, socket: Datagrams, length: usize) -> usize {
        let Some(one) = self.datagram_sockets.get_mut(socket.0 as usize) else {
            return 1;
        };
        let Some(told) = one.segment else { return 1 };
        if told != length {
            // What is queued is to be cut as it was meant to be.
            self.ring.enter(Duration::ZERO);
            self.tally.option_calls += 1;
            let cut = u16::try_from(length).expect("at most the largest payload");
            one.segment = sys::set_udp_segment(one.socket.as_fd(), cut)
                .is_ok()
                .then_some(length);
            if one.segment.is_none() {
                return 1;
            }
        }
        datagram::longest_run(length, self.ring.longest_send())
    }

    pub(super) fn receive_runs(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let Some(one) = self.datagram_sockets.get_mut(socket.0 as usize) else {
            return 0;
        };
        let mut received = 0;
        while received < limit
            && let Some(run) = one.arrived.front_mut()
        {
            consume(self.ring.datagram(run));
            received += 1;
            if !run.has_next() {
                let spent = one.arrived.pop_front().expect("it was looked at");
                self.ring.give_run_back(spent);
            }
        }
        received
    }

    pub(super) fn datagrams_arrived(&mut self, completion: Completion) {
        let one = &mut self.datagram_sockets[completion.token as usize];
        one.receiving = completion.more;
        let Some(arrived) = completion.arrived else {
            return;
        };
        match self.ring.run_in(arrived) {
            Ok(run) => one.arrived.push_back(run),
            Err(arrived) => self.ring.give_back(arrived),
        }
    }

    pub(super) fn datagrams_sent(&mut self, completion: &Completion) {
        self.datagram_sockets[completion.token as usize].sending -= 1;
        self.tally.payload_bytes += u64::from(completion.result.unwrap_or(0));
    }
}
