//! Somebody who sees nothing of a connection guesses (RFC 5961).

use handfast::application::{ConnectionError, TcpHandle};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use super::established::{IRS, open, syn};
use super::victim::{Victim, scene};
use crate::support::Family;
use crate::support::peer::{ACK, FIN, OUR_PORT, PSH, RST, SYN, Script, say};
use crate::support::read_all;

const WINDOW: u32 = 65_535;

fn both(test: impl Fn(&mut Script, &mut Victim, TcpHandle, u32)) {
    for family in Family::BOTH {
        let (mut script, mut victim) = scene(family, |_| {});
        let (connection, snd_nxt) = open(&mut script, &syn());
        test(&mut script, &mut victim, connection, snd_nxt);
        victim.assert_unharmed(&mut script);
    }
}

fn state(script: &mut Script, connection: TcpHandle) -> State {
    script.engine.tcp_state(connection).expect("it is there")
}

/// Class 1: a reset anywhere but at RCV.NXT ends nothing. Inside the window it is challenged, outside it is nothing at all.
#[test]
fn a_guessed_reset_ends_nothing() {
    both(|script, _, connection, snd_nxt| {
        let inside = [1, WINDOW / 2, WINDOW - 1];
        let outside = [u32::MAX, WINDOW, WINDOW + 1, 1 << 31];
        for (offsets, answers) in [(&inside[..], 1), (&outside[..], 0)] {
            for offset in offsets {
                let heard = script.tell(&say(RST, (IRS + 1).wrapping_add(*offset), 0));
                assert_eq!(heard.len(), answers, "{offset}");
                assert!(
                    heard
                        .iter()
                        .all(|ack| (ack.flags, ack.seq, ack.ack) == (ACK, snd_nxt, IRS + 1))
                );
            }
        }
        for guess in 1..20_000_u32 {
            script.tell(&say(RST, (IRS + 1).wrapping_add(guess.wrapping_mul(214_013)), 0));
        }
        assert_eq!(state(script, connection), State::Established);
        script.say(&say(RST, IRS + 1, 0));
        assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
    });
}

/// Class 2: a SYN anywhere is answered with an acknowledgment, and that is all. A peer that did start anew resets what is left.
#[test]
fn a_guessed_syn_is_challenged_wherever_it_lies() {
    both(|script, _, connection, snd_nxt| {
        for offset in [0, u32::MAX, 1, WINDOW / 2, WINDOW, 1 << 31] {
            script.pass(Duration::from_secs(1));
            for flags in [SYN, SYN | ACK, SYN | FIN] {
                script.pass(Duration::from_millis(600));
                let heard = script.tell(&say(flags, (IRS + 1).wrapping_add(offset), snd_nxt));
                assert_eq!(heard.len(), 1, "{flags} at {offset}");
                assert_eq!(
                    (heard[0].flags, heard[0].seq, heard[0].ack),
                    (ACK, snd_nxt, IRS + 1)
                );
            }
        }
        assert_eq!(state(script, connection), State::Established);
        script.say(&say(RST, IRS + 1, 0));
        assert_eq!(script.engine.tcp_error(connection), Some(ConnectionError::Reset));
    });
}

/// Class 3: text and FINs inside the window need an acknowledgment that is possible too.
#[test]
fn guessed_text_needs_a_possible_acknowledgment() {
    both(|script, _, connection, snd_nxt| {
        let largest_window = 60_000;
        let impossible = [
            snd_nxt.wrapping_sub(largest_window + 1),
            snd_nxt.wrapping_add(1),
            snd_nxt.wrapping_add(1 << 31),
        ];
        for ack in impossible {
            script.pass(Duration::from_secs(1));
            for flags in [ACK | PSH, ACK | FIN] {
                let heard = script.tell(&say(flags, IRS + 1, ack).text(b"evil"));
                assert!(
                    heard
                        .iter()
                        .all(|answer| (answer.flags, answer.ack) == (ACK, IRS + 1))
                );
            }
        }
        assert_eq!(read_all(&mut script.engine, connection), (Vec::new(), false));
        assert_eq!(state(script, connection), State::Established);
        let oldest = snd_nxt.wrapping_sub(largest_window);
        script.say(&say(ACK | PSH, IRS + 1, oldest).text(b"just possible"));
        assert_eq!(read_all(&mut script.engine, connection).0, b"just possible");
    });
}

/// Class 4 (CVE-2016-5696): challenges that one connection has used up are not missing on another, so that nobody can count them.
#[test]
fn challenges_of_one_connection_tell_nothing_of_another() {
    both(|script, _, _, _| {
        let (_, other) = open(script, &syn().ports(1, OUR_PORT + 2));
        for _ in 0..10_000 {
            script.tell(&say(SYN, IRS + 100, 0));
        }
        let heard: usize = (0..100)
            .map(|_| {
                script
                    .tell(&say(RST, IRS + 100, other).ports(1, OUR_PORT + 2))
                    .len()
            })
            .sum();
        assert_eq!(heard, 10);
    });
}
