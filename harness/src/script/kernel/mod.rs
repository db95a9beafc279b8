//! The kernel's stack as what scripts are played against: real sockets, real time, and a TUN interface whose far end is the script.
//!
//! Each script has a network namespace of its own, and so a thread of its own: sockets, interface and settings belong to the namespace that
//! the thread is in, and all of it goes with the thread. No call is left to block: those that would are tried again until they return.

mod calls;
mod descriptor;
mod epoll;
mod info;
mod interface;
mod option;
mod place;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::time;

use handfast::time::{Duration, Instant};

use self::descriptor::Descriptor;
use self::info::Info;
use self::interface::Interface;
use super::configuration::Settings;
use super::host::START;
use super::network::Network;
use super::sockets::{Attempt, Progress};
use super::subject::{Sent, Subject};
use super::tree::{Call, Script};
use super::verdict::Stop;
use crate::path::namespace::NotPossible;
use crate::sys;

/// How often a call that waits is tried again.
const GLANCE: Duration = Duration::from_millis(1);

/// The kernel's stack in a namespace that is empty but for a script.
#[derive(Debug)]
pub(super) struct Kernel {
    network: Network,
    interface: Interface,
    sent: VecDeque<Sent>,
    descriptors: BTreeMap<i64, Descriptor>,
    /// Of sockets that are made from now on.
    congestion: String,
    start: time::Instant,
    /// When a script that goes on waiting has failed.
    deadline: Instant,
}

/// How much longer than its own times say a script may take.
const SLACK: Duration = Duration::from_secs(5);

impl Kernel {
    /// A namespace for a script around the calling thread, which stays there.
    ///
    /// # Errors
    /// [`NotPossible`] says what the system refused.
    pub(super) fn new(settings: Settings, script: &Script) -> Result<Self, NotPossible> {
        let interface = place::prepare(&settings)?;
        Ok(Self {
            network: Network::new(settings),
            interface,
            sent: VecDeque::new(),
            descriptors: BTreeMap::new(),
            congestion: place::CONGESTION.to_owned(),
            start: time::Instant::now(),
            deadline: START + Duration::from_nanos(script.length()) + SLACK,
        })
    }

    /// Takes what the kernel has sent up to now.
    fn collect(&mut self) {
        let now = self.now();
        let local = self.network.settings.local;
        while let Some(bytes) = self.interface.take(now) {
            if interface::is_of_transport(&bytes, local) {
                self.sent.push_back(Sent { at: now, bytes });
            }
        }
    }
}

impl Subject for Kernel {
    fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    fn now(&self) -> Instant {
        START + Duration::from_nanos(self.start.elapsed().as_nanos() as u64)
    }

    fn step(&mut self, limit: Instant, waits: bool) -> Result<(), Stop> {
        if self.now() > self.deadline {
            return Err(Stop::failed("what the script waits for does not come"));
        }
        let limit = limit.min(self.deadline + GLANCE);
        let left = limit.saturating_since(self.now());
        let patience = if waits { left.min(GLANCE) } else { left };
        let mut polled = [descriptor::polled(self.interface.as_fd(), libc::POLLIN)];
        sys::wait_for(&mut polled, patience.into())
            .map_err(|error| Stop::failed(format!("the interface cannot be waited for ({error})")))?;
        self.collect();
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Stop> {
        self.collect();
        Ok(())
    }

    fn inject(&mut self, bytes: Vec<u8>) -> Result<(), Stop> {
        let now = self.now();
        self.interface.put(now, &bytes)?;
        self.collect();
        Ok(())
    }

    fn sent(&mut self) -> &mut VecDeque<Sent> {
        &mut self.sent
    }

    fn attempt(&mut self, call: &Call, progress: &mut Progress) -> Result<Attempt, Stop> {
        calls::attempt(self, call, progress)
    }

    fn command(&mut self, commands: &str) -> Result<(), Stop> {
        place::command(commands, &mut self.congestion)
    }

    fn field(&mut self, name: &str) -> Option<i64> {
        let ports = self.network.current_ports();
        let streams = || self.descriptors.values().filter(|of| of.is_stream());
        let chosen = streams()
            .find(|of| of.ports() == ports)
            .or_else(|| streams().next_back())?;
        Info::of(chosen.socket()?.as_fd()).ok()?.field(name)
    }

    fn observe(&mut self, _waits: bool) {}
}
