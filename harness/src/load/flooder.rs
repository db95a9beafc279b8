//! The thread that floods a server beside the load, where packets go through devices.

use std::thread;
use std::time::Duration;

use super::Phase;
use super::conductor::Control;
use crate::config::{DeviceKind, Pairing, PathKind, RunConfig, StackKind};
use crate::flood::{Plan, Sender};
use crate::measure::cpu;
use crate::path::cable::{self, Passed};
use crate::path::lab::{self, Lab};
use crate::path::sockets;
use crate::stack::{self, Nanos, Unsupported};

/// Between two looks at what is due: long enough to send several by one call, and to leave the core to others.
const TICK: Duration = Duration::from_micros(50);

/// What came of a flood in the window.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Flooding {
    /// SYNs that were sent.
    pub(crate) syns: u64,
    /// Nanoseconds of the window, by the flooder's clock.
    pub(crate) span: Nanos,
    /// Processor time of the flooder: with what the kernel does for the packets of whoever sends them, up to the server's answer.
    pub(crate) cpu_ns: u64,
    /// Packets that the device could not send, because the server's host had no room for them; `None` where the kernel does not tell.
    pub(crate) dropped: Option<u64>,
    /// Packets that the server sent to where the flood comes from; `None` where the kernel does not tell.
    pub(crate) answers: Option<u64>,
    /// Connections that the server's kernel had in SYN-RECEIVED at the end of the window; `None` for another server.
    pub(crate) half_open: Option<u64>,
}

/// Ready to flood.
#[derive(Debug)]
pub(super) struct Flooder {
    sender: Sender,
    lab: &'static Lab,
    server: StackKind,
    /// What comes to the client's host passes its kernel.
    hears_answers: bool,
}

impl Flooder {
    /// `None` for a run without a flood, and in memory, where the server's own device is flooded.
    ///
    /// # Errors
    /// When the system gives no packet socket.
    pub(super) fn of(stacks: Pairing, config: &RunConfig) -> Result<Option<Self>, Unsupported> {
        let Some((lab, flood)) = lab::built().zip(config.flood) else {
            return Ok(None);
        };
        if config.path != PathKind::Veth {
            return Ok(None);
        }
        let targets = (0..config.generators).flat_map(|generator| stack::targets(config, generator));
        let plan = Plan {
            rate: f64::from(flood),
            seed: config.seed,
            targets: targets.collect(),
        };
        let sender = Sender::new(plan, &lab.client, lab.host_of_server())
            .map_err(|error| Unsupported(format!("no packet socket to flood from ({error})")))?;
        Ok(Some(Self {
            sender,
            lab,
            server: stacks.server,
            hears_answers: stacks.client != StackKind::Engine || config.device != DeviceKind::Xdp,
        }))
    }

    /// Floods from the warm-up to the end of the run, and counts in the window.
    pub(super) fn run(mut self, control: &Control) -> Flooding {
        self.wait_for(control, Phase::WarmUp);
        self.sender.begin(cpu::now());
        self.flood_until(control, Phase::Measure);
        let before = self.look();
        self.flood_until(control, Phase::Drain);
        let after = self.look();
        let half_open = self.half_open();
        self.flood_until(control, Phase::Done);
        let found = after.since(before);
        Flooding {
            half_open,
            answers: found.answers.filter(|_| self.hears_answers),
            ..found
        }
    }

    fn wait_for(&self, control: &Control, phase: Phase) {
        while control.phase.get() < phase {
            thread::sleep(TICK);
        }
    }

    /// A device that is gone is found by whoever looks for it at the end of the window.
    fn flood_until(&mut self, control: &Control, phase: Phase) {
        while control.phase.get() < phase && self.sender.send_due(cpu::now()).is_ok() {
            thread::sleep(TICK);
        }
        self.wait_for(control, phase);
    }

    fn look(&self) -> Look {
        Look {
            now: cpu::now(),
            cpu_ns: cpu::thread_ns(),
            sent: self.sender.sent(),
            passed: cable::passed(&self.lab.client),
        }
    }

    /// Only the kernel's own connections are in its tables.
    fn half_open(&self) -> Option<u64> {
        if !self.server.is_kernel() {
            return None;
        }
        let _visit = self.lab.host_of_server().visit().ok()?;
        sockets::half_open()
    }
}

/// The flood at one moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    now: Nanos,
    cpu_ns: u64,
    sent: u64,
    passed: Option<Passed>,
}

impl Look {
    fn since(self, earlier: Self) -> Flooding {
        let grown = |count: fn(Passed) -> u64| {
            let (now, then) = self.passed.zip(earlier.passed)?;
            Some(count(now).saturating_sub(count(then)))
        };
        Flooding {
            syns: self.sent - earlier.sent,
            span: self.now - earlier.now,
            cpu_ns: self.cpu_ns - earlier.cpu_ns,
            dropped: grown(|passed| passed.unsent),
            answers: grown(|passed| passed.for_nobody),
            half_open: None,
        }
    }
}
