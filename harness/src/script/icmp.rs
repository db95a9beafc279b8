//! The names of ICMP messages.

/// Name of the type, name of the code, type, code.
type Row = (&'static str, &'static str, u8, u8);

const V4: &[Row] = &[
    ("echo_reply", "", 0, 0),
    ("unreachable", "net_unreachable", 3, 0),
    ("unreachable", "host_unreachable", 3, 1),
    ("unreachable", "protocol_unreachable", 3, 2),
    ("unreachable", "port_unreachable", 3, 3),
    ("unreachable", "frag_needed", 3, 4),
    ("unreachable", "source_route_failed", 3, 5),
    ("unreachable", "net_unknown", 3, 6),
    ("unreachable", "host_unknown", 3, 7),
    ("unreachable", "source_host_isolated", 3, 8),
    ("unreachable", "net_prohibited", 3, 9),
    ("unreachable", "host_prohibited", 3, 10),
    ("unreachable", "net_unreachable_for_tos", 3, 11),
    ("unreachable", "host_unreachable_for_tos", 3, 12),
    ("unreachable", "packet_filtered", 3, 13),
    ("unreachable", "precedence_violation", 3, 14),
    ("unreachable", "precedence_cutoff", 3, 15),
    ("source_quench", "", 4, 0),
    ("redirect", "", 5, 1),
    ("echo_request", "", 8, 0),
    ("time_exceeded", "", 11, 0),
    ("time_exceeded", "exceeded_ttl", 11, 0),
    ("time_exceeded", "exceeded_in_transit", 11, 0),
    ("time_exceeded", "exceeded_fragment_reassembly", 11, 1),
    ("time_exceeded", "frag_reassembly_time_exceeded", 11, 1),
    ("parameter_problem", "", 12, 0),
    ("timestamp_request", "", 13, 0),
    ("timestamp_reply", "", 14, 0),
    ("information_request", "", 15, 0),
    ("information_reply", "", 16, 0),
    ("address_mask_request", "", 17, 0),
    ("address_mask_reply", "", 18, 0),
];

const V6: &[Row] = &[
    ("unreachable", "no_route", 1, 0),
    ("unreachable", "net_unreachable", 1, 0),
    ("unreachable", "admin_prohibited", 1, 1),
    ("unreachable", "not_neighbour", 1, 2),
    ("unreachable", "address_unreachable", 1, 3),
    ("unreachable", "port_unreachable", 1, 4),
    ("packet_too_big", "", 2, 0),
    ("time_exceeded", "", 3, 0),
    ("time_exceeded", "exceeded_hop_limit", 3, 0),
    ("time_exceeded", "frag_reassembly_time_exceeded", 3, 1),
    ("parameter_problem", "", 4, 0),
    ("parameter_problem", "next_header", 4, 1),
    ("parameter_problem", "option", 4, 2),
    ("echo_request", "", 128, 0),
    ("echo_reply", "", 129, 0),
];

fn table(v6: bool) -> &'static [Row] {
    if v6 { V6 } else { V4 }
}

/// Whether any ICMP code of either family has that name.
pub(crate) fn is_code(word: &str) -> bool {
    V4.iter().chain(V6).any(|row| row.1 == word)
}

/// Type and code of a message by their names.
pub(crate) fn numbers(name: &str, v6: bool) -> Option<(u8, u8)> {
    let (kind, code) = name.split_once(' ').unwrap_or((name, ""));
    let rows = || table(v6).iter().filter(move |row| row.0 == kind);
    rows().find(|row| row.1 == code).map(|row| (row.2, row.3))
}

/// The names of a message.
pub(crate) fn name(kind: u8, code: u8, v6: bool) -> String {
    match table(v6).iter().find(|row| (row.2, row.3) == (kind, code)) {
        Some((kind, "", _, _)) => (*kind).to_owned(),
        Some((kind, code, _, _)) => format!("{kind} {code}"),
        None => format!("type {kind} code {code}"),
    }
}
