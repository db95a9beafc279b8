//! Times that a connection keeps in 32 bits wrap: the timestamp clock of milliseconds (RFC 7323 section 5.4) after 49.7 days, and when it sent
//! last, in ticks of 2²⁰ ns, after 52.1. All that follows from them is the same as at any other time: RACK and probes (RFC 8985), what
//! echoes tell of losses, and the restart after idleness.

use handfast::application::TcpHandle;
use handfast::time::{Duration, Instant};

use crate::support::peer::{ACK, SYN, Script, Segment, say};

const IRS: u32 = 5000;
const MSS: u32 = 1000;
const ROUND_TRIP: Duration = Duration::from_millis(40);

/// Timers and timestamps have ticks of a millisecond, in each of which a conversation may begin.
const TICKS: u64 = 4;

/// What was sent: after how many milliseconds, from which octet on, and how many octets.
type Sent = (u64, u32, usize);

struct Conversation {
    script: Script,
    connection: TcpHandle,
    begin: Instant,
    first: u32,
    tsval: u32,
    sent: Vec<Sent>,
}

impl Conversation {
    fn new(begin: Instant) -> Self {
        let mut script = Script::new(|config| {
            config.tcp.no_delay = true;
            config.tcp.random_back_off = false;
        });
        script.now = begin;
        let listener = script.engine.tcp_listen(Script::ours(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0).at(1);
        (syn.mss, syn.sack_permitted) = (Some(MSS as u16 + 12), true);
        let heard = script.tell(&syn).remove(0);
        let (first, tsval) = (heard.seq + 1, heard.timestamps.expect("agreed on").0);
        let mut last = say(ACK, IRS + 1, first);
        last.timestamps = Some((1, tsval));
        script.tell(&last);
        let connection = script.engine.tcp_accept(listener).expect("established");
        Self {
            script,
            connection,
            begin,
            first,
            tsval,
            sent: Vec::new(),
        }
    }

    fn note(&mut self, heard: &[Segment]) {
        let after = self.script.now.saturating_since(self.begin).as_millis();
        for segment in heard.iter().filter(|segment| !segment.text.is_empty()) {
            self.tsval = segment.timestamps.expect("agreed on").0;
            self.sent
                .push((after, segment.seq - self.first, segment.text.len()));
        }
    }

    fn send(&mut self, segments: u32) {
        let text = vec![7; (segments * MSS) as usize];
        self.script.engine.tcp_send(self.connection, &text).unwrap();
        let heard = self.script.hear();
        self.note(&heard);
    }

    /// Lets time pass, with a look at each millisecond.
    fn pass(&mut self, span: Duration) {
        for _ in 0..span.as_millis() {
            let heard = self.script.pass(Duration::from_millis(1));
            self.note(&heard);
        }
    }

    /// Acknowledges everything before segment `next`, and selectively the segments of `held`.
    fn acknowledge(&mut self, next: u32, held: &[(u32, u32)]) {
        let edge = |number| self.first + number * MSS;
        let blocks: Vec<_> = held
            .iter()
            .map(|(left, right)| (edge(*left), edge(*right)))
            .collect();
        let mut segment = say(ACK, IRS + 1, edge(next)).sack(&blocks);
        segment.timestamps = Some((1, self.tsval));
        let heard = self.script.tell(&segment);
        self.note(&heard);
    }
}

/// A round trip is measured, segments are reordered, one is lost, and its retransmission too; a tail is lost, a timeout follows, and idleness.
fn converse(begin: Instant) -> (Vec<Sent>, [u64; 4]) {
    let mut talk = Conversation::new(begin);
    talk.send(10);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(10, &[]);
    talk.send(20);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(10, &[(11, 12)]);
    talk.pass(Duration::from_millis(3));
    talk.acknowledge(12, &[]);
    talk.acknowledge(12, &[(13, 15)]);
    talk.acknowledge(12, &[(13, 20)]);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(12, &[(13, 28)]);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(12, &[(13, 30)]);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(30, &[]);
    talk.send(3);
    // No answer to a probe is faster than the path.
    talk.pass(Duration::from_millis(150));
    talk.acknowledge(31, &[(32, 33)]);
    talk.pass(ROUND_TRIP);
    talk.acknowledge(33, &[]);
    talk.send(1);
    talk.pass(Duration::from_millis(900));
    talk.acknowledge(34, &[]);
    talk.pass(Duration::from_millis(1500));
    talk.send(30);
    let counters = talk.script.engine.counters().tcp;
    let told = [
        counters.fast_recoveries,
        counters.tail_loss_probes,
        counters.timeouts,
        counters.recoveries_undone,
    ];
    (talk.sent, told)
}

#[test]
fn nothing_happens_when_a_clock_wraps() {
    let usual = converse(Instant::from_secs(1000));
    assert!(usual.1[..3].iter().all(|count| *count > 0), "{:?}", usual.1);
    let timestamps = Duration::from_millis(1 << 32);
    let ticks = Duration::from_nanos(1 << 52);
    for (name, wrap) in [("timestamps", timestamps), ("ticks", ticks)] {
        // The wrap comes at each stage of the conversation.
        for before in (0..3000).step_by(15) {
            let begin = Instant::ZERO + wrap - Duration::from_millis(before);
            let (sent, told) = converse(begin);
            let when = format!("{name} wrap {before} ms after the beginning");
            assert_eq!(told, usual.1, "{when}");
            assert_eq!(sent.len(), usual.0.len(), "{when}");
            for (found, usual) in sent.iter().zip(&usual.0) {
                let is_same = (found.1, found.2) == (usual.1, usual.2);
                assert!(
                    is_same && found.0.abs_diff(usual.0) <= TICKS,
                    "{when}: {found:?}, {usual:?}"
                );
            }
        }
    }
}
