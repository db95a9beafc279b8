//! Scripts that are wrong: each gives one error that says where, what, and what to do about it.

use proptest::prelude::*;

use super::{HANDSHAKE, exact};
use crate::script::{Verdict, run};

/// Text, the place of the error, and what it says.
const WRONG: &[(&str, &str, &str)] = &[
    ("0 close(3", "1:9", "expected `,`, found the end of the file"),
    ("0 close 3) = 0", "1:9", "expected `(`"),
    ("close(3) = 0", "1:1", "expected a time in seconds"),
    ("+ close(3) = 0", "1:3", "expected a time in seconds"),
    (
        "1 close(3) = 0",
        "1:1",
        "the first event must be at time 0; write `+`",
    ),
    (
        "0 close(3) = 0\n1 close(4) = 0\n.5 close(5) = 0",
        "3:1",
        "before the 1 of an earlier event; write `+`",
    ),
    (
        "* close(3) = 0",
        "1:1",
        "only a packet that is sent can have any time",
    ),
    ("0~1 < . 1:1(0) win 5", "1:1", "only a packet that is sent"),
    (
        "0...1 > . 1:1(0)",
        "1:1",
        "only a call can return at a second time",
    ),
    (
        "+2...1 read(3, ..., 1) = 1",
        "1:1",
        "the second time is before the first",
    ),
    ("+2~+1 > . 1:1(0)", "1:1", "the second time is before the first"),
    ("0 < . 1:1(0) ack 1", "1:5", "needs `win`"),
    ("0 < X 1:1(0) win 1", "1:7", "`X` to be flags"),
    ("0 > S. 0:5(0)", "1:8", "0:5(0) contradicts itself"),
    ("0 > S. 0:0", "1:10", "expected `(`"),
    ("0 > S. 0:0(0) <mss>", "1:19", "expected a whole number"),
    (
        "0 > S. 0:0(0) <mss 70000>",
        "1:20",
        "70000 is too large for an MSS",
    ),
    ("0 > S. 0:0(0) <speed 1>", "1:16", "expected an option of TCP"),
    ("0 > S. 0:0(0) <TS val 1>", "1:24", "expected `ecr`"),
    ("0 > S. 0:0(0) <ECN ceb 1>", "1:20", "expected `e0b` or `e1b`"),
    (
        "0 > S. 0:0(0) <ECN e0b 16777216>",
        "1:24",
        "too large for a counter",
    ),
    (
        "0 > S. 0:0(0) <mss 1,",
        "1:21",
        "expected an option of TCP, found the end",
    ),
    ("0 < S 0:0(0) win 1 <...>", "1:5", "cannot have `<...>`"),
    ("0 < . 1:70001(70000) ack 1 win 1", "1:5", "cannot be that long"),
    ("0 > [ecn] . 1:1(0)", "1:6", "`ect01`, `tos`, `ttl`"),
    ("0 > icmp 3", "1:10", "expected the type of an ICMP message"),
    ("0 > udp 5", "1:9", "expected `(`"),
    ("0 `sysctl", "1:3", "has no end"),
    ("0 %{ assert 1", "1:3", "has no end"),
    ("/* comment", "1:1", "has no end"),
    ("0 write(3, \"abc, 3) = 3", "1:12", "has no end"),
    ("--define=X\n0 close(3) = 0", "1:1", "write NAME=VALUE"),
    ("--define=X=\"a", "1:12", "has no end"),
    ("--mtu=12\n0 close(3) = 0", "1:1", "not a number from 68 to 65535"),
    (
        "--ip_version=ipv5\n0 close(3) = 0",
        "1:1",
        "`ipv5` is no IP version",
    ),
    (
        "--non_fatal=all\n0 close(3) = 0",
        "1:1",
        "neither `packet` nor `syscall`",
    ),
    (
        "--tolerance_usecs=x\n0 close(3) = 0",
        "1:1",
        "not a number from 0",
    ),
    ("loop 2 { 0 close(3) = 0", "1:23", "expected `}`"),
    ("0 close(3) = 0 }", "1:16", "expected an event"),
    ("0 poll(3, 1, 0) = 1", "1:1", "argument 1 of poll must be a list"),
    (
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = -1",
        "1:1",
        "returns a descriptor",
    ),
    (
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_SOCKET, SO_LINGER, [1], 4) = 0",
        "2:1",
        "SO_LINGER needs {onoff=…, linger=…}",
    ),
    (
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_SOCKET, 7, [1], 4) = 0",
        "2:1",
        "argument 3 of setsockopt must be an option",
    ),
    (
        "0 read(3, ..., x) = 1",
        "1:1",
        "argument 3 of read must be a length",
    ),
    ("0 < icmp echo_request\n0 = 3", "2:3", "expected `<`, `>`, a call"),
];

#[test]
fn a_wrong_script_gives_one_error_with_its_place_and_a_way_out() {
    let mut complaints = Vec::new();
    for (text, place, message) in WRONG {
        match run(text, &exact()) {
            Verdict::Failed(failure)
                if failure.at.to_string() == *place && failure.reason.contains(message) => {}
            other => complaints.push(format!("`{text}` at {place}, `{message}`: {other:?}")),
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Not even one that begins well and goes on as it likes.
    #[test]
    fn no_text_makes_the_runner_panic(text in "\\PC{0,80}") {
        let _ = run(&format!("{HANDSHAKE}{text}"), &exact());
    }

    /// Lines that are right one by one, in any order.
    #[test]
    fn no_row_of_lines_makes_the_runner_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "+0 write(4, ..., 1000) = 1000",
                "+0 read(4, ..., 1000) = 10",
                "+0...1 read(4, ..., 1000) = 10",
                "+0 recv(4, ..., 5, MSG_PEEK) = 5",
                "+0 close(4) = 0",
                "+0 close(3) = 0",
                "+0 shutdown(4, SHUT_WR) = 0",
                "+0 accept(3, ..., ...) = 5",
                "+0 connect(4, ..., ...) = 0",
                "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 4",
                "+0 < . 1:1001(1000) ack 1 win 10",
                "+0 < F. 1:1(0) ack 1001 win 0",
                "+0 < R 1:1(0) win 0",
                "+0 < S 4294967295:4294967295(0) win 65535 <mss 0,wscale 255,sackOK>",
                "+0 < . 1:1(0) ack 4294967295 win 1 <sack 0:4294967295,nop,nop>",
                "+0 < icmp unreachable frag_needed mtu 0 [1:1(0)]",
                "+0 < raw \"45000000\"",
                "* > . 1:1(0) <...>",
                "+0 > . 1:1001(1000) ack 1",
                "+0 `sysctl -q net.ipv4.tcp_rmem=\"0 0 0\"`",
                "+0 %{ assert tcpi_snd_cwnd >= 0 }%",
                "+1000000 >!",
            ]),
            0..12,
        )
    ) {
        for start in ["", HANDSHAKE] {
            let _ = run(&format!("--non_fatal=packet,syscall\n{start}{}", lines.join("\n")), &exact());
        }
    }
}
