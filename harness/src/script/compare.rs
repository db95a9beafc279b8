//! An expected packet against one that was sent, both in the script's numbers.

use super::packet::{Body, Ecn, Icmp, IpInfo, PSH, Packet, Tcp, TcpOption};

/// How strict a comparison is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    /// The order and padding of options, the shift of windows, how much more than expected they offer, and PSH do not count.
    pub(super) lenient: bool,
    /// By how much timestamps of ours may differ; `None` when they are not looked at.
    pub(super) timestamp_slack: Option<u32>,
    /// How far windows are shifted, in the script and by the engine.
    pub(super) shifts: (u8, u8),
}

/// The names of what differs; empty when the packet is the expected one.
pub(super) fn differences(expected: &Packet, actual: &Packet, rules: Rules) -> Vec<&'static str> {
    let mut found = ip_differences(&expected.ip, &actual.ip);
    match (&expected.body, &actual.body) {
        (Body::Tcp(expected), Body::Tcp(actual)) => tcp_differences(expected, actual, rules, &mut found),
        (Body::Udp(expected), Body::Udp(actual)) => check(&mut found, "length", expected == actual),
        (Body::Icmp(expected), Body::Icmp(actual)) => icmp_differences(expected, actual, &mut found),
        _ => found.push("protocol"),
    }
    found
}

fn check(found: &mut Vec<&'static str>, name: &'static str, same: bool) {
    if !same {
        found.push(name);
    }
}

fn ip_differences(expected: &IpInfo, actual: &IpInfo) -> Vec<&'static str> {
    let mut found = Vec::new();
    let bits = actual.tos.map_or(0, |tos| tos & 3);
    let same_ecn = match expected.ecn {
        None => true,
        Some(Ecn::Bits(expected)) => expected == bits,
        Some(Ecn::AnyEct) => bits == 1 || bits == 2,
    };
    check(&mut found, "ECN", same_ecn);
    check(
        &mut found,
        "TOS",
        expected.tos.is_none() || expected.tos == actual.tos,
    );
    check(
        &mut found,
        "TTL",
        expected.ttl.is_none() || expected.ttl == actual.ttl,
    );
    let same_label = expected.flow_label.is_none() || expected.flow_label == actual.flow_label;
    check(&mut found, "flow label", same_label);
    found
}

fn tcp_differences(expected: &Tcp, actual: &Tcp, rules: Rules, found: &mut Vec<&'static str>) {
    // Where PSH stands in a burst is up to the sender (RFC 9293 MAY-16), and to its offloads.
    let ignored = if rules.lenient && expected.len > 0 { PSH } else { 0 };
    check(found, "flags", expected.flags | ignored == actual.flags | ignored);
    check(found, "sequence number", expected.seq == actual.seq);
    check(found, "length", expected.len == actual.len);
    check(found, "ack", expected.ack.is_none() || expected.ack == actual.ack);
    let same_window = expected
        .window
        .is_none_or(|window| same_window(window, actual, rules));
    check(found, "window", same_window);
    check(found, "urgent pointer", expected.urgent == actual.urgent);
    if let (Some(expected), Some(actual)) = (&expected.options, &actual.options) {
        check(found, "options", same_options(expected, actual, rules));
    }
}

fn same_window(expected: u16, actual: &Tcp, rules: Rules) -> bool {
    let actual_window = actual.window.unwrap_or(0);
    if !rules.lenient {
        return expected == actual_window;
    }
    let is_syn = actual.flags & super::packet::SYN != 0;
    let (ours, theirs) = if is_syn { (0, 0) } else { rules.shifts };
    let (expected, offered) = (u64::from(expected) << ours, u64::from(actual_window) << theirs);
    if expected == 0 {
        offered == 0
    } else {
        offered >= expected
    }
}

fn same_options(expected: &[TcpOption], actual: &[TcpOption], rules: Rules) -> bool {
    if !rules.lenient {
        return same_row(expected.iter().collect(), actual.iter().collect(), rules);
    }
    same_row(significant(expected), significant(actual), rules)
}

/// Options without padding, in an order of their own.
fn significant(options: &[TcpOption]) -> Vec<&TcpOption> {
    let mut kept: Vec<&TcpOption> = options
        .iter()
        .filter(|option| !matches!(option, TcpOption::Nop | TcpOption::Eol))
        .collect();
    kept.sort_by_key(|option| rank(option));
    kept
}

fn rank(option: &TcpOption) -> u8 {
    match option {
        TcpOption::Eol => 0,
        TcpOption::Nop => 1,
        TcpOption::Mss(_) => 2,
        TcpOption::WindowScale(_) => 3,
        TcpOption::SackPermitted => 4,
        TcpOption::Sack(_) => 5,
        TcpOption::Timestamps { .. } => 8,
        TcpOption::Raw(bytes) => bytes.first().copied().unwrap_or(u8::MAX),
    }
}

fn same_row(expected: Vec<&TcpOption>, actual: Vec<&TcpOption>, rules: Rules) -> bool {
    expected.len() == actual.len()
        && expected
            .into_iter()
            .zip(actual)
            .all(|(expected, actual)| same_option(expected, actual, rules))
}

fn same_option(expected: &TcpOption, actual: &TcpOption, rules: Rules) -> bool {
    match (expected, actual) {
        (TcpOption::WindowScale(_), TcpOption::WindowScale(_)) if rules.lenient => true,
        (
            TcpOption::Timestamps { val, ecr },
            TcpOption::Timestamps {
                val: other,
                ecr: echo,
            },
        ) => {
            let distance = (val.wrapping_sub(*other) as i32).unsigned_abs();
            rules.timestamp_slack.is_none_or(|slack| distance <= slack) && (rules.lenient || ecr == echo)
        }
        _ => expected == actual,
    }
}

fn icmp_differences(expected: &Icmp, actual: &Icmp, found: &mut Vec<&'static str>) {
    let same_kind = (expected.kind, expected.code) == (actual.kind, actual.code);
    check(found, "type", same_kind);
    check(found, "MTU", expected.mtu.is_none() || expected.mtu == actual.mtu);
    check(
        found,
        "identifier",
        expected.id.is_none() || expected.id == actual.id,
    );
    let same_quotation = expected.quoted.is_none() || expected.quoted == actual.quoted;
    check(found, "what it carries", same_quotation);
}

/// Two packets in columns, one below the other.
pub(super) fn aligned(expected: &str, actual: &str) -> (String, String) {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.split(' ').collect(), actual.split(' ').collect());
    let (mut first, mut second) = (String::new(), String::new());
    for column in 0..left.len().max(right.len()) {
        let (a, b) = (left.get(column).unwrap_or(&""), right.get(column).unwrap_or(&""));
        let width = a.chars().count().max(b.chars().count());
        first += &format!("{a:width$} ");
        second += &format!("{b:width$} ");
    }
    (first.trim_end().to_owned(), second.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Rules, aligned, differences};
    use crate::script::packet::Packet;
    use crate::script::parser::{Defines, parse};
    use crate::script::tree::What;

    const EXACT: Rules = Rules {
        lenient: false,
        timestamp_slack: None,
        shifts: (0, 0),
    };
    const LENIENT: Rules = Rules {
        lenient: true,
        ..EXACT
    };

    fn packet(text: &str) -> Packet {
        let script = parse(&format!("0 > {text}"), &Defines::new()).expect("a legal packet");
        match script.events.into_iter().next().map(|event| event.what) {
            Some(What::Expect(packet)) => packet,
            other => panic!("{other:?}"),
        }
    }

    fn differ(expected: &str, actual: &str, rules: Rules) -> Vec<&'static str> {
        differences(&packet(expected), &packet(actual), rules)
    }

    #[test]
    fn each_field_is_named() {
        let expected = "P. 1:11(10) ack 1 win 100";
        assert!(differ(expected, expected, EXACT).is_empty());
        for (actual, name) in [
            (". 1:11(10) ack 1 win 100", "flags"),
            ("P. 2:12(10) ack 1 win 100", "sequence number"),
            ("P. 1:12(11) ack 1 win 100", "length"),
            ("P. 1:11(10) ack 2 win 100", "ack"),
            ("P. 1:11(10) ack 1 win 99", "window"),
            ("P. 1:11(10) ack 1 win 100 urg 1", "urgent pointer"),
            ("P. 1:11(10) ack 1 win 100 <nop>", "options"),
            ("udp (10)", "protocol"),
        ] {
            assert_eq!(differ(expected, actual, EXACT), [name]);
        }
    }

    #[test]
    fn what_a_script_leaves_open_is_not_compared() {
        assert!(differ(". 1:1(0) <...>", ". 1:1(0) ack 9 win 3 <nop,nop,sack 1:2>", EXACT).is_empty());
    }

    #[test]
    fn the_order_of_options_counts_only_when_exact() {
        let (one, other) = (
            "S 0:0(0) <mss 5,sackOK,nop,wscale 8>",
            "S 0:0(0) <wscale 7,mss 5,nop,nop,sackOK>",
        );
        assert_eq!(differ(one, other, EXACT), ["options"]);
        assert!(differ(one, other, LENIENT).is_empty());
        assert_eq!(
            differ(one, "S 0:0(0) <mss 6,sackOK,wscale 8>", LENIENT),
            ["options"]
        );
    }

    #[test]
    fn a_lenient_window_may_be_larger_but_a_closed_one_is_closed() {
        assert!(differ(". 1:1(0) win 5", ". 1:1(0) win 6", LENIENT).is_empty());
        assert_eq!(differ(". 1:1(0) win 5", ". 1:1(0) win 4", LENIENT), ["window"]);
        assert_eq!(differ(". 1:1(0) win 0", ". 1:1(0) win 1", LENIENT), ["window"]);
    }

    #[test]
    fn a_push_counts_only_when_exact() {
        let (one, other) = ("P. 1:11(10) ack 1", ". 1:11(10) ack 1");
        assert_eq!(differ(one, other, EXACT), ["flags"]);
        assert!(differ(one, other, LENIENT).is_empty());
        assert_eq!(differ("F. 1:11(10) ack 1", other, LENIENT), ["flags"]);
    }

    #[test]
    fn two_lines_stand_in_columns() {
        let (first, second) = aligned("S. 0:0(0) ack 1", ". 10:10(0) ack 1");
        assert_eq!(first, "S. 0:0(0)   ack 1");
        assert_eq!(second, ".  10:10(0) ack 1");
    }
}
