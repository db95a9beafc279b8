//! Header prediction takes the short way with the segments that come nearly always; padding between the options is enough to send a segment
//! the long way. The same conversation must come out the same, to the last octet, whichever way each of its segments goes.

use handfast::application::TcpHandle;
use handfast::time::Duration;
use proptest::prelude::*;

use crate::support::peer::{ACK, FIN, PSH, SYN, Script, Segment, say};
use crate::support::{Family, read_all};

const IRS: u32 = u32::MAX - 3000;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// The peer sends so many octets of text, and acknowledges a part of what it has heard, in quarters.
    Text(usize, u32),
    /// The peer acknowledges as much, with this window.
    Acknowledge(u32, u16),
    /// The same segment comes again.
    Repeat,
    /// The peer sends its FIN, perhaps with text.
    Fin(usize),
    /// The application writes so many octets.
    Write(usize),
    /// The application reads everything.
    Read,
    /// The application closes its direction.
    Shutdown,
    /// Milliseconds pass.
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (1..1421_usize, 0..5_u32).prop_map(|(len, quarters)| Move::Text(len, quarters)),
        6 => (0..5_u32, 1000..60_000_u16).prop_map(|(quarters, window)| Move::Acknowledge(quarters, window)),
        1 => Just(Move::Repeat),
        1 => (0..500_usize).prop_map(Move::Fin),
        6 => (1..6000_usize).prop_map(Move::Write),
        4 => Just(Move::Read),
        1 => Just(Move::Shutdown),
        3 => (1..900_u64).prop_map(Move::Pass),
    ]
}

/// An engine and a peer whose segments all have this much padding.
struct Side {
    script: Script,
    connection: TcpHandle,
    padding: usize,
    has_timestamps: bool,
    /// The peer's next number, and the last of ours that it has acknowledged and heard.
    next: u32,
    acked: u32,
    heard: u32,
    last: Segment,
    closed: bool,
    tsval: u32,
}

impl Side {
    fn new(family: Family, has_timestamps: bool, padding: usize) -> Self {
        let mut script = Script::over(family, |_| {});
        let at = script.local();
        let listener = script.engine.tcp_listen(at, 8).unwrap();
        let stamp = has_timestamps.then_some((1000, 0));
        let syn = Segment {
            timestamps: stamp,
            mss: Some(1460),
            ..say(SYN, IRS, 0)
        };
        let first = script.tell(&syn).remove(0).seq.wrapping_add(1);
        script.pass(Duration::from_millis(30));
        let third = Segment {
            timestamps: stamp,
            ..say(ACK, IRS.wrapping_add(1), first)
        };
        script.tell(&third);
        Self {
            connection: script.engine.tcp_accept(listener).expect("established"),
            script,
            padding,
            has_timestamps,
            next: IRS.wrapping_add(1),
            acked: first,
            heard: first,
            last: third,
            closed: false,
            tsval: 1000,
        }
    }

    /// The peer says something, and hears the answer.
    fn say(&mut self, flags: u8, text: usize, quarters: u32, window: u16) -> Vec<Segment> {
        self.tsval += 1;
        self.acked = self
            .acked
            .wrapping_add(self.heard.wrapping_sub(self.acked) / 4 * quarters.min(3))
            .wrapping_add(if quarters == 4 {
                self.heard.wrapping_sub(self.acked)
            } else {
                0
            });
        let segment = Segment {
            padding: self.padding,
            timestamps: self.has_timestamps.then_some((self.tsval, 0)),
            ..say(flags, self.next, self.acked)
                .window(window)
                .text(&vec![7; text])
        };
        self.next = self
            .next
            .wrapping_add(text as u32)
            .wrapping_add(u32::from(flags & FIN != 0));
        self.last = segment.clone();
        self.script.tell(&segment)
    }

    fn make(&mut self, next: Move) -> (Vec<Segment>, Vec<u8>) {
        let connection = self.connection;
        let mut read = Vec::new();
        let heard = match next {
            Move::Text(..) | Move::Fin(..) if self.closed => Vec::new(),
            Move::Text(len, quarters) => self.say(ACK | PSH, len, quarters, 60_000),
            Move::Acknowledge(quarters, window) => self.say(ACK, 0, quarters, window),
            Move::Repeat => {
                let last = self.last.clone();
                self.script.tell(&last)
            }
            Move::Fin(len) => {
                let heard = self.say(ACK | FIN, len, 4, 60_000);
                self.closed = true;
                heard
            }
            Move::Write(len) => {
                let _ = self.script.engine.tcp_send(connection, &vec![9; len]);
                self.script.hear()
            }
            Move::Read => {
                read = read_all(&mut self.script.engine, connection).0;
                self.script.hear()
            }
            Move::Shutdown => {
                let _ = self.script.engine.tcp_shutdown(connection);
                self.script.hear()
            }
            Move::Pass(millis) => self.script.pass(Duration::from_millis(millis)),
        };
        for segment in &heard {
            let end = segment
                .seq
                .wrapping_add(segment.text.len() as u32)
                .wrapping_add(u32::from(segment.flags & FIN != 0));
            if end.wrapping_sub(self.heard).cast_signed() > 0 {
                self.heard = end;
            }
        }
        (heard, read)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_segment_comes_to_the_same_by_the_short_way_and_by_the_long_one(
        conversation in prop::collection::vec(moves(), 1..60),
        has_timestamps: bool,
        over_v6: bool,
    ) {
        let family = Family::BOTH[usize::from(over_v6)];
        let mut short = Side::new(family, has_timestamps, 0);
        let mut long = Side::new(family, has_timestamps, 1);
        for (number, next) in conversation.into_iter().enumerate() {
            let (left, right) = (short.make(next), long.make(next));
            prop_assert_eq!(left, right, "what is sent and read at move {}, {:?}", number, next);
            let info = |side: &mut Side| side.script.engine.tcp_info(side.connection);
            prop_assert_eq!(info(&mut short), info(&mut long), "the state after move {}, {:?}", number, next);
            let counters = |side: &Side| format!("{:?}", side.script.engine.counters());
            prop_assert_eq!(counters(&short), counters(&long), "the counters after move {}, {:?}", number, next);
            prop_assert_eq!(short.script.engine.next_deadline(), long.script.engine.next_deadline());
        }
    }
}
