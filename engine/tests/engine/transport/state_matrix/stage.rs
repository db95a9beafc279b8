//! Puts connections of an engine in each of the states, by segments and calls alone.

use core::fmt;

use handfast::application::{ListenerHandle, TcpHandle};
use handfast::transport::tcp::state::State;

use crate::support::Family;
use crate::support::peer::{ACK, FIN, OUR_PORT, SYN, Script, Segment, say};

/// The peer's initial sequence number.
const IRS: u32 = 5000;
/// What is acknowledged where there is nothing to acknowledge.
const NOTHING_SENT: u32 = 77_777;
/// A port that nobody listens to.
const CLOSED_PORT: u16 = 81;

/// A state, with SYN-RECEIVED twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Closed,
    Listen,
    SynSent,
    /// By a listener.
    SynReceived,
    /// SYN-RECEIVED of a simultaneous open.
    Crossed,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl Stage {
    pub(crate) const ALL: [Self; 12] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Crossed,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Crossed => "CROSSED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    pub(crate) fn parse(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|stage| stage.name() == name);
        found.unwrap_or_else(|| panic!("{name:?} is no state"))
    }

    /// The stage of a connection that has a handle.
    fn of(state: State) -> Self {
        match state {
            State::SynReceived => Self::Crossed,
            other => Self::parse(other.name()),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A connection in a state, as its peer knows it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) stage: Stage,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) iss: Option<u32>,
    pub(crate) snd_nxt: u32,
    /// Where nothing was received, the middle of the positions.
    pub(crate) rcv_nxt: u32,
    /// The right edge of the window.
    pub(crate) edge: u32,
    handle: Option<TcpHandle>,
    half_open: usize,
    waiting: u64,
}

impl Subject {
    /// RCV.NXT when a segment without text has arrived, its FIN not counted.
    pub(crate) fn rcv_nxt_after(&self, seq: u32) -> u32 {
        match self.stage {
            Stage::Closed | Stage::Listen | Stage::SynSent => seq.wrapping_add(1),
            _ => self.rcv_nxt,
        }
    }

    /// What the peer says next: it has received everything.
    fn next(&self, flags: u8) -> Segment {
        say(flags, self.rcv_nxt, self.snd_nxt).ports(self.remote_port, self.local_port)
    }

    /// Takes in what the engine said.
    fn learn(&mut self, heard: &[Segment]) {
        for segment in heard {
            let len = segment.flags & (SYN | FIN);
            self.snd_nxt = segment.seq.wrapping_add(u32::from(len != 0));
            self.rcv_nxt = segment.ack;
            self.edge = segment.ack.wrapping_add(u32::from(segment.window));
        }
    }
}

/// An engine, a listener, and peers that each have a port of their own.
pub(crate) struct Theatre {
    pub(crate) script: Script,
    listener: ListenerHandle,
    peers: u16,
}

impl Theatre {
    pub(crate) fn new(family: Family) -> Self {
        let mut script = Script::over(family, |config| config.tcp.half_open = 16_384);
        let at = script.local();
        let listener = script.engine.tcp_listen(at, 16).unwrap();
        Self {
            script,
            listener,
            peers: 1000,
        }
    }

    /// A new connection in that state.
    pub(crate) fn enter(&mut self, stage: Stage) -> Subject {
        self.peers += 1;
        let mut subject = Subject {
            stage,
            local_port: if stage == Stage::Closed {
                CLOSED_PORT
            } else {
                OUR_PORT
            },
            remote_port: self.peers,
            iss: None,
            snd_nxt: NOTHING_SENT,
            rcv_nxt: IRS + 1,
            edge: IRS + 60_001,
            handle: None,
            half_open: self.script.engine.tcp_memory().half_open,
            waiting: self.script.engine.time_wait().len,
        };
        match stage {
            Stage::Closed | Stage::Listen => {}
            Stage::SynSent | Stage::Crossed => self.connect(&mut subject),
            _ => self.accept(&mut subject),
        }
        assert_eq!(self.observe(&subject), stage);
        subject
    }

    fn tell(&mut self, subject: &mut Subject, segment: &Segment) {
        let heard = self.script.tell(segment);
        subject.learn(&heard);
    }

    /// The active way: SYN-SENT, and on to SYN-RECEIVED.
    fn connect(&mut self, subject: &mut Subject) {
        let mut remote = self.script.remote();
        remote.set_port(subject.remote_port);
        subject.handle = Some(self.script.engine.tcp_connect(None, remote).unwrap());
        let syn = self.script.hear().remove(0);
        subject.local_port = syn.from;
        subject.iss = Some(syn.seq);
        subject.snd_nxt = syn.seq.wrapping_add(1);
        if subject.stage == Stage::Crossed {
            let crossing = say(SYN, IRS, 0).ports(subject.remote_port, subject.local_port);
            self.tell(subject, &crossing);
        }
    }

    /// The passive way: SYN-RECEIVED, ESTABLISHED, and on to every end.
    fn accept(&mut self, subject: &mut Subject) {
        let syn = say(SYN, IRS, 0).ports(subject.remote_port, subject.local_port);
        self.tell(subject, &syn);
        subject.iss = Some(subject.snd_nxt.wrapping_sub(1));
        if subject.stage == Stage::SynReceived {
            return;
        }
        let last = subject.next(ACK);
        self.tell(subject, &last);
        let handle = self.script.engine.tcp_accept(self.listener).expect("established");
        subject.handle = Some(handle);
        match subject.stage {
            Stage::FinWait1 => self.shut_down(subject),
            Stage::FinWait2 => {
                self.shut_down(subject);
                self.say(subject, ACK);
            }
            Stage::CloseWait => self.say(subject, FIN | ACK),
            Stage::Closing => {
                let crossing = subject.next(FIN | ACK);
                self.shut_down(subject);
                self.tell(subject, &crossing);
            }
            Stage::LastAck => {
                self.say(subject, FIN | ACK);
                self.shut_down(subject);
            }
            Stage::TimeWait => {
                self.shut_down(subject);
                self.say(subject, FIN | ACK);
            }
            _ => {}
        }
    }

    fn say(&mut self, subject: &mut Subject, flags: u8) {
        let segment = subject.next(flags);
        self.tell(subject, &segment);
    }

    fn shut_down(&mut self, subject: &mut Subject) {
        let handle = subject.handle.expect("a connection");
        self.script.engine.tcp_shutdown(handle).unwrap();
        let heard = self.script.hear();
        subject.learn(&heard);
    }

    /// The state that a connection is in now.
    pub(crate) fn observe(&mut self, subject: &Subject) -> Stage {
        let is_half_open = self.script.engine.tcp_memory().half_open > subject.half_open;
        let waits = self.script.engine.time_wait().len > subject.waiting;
        let handle = match subject.stage {
            Stage::Listen | Stage::SynReceived => self.script.engine.tcp_accept(self.listener),
            Stage::TimeWait => None,
            _ => subject.handle,
        };
        if let Some(handle) = handle {
            return Stage::of(self.script.engine.tcp_state(handle).unwrap_or(State::Closed));
        }
        match (is_half_open, waits, subject.stage) {
            (true, _, _) => Stage::SynReceived,
            (_, true, _) => Stage::TimeWait,
            (_, _, Stage::Listen | Stage::SynReceived) => Stage::Listen,
            _ => Stage::Closed,
        }
    }
}
