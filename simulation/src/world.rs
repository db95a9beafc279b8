//! The loop of virtual time, and the verdict at its end.

mod verdict;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use handfast::time::{Duration, Instant};

use crate::Report;
use crate::host::{Host, Shared, Tape};
use crate::network::Network;
use crate::plan::{Jump, Plan};
use crate::referee::{Referee, Traced};

/// Turns that may be taken at one instant.
const MAX_TURNS: u32 = 200_000;
/// How long the last datagram may be under way.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How long closed connections, and those that were given up, may take to go.
const AFTERMATH: Duration = Duration::from_secs(3 * 3_600);

pub(crate) struct World {
    shared: Shared,
    hosts: Vec<Host>,
    jumps: Vec<Jump>,
    now: Instant,
    turns: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan, tapes: &[Tape], traces: bool) -> Self {
        let network = Network::new(plan);
        let referee = Referee::new(plan, &network, traces);
        let shared = Shared {
            plan: Rc::new(plan.clone()),
            network,
            referee,
            calls: Rc::new(RefCell::new(BTreeMap::new())),
        };
        let mut jumps = plan.faults.jumps.clone();
        jumps.sort_by_key(|jump| std::cmp::Reverse(jump.at));
        Self {
            hosts: (0..plan.hosts.len())
                .map(|number| Host::new(number, &shared, tapes.get(number).cloned()))
                .collect(),
            shared,
            jumps,
            now: Instant::ZERO,
            turns: 0,
        }
    }

    /// Runs until the applications are done, then until nothing is left to happen.
    pub(crate) fn run(&mut self) -> Result<Report, Problem> {
        let until = Instant::ZERO + self.shared.plan.deadline();
        let done = self.run_until(until, |hosts| hosts.iter().all(Host::is_done))?;
        if !done {
            let unfinished = self.unfinished();
            return Err(self.problem(&format!("stuck: {unfinished}")));
        }
        let finished_at = self.now;
        // What is under way still arrives.
        self.run_until(self.now + UNDER_WAY, |_| false)?;
        self.hosts.iter_mut().for_each(Host::retire);
        // Whoever was never accepted learns of it now, and its peer after that.
        self.run_until(self.now + AFTERMATH, |_| false)?;
        if self.next().is_some() {
            let unfinished = self.unfinished();
            return Err(self.problem(&format!("something goes on for ever: {unfinished}")));
        }
        for host in &self.hosts {
            host.leaks().map_err(|leak| self.problem(&leak))?;
        }
        if self.shared.network.borrow().slots_in_use() > 0 {
            return Err(self.problem("a message of the network was never dropped"));
        }
        verdict::judge(&self.shared.plan, &self.hosts).map_err(|complaint| self.problem(&complaint))?;
        let referee = self.shared.referee.borrow();
        Ok(Report {
            trace: referee.hash,
            packets: referee.packets,
            turns: self.turns,
            finished_at,
        })
    }

    /// What was sent, if it was recorded.
    pub(crate) fn trace(&self) -> Vec<Traced> {
        self.shared.referee.borrow_mut().trace.take().unwrap_or_default()
    }

    /// Whether `done` came true before the time was over and before nothing was left to do.
    fn run_until(&mut self, until: Instant, done: impl Fn(&[Host]) -> bool) -> Result<bool, Problem> {
        loop {
            self.settle()?;
            if done(&self.hosts) {
                return Ok(true);
            }
            match self.next() {
                Some(next) if next <= until => self.now = self.now.max(next),
                _ => return Ok(false),
            }
            self.shared.network.borrow_mut().now = self.now;
        }
    }

    /// Lets every host have its turns of this instant.
    fn settle(&mut self) -> Result<(), Problem> {
        while let Some(jump) = self.jumps.pop_if(|jump| jump.at <= self.now) {
            let moved = |host: &&mut Host| jump.host.is_none_or(|number| number == host.number);
            self.hosts
                .iter_mut()
                .filter(moved)
                .for_each(|host| host.jump(jump.by));
            if jump.outlives_segments() {
                self.lose_what_is_under_way()?;
            }
        }
        for _ in 0..MAX_TURNS {
            let mut idle = true;
            for number in 0..self.hosts.len() {
                if self.hosts[number]
                    .wakes_at(self.now)
                    .is_some_and(|at| at <= self.now)
                {
                    idle = false;
                    self.turn(number)?;
                }
            }
            if idle {
                return Ok(());
            }
        }
        Err(self.problem("the hosts talk for ever without time going on"))
    }

    /// Each host takes a turn in which nothing arrives and nothing that it sends gets through.
    fn lose_what_is_under_way(&mut self) -> Result<(), Problem> {
        self.shared.network.borrow_mut().loses_all = true;
        for number in 0..self.hosts.len() {
            self.turn(number)?;
        }
        self.shared.network.borrow_mut().loses_all = false;
        Ok(())
    }

    fn turn(&mut self, number: usize) -> Result<(), Problem> {
        self.turns += 1;
        let turn = self.hosts[number].turn(self.now);
        let broken = turn
            .err()
            .or_else(|| self.shared.referee.borrow_mut().complaint.take());
        match broken {
            Some(broken) => Err(self.problem(&format!("host {number}: {broken}"))),
            None => Ok(()),
        }
    }

    fn next(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(|host| host.wakes_at(self.now));
        hosts.chain(self.jumps.last().map(|jump| jump.at)).min()
    }

    fn unfinished(&mut self) -> String {
        let mut text = String::new();
        for host in &mut self.hosts {
            for end in host.ends.iter().filter(|end| !end.is_over()) {
                let info = host.engine.tcp_info(end.handle);
                let _ = write!(
                    text,
                    "\n  host {} dialogue {} role {}: {:?}, {} sent, {} received, {info:?}",
                    host.number, end.dialogue, end.role, end.outcome, end.sent, end.received
                );
            }
        }
        text
    }

    fn problem(&self, what: &str) -> Problem {
        Problem {
            at: self.now,
            what: what.to_string(),
        }
    }
}

/// What went wrong, and when.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) at: Instant,
    pub(crate) what: String,
}
