use proptest::prelude::*;

use super::{Defines, define, nanos, parse};
use crate::script::packet::{Body, SYN, TcpOption};
use crate::script::tree::{Expression, Script, What, When};

fn script(text: &str) -> Script {
    parse(text, &Defines::new()).unwrap_or_else(|error| panic!("{}: {}", error.at, error.message))
}

fn refusal(text: &str) -> String {
    let error = parse(text, &Defines::new()).expect_err("not a legal script");
    format!("{}: {}", error.at, error.message)
}

#[test]
fn every_form_of_time() {
    let whens: Vec<When> = script(
        "0 close(3) = 0\n+.1 close(3) = 0\n1~1.5 > . 1:1(0)\n+0~+.1 > . 1:1(0)\n* > . 1:1(0)\n\
         2...2.5 read(3, ..., 1) = 1\n+.1...0.200 read(3, ..., 1) = 1",
    )
    .events
    .iter()
    .map(|event| event.when)
    .collect();
    let ms = 1_000_000;
    assert_eq!(
        whens,
        [
            When::Absolute(0),
            When::Relative(100 * ms),
            When::AbsoluteRange(1000 * ms, 1500 * ms),
            When::RelativeRange(0, 100 * ms),
            When::Any,
            When::AbsoluteCall(2000 * ms, 2500 * ms),
            When::RelativeCall(100 * ms, 200 * ms),
        ]
    );
}

#[test]
fn a_syn_with_its_options() {
    let script = script("+0 < [ect0] SEW 0:0(0) win 32792 <mss 1000,sackOK,TS val 7 ecr 0,nop,wscale 7>");
    let What::Inject(packet) = &script.events[0].what else {
        panic!("{script:?}");
    };
    let Body::Tcp(tcp) = &packet.body else {
        panic!("{packet:?}");
    };
    assert_eq!(tcp.flags, SYN | 1 << 6 | 1 << 7);
    assert_eq!(
        tcp.options.as_deref(),
        Some(
            &[
                TcpOption::Mss(1000),
                TcpOption::SackPermitted,
                TcpOption::Timestamps { val: 7, ecr: 0 },
                TcpOption::Nop,
                TcpOption::WindowScale(7)
            ][..]
        )
    );
}

#[test]
fn what_a_packet_shows_parses_to_the_same_packet() {
    for text in [
        "FP. 1:11(10) ack 7 win 5 urg 3 <nop,nop,sack 1:2 5:9>",
        "[tos 0x10, ttl 3] 7 > 9 R 1:1(0)",
        "udp (12)",
        "icmp unreachable frag_needed mtu 500 [1:1001(1000)]",
        "- 1:1(0) <...>",
    ] {
        let first = script(&format!("0 > {text}"));
        let What::Expect(packet) = &first.events[0].what else {
            panic!("{first:?}");
        };
        let again = script(&format!("0 > {packet}"));
        assert!(
            matches!(&again.events[0].what, What::Expect(other) if other == packet),
            "{packet}"
        );
    }
}

#[test]
fn calls_with_structures_and_errors() {
    let script = script(
        "0 poll([{fd=3, events=POLLIN|POLLOUT, revents=0}], 1, 0) = 0\n\
         0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)",
    );
    let What::Call(poll) = &script.events[0].what else {
        panic!("{script:?}");
    };
    let Expression::List(polled) = &poll.arguments[0] else {
        panic!("{poll:?}");
    };
    assert_eq!(
        polled[0].field("events").expect("a field").words(),
        ["POLLIN", "POLLOUT"]
    );
    let What::Call(connect) = &script.events[1].what else {
        panic!("{script:?}");
    };
    assert_eq!(connect.error.as_deref(), Some("EINPROGRESS"));
    assert_eq!(connect.result, Some(Expression::Integer(-1)));
}

#[test]
fn loops_are_unrolled_and_definitions_replaced() {
    let script = script("--define=N=3\nloop N { +1 close(N) = 0 }");
    assert_eq!(script.events.len(), 3);
    let given = [define("N=2").expect("a definition")].into();
    let fewer = parse("--define=N=3\nloop N { +1 close(N) = 0 }", &given).expect("a legal script");
    assert_eq!(fewer.events.len(), 2, "the command line goes first");
}

#[test]
fn errors_say_where_and_what() {
    assert_eq!(
        refusal("0 close(3) = 0\n+0 > S. 0:5(0)"),
        "2:9: 0:5(0) contradicts itself: 0 + 0 is 0"
    );
    assert!(refusal("0 < . 1:1(0) ack 1").contains("needs `win`"));
    assert!(refusal("0 < X 1:1(0) win 1").contains("to be flags"));
    assert!(refusal("0 close(3").starts_with("1:9: expected"));
    assert!(refusal("* close(3) = 0").contains("any time"));
    assert!(refusal("loop 4000000000 { 0 close(3) = 0 }").contains("events"));
}

#[test]
fn seconds_are_counted_to_the_nanosecond() {
    assert_eq!(nanos("1.000000001"), Some(1_000_000_001));
    assert_eq!(nanos(".5"), Some(500_000_000));
    assert_eq!(nanos("99999999999"), None);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse(&text, &Defines::new());
    }

    #[test]
    fn no_row_of_tokens_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "0", "+.1", "...", "~", "*", "<", ">", "!", "S", ".", "-", "1:1(0)", "ack", "win", "urg", "mss",
                "sack", "TS", "val", "ecr", "raw", "udp", "icmp", "unreachable", "mtu", "[", "]", "(", ")", "{", "}",
                ",", "=", "|", "loop", "99999999999999999999", "0x", "0xff", "\"", "`", "%{", "}%", "\n", "--mtu=",
                "read", "fd", "EAGAIN", ":", "//", "/*", "*/",
            ]),
            0..60,
        )
    ) {
        let _ = parse(&words.join(" "), &Defines::new());
        let _ = parse(&words.concat(), &Defines::new());
    }
}
