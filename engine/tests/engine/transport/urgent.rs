//! Urgent data (RFC 9293 section 3.8.5, RFC 6093), and what forged pointers do.

use crate::support::Family;
use crate::support::peer::{ACK, FIN, PSH, SYN, Script, Segment, URG, say};
use handfast::application::{Event, Readiness, TcpHandle};
use handfast::time::Duration;

const IRS: u32 = 5000;

/// An engine with an established connection, and the peer's next expected sequence number.
struct Session {
    script: Script,
    connection: TcpHandle,
    first: u32,
}

impl Session {
    fn new(family: Family, receive_buffer: u32) -> Self {
        let mut script = Script::over(family, |config| config.tcp.receive_buffer = receive_buffer);
        let listener = script.engine.tcp_listen(script.local(), 8).unwrap();
        let mut syn = say(SYN, IRS, 0);
        syn.mss = Some(1000);
        let first = script.tell(&syn)[0].seq + 1;
        script.tell(&say(ACK, IRS + 1, first));
        let connection = script.engine.tcp_accept(listener).expect("established");
        let mut session = Self {
            script,
            connection,
            first,
        };
        session.news();
        session
    }

    /// What the application has heard of the connection since it asked last.
    fn news(&mut self) -> Readiness {
        let events = std::iter::from_fn(|| self.script.engine.poll_event());
        events.fold(Readiness::NONE, |all, event| match event {
            Event::Tcp(_, ready) => all | ready,
            _ => all,
        })
    }

    fn mark(&mut self) -> Option<u32> {
        self.script.engine.tcp_urgent_mark(self.connection)
    }

    fn read(&mut self, octets: usize) -> usize {
        let mut room = vec![0; octets];
        match self
            .script
            .engine
            .tcp_receive(self.connection, &mut room)
            .unwrap()
        {
            handfast::application::Read::Data(read) => read,
            _ => 0,
        }
    }

    /// Text from so many octets behind the start of the stream, with an urgent pointer.
    fn tell_urgent(&mut self, offset: u32, text: &[u8], pointer: u16) -> Vec<Segment> {
        let mut segment = say(ACK | PSH | URG, IRS + 1 + offset, self.first).text(text);
        segment.urgent = pointer;
        self.script.tell(&segment)
    }
}

fn both(test: impl Fn(Session)) {
    for family in Family::BOTH {
        test(Session::new(family, 10_000));
    }
}

/// MUST-30, MUST-62: the pointer is the offset of the octet after the last urgent one, on every segment before it.
#[test]
fn the_pointer_says_where_urgent_data_ends() {
    both(|mut session| {
        let Session {
            script,
            connection,
            first,
        } = &mut session;
        script.engine.tcp_send(*connection, &[1; 1500]).unwrap();
        script.engine.tcp_send_urgent(*connection, &[2; 700]).unwrap();
        let heard = script.hear();
        let told: Vec<_> = heard
            .iter()
            .map(|segment| {
                (
                    segment.seq - *first,
                    segment.text.len(),
                    segment.flags & URG,
                    segment.urgent,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (0, 1000, URG, 2200),
                (1000, 1000, URG, 1200),
                (2000, 200, URG, 200)
            ]
        );
        let end = *first + 2200;
        script.tell(&say(ACK, IRS + 1, end));
        script.engine.tcp_send(*connection, b"calm").unwrap();
        let heard = script.hear();
        assert_eq!((heard[0].flags & URG, heard[0].urgent), (0, 0));
    });
}

/// MUST-31: urgent data of any length. Further away than the field can tell, the pointer goes as far as it can.
#[test]
fn urgent_data_may_be_longer_than_the_pointer() {
    both(|mut session| {
        let Session {
            script,
            connection,
            first,
        } = &mut session;
        let sent = script.engine.tcp_send_urgent(*connection, &[2; 100_000]).unwrap();
        assert_eq!(sent, 100_000);
        let mut next = *first;
        let mut heard = script.hear();
        while !heard.is_empty() {
            for segment in &heard {
                let left = *first + 100_000 - segment.seq;
                assert_eq!(u32::from(segment.urgent), left.min(65_535));
                next = segment.seq + segment.text.len() as u32;
            }
            heard = script.tell(&say(ACK, IRS + 1, next));
        }
        assert_eq!(next, *first + 100_000);
    });
}

/// MUST-66 seen from the sender: a closed window keeps urgent data back, but not the word of it.
#[test]
fn the_peer_hears_of_urgent_data_though_his_window_is_closed() {
    both(|mut session| {
        let Session {
            script,
            connection,
            first,
        } = &mut session;
        script.tell(&say(ACK, IRS + 1, *first).window(0));
        script.engine.tcp_send_urgent(*connection, b"stop").unwrap();
        let heard = script.hear();
        assert_eq!(heard.len(), 1);
        assert_eq!(
            (heard[0].flags, heard[0].seq, heard[0].urgent, heard[0].text.len()),
            (ACK | URG, *first, 4, 0)
        );
    });
}

/// What is urgent does not wait for company.
#[test]
fn nagle_does_not_hold_urgent_data_back() {
    both(|mut session| {
        let Session {
            script, connection, ..
        } = &mut session;
        script.engine.tcp_send(*connection, b"one").unwrap();
        script.hear();
        script.engine.tcp_send_urgent(*connection, b"two").unwrap();
        let heard = script.hear();
        assert_eq!(heard[0].text, b"two");
        assert_ne!(heard[0].flags & URG, 0);
    });
}

/// MUST-61 and the urgent pointer of what is sent again: the mark does not move.
#[test]
fn a_retransmission_points_at_the_same_octet() {
    both(|mut session| {
        let Session {
            script,
            connection,
            first,
        } = &mut session;
        script.engine.tcp_send_urgent(*connection, &[2; 300]).unwrap();
        script.hear();
        let heard = script.pass(Duration::from_secs(2));
        assert_eq!((heard[0].seq, heard[0].urgent), (*first, 300));
        assert_ne!(heard[0].flags & URG, 0);
    });
}

/// MUST-32, MUST-33, EV-URG-1: the application hears once that urgent data is pending, and again when it becomes more; it can ask how far it
/// is to the end, before it has arrived, and the data comes in line.
#[test]
fn the_application_hears_of_urgent_data_and_finds_its_end() {
    both(|mut session| {
        session.tell_urgent(0, &[1; 100], 150);
        assert!(session.news().contains(Readiness::URGENT | Readiness::READABLE));
        assert_eq!(session.mark(), Some(150));
        session.tell_urgent(100, &[1; 50], 50);
        assert!(!session.news().contains(Readiness::URGENT), "the same mark");
        session.tell_urgent(150, &[1; 50], 50);
        assert!(session.news().contains(Readiness::URGENT), "the mark has moved");
        assert_eq!(session.mark(), Some(200));
        assert_eq!(session.read(120), 120);
        assert_eq!(session.mark(), Some(80));
        assert_eq!(session.read(80), 80);
        assert_eq!(session.mark(), None);
        session.tell_urgent(150, &[1; 50], 50);
        assert!(!session.news().contains(Readiness::URGENT), "an old duplicate");
    });
}

/// MUST-66: a closed window has no room for the data, but the word of it counts.
#[test]
fn a_closed_window_still_hears_of_urgent_data() {
    for family in Family::BOTH {
        let mut session = Session::new(family, 500);
        let full = say(ACK | PSH, IRS + 1, session.first).text(&[1; 500]);
        assert_eq!(session.script.tell(&full)[0].window, 0);
        session.news();
        session.tell_urgent(500, &[1; 10], 10);
        assert!(session.news().contains(Readiness::URGENT));
        assert_eq!(session.mark(), Some(510));
        assert_eq!(session.read(1000), 500);
    }
}

/// Attack class 26: pointers without URG, to nothing, far beyond the window, beside SYN and FIN. The data is intact, and the mark is where
/// it was said to be.
#[test]
fn odd_pointers_do_no_harm() {
    both(|mut session| {
        let mut silent = say(ACK | PSH, IRS + 1, session.first).text(&[1; 10]);
        silent.urgent = 4;
        session.script.tell(&silent);
        assert_eq!(session.mark(), None, "a pointer without URG");
        session.tell_urgent(10, &[1; 10], 0);
        assert_eq!(session.mark(), Some(10), "the data before is still unread");
        assert_eq!(session.read(100), 20);
        assert_eq!(session.mark(), None);
        session.tell_urgent(20, &[1; 10], u16::MAX);
        assert_eq!(session.mark(), Some(65_535));
        let mut syn = say(SYN | ACK | URG, IRS + 31, session.first);
        syn.urgent = 9;
        session.script.tell(&syn);
        assert_eq!(session.read(100), 10);
        assert_eq!(session.mark(), Some(65_525));
        let mut fin = say(FIN | ACK | URG, IRS + 31, session.first).text(&[1; 5]);
        fin.urgent = 2;
        session.script.tell(&fin);
        assert_eq!(session.mark(), Some(65_525));
        assert_eq!(session.read(100), 5);
        let mut late = say(ACK | URG, IRS + 37, session.first);
        late.urgent = 100;
        session.script.tell(&late);
        assert_eq!(
            session.mark(),
            Some(65_520),
            "after the FIN nothing is urgent any more"
        );
    });
}

/// MUST-33: what is read is not pending any more, and the next urgent data is news again.
#[test]
fn a_mark_that_was_read_is_no_mark() {
    let mut session = Session::new(Family::V4, 60_000);
    session.tell_urgent(0, &[1; 10], 10);
    assert_eq!(session.read(100), 10);
    let text = [1; 1000];
    let mut offset = 10_u32;
    for _ in 0..40 {
        session
            .script
            .tell(&say(ACK | PSH, IRS + 1 + offset, session.first).text(&text));
        offset += session.read(2000) as u32;
        assert_eq!(session.mark(), None);
    }
    session.tell_urgent(offset, &[1; 10], 10);
    assert_eq!(session.mark(), Some(10));
}
