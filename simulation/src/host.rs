//! One host: an engine, its clock, and the applications on it.

mod listeners;
mod udp;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use handfast::application::{ConnectError, Event, TcpHandle};
use handfast::config::KeepAlive;
use handfast::engine::{Budget, Progress};
use handfast::frame::FramePool;
use handfast::link::Device;
use handfast::link::capture::Capture;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::state::State;

use self::listeners::Listening;
use self::udp::Datagrams;
use crate::end::{AnyEngine, Beginning, End};
use crate::network::{Network, Port};
use crate::plan::{Plan, address};
use crate::random::Random;
use crate::referee::{Referee, Watched};

/// How long a host waits that its device refuses packets.
const DEVICE_PAUSE: Duration = Duration::from_millis(1);
/// Polls in a row that ask for another at once and do nothing: a timer that sleeps long wakes once for each level of the wheel.
const PATIENCE: u32 = 8;
/// How soon a `connect` that found no port is tried again.
const PORT_PAUSE: Duration = Duration::from_millis(1_000);

/// Who calls whom: both addresses of the client's connection lead to the dialogue.
pub(crate) type Calls = Rc<RefCell<BTreeMap<(SocketAddr, SocketAddr), usize>>>;
/// Where a host's packets are written.
pub(crate) type Tape = Rc<RefCell<Vec<u8>>>;

/// What all hosts share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Rc<Plan>,
    pub(crate) network: Rc<RefCell<Network>>,
    pub(crate) referee: Rc<RefCell<Referee>>,
    pub(crate) calls: Calls,
}

pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) engine: AnyEngine,
    shared: Shared,
    random: Random,
    /// What its clock shows beyond the true time, in nanoseconds.
    ahead: i128,
    /// The latest time that the engine was told.
    local: Instant,
    busy_until: Instant,
    idle_polls: u32,
    /// Dialogues that it has not opened yet.
    openings: Vec<(Instant, usize)>,
    pub(crate) ends: Vec<End>,
    by_handle: BTreeMap<TcpHandleKey, usize>,
    listening: Vec<Listening>,
    pub(crate) udp: Datagrams,
    /// When so many had entered TIME_WAIT, by the engine's clock.
    waiting: Vec<(Instant, u64)>,
}

type TcpHandleKey = (u32, u32);

fn key(handle: TcpHandle) -> TcpHandleKey {
    (handle.slot(), handle.generation())
}

impl Host {
    pub(crate) fn new(number: usize, shared: &Shared, tape: Option<Tape>) -> Self {
        let plan = &shared.plan;
        let of = &plan.hosts[number];
        let pool = FramePool::new(of.pool);
        let impairment = ImpairConfig {
            seed: plan.faults.impairment.seed ^ (number as u64) << 48,
            ..plan.faults.impairment
        };
        let port = Port::new(&shared.network, number, plan);
        let impaired = Impair::new(port, impairment, pool.clone()).expect("plans keep to the ranges");
        let watched = Watched::new(impaired, number, &shared.referee);
        let device: Box<dyn Device> = match tape {
            Some(tape) => Box::new(Capture::new(watched, Recorder(tape), 0)),
            None => Box::new(watched),
        };
        let openings = plan.dialogues.iter().zip(0..);
        let is_opener = |dialogue: &crate::plan::Dialogue| {
            dialogue.hosts[0] == number || (dialogue.crossed && dialogue.hosts[1] == number)
        };
        let mut host = Self {
            number,
            engine: AnyEngine::new(&of.config(number), pool, device),
            shared: shared.clone(),
            random: Random::new(plan.seed ^ (number as u64 + 1) << 40),
            ahead: i128::from(plan.epoch.as_nanos()),
            local: Instant::ZERO,
            busy_until: Instant::ZERO,
            idle_polls: 0,
            openings: openings
                .filter(|(dialogue, _)| is_opener(dialogue))
                .map(|(dialogue, index)| (dialogue.opens_at, index))
                .collect(),
            ends: Vec::new(),
            by_handle: BTreeMap::new(),
            listening: Vec::new(),
            udp: Datagrams::new(number, plan),
            waiting: Vec::new(),
        };
        host.open_listeners();
        host.udp.bind(&mut host.engine);
        host
    }

    /// Whether all that the host's applications planned is done.
    pub(crate) fn is_done(&self) -> bool {
        self.openings.is_empty() && self.ends.iter().all(End::is_over) && self.udp.is_done()
    }

    /// The clock jumps.
    pub(crate) fn jump(&mut self, by: i64) {
        self.ahead += i128::from(by);
    }

    fn clock(&self, now: Instant) -> Instant {
        Instant::from_nanos((i128::from(now.as_nanos()) + self.ahead).max(0) as u64)
    }

    /// When the host wants its turn, in true time.
    pub(crate) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let has_packets = self.shared.network.borrow().has_for(self.number);
        let of_engine = self.engine.next_deadline().map(|deadline| {
            if deadline <= self.local {
                return now;
            }
            Instant::from_nanos((i128::from(deadline.as_nanos()) - self.ahead).max(0) as u64)
        });
        let of_ends = self.ends.iter().filter_map(End::wakes_at);
        let of_listeners = self.listening.iter().filter_map(Listening::wakes_at);
        let openings = self.openings.iter().map(|(at, _)| *at);
        let next = of_engine
            .into_iter()
            .chain(of_ends)
            .chain(of_listeners)
            .chain(openings)
            .chain(self.udp.wakes_at())
            .chain(has_packets.then_some(now))
            .min();
        next.map(|next| next.max(self.busy_until))
    }

    /// One turn of the loop that every application of the engine has: poll, read events, act.
    pub(crate) fn turn(&mut self, now: Instant) -> Result<(), String> {
        let sent_before = self.newest_octets();
        self.local = self.local.max(self.clock(now));
        let progress = self.engine.poll(self.clock(now), Budget::default());
        self.engine
            .check_invariants()
            .map_err(|violation| violation.to_string())?;
        self.judge_windows(&sent_before)?;
        let mut acted = false;
        while let Some(event) = self.engine.poll_event() {
            acted = true;
            self.on_event(event, now)?;
        }
        acted |= self.act(now)?;
        // What the applications have broken is found in the next turn: half of a simulation's time would go into looking for it here.
        self.watch_time_wait()?;
        self.rest(now, progress, acted)
    }

    fn on_event(&mut self, event: Event, now: Instant) -> Result<(), String> {
        match event {
            Event::Acceptable(listener) => {
                self.on_acceptable(listener, now);
                Ok(())
            }
            Event::Udp(_) => self.udp.receive(&mut self.engine),
            Event::Tcp(handle, ready) => {
                // Who was not accepted yet has nobody who could hear of it.
                let Some(&index) = self.by_handle.get(&key(handle)) else {
                    return Ok(());
                };
                let end = &mut self.ends[index];
                end.on_event(ready)?;
                end.run(&mut self.engine, now)
            }
        }
    }

    /// What is due without an event.
    fn act(&mut self, now: Instant) -> Result<bool, String> {
        let mut acted = self.serve_listeners(now)?;
        while let Some(at) = self.openings.iter().position(|(at, _)| *at <= now) {
            acted = true;
            let (_, dialogue) = self.openings.swap_remove(at);
            self.open(dialogue, now)?;
        }
        for end in &mut self.ends {
            if end.wakes_at().is_some_and(|at| at <= now) {
                acted = true;
                end.run(&mut self.engine, now)?;
            }
        }
        Ok(self.udp.send_due(&mut self.engine, now)? || acted)
    }

    fn open(&mut self, index: usize, now: Instant) -> Result<(), String> {
        let plan = self.shared.plan.clone();
        let dialogue = &plan.dialogues[index];
        let role = usize::from(dialogue.hosts[0] != self.number);
        let remote = SocketAddr::new(address(dialogue.hosts[1 - role], dialogue.v6), dialogue.port);
        match self.engine.tcp_connect(None, remote) {
            Ok(handle) => {
                let (local, _) = self
                    .engine
                    .tcp_addresses(handle)
                    .ok_or("a new connection has no address")?;
                self.shared.calls.borrow_mut().insert((local, remote), index);
                self.begin(handle, index, role, [local, remote], false)
            }
            Err(ConnectError::PortsExhausted) => {
                self.openings.push((now + PORT_PAUSE, index));
                Ok(())
            }
            Err(error) => Err(format!("cannot connect: {error}")),
        }
    }

    fn begin(
        &mut self,
        handle: TcpHandle,
        dialogue: usize,
        role: usize,
        [local, remote]: [SocketAddr; 2],
        connected: bool,
    ) -> Result<(), String> {
        let plan = self.shared.plan.clone();
        let ends = &plan.dialogues[dialogue].ends;
        let of = Beginning {
            seed: plan.seed,
            dialogue,
            role,
            plan: &ends[role],
            expects: ends[1 - role].sends,
            local,
            remote,
        };
        if self.engine.tcp_error(handle).is_none() {
            // A connection that the peer has reset meanwhile refuses, and that is no complaint.
            let _ = self.engine.tcp_set_no_delay(handle, ends[role].no_delay);
            if ends[role].keep_alive {
                let rule = KeepAlive {
                    idle: Duration::from_secs(10),
                    interval: Duration::from_secs(5),
                    probes: 9,
                };
                let _ = self.engine.tcp_set_keep_alive(handle, Some(rule));
            }
        }
        self.by_handle.insert(key(handle), self.ends.len());
        self.ends.push(End::new(&of, handle, connected));
        Ok(())
    }

    /// Decides when the host looks at its engine again.
    fn rest(&mut self, now: Instant, progress: Progress, acted: bool) -> Result<(), String> {
        let laziness = self.shared.plan.faults.laziness;
        if laziness > Duration::ZERO && self.random.percent(30) {
            self.busy_until = now + Duration::from_nanos(self.random.below(laziness.as_nanos()));
        }
        let asks_at_once = self.engine.next_deadline().is_some_and(|at| at <= self.local);
        if acted || !progress.is_idle() || !asks_at_once {
            self.idle_polls = 0;
            return Ok(());
        }
        if self.shared.network.borrow().may_refuse(self.number) {
            self.busy_until = self.busy_until.max(now + DEVICE_PAUSE);
            return Ok(());
        }
        self.idle_polls += 1;
        if self.idle_polls > PATIENCE {
            return Err(format!(
                "the engine asks to be polled at {:?}, it is {:?}, and it did nothing {PATIENCE} times",
                self.engine.next_deadline(),
                self.local
            ));
        }
        Ok(())
    }

    /// What each connection has sent, and how many tail loss probes there were.
    fn newest_octets(&self) -> (Vec<Option<u32>>, u64) {
        let referee = self.shared.referee.borrow();
        let max = |end: &End| {
            referee
                .flow(self.number, end.local, end.remote)
                .map(|flow| flow.text_max)
        };
        (
            self.ends.iter().map(max).collect(),
            self.engine.counters().tcp.tail_loss_probes,
        )
    }

    /// RFC 5681 section 3: who sends new text has no more in flight afterwards than the congestion window allows. While losses are
    /// repaired, what is in flight is not what is unacknowledged, and a tail loss probe may exceed it (RFC 8985 section 7.3). So may two
    /// segments that the duplicate acknowledgments of a peer without SACK let go (RFC 3042); the next acknowledgment may come in the same
    /// poll.
    fn judge_windows(&mut self, (before, probes): &(Vec<Option<u32>>, u64)) -> Result<(), String> {
        if self.engine.counters().tcp.tail_loss_probes != *probes {
            return Ok(());
        }
        for (index, before) in before.iter().enumerate() {
            let end = &self.ends[index];
            // A connection that has ended in this turn has forgotten what it was repairing.
            if !end.is_open() || self.engine.tcp_state(end.handle) == Some(State::Closed) {
                continue;
            }
            let now = self
                .shared
                .referee
                .borrow()
                .flow(self.number, end.local, end.remote)
                .map(|flow| flow.text_max);
            let Some(info) = self.engine.tcp_info(end.handle).filter(|_| now != *before) else {
                continue;
            };
            let is_quiet = !info.in_disorder && !info.in_recovery && !info.after_timeout;
            let limited_transmit = if info.sack { 0 } else { 2 * info.snd_mss };
            let most = info.snd_cwnd.saturating_add(1 + limited_transmit);
            if is_quiet && info.unacked > most {
                return Err(format!(
                    "{info:?} of {} with {}: more is in flight than cwnd",
                    end.local, end.remote
                ));
            }
        }
        Ok(())
    }

    /// Of all that leaves TIME_WAIT by time, as many must have entered 2MSL ago (RFC 9293 section 3.6.1).
    fn watch_time_wait(&mut self) -> Result<(), String> {
        let status = self.engine.time_wait();
        if status.violations > 0 {
            return Err(format!("{} TIME_WAIT entries were evicted", status.violations));
        }
        if self
            .waiting
            .last()
            .is_none_or(|(_, entered)| *entered < status.entered)
            && status.entered > 0
        {
            self.waiting.push((self.local, status.entered));
        }
        let two_msl = Duration::from_secs(60);
        let old_enough = self
            .waiting
            .iter()
            .rev()
            .find(|(since, _)| *since + two_msl <= self.local);
        let may_be_gone = old_enough.map_or(0, |(_, entered)| *entered);
        if status.expired > may_be_gone {
            return Err(format!(
                "{} TIME_WAIT entries are over, only {may_be_gone} began 60 s ago",
                status.expired
            ));
        }
        Ok(())
    }

    /// The applications end: nothing of theirs stays open.
    pub(crate) fn retire(&mut self) {
        self.close_listeners();
        self.udp.close(&mut self.engine);
    }

    /// What the host still holds when everything is over.
    pub(crate) fn leaks(&self) -> Result<(), String> {
        self.engine
            .check_invariants()
            .map_err(|violation| violation.to_string())?;
        let (memory, usage) = (self.engine.tcp_memory(), self.engine.pool().usage());
        let waiting = self.engine.time_wait().len;
        // TCP and UDP each keep the slot that small payloads are cut from.
        let holds_slots = usage.small > 2 || usage.large > 0 || usage.lent > 0 || usage.borrowed > 0;
        if memory.connections > 0 || memory.half_open > 0 || waiting > 0 || holds_slots {
            return Err(format!(
                "host {} leaks: {memory:?}, {waiting} in TIME_WAIT, {usage:?}",
                self.number
            ));
        }
        Ok(())
    }
}

/// Writes to a tape that outlives the engine.
#[derive(Debug)]
struct Recorder(Tape);

impl io::Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
