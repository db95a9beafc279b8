//! A flood over a cable, by a packet socket at its near end.

use std::io;
use std::os::fd::OwnedFd;

use super::Plan;
use super::syn::{self, Syns};
use crate::load::arrivals::Schedule;
use crate::path::{cable, host::Host};
use crate::stack::Nanos;
use crate::sys::packet::{self, BATCH};

const ETHERNET: usize = 14;
const V4: [u8; 2] = [0x08, 0x00];
const V6: [u8; 2] = [0x86, 0xdd];

/// What comes at once at most, as a part of what is due in a second: a flooder that was kept from its core would otherwise fill the
/// queues in front of the server with all that it missed.
const BURST: f64 = 0.0005;

/// Sends the SYNs of a flood when they are due. Its schedule never slips: what is more than a burst comes with the next ones.
#[derive(Debug)]
pub(crate) struct Sender {
    socket: OwnedFd,
    schedule: Schedule,
    syns: Syns,
    /// With the Ethernet header in place, which is the same for all.
    frames: Vec<[u8; ETHERNET + syn::LONGEST]>,
    /// Bytes of each.
    length: usize,
    /// Those frames that are written and not sent.
    unsent: std::ops::Range<usize>,
    sent: u64,
    burst: u64,
}

impl Sender {
    /// A flood of `plan` from the calling thread's host to `server`, on whose cable it is.
    ///
    /// # Errors
    /// Without the privilege (`CAP_NET_RAW`), or without the cable.
    pub(crate) fn new(plan: Plan, near: &Host, server: &Host) -> io::Result<Self> {
        let kind = if plan.targets[0].is_ipv6() { V6 } else { V4 };
        let from = cable::hardware_address(near)?;
        let to = cable::hardware_address(server)?;
        let header = [&to[..], &from, &kind].concat();
        let mut frame = [0; ETHERNET + syn::LONGEST];
        frame[..ETHERNET].copy_from_slice(&header);
        let burst = (plan.rate * BURST) as u64;
        let (schedule, mut syns) = plan.flood();
        let length = ETHERNET + syns.next().expect("it is endless").len();
        let _visit = near.visit()?;
        Ok(Self {
            socket: packet::open_sender(cable::index_on(near, cable::DEVICE)?)?,
            schedule,
            syns,
            frames: vec![frame; BATCH],
            length,
            unsent: 0..0,
            sent: 0,
            burst: burst.max(BATCH as u64),
        })
    }

    /// The flood begins.
    pub(crate) fn begin(&mut self, now: Nanos) {
        self.schedule.begin(now);
    }

    /// SYNs that the device took so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends what is due, a burst at most and as far as the device takes it.
    ///
    /// # Errors
    /// When the device is down or gone.
    pub(crate) fn send_due(&mut self, now: Nanos) -> io::Result<()> {
        let most = self.sent + self.burst;
        loop {
            self.write_due(now);
            if self.unsent.is_empty() || self.sent >= most {
                return Ok(());
            }
            let (length, unsent) = (self.length, self.unsent.clone());
            let frames = self.frames[unsent].iter().map(|frame| &frame[..length]);
            match packet::send_frames(&self.socket, frames) {
                Ok(sent) => {
                    self.unsent.start += sent;
                    self.sent += sent as u64;
                }
                Err(error) if has_no_room(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn write_due(&mut self, now: Nanos) {
        if !self.unsent.is_empty() {
            return;
        }
        let mut written = 0;
        while written < BATCH && self.schedule.due(now).is_some() {
            let syn = self.syns.next().expect("it is endless");
            syn.write(&mut self.frames[written][ETHERNET..self.length]);
            written += 1;
        }
        self.unsent = 0..written;
    }
}

fn has_no_room(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR)
    )
}
