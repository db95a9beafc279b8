//! Plays the events of a script one after another.

mod blocking;
mod expect;
mod time;

use std::collections::{HashMap, VecDeque};

use handfast::application::TcpHandle;
use handfast::time::Instant;

use self::blocking::Blocked;
use self::time::Window;
use super::assertion::{self, Problem};
use super::build;
use super::configuration::Settings;
use super::host::{START, script_time};
use super::info;
use super::lexer::Position;
use super::packet::{Body, Icmp, Packet, Quoted};
use super::shell;
use super::stopwatch::Stopwatch;
use super::tree::{Event, Expression, Script, What};
use super::verdict::{Failure, Stop, Verdict};
use super::world::World;
use super::{Options, Profile};

/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 16;

/// A script that is being played.
pub(super) struct Runner {
    world: World,
    lenient: bool,
    /// When the event before happened.
    base: Instant,
    blocked: Option<Blocked>,
    variables: HashMap<String, i64>,
    trace: VecDeque<String>,
    /// What was not as expected where it need not be.
    warnings: Vec<Failure>,
    /// One for each connection; `None` when the script asks for no times.
    stopwatches: Option<HashMap<TcpHandle, Stopwatch>>,
}

impl Runner {
    /// Plays a script to its end, or as far as it goes.
    pub(super) fn play(script: &Script, options: &Options) -> Verdict {
        let mut runner = match Self::prepare(script, options) {
            Ok(runner) => runner,
            Err((at, stop)) => return verdict(at, stop, VecDeque::new()),
        };
        for event in &script.events {
            match runner.event(event) {
                Ok(()) => {}
                Err((at, Stop::Failed { reason, compared })) if runner.may_fail(&event.what) => {
                    runner.warnings.push(Failure {
                        at,
                        reason,
                        compared,
                        trace: Vec::new(),
                    });
                }
                Err((at, stop)) => return verdict(at, stop, runner.trace),
            }
        }
        let end = script
            .events
            .last()
            .map_or(Position { line: 1, column: 1 }, |event| event.at);
        match runner.finish(end) {
            Ok(()) if runner.warnings.is_empty() => Verdict::Passed,
            Ok(()) => Verdict::PassedWith(runner.warnings),
            Err((at, stop)) => verdict(at, stop, runner.trace),
        }
    }

    fn prepare(script: &Script, options: &Options) -> Result<Self, (Position, Stop)> {
        let settings = Settings::new(script, options.version)?;
        let config = settings.config();
        Ok(Self {
            world: World::new(settings, config, octets_of(script)),
            lenient: options.profile == Profile::Lenient,
            base: START,
            blocked: None,
            variables: HashMap::new(),
            trace: VecDeque::new(),
            warnings: Vec::new(),
            stopwatches: asks_for_times(script).then(HashMap::new),
        })
    }

    /// Whether the script goes on when such an event is not as expected.
    fn may_fail(&self, what: &What) -> bool {
        let settings = &self.world.settings;
        match what {
            What::Expect(_) | What::Quiet => settings.packets_may_fail,
            What::Call(_) => settings.calls_may_fail,
            _ => false,
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), (Position, Stop)> {
        let at = |stop| (event.at, stop);
        let window = Window::of(event.when, self.base);
        if let What::Expect(packet) = &event.what {
            return self.expect(event, packet, window).map_err(at);
        }
        if matches!(event.what, What::Call(_)) {
            self.await_blocked()?;
        }
        self.run_until(window.first)?;
        self.base = self.world.now();
        match &event.what {
            What::Inject(packet) => self.inject(event.at, packet).map_err(at)?,
            What::Quiet => self.check_silence("before the script expects any").map_err(at)?,
            What::Call(call) => self.call(event, call, window)?,
            What::Shell(commands) => {
                let running = self.world.is_running();
                shell::run(commands, &mut self.world.config, running).map_err(at)?;
            }
            What::Code(code) => self.assert(code).map_err(at)?,
            What::Expect(_) => {}
        }
        self.settle(event.at)
    }

    /// Lets the engine work until it rests, and a call that waits look again.
    fn settle(&mut self, at: Position) -> Result<(), (Position, Stop)> {
        if self.world.is_running() {
            self.world
                .host()
                .settle()
                .map_err(|restless| (at, restless.into()))?;
        }
        self.look_again()?;
        self.look_at_stopwatches();
        if self.world.is_running() {
            let audit = self.world.engine().pool().audit();
            audit.map_err(|broken| {
                (
                    at,
                    Stop::failed(format!("the engine's memory is inconsistent: {broken}")),
                )
            })?;
        }
        Ok(())
    }

    /// Lets time pass.
    fn run_until(&mut self, until: Instant) -> Result<(), (Position, Stop)> {
        while self.step(until)? {}
        Ok(())
    }

    /// Goes to the next thing that the engine does by itself. False when nothing is left before `limit`.
    fn step(&mut self, limit: Instant) -> Result<bool, (Position, Stop)> {
        let at = self
            .blocked
            .as_ref()
            .map_or(Position { line: 1, column: 1 }, Blocked::at);
        if !self.world.is_running() {
            self.world.wait_before_start(limit);
            return Ok(false);
        }
        let limit_of_step = self.blocked_until().map_or(limit, |until| until.min(limit));
        self.world
            .host()
            .step(limit_of_step)
            .map_err(|restless| (at, restless.into()))?;
        self.look_again()?;
        self.look_at_stopwatches();
        Ok(self.world.now() < limit)
    }

    fn note(&mut self, when: Instant, at: Position, text: &str) {
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        let time = script_time(when).as_nanos();
        let (seconds, micros) = (time / 1_000_000_000, time / 1_000 % 1_000_000);
        self.trace
            .push_back(format!("{seconds:>3}.{micros:06}  {:>4}  {text}", at.line));
    }

    fn inject(&mut self, at: Position, packet: &Packet) -> Result<(), Stop> {
        let now = self.world.now();
        self.note(now, at, &format!("< {packet}"));
        let bytes = self.bytes_of(packet)?;
        self.world.host().inject(bytes)?;
        Ok(())
    }

    /// The bytes of a packet that arrives, in the engine's numbers.
    fn bytes_of(&mut self, packet: &Packet) -> Result<Vec<u8>, Stop> {
        if let Body::Raw(bytes) = &packet.body {
            return Ok(bytes.clone());
        }
        let flow = self.world.flow_of_arriving(packet);
        let ends = self.world.arriving_ends(flow);
        match &packet.body {
            Body::Tcp(tcp) => {
                let live = self.world.flow_at(flow).arriving(tcp);
                build::tcp(ends, &packet.ip, &live).ok_or_else(|| Stop::failed("its options do not fit"))
            }
            Body::Udp(len) => Ok(build::udp(ends, &packet.ip, *len)),
            Body::Icmp(icmp) => {
                let mut icmp = self.numbered(icmp)?;
                if let Some(Quoted::Tcp { seq, .. }) = &mut icmp.quoted {
                    *seq = self.world.flow_at(flow).seq_to_wire(*seq);
                }
                Ok(build::icmp(ends, &packet.ip, &icmp))
            }
            Body::Raw(bytes) => Ok(bytes.clone()),
        }
    }

    /// An ICMP message with the numbers that its names have in this IP version.
    fn numbered(&self, icmp: &Icmp) -> Result<Icmp, Stop> {
        let v6 = self.world.settings.local.is_ipv6();
        let (kind, code) = super::icmp::numbers(&icmp.name, v6)
            .ok_or_else(|| Stop::unsupported(format!("icmp {} over this IP version", icmp.name)))?;
        Ok(Icmp {
            kind,
            code,
            ..icmp.clone()
        })
    }

    fn check_silence(&mut self, when: &str) -> Result<(), Stop> {
        if !self.world.is_running() {
            return Ok(());
        }
        let Some(sent) = self.world.host().sent().pop_front() else {
            return Ok(());
        };
        let shown = self.shown(&sent.bytes);
        let time = time::seconds(sent.at);
        Err(Stop::failed(format!(
            "a packet that is not expected was sent {when}, at {time}: > {shown}"
        )))
    }

    /// Notes what the connections are doing.
    fn look_at_stopwatches(&mut self) {
        let Some(stopwatches) = &mut self.stopwatches else {
            return;
        };
        let (now, blocked) = (self.world.now(), self.blocked.is_some());
        let streams: Vec<TcpHandle> = self.world.sockets.streams().collect();
        for handle in streams {
            if let Some(snapshot) = self.world.engine().tcp_info(handle) {
                let stopwatch = stopwatches.entry(handle).or_default();
                stopwatch.look(&snapshot, blocked, now);
            }
        }
    }

    fn assert(&mut self, code: &str) -> Result<(), Stop> {
        self.look_at_stopwatches();
        let handle = self.connection_under_test();
        let snapshot = handle.and_then(|handle| self.world.engine().tcp_info(handle));
        let stopwatches = self.stopwatches.as_ref();
        let stopwatch = handle.and_then(|handle| stopwatches?.get(&handle)).copied();
        let link = self.world.link();
        let known = |name: &str| {
            info::constant(name)
                .or_else(|| snapshot.as_ref().and_then(|of| info::field(name, link, of)))
                .or_else(|| stopwatch.and_then(|stopwatch| stopwatch.field(name)))
        };
        assertion::run(code, &known, &mut self.variables).map_err(|problem| match problem {
            Problem::False(why) => Stop::failed(why),
            Problem::Unsupported(what) => Stop::unsupported(what),
        })
    }

    /// The connection of the current flow, or the one that was made last.
    fn connection_under_test(&mut self) -> Option<TcpHandle> {
        let ports = self.world.current_ports();
        let streams: Vec<_> = self.world.sockets.streams().collect();
        let engine = self.world.engine();
        let is_current = |handle: &TcpHandle| {
            let ends = engine.tcp_addresses(*handle);
            ends.map(|(local, remote)| (local.port(), remote.port())) == ports
        };
        let chosen = streams.iter().copied().find(is_current);
        chosen.or_else(|| streams.last().copied())
    }

    /// Nothing may be left over when the script ends.
    fn finish(&mut self, end: Position) -> Result<(), (Position, Stop)> {
        self.await_blocked()?;
        self.check_silence("before the end of the script")
            .map_err(|stop| (end, stop))
    }
}

/// What packets and calls carry, as far as the script says.
fn octets_of(script: &Script) -> u64 {
    let octets = |event: &Event| match &event.what {
        What::Inject(packet) | What::Expect(packet) => match &packet.body {
            Body::Tcp(tcp) => u64::from(tcp.len),
            Body::Udp(len) => u64::from(*len),
            Body::Icmp(_) | Body::Raw(_) => 0,
        },
        What::Call(call) => call
            .arguments
            .get(2)
            .and_then(Expression::integer)
            .unwrap_or(0)
            .unsigned_abs(),
        _ => 0,
    };
    script.events.iter().map(octets).fold(0, u64::saturating_add)
}

fn asks_for_times(script: &Script) -> bool {
    let asks = |event: &Event| matches!(&event.what, What::Code(code) if code.contains("_time") || code.contains("_limited"));
    script.events.iter().any(asks)
}

fn verdict(at: Position, stop: Stop, trace: VecDeque<String>) -> Verdict {
    match stop {
        Stop::Unsupported(construct) => Verdict::Unsupported { at, construct },
        Stop::Failed { reason, compared } => Verdict::Failed(Failure {
            at,
            reason,
            compared,
            trace: trace.into(),
        }),
    }
}
