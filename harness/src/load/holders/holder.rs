//! The holder's side: opens its connections, says how many there are, and says so again whenever some break.

use std::error::Error;
use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::Job;
use crate::load::addresses::AddressPlan;
use crate::load::fill::{Fill, Opener};
use crate::load::placement;
use crate::load::{Actor, Ends, Phase};
use crate::measure::cpu;
use crate::path::host::Host;
use crate::path::{lab, namespace};
use crate::stack::{self, Event, Pair, Ready};

/// Connections that wait to be accepted.
const BACKLOG: usize = 4096;
/// How long the client's end may sleep while connections open: the server's end is looked at after that.
const TURN: Duration = Duration::from_millis(1);
/// How long it may sleep when all are open; what breaks ends its sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

/// The hidden verb: holds what the job on standard input says, until the end of that input.
pub(crate) fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("warning: a process that was to hold idle connections ended: {error}");
            ExitCode::from(2)
        }
    }
}

fn hold() -> Result<(), Box<dyn Error>> {
    // Best effort: the end of the input says the same a little later.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    placement::follow_parent();
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    // The parent has, and no thread of a process has left since.
    namespace::note_entered();
    if let Some(file) = &job.server_host {
        lab::join(Host::open(file)?, job.config.ip)?;
    }
    let stop_opening = listen_to_parent();
    let mut connections = Connections::listen(&job)?;
    connections.open(&stop_opening);
    loop {
        say(connections.held)?;
        connections.wait_for_loss();
    }
}

fn say(held: u64) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{held}")?;
    output.flush()
}

/// Becomes true when the parent wants no more opened. The process ends when the parent is gone or has no more use for it.
fn listen_to_parent() -> Arc<AtomicBool> {
    let stop_opening = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop_opening);
    thread::spawn(move || {
        while io::stdin()
            .read_line(&mut String::new())
            .is_ok_and(|length| length > 0)
        {
            heard.store(true, Ordering::Relaxed);
        }
        process::exit(0);
    });
    stop_opening
}

struct Connections {
    ends: Pair,
    opener: Opener,
    events: Vec<Event>,
    held: u64,
}

impl Connections {
    fn listen(job: &Job) -> Result<Self, Box<dyn Error>> {
        let mut ends = stack::pair_of_holder(job.stack, &job.config, job.number)?;
        for &address in &ends.listen_addresses {
            ends.server.listen(address, BACKLOG)?;
        }
        let plan = AddressPlan::all(&Ends {
            generator: 0,
            client_addresses: ends.client_addresses.clone(),
            listen_addresses: ends.listen_addresses.clone(),
            server_addresses: ends.server_addresses.clone(),
        });
        let fill = Fill {
            idle: job.config.idle,
            time_wait: 0,
            closer: job.config.closer,
            headroom: 0,
        };
        Ok(Self {
            ends,
            opener: Opener::new(fill, plan, None),
            events: Vec::new(),
            held: 0,
        })
    }

    fn open(&mut self, stop: &AtomicBool) {
        while !self.are_open() && !stop.load(Ordering::Relaxed) {
            let Pair { client, server, .. } = &mut self.ends;
            let now = cpu::now();
            self.opener
                .step(&mut **client, Phase::OpenIdle, now, &self.events);
            self.events.clear();
            server.poll(now, Duration::ZERO, &mut self.events);
            self.events.clear();
            client.poll(now, TURN, &mut self.events);
        }
        self.held = self.opener.held();
    }

    /// Whether all are open that can be, at the server's end too.
    fn are_open(&self) -> bool {
        let Pair { client, server, .. } = &self.ends;
        self.opener.settled(Phase::OpenIdle) && client.counters().connections == server.counters().connections
    }

    /// Sleeps until fewer are open.
    fn wait_for_loss(&mut self) {
        let before = self.held;
        while self.held == before {
            self.events.clear();
            self.ends.client.poll(cpu::now(), LONGEST_SLEEP, &mut self.events);
            let broken = |event: &&Event| event.ready.contains(Ready::FAILED);
            let lost = self.events.iter().filter(broken).count() as u64;
            self.held = before.saturating_sub(lost);
        }
    }
}
