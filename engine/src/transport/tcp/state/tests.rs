use super::Open;
use super::State::{self, *};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Event {
    PassiveOpen,
    ActiveOpen,
    Syn,
    SynAck,
    AckOfSyn,
    Close,
    Fin,
    AckOfFin,
    RstAfterActiveOpen,
    RstAfterPassiveOpen,
    Abort,
    TimeWaitExpired,
}

use Event::*;

const EVENTS: [Event; 12] = [
    PassiveOpen,
    ActiveOpen,
    Syn,
    SynAck,
    AckOfSyn,
    Close,
    Fin,
    AckOfFin,
    RstAfterActiveOpen,
    RstAfterPassiveOpen,
    Abort,
    TimeWaitExpired,
];

/// Figure 5 of RFC 9293, with the event processing of section 3.10 where the figure has no arrow.
/// A pair that is not listed leaves the state as it is.
const ARROWS: &[(State, Event, State)] = &[
    (Closed, PassiveOpen, Listen),
    (Closed, ActiveOpen, SynSent),
    (Listen, ActiveOpen, SynSent),
    (Listen, Syn, SynReceived),
    (Listen, Close, Closed),
    (Listen, Abort, Closed),
    (SynSent, Syn, SynReceived),
    (SynSent, SynAck, Established),
    (SynSent, Close, Closed),
    (SynSent, RstAfterActiveOpen, Closed),
    (SynSent, RstAfterPassiveOpen, Closed),
    (SynSent, Abort, Closed),
    (SynReceived, AckOfSyn, Established),
    (SynReceived, Close, FinWait1),
    (SynReceived, Fin, CloseWait),
    (SynReceived, RstAfterActiveOpen, Closed),
    (SynReceived, RstAfterPassiveOpen, Listen),
    (SynReceived, Abort, Closed),
    (Established, Close, FinWait1),
    (Established, Fin, CloseWait),
    (Established, RstAfterActiveOpen, Closed),
    (Established, RstAfterPassiveOpen, Closed),
    (Established, Abort, Closed),
    (FinWait1, AckOfFin, FinWait2),
    (FinWait1, Fin, Closing),
    (FinWait1, RstAfterActiveOpen, Closed),
    (FinWait1, RstAfterPassiveOpen, Closed),
    (FinWait1, Abort, Closed),
    (FinWait2, Fin, TimeWait),
    (FinWait2, RstAfterActiveOpen, Closed),
    (FinWait2, RstAfterPassiveOpen, Closed),
    (FinWait2, Abort, Closed),
    (CloseWait, Close, LastAck),
    (CloseWait, RstAfterActiveOpen, Closed),
    (CloseWait, RstAfterPassiveOpen, Closed),
    (CloseWait, Abort, Closed),
    (Closing, AckOfFin, TimeWait),
    (Closing, RstAfterActiveOpen, Closed),
    (Closing, RstAfterPassiveOpen, Closed),
    (Closing, Abort, Closed),
    (LastAck, AckOfFin, Closed),
    (LastAck, RstAfterActiveOpen, Closed),
    (LastAck, RstAfterPassiveOpen, Closed),
    (LastAck, Abort, Closed),
    (TimeWait, Abort, Closed),
    (TimeWait, TimeWaitExpired, Closed),
];

fn apply(state: State, event: Event) -> State {
    match event {
        PassiveOpen => state.on_passive_open(),
        ActiveOpen => state.on_active_open(),
        Syn => state.on_syn_received(),
        SynAck => state.on_syn_ack_received(),
        AckOfSyn => state.on_syn_acknowledged(),
        Close => state.on_close_requested(),
        Fin => state.on_fin_received(),
        AckOfFin => state.on_fin_acknowledged(),
        RstAfterActiveOpen => state.on_rst_received(Open::Active),
        RstAfterPassiveOpen => state.on_rst_received(Open::Passive),
        Abort => state.on_abort(),
        TimeWaitExpired => state.on_time_wait_expired(),
    }
}

#[test]
fn every_state_and_event_follow_the_table() {
    for state in State::ALL {
        for event in EVENTS {
            let arrow = ARROWS.iter().find(|(from, on, _)| (*from, *on) == (state, event));
            let expected = arrow.map_or(state, |(_, _, to)| *to);
            assert_eq!(apply(state, event), expected, "{event:?} in {state}");
        }
    }
}

#[test]
fn each_side_may_close_first_or_both_at_once() {
    let walks: [&[(Event, State)]; 4] = [
        &[
            (Close, FinWait1),
            (AckOfFin, FinWait2),
            (Fin, TimeWait),
            (TimeWaitExpired, Closed),
        ],
        &[
            (Close, FinWait1),
            (Fin, Closing),
            (AckOfFin, TimeWait),
            (TimeWaitExpired, Closed),
        ],
        &[(Fin, CloseWait), (Close, LastAck), (AckOfFin, Closed)],
        &[
            (Fin, CloseWait),
            (Fin, CloseWait),
            (Close, LastAck),
            (Fin, LastAck),
            (AckOfFin, Closed),
        ],
    ];
    for walk in walks {
        walk.iter().fold(Established, |state, (event, expected)| {
            assert_eq!(apply(state, *event), *expected, "{event:?} in {state}");
            *expected
        });
    }
}

/// Columns: synchronized, send, queue, receive, FIN sent, FIN unacknowledged, FIN received.
#[test]
fn predicates_follow_the_table() {
    const PREDICATES: [(State, [u8; 7]); 11] = [
        (Closed, [0, 0, 0, 0, 0, 0, 0]),
        (Listen, [0, 0, 0, 0, 0, 0, 0]),
        (SynSent, [0, 0, 1, 0, 0, 0, 0]),
        (SynReceived, [0, 0, 1, 0, 0, 0, 0]),
        (Established, [1, 1, 1, 1, 0, 0, 0]),
        (FinWait1, [1, 0, 0, 1, 1, 1, 0]),
        (FinWait2, [1, 0, 0, 1, 1, 0, 0]),
        (CloseWait, [1, 1, 1, 0, 0, 0, 1]),
        (Closing, [1, 0, 0, 0, 1, 1, 1]),
        (LastAck, [1, 0, 0, 0, 1, 1, 1]),
        (TimeWait, [1, 0, 0, 0, 1, 0, 1]),
    ];
    for (state, expected) in PREDICATES {
        let actual = [
            state.is_synchronized(),
            state.may_send_data(),
            state.may_queue_data(),
            state.may_receive_data(),
            state.fin_sent(),
            state.fin_unacknowledged(),
            state.fin_received(),
        ];
        assert_eq!(actual.map(u8::from), expected, "{state}");
    }
}

#[test]
fn names_are_those_of_the_rfc() {
    let names: Vec<String> = State::ALL.iter().map(ToString::to_string).collect();
    let expected = "CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT";
    assert_eq!(names.join(" "), expected);
    assert_eq!(format!("{SynReceived:>13}"), " SYN-RECEIVED");
}

#[test]
fn a_state_is_one_byte() {
    assert_eq!(size_of::<State>(), 1);
    assert_eq!(size_of::<Option<State>>(), 1);
}
