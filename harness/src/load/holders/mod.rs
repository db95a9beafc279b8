//! Idle connections for which a process has no room: other processes of this program hold them, beside the one that is measured.
//!
//! Each holder has both ends of its connections, on addresses or ports of its own in the network namespaces of the run, so that what the
//! kernel counts there has them too. It does nothing while the load runs. A holder ends when its parent does, however that ends.

mod bounds;
pub(crate) mod holder;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};

use crate::config::{Pairing, PathKind, Placement, Pressure, RunConfig, ScenarioKind, StackKind};
use crate::path::{lab, namespace};
use crate::program;

/// The verb that makes this program a holder.
const VERB: &str = "hold";

/// What one holder is to do. It comes in as one line of JSON on standard input; the next line means that what is not yet open
/// is not wanted any more, and the end of input that the holder is not.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    stack: StackKind,
    /// Its `idle` is how many connections to hold.
    config: RunConfig,
    /// No other holder of the run has this number, and no generator.
    number: u32,
    /// The network namespace of the server's end where that is another than the client's.
    server_host: Option<PathBuf>,
}

/// What holders of one generator are told.
#[derive(Debug)]
pub(super) struct Plan {
    command: fn() -> io::Result<Command>,
    stack: StackKind,
    config: RunConfig,
    generator: u32,
}

impl Plan {
    /// `None` where other processes cannot hold connections of a run: both ends have to be the kernel's, on the loopback device of
    /// a namespace or between hosts that go with the run and take their TIME_WAIT entries with them.
    pub(super) fn of(stacks: Pairing, config: &RunConfig, generator: u32) -> Option<Self> {
        let stack = stacks.single().filter(|stack| stack.is_kernel())?;
        let reaches = matches!(
            config.path,
            PathKind::Loopback | PathKind::Veth | PathKind::Bridge
        );
        (reaches && namespace::entered()).then(|| Self {
            command: || program::again(VERB),
            stack,
            config: config.clone(),
            generator,
        })
    }

    /// Starts holders for `wanted` connections, each of which has room for `room`, and says what stands against it.
    pub(super) fn start(&self, wanted: u64, room: u64) -> Holders {
        let generators = u64::from(self.config.generators.max(1));
        let (granted, limit) = bounds::most(bounds::Machine::now(), generators);
        if granted < wanted {
            note!("warning: {granted} of {wanted} further idle connections are opened, {limit}");
        }
        let mut holders = Holders(Vec::new());
        let most_holders = (bounds::MOST_HOLDERS / generators).max(1);
        let shares = bounds::shares(wanted.min(granted), room, most_holders);
        let first = self.config.generators + self.generator * most_holders as u32;
        for (number, share) in (first..).zip(shares) {
            match Holder::start((self.command)(), &self.job(number, share)) {
                Ok(holder) => holders.0.push(holder),
                Err(error) => {
                    note!("warning: no further process holds idle connections ({error})");
                    break;
                }
            }
        }
        holders
    }

    fn job(&self, number: u32, share: u64) -> Job {
        Job {
            stack: self.stack,
            config: RunConfig {
                scenario: ScenarioKind::Idle,
                placement: Placement::SameCore,
                generators: 1,
                connections: 1,
                idle: share,
                time_wait: 0,
                open_loop: None,
                pressure: Pressure::default(),
                ..self.config.clone()
            },
            number,
            server_host: lab::built().map(|lab| {
                let descriptor = lab.host_of_server().as_fd().as_raw_fd();
                format!("/proc/{}/fd/{descriptor}", process::id()).into()
            }),
        }
    }
}

/// The holders of one generator. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Holders(Vec<Holder>);

#[derive(Debug)]
struct Holder {
    process: Child,
    input: ChildStdin,
    told: Arc<Told>,
    listener: Option<JoinHandle<()>>,
}

/// What a holder has said.
#[derive(Debug, Default)]
struct Told {
    /// It opens no more.
    is_done: AtomicBool,
    holds: AtomicU64,
    /// The most that it has ever held.
    held: AtomicU64,
}

impl Holders {
    /// Whether every holder has said how many it holds, or has died.
    pub(super) fn are_done(&self) -> bool {
        self.told().all(|told| told.is_done.load(Ordering::Acquire))
    }

    /// Connections that were open when holders were done.
    pub(super) fn held(&self) -> u64 {
        self.told().map(|told| told.held.load(Ordering::Relaxed)).sum()
    }

    /// Those of them that broke.
    pub(super) fn lost(&self) -> u64 {
        let holds = self.told().map(|told| told.holds.load(Ordering::Relaxed));
        self.held() - holds.sum::<u64>()
    }

    /// Holders open nothing more from now on.
    pub(super) fn stop_opening(&mut self) {
        for holder in &mut self.0 {
            // Who cannot be told is gone, and its listener knows.
            let _ = holder.input.write_all(b"\n");
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn told(&self) -> impl Iterator<Item = &Told> {
        self.0.iter().map(|holder| &*holder.told)
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        // All at once: each has thousands of sockets to close.
        for holder in &mut self.0 {
            let _ = holder.process.kill();
        }
        for holder in &mut self.0 {
            let _ = holder.process.wait();
            let _ = holder.listener.take().map(JoinHandle::join);
        }
    }
}

impl Holder {
    fn start(command: io::Result<Command>, job: &Job) -> io::Result<Self> {
        let mut process = command?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A terminal's interrupt is for the run, which ends its holders when it has said what it found.
            .process_group(0)
            .spawn()?;
        let mut input = process.stdin.take().expect("standard input is piped");
        let output = process.stdout.take().expect("standard output is piped");
        let told = Arc::new(Told::default());
        let heard = Arc::clone(&told);
        let listener = thread::spawn(move || listen(output, &heard));
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        // One that died before it read its job says why on standard error.
        let _ = input.write_all(&line);
        Ok(Self {
            process,
            input,
            told,
            listener: Some(listener),
        })
    }
}

/// Follows a holder to its end. One that is gone holds nothing.
fn listen(output: ChildStdout, told: &Told) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let Ok(holds) = line.parse() else { break };
        told.holds.store(holds, Ordering::Relaxed);
        told.held.fetch_max(holds, Ordering::Relaxed);
        told.is_done.store(true, Ordering::Release);
    }
    told.holds.store(0, Ordering::Relaxed);
    told.is_done.store(true, Ordering::Release);
}
