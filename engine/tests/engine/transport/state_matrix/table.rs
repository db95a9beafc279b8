//! The two tables, and what their words mean.

use super::oracle::name_of;
use super::stage::{Stage, Subject};
use crate::support::peer::{ACK, CWR, ECE, FIN, RST, SYN, Segment};

/// What is sent at once in answer to a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reaction {
    /// Nothing.
    Drop,
    /// `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`.
    Ack,
    /// That, or nothing.
    MayAck,
    /// As `Ack`, with RCV.NXT behind the segment's FIN.
    FinAck,
    /// `<SEQ=ISS><ACK=SEG.SEQ+1><CTL=SYN,ACK>`.
    SynAck,
    /// `<SEQ=SEG.ACK><CTL=RST>`.
    Reset,
    /// `<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>`.
    ResetAck,
}

impl Reaction {
    fn parse(word: &str) -> Self {
        match word {
            "drop" => Self::Drop,
            "ack" => Self::Ack,
            "may-ack" => Self::MayAck,
            "fin-ack" => Self::FinAck,
            "syn-ack" => Self::SynAck,
            "rst" => Self::Reset,
            "rst-ack" => Self::ResetAck,
            other => panic!("{other:?} is no reaction"),
        }
    }

    /// Whether what was heard is this.
    pub(crate) fn matches(self, subject: &Subject, said: &Segment, heard: &[Segment]) -> bool {
        let len = u32::from(said.flags & SYN != 0) + u32::from(said.flags & FIN != 0);
        let rcv_nxt = subject.rcv_nxt_after(said.seq);
        let one = |flags, seq: Option<u32>, ack| {
            let [answer] = heard else { return false };
            answer.flags == flags && seq.is_none_or(|seq| answer.seq == seq) && answer.ack == ack
        };
        match self {
            Self::Drop => heard.is_empty(),
            Self::Ack => one(ACK, Some(subject.snd_nxt), rcv_nxt),
            Self::MayAck => {
                Self::Drop.matches(subject, said, heard) || Self::Ack.matches(subject, said, heard)
            }
            Self::FinAck => one(ACK, Some(subject.snd_nxt), rcv_nxt.wrapping_add(1)),
            Self::SynAck if subject.stage == Stage::TimeWait => {
                one(SYN | ACK | ecn_echo(said), None, said.seq.wrapping_add(1))
            }
            Self::SynAck if subject.stage == Stage::Listen => {
                one(SYN | ACK | ecn_echo(said), subject.iss, rcv_nxt)
            }
            Self::SynAck => one(SYN | ACK, subject.iss, rcv_nxt),
            Self::Reset => one(RST, Some(said.ack), 0),
            Self::ResetAck => one(RST | ACK, Some(0), said.seq.wrapping_add(len)),
        }
    }
}

/// What the answer to a SYN says of ECN: a SYN with both flags asks for it (RFC 3168 section 6.1.1).
fn ecn_echo(said: &Segment) -> u8 {
    if said.flags & (ECE | CWR) == ECE | CWR {
        ECE
    } else {
        0
    }
}

/// The reaction to a segment, and the state that follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    pub(crate) reaction: Reaction,
    pub(crate) next: Stage,
}

impl Cell {
    fn parse(text: &str, stage: Stage) -> Self {
        let (reaction, next) = match text.split_once('>') {
            Some((reaction, next)) => (reaction, Stage::parse(next)),
            None => (text, stage),
        };
        Self {
            reaction: Reaction::parse(reaction),
            next,
        }
    }
}

/// Where a segment begins, by so many sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Position {
    At,
    Before(u32),
    Inside(u32),
    Beyond(u32),
    RightEdge,
}

/// The columns of the matrix: left edge, outside left, right edge, outside right.
pub(crate) const POSITIONS: [Position; 4] = [
    Position::At,
    Position::Before(1),
    Position::RightEdge,
    Position::Beyond(0),
];

impl Position {
    pub(crate) fn seq(self, subject: &Subject) -> u32 {
        match self {
            Self::At => subject.rcv_nxt,
            Self::Before(distance) => subject.rcv_nxt.wrapping_sub(distance),
            Self::Inside(distance) => subject.rcv_nxt.wrapping_add(distance),
            Self::RightEdge => subject.edge.wrapping_sub(1),
            Self::Beyond(distance) => subject.edge.wrapping_add(distance),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::At => "at",
            Self::Before(1) => "last",
            Self::Before(_) => "before",
            Self::Inside(_) | Self::RightEdge => "inside",
            Self::Beyond(0) => "edge",
            Self::Beyond(_) => "beyond",
        }
    }
}

/// A row of the matrix.
pub(crate) struct Row {
    pub(crate) stage: Stage,
    pub(crate) flags: u8,
    pub(crate) cells: [Cell; 4],
}

fn flags(event: &str) -> u8 {
    let flag = |word| match word {
        "SYN" => SYN,
        "FIN" => FIN,
        "RST" => RST,
        "ACK" => ACK,
        other => panic!("{other:?} is no flag"),
    };
    event.split('-').map(flag).sum()
}

pub(crate) fn matrix() -> Vec<Row> {
    let row = |line: &str| {
        let [stage, event, cells @ ..] = columns::<6>(line);
        let stage = Stage::parse(stage);
        Row {
            stage,
            flags: flags(event),
            cells: cells.map(|cell| Cell::parse(cell, stage)),
        }
    };
    include_str!("matrix.tsv").lines().skip(1).map(row).collect()
}

/// The rows of RFC 793's reading that have a cell of their own; `None` where it is the matrix's.
pub(crate) fn rfc793() -> Vec<(Stage, u8, [Option<Cell>; 4])> {
    let row = |line: &str| {
        let [stage, event, cells @ ..] = columns::<6>(line);
        let stage = Stage::parse(stage);
        let cells = cells.map(|cell| (cell != "=").then(|| Cell::parse(cell, stage)));
        (stage, flags(event), cells)
    };
    include_str!("rfc793.tsv").lines().skip(1).map(row).collect()
}

/// Where the engine differs from the RFC, on purpose. An event `RST*` is every one with that flag.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) stage: Stage,
    event: &'static str,
    position: &'static str,
    pub(crate) cell: Cell,
}

impl Deviation {
    pub(crate) fn covers(&self, stage: Stage, flags: u8, position: Position) -> bool {
        let name = name_of(flags);
        let is_event = match self.event.strip_suffix('*') {
            Some(part) => name.contains(part),
            None => name == self.event,
        };
        self.stage == stage && is_event && (self.position == "*" || self.position == position.name())
    }
}

/// The first row that covers a situation counts.
pub(crate) fn deviations() -> Vec<Deviation> {
    let row = |line: &'static str| {
        let [stage, event, position, cell, reason] = columns::<5>(line);
        assert!(!reason.is_empty(), "a deviation without a reason");
        let stage = Stage::parse(stage);
        Deviation {
            stage,
            event,
            position,
            cell: Cell::parse(cell, stage),
        }
    };
    include_str!("deviations.tsv").lines().skip(1).map(row).collect()
}

fn columns<const N: usize>(line: &str) -> [&str; N] {
    let columns: Vec<_> = line.split('\t').collect();
    columns
        .try_into()
        .unwrap_or_else(|_| panic!("not {N} columns: {line}"))
}
