//! Who sends datagrams back over a device of the kernel: the bare loop over the device, or the engine's UDP over the very same device.
//!
//! What the engine adds to the device is the difference between the two, so they share everything else: socket, rings, pool and batch.

mod bare;
mod hosts;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use handfast::application::UdpHandle;
use handfast::engine::{Budget, Engine as Handfast};
use handfast::frame::PacketQueue;
use handfast::link::Device;
use handfast::link::wait::{Waiter, Watch};
use handfast::time::{Duration as Span, Instant};

pub(crate) use self::hosts::open;
use super::{Nanos, Stack};

/// Packets that a turn of the bare loop takes at once: as many as the engine does.
const BATCH: usize = 64;

/// The hosts of a run: the kernel, which sends and hears the answers, and who answers.
pub(crate) struct Hosts {
    pub(crate) source: Box<dyn Stack>,
    pub(crate) reflector: Reflector,
    /// Where packets come from, and where they go to.
    pub(crate) from: IpAddr,
    pub(crate) to: SocketAddr,
}

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// Receive, swap addresses, transmit.
    Bare,
    /// A UDP socket of the engine's whose application sends each datagram back where it came from, without copying it.
    Engine,
}

/// The end of the path that answers, by either way.
pub(crate) struct Reflector {
    engine: Handfast<Box<dyn Device>>,
    socket: UdpHandle,
    batch: PacketQueue,
    waiter: Waiter,
    /// Keeps the kernel from answering beside it, where it has the address, too.
    _sink: Option<socket2::Socket>,
}

/// What a turn has done.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Turn {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) system_calls: u64,
}

impl Reflector {
    /// Receives what has arrived, and sends what is to be sent: one pass of the loop that a program would have around either.
    pub(crate) fn turn(&mut self, by: By, now: Nanos) -> Turn {
        let before = self.engine.device().counters();
        let now = Instant::from_nanos(now);
        match by {
            By::Bare => bare::turn(self.engine.device_mut(), &mut self.batch, now),
            By::Engine => self.answer(now),
        }
        let after = self.engine.device().counters();
        Turn {
            received: after.received - before.received,
            sent: after.sent - before.sent,
            system_calls: after.system_calls - before.system_calls,
        }
    }

    fn answer(&mut self, now: Instant) {
        self.engine.poll(now, Budget::default());
        while let Some(datagram) = self.engine.udp_receive(self.socket) {
            let to = datagram.source();
            // Without room the answer is lost, and the source counts it.
            let _ = self.engine.udp_send_payload(self.socket, to, datagram.payload);
        }
        while self.engine.poll_event().is_some() {}
    }

    /// What was sent to the source at `sent` has arrived there, so that neither end looks for the other in the middle of a run.
    pub(crate) fn vouch(&mut self, source: IpAddr, sent: Nanos) {
        self.engine.udp_confirm(source, Instant::from_nanos(sent));
    }

    /// Sleeps until packets wait, for `longest` at most.
    pub(crate) fn wait(&mut self, longest: Duration) {
        let watch = self.engine.device().descriptor().map(Watch::readable);
        let until = Instant::ZERO + Span::from(longest);
        // What keeps it from sleeping shows in the next turn.
        let _ = self.waiter.wait(Instant::ZERO, Some(until), watch.as_slice());
    }
}
