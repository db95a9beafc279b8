//! Handles that outlive what they name, and those that never named anything: every call with one is refused, and no other socket notices.

use std::fmt::Debug;
use std::net::SocketAddr;

use handfast::application::{ListenerHandle, Read, StreamError, TcpHandle, UdpHandle};
use handfast::config::{Congestion, KeepAlive, Pacing, UserTimeout};
use handfast::engine::Engine;
use handfast::frame::{PoolConfig, Size};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::Duration;
use handfast::transport::tcp::state::State;

use crate::support::{Family, Pair, read_all, small_config};

type End = Engine<LocalEnd>;
/// A call by its name: what came of it, or `None` when the handle was refused, or the call tells nothing.
type Call<Handle> = (&'static str, fn(&mut End, Handle) -> Option<String>);

fn told<T: Debug>(answer: Result<T, StreamError>) -> Option<String> {
    match answer {
        Err(StreamError::NoConnection) => None,
        other => Some(format!("{other:?}")),
    }
}

fn shown<T: Debug>(answer: Option<T>) -> Option<String> {
    answer.map(|answer| format!("{answer:?}"))
}

const SPAN: Duration = Duration::from_secs(3);

const OF_CONNECTIONS: [Call<TcpHandle>; 31] = [
    ("tcp_send", |end, it| told(end.tcp_send(it, b"x"))),
    ("tcp_send_with", |end, it| {
        told(end.tcp_send_with(it, 9, &mut |room| room.fill(1)))
    }),
    ("tcp_send_payload", |end, it| {
        let mut frame = end.allocate(Size::Small).expect("a slot");
        frame.extend(5).expect("room").fill(2);
        told(end.tcp_send_payload(it, frame.freeze()))
    }),
    ("tcp_send_urgent", |end, it| told(end.tcp_send_urgent(it, b"!"))),
    ("tcp_urgent_mark", |end, it| shown(end.tcp_urgent_mark(it))),
    ("tcp_receive", |end, it| told(end.tcp_receive(it, &mut [0; 9]))),
    ("tcp_receive_with", |end, it| {
        told(end.tcp_receive_with(it, 9, &mut |_| {}))
    }),
    ("tcp_receive_chunk", |end, it| told(end.tcp_receive_chunk(it, 9))),
    ("tcp_shutdown", |end, it| told(end.tcp_shutdown(it))),
    ("tcp_close", |end, it| {
        end.tcp_close(it);
        None
    }),
    ("tcp_abort", |end, it| {
        end.tcp_abort(it);
        None
    }),
    ("tcp_take_trouble", |end, it| shown(end.tcp_take_trouble(it))),
    ("tcp_state", |end, it| shown(end.tcp_state(it))),
    ("tcp_info", |end, it| shown(end.tcp_info(it))),
    ("tcp_error", |end, it| shown(end.tcp_error(it))),
    ("tcp_addresses", |end, it| shown(end.tcp_addresses(it))),
    ("tcp_set_no_delay", |end, it| told(end.tcp_set_no_delay(it, true))),
    ("tcp_set_quick_acks", |end, it| {
        told(end.tcp_set_quick_acks(it, 5))
    }),
    ("tcp_set_keep_alive", |end, it| {
        told(end.tcp_set_keep_alive(it, Some(KeepAlive::default())))
    }),
    ("tcp_set_diffserv", |end, it| told(end.tcp_set_diffserv(it, 46))),
    ("tcp_set_user_timeout", |end, it| {
        told(end.tcp_set_user_timeout(it, UserTimeout::After(SPAN)))
    }),
    ("tcp_set_linger", |end, it| {
        told(end.tcp_set_linger(it, Some(SPAN)))
    }),
    ("tcp_set_cork", |end, it| told(end.tcp_set_cork(it, true))),
    ("tcp_set_unsent_low_water", |end, it| {
        told(end.tcp_set_unsent_low_water(it, Some(1)))
    }),
    ("tcp_set_window_clamp", |end, it| {
        told(end.tcp_set_window_clamp(it, 1))
    }),
    ("tcp_set_fin_wait_2", |end, it| {
        told(end.tcp_set_fin_wait_2(it, Duration::ZERO))
    }),
    ("tcp_set_connect_timeout", |end, it| {
        told(end.tcp_set_connect_timeout(it, Duration::ZERO))
    }),
    ("tcp_set_send_buffer", |end, it| {
        told(end.tcp_set_send_buffer(it, 1))
    }),
    ("tcp_set_receive_buffer", |end, it| {
        told(end.tcp_set_receive_buffer(it, 1))
    }),
    ("tcp_set_pacing", |end, it| {
        told(end.tcp_set_pacing(it, Pacing::UpTo(1000)))
    }),
    ("tcp_set_congestion", |end, it| {
        told(end.tcp_set_congestion(it, Congestion::Fixed(1)))
    }),
];

const OF_LISTENERS: [Call<ListenerHandle>; 3] = [
    ("tcp_set_defer_accept", |end, it| {
        shown(end.tcp_set_defer_accept(it, SPAN).ok())
    }),
    ("tcp_accept", |end, it| shown(end.tcp_accept(it))),
    ("tcp_close_listener", |end, it| {
        end.tcp_close_listener(it);
        None
    }),
];

fn nowhere() -> SocketAddr {
    SocketAddr::new(Family::V4.server(), 9)
}

const OF_SOCKETS: [Call<UdpHandle>; 6] = [
    ("udp_close", |end, it| {
        end.udp_close(it);
        None
    }),
    ("udp_send_with", |end, it| {
        shown(end.udp_send_with(it, nowhere(), 1, &mut |room| room.fill(1)).ok())
    }),
    ("udp_send", |end, it| {
        shown(end.udp_send(it, nowhere(), b"x").ok())
    }),
    ("udp_send_payload", |end, it| {
        let frame = end.allocate(Size::Small).expect("a slot");
        shown(end.udp_send_payload(it, nowhere(), frame.freeze()).ok())
    }),
    ("udp_receive", |end, it| shown(end.udp_receive(it))),
    ("udp_take_error", |end, it| shown(end.udp_take_error(it))),
];

/// The public methods of the engine that take such a handle, read from its source.
fn methods_with(handle: &str) -> Vec<String> {
    const SOURCES: [&str; 3] = [
        include_str!("../../../src/engine/bytes.rs"),
        include_str!("../../../src/engine/connections.rs"),
        include_str!("../../../src/engine/options.rs"),
    ];
    let datagrams = include_str!("../../../src/engine/datagrams.rs");
    let signatures = SOURCES
        .iter()
        .chain([&datagrams])
        .flat_map(|text| text.split("    pub fn ").skip(1));
    let takes = |signature: &&str| {
        let arguments = signature.split(") ").next().unwrap_or_default();
        arguments.contains(&format!(": {handle}"))
    };
    let name = |signature: &str| signature.split('(').next().unwrap_or_default().to_string();
    signatures.filter(takes).map(name).collect()
}

fn sorted<Handle>(calls: &[Call<Handle>]) -> Vec<String> {
    let mut names: Vec<_> = calls.iter().map(|(name, _)| (*name).to_string()).collect();
    names.sort();
    names
}

#[test]
fn every_method_that_takes_a_handle_is_called_here() {
    let of = |handle| {
        let mut names = methods_with(handle);
        names.sort();
        names
    };
    assert_eq!(of("TcpHandle"), sorted(&OF_CONNECTIONS));
    assert_eq!(of("ListenerHandle"), sorted(&OF_LISTENERS));
    assert_eq!(of("UdpHandle"), sorted(&OF_SOCKETS));
}

fn small_pair(family: Family) -> Pair<LocalEnd> {
    let end = |secret, address| small_config(secret, address, 8);
    let memory = PoolConfig {
        small_slots: 128,
        large_slots: 8,
        loans: 1,
        guaranteed_percent: 10,
    };
    let (client, server) = (end(1, family.client()), end(2, family.server()));
    Pair::with_pools(family, pair(WireConfig::default()), client, server, memory)
}

/// Handles that are nearly that one, none of which names anything when that one does not.
fn neighbours(slot: u32, generation: u32) -> impl Iterator<Item = (u32, u32)> {
    let slots = [slot, slot.wrapping_add(1), slot.wrapping_sub(1), 7, 8, u32::MAX];
    let generations = [
        generation.wrapping_add(1),
        generation.wrapping_sub(1),
        generation.wrapping_add(3),
        u32::MAX,
    ];
    slots
        .into_iter()
        .flat_map(move |slot| generations.map(|generation| (slot, generation)))
}

/// A connection that has gone, in whose slot there is none.
#[test]
fn the_handle_of_a_freed_slot_is_refused() {
    for family in Family::BOTH {
        let mut pair = small_pair(family);
        let (client, server) = pair.connect();
        for handle in [client, server] {
            pair.client.tcp_close(handle);
            pair.server.tcp_close(handle);
        }
        pair.settle();
        assert_eq!(pair.server.tcp_memory().connections, 0);
        let near = neighbours(server.slot(), server.generation());
        let near: Vec<_> = near
            .map(|(slot, generation)| TcpHandle::from_parts(slot, generation))
            .collect();
        for (name, call) in OF_CONNECTIONS {
            for handle in near.iter().chain([&server]) {
                assert_eq!(call(&mut pair.server, *handle), None, "{name} of {handle:?}");
                pair.check_invariants();
            }
        }
        pair.settle();
    }
}

/// A connection that has gone, whose slot another has: that one notices nothing.
#[test]
fn the_handle_of_a_slot_that_is_used_again_is_refused() {
    for family in Family::BOTH {
        for (name, call) in OF_CONNECTIONS {
            let mut pair = small_pair(family);
            let listener = pair.listen();
            let (client, stale) = pair.connect_to(listener);
            pair.client.tcp_send(client, b"secret").unwrap();
            pair.client.tcp_abort(client);
            pair.settle();
            pair.server.tcp_close(stale);
            let (client, server) = pair.connect_to(listener);
            assert_eq!(server.slot(), stale.slot(), "the slot is used again");
            assert_ne!(server, stale);
            pair.client.tcp_send(client, b"question").unwrap();
            pair.settle();
            pair.server.tcp_send(server, b"answer").unwrap();
            let before = format!("{:?}", pair.server.tcp_info(server));
            pair.server_events.clear();
            assert_eq!(call(&mut pair.server, stale), None, "{name}");
            pair.check_invariants();
            assert_eq!(format!("{:?}", pair.server.tcp_info(server)), before, "{name}");
            pair.settle();
            assert_eq!(pair.server_events, [], "{name}: nobody hears of it");
            assert_eq!(
                read_all(&mut pair.server, server),
                (b"question".into(), false),
                "{name}"
            );
            assert_eq!(
                read_all(&mut pair.client, client),
                (b"answer".into(), false),
                "{name}"
            );
        }
    }
}

#[test]
fn the_handle_of_a_closed_listener_is_refused() {
    for used_again in [false, true] {
        for (name, call) in OF_LISTENERS {
            let mut pair = small_pair(Family::V4);
            let stale = pair.listen();
            pair.server.tcp_close_listener(stale);
            let listener = used_again.then(|| pair.listen());
            let _client = pair.client.tcp_connect(None, pair.server_address()).unwrap();
            pair.settle();
            for (slot, generation) in neighbours(stale.slot(), stale.generation()) {
                let handle = ListenerHandle::from_parts(slot, generation);
                if listener != Some(handle) {
                    assert_eq!(call(&mut pair.server, handle), None, "{name} of {handle:?}");
                }
            }
            assert_eq!(call(&mut pair.server, stale), None, "{name}");
            pair.check_invariants();
            if let Some(listener) = listener {
                assert!(pair.server.tcp_accept(listener).is_some(), "{name}");
            }
        }
    }
}

#[test]
fn the_handle_of_a_closed_socket_is_refused() {
    for used_again in [false, true] {
        for (name, call) in OF_SOCKETS {
            let mut pair = small_pair(Family::V4);
            let at = pair.server_address();
            let stale = pair.server.udp_bind(at).unwrap();
            pair.server.udp_close(stale);
            let socket = used_again.then(|| pair.server.udp_bind(at).unwrap());
            let sender = pair
                .client
                .udp_bind(SocketAddr::new(pair.family.client(), 5))
                .unwrap();
            pair.client.udp_send(sender, at, b"for another").unwrap();
            pair.settle();
            for (slot, generation) in neighbours(stale.slot(), stale.generation()) {
                let handle = UdpHandle::from_parts(slot, generation);
                if socket != Some(handle) {
                    assert_eq!(call(&mut pair.server, handle), None, "{name} of {handle:?}");
                }
            }
            assert_eq!(call(&mut pair.server, stale), None, "{name}");
            if let Some(socket) = socket {
                let datagram = pair.server.udp_receive(socket).expect(name);
                assert_eq!(&*datagram.payload, b"for another", "{name}");
            }
        }
    }
}

/// How a connection of the server comes to a state, and the state.
type Way = (State, fn(&mut Pair<LocalEnd>, TcpHandle, TcpHandle));

const WAYS: [Way; 9] = [
    (State::Established, |_, _, _| {}),
    (State::FinWait1, |pair, _, server| {
        pair.server.tcp_shutdown(server).unwrap();
    }),
    (State::FinWait2, |pair, _, server| {
        pair.server.tcp_shutdown(server).unwrap();
        pair.settle();
    }),
    (State::CloseWait, |pair, client, _| {
        pair.client.tcp_shutdown(client).unwrap();
        pair.settle();
    }),
    (State::LastAck, |pair, client, server| {
        pair.client.tcp_shutdown(client).unwrap();
        pair.settle();
        pair.server.tcp_shutdown(server).unwrap();
    }),
    (State::TimeWait, |pair, client, server| {
        pair.server.tcp_shutdown(server).unwrap();
        pair.settle();
        pair.client.tcp_shutdown(client).unwrap();
        pair.settle();
    }),
    // It has failed.
    (State::Closed, |pair, client, _| {
        pair.client.tcp_abort(client);
        pair.settle();
    }),
    // The handle is given up, and the connection goes on.
    (State::FinWait1, |pair, _, server| pair.server.tcp_close(server)),
    (State::FinWait2, |pair, _, server| {
        pair.server.tcp_close(server);
        pair.settle();
    }),
];

/// Every call in every state, each twice and with the others' effects still there: whatever it leads to, rules hold, and all ends.
#[test]
fn every_call_in_every_state_keeps_the_rules() {
    for (state, way) in WAYS {
        for (first, call) in OF_CONNECTIONS {
            for (number, (second, other)) in OF_CONNECTIONS.into_iter().enumerate() {
                let mut pair = small_pair(Family::BOTH[number % 2]);
                let (client, server) = pair.connect();
                way(&mut pair, client, server);
                assert_eq!(pair.server.tcp_state(server), Some(state));
                call(&mut pair.server, server);
                other(&mut pair.server, server);
                pair.check_invariants();
                pair.settle();
                if let Ok(Read::Data(read)) = pair.client.tcp_receive(client, &mut [0; 64]) {
                    assert!(read <= 18, "{first}, {second} in {state:?}: {read} octets");
                }
                pair.client.tcp_close(client);
                pair.server.tcp_close(server);
                // Past the time of a keep-alive that nobody wants any more.
                pair.pass(Duration::from_secs(8000));
                for end in [&pair.client, &pair.server] {
                    let left = (end.tcp_memory().connections, end.next_deadline());
                    assert_eq!(left, (0, None), "{first}, {second} in {state:?}");
                }
            }
        }
    }
}

/// The same before there is an answer to the SYN.
#[test]
fn every_call_before_the_handshake_keeps_the_rules() {
    for family in Family::BOTH {
        for (name, call) in OF_CONNECTIONS {
            for has_sent in [false, true] {
                let mut pair = small_pair(family);
                let client = pair.client.tcp_connect(None, pair.server_address()).unwrap();
                if has_sent {
                    pair.client.poll(pair.now, handfast::engine::Budget::default());
                }
                call(&mut pair.client, client);
                pair.check_invariants();
                let listener = pair.listen();
                pair.pass(Duration::from_secs(10));
                if let Some(server) = pair.server.tcp_accept(listener) {
                    pair.server.tcp_close(server);
                }
                pair.client.tcp_close(client);
                pair.pass(Duration::from_secs(600));
                let left = [&pair.client, &pair.server].map(|end| end.tcp_memory().connections);
                assert_eq!(left, [0, 0], "{name}");
            }
        }
    }
}
