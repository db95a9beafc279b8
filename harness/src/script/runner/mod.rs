//! Plays the events of a script one after another.

mod blocking;
mod expect;
mod time;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use handfast::time::Instant;

use self::blocking::Blocked;
use self::time::Window;
use super::Profile;
use super::assertion::{self, Problem};
use super::build;
use super::configuration::Settings;
use super::host::script_time;
use super::info;
use super::lexer::Position;
use super::packet::{Body, Icmp, Packet, Quoted};
use super::subject::Subject;
use super::tree::{Event, Script, What};
use super::verdict::{Failure, Stop, Verdict};

/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 16;

/// A script that is being played.
pub(super) struct Runner<S> {
    subject: S,
    settings: Settings,
    lenient: bool,
    /// When the event before happened.
    base: Instant,
    /// When the first of the events was due between which and now the script knows no pause. Real time passes between them all the same.
    moment: Instant,
    blocked: Option<Blocked>,
    variables: HashMap<String, i64>,
    trace: VecDeque<String>,
    /// What was not as expected where it need not be.
    warnings: Vec<Failure>,
}

impl<S: Subject> Runner<S> {
    /// Plays a script to its end, or as far as it goes.
    pub(super) fn play(mut subject: S, script: &Script, profile: Profile) -> Verdict {
        let mut runner = Self {
            settings: subject.network().settings.clone(),
            base: subject.now(),
            moment: subject.now(),
            subject,
            lenient: profile == Profile::Lenient,
            blocked: None,
            variables: HashMap::new(),
            trace: VecDeque::new(),
            warnings: Vec::new(),
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
                Err((at, stop)) => return Verdict::stopped(at, stop, runner.trace.into()),
            }
        }
        let end = script
            .events
            .last()
            .map_or(Position { line: 1, column: 1 }, |event| event.at);
        match runner.finish(end) {
            Ok(()) if runner.warnings.is_empty() => Verdict::Passed,
            Ok(()) => Verdict::PassedWith(runner.warnings),
            Err((at, stop)) => Verdict::stopped(at, stop, runner.trace.into()),
        }
    }

    /// Whether the script goes on when such an event is not as expected.
    fn may_fail(&self, what: &What) -> bool {
        let settings = &self.settings;
        match what {
            What::Expect(_) | What::Quiet => settings.packets_may_fail,
            What::Call(_) => settings.calls_may_fail,
            _ => false,
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), (Position, Stop)> {
        let at = |stop| (event.at, stop);
        let window = Window::of(event.when, self.base);
        if window.first > self.base {
            self.moment = window.first;
        }
        if let What::Expect(packet) = &event.what {
            return self.expect(event, packet, window).map_err(at);
        }
        if matches!(event.what, What::Call(_)) {
            self.await_blocked()?;
        }
        self.run_until(window.first)?;
        self.base = self.subject.now();
        match &event.what {
            What::Inject(packet) => self.inject(event.at, packet).map_err(at)?,
            What::Quiet => self.check_silence("before the script expects any").map_err(at)?,
            What::Call(call) => self.call(event, call, window)?,
            What::Shell(commands) => self.subject.command(commands).map_err(at)?,
            What::Code(code) => self.assert(code).map_err(at)?,
            What::Expect(_) => {}
        }
        self.settle(event.at)
    }

    /// Lets the stack do what there is to do, and a call that waits look again.
    fn settle(&mut self, at: Position) -> Result<(), (Position, Stop)> {
        self.subject.settle().map_err(|stop| (at, stop))?;
        self.look_again()?;
        self.subject.observe(self.blocked.is_some());
        Ok(())
    }

    /// Lets time pass.
    fn run_until(&mut self, until: Instant) -> Result<(), (Position, Stop)> {
        while self.step(until)? {}
        Ok(())
    }

    /// Goes to the next thing that the stack does by itself. False when nothing is left before `limit`.
    fn step(&mut self, limit: Instant) -> Result<bool, (Position, Stop)> {
        let at = self
            .blocked
            .as_ref()
            .map_or(Position { line: 1, column: 1 }, Blocked::at);
        let limit_of_step = self.blocked_until().map_or(limit, |until| until.min(limit));
        let waits = self.blocked.is_some();
        self.subject
            .step(limit_of_step, waits)
            .map_err(|stop| (at, stop))?;
        self.look_again()?;
        self.subject.observe(self.blocked.is_some());
        Ok(self.subject.now() < limit)
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
        let now = self.subject.now();
        self.note(now, at, &format!("< {packet}"));
        let bytes = self.bytes_of(packet)?;
        self.subject.inject(bytes)
    }

    /// The bytes of a packet that arrives, in the engine's numbers.
    fn bytes_of(&mut self, packet: &Packet) -> Result<Vec<u8>, Stop> {
        if let Body::Raw(bytes) = &packet.body {
            return Ok(bytes.clone());
        }
        let flow = self.subject.network().flow_of_arriving(packet);
        let ends = self.subject.network().arriving_ends(flow);
        match &packet.body {
            Body::Tcp(tcp) => {
                let live = self.subject.network().flow_at(flow).arriving(tcp);
                build::tcp(ends, &packet.ip, &live).ok_or_else(|| Stop::failed("its options do not fit"))
            }
            Body::Udp(len) => Ok(build::udp(ends, &packet.ip, *len)),
            Body::Icmp(icmp) => {
                let mut icmp = self.numbered(icmp)?;
                if let Some(Quoted::Tcp { seq, .. }) = &mut icmp.quoted {
                    *seq = self.subject.network().flow_at(flow).seq_to_wire(*seq);
                }
                Ok(build::icmp(ends, &packet.ip, &icmp))
            }
            Body::Raw(bytes) => Ok(bytes.clone()),
        }
    }

    /// An ICMP message with the numbers that its names have in this IP version.
    fn numbered(&self, icmp: &Icmp) -> Result<Icmp, Stop> {
        let v6 = self.settings.local.is_ipv6();
        let (kind, code) = super::icmp::numbers(&icmp.name, v6)
            .ok_or_else(|| Stop::unsupported(format!("icmp {} over this IP version", icmp.name)))?;
        Ok(Icmp {
            kind,
            code,
            ..icmp.clone()
        })
    }

    fn check_silence(&mut self, when: &str) -> Result<(), Stop> {
        while let Some(sent) = self.subject.sent().pop_front() {
            let seen = self.seen(&sent)?;
            if self.is_overlooked(&seen) {
                continue;
            }
            let shown = self.shown(&sent.bytes);
            let time = time::seconds(sent.at);
            return Err(Stop::failed(format!(
                "a packet that is not expected was sent {when}, at {time}: > {shown}"
            )));
        }
        Ok(())
    }

    fn assert(&mut self, code: &str) -> Result<(), Stop> {
        self.subject.observe(self.blocked.is_some());
        let subject = RefCell::new(&mut self.subject);
        let known = |name: &str| info::constant(name).or_else(|| subject.borrow_mut().field(name));
        assertion::run(code, &known, &mut self.variables).map_err(|problem| match problem {
            Problem::False(why) => Stop::failed(why),
            Problem::Unsupported(what) => Stop::unsupported(what),
        })
    }

    /// Nothing may be left over when the script ends. Leniently, what its last moment causes at once may be: packetdrill has stopped looking.
    fn finish(&mut self, end: Position) -> Result<(), (Position, Stop)> {
        self.await_blocked()?;
        if self.lenient {
            let last = self.moment;
            self.subject.sent().retain(|sent| sent.at < last);
        }
        self.check_silence("before the end of the script")
            .map_err(|stop| (end, stop))
    }
}
