//! The engine from outside, as a program sees it, in virtual time and from seeds. One crate, so that what the tests share is built once.

mod support;

/// Rules that the sources themselves keep.
mod project {
    mod faults;
    mod layers;
    mod readme;
    mod requirements;
}

mod link {
    mod capture;
    mod hearing;
    mod raw;
    mod several;
    mod tun;
    mod waiting;
}

mod internet {
    mod conflicts;
    mod ethernet;
    mod fragments;
    mod groups;
    mod neighbours;
    mod router_discovery;
}

mod transport {
    mod attacks;
    mod clock_wraps;
    mod ecn;
    mod gathering;
    mod goodput;
    mod hash_flood;
    mod loss_recovery;
    mod pacing;
    mod path_mtu;
    mod receive_tuning;
    mod several_addresses;
    mod smoltcp_peer;
    mod state_matrix;
    mod strangers;
    mod tcp_acceptance;
    mod tcp_counters;
    mod tcp_lifecycle;
    mod tcp_room;
    mod tcp_rules;
    mod two_ways;
    mod urgent;
    mod virtual_segments;
}

/// What programs hold.
#[cfg(feature = "async")]
mod application {
    mod bounds;
    mod connections;
    mod datagrams;
    mod driving;
    mod random;
    mod streams;
    mod threads;
    mod waiting;
    mod world;
}

mod peers;

/// All layers at once.
mod whole {
    mod adversary;
    mod allocations;
    mod clock_jumps;
    mod conduct;
    mod found_by_simulation;
    mod handles;
    mod hostile_packets;
    mod impaired;
    mod limits;
    mod metamorphic;
    mod slow_device;
}
