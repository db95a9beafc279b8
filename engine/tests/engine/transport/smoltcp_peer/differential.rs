//! The same programmes run by an engine with an engine, by an engine with smoltcp, and by smoltcp with an engine: what the applications see
//! must be the same, and the right thing.

use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};

use super::Role;
use super::ends::{End, Ours, Theirs};
use super::programme::{Act, Application, Programme, Seen};
use super::sieve::{Lost, Sieve};
use super::wire::DEPTH;
use crate::support::Family;

use Act::{Abort, Pause, Receive, ReceiveAll, Send, Shutdown};
use Seen::{Connected, End as Ended, Failed, Got};

/// Virtual time after which a programme that has not ended is stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Which stacks meet, client and server.
const PAIRS: [[bool; 2]; 3] = [[true, true], [true, false], [false, true]];

fn end_of(ours: bool, family: Family, role: Role, programme: &Programme, device: LocalEnd) -> Box<dyn End> {
    let device = Sieve::new(device, programme.lost[role as usize]);
    if ours {
        Box::new(Ours::new(family, role, programme, device))
    } else {
        Box::new(Theirs::new(family, role, programme, device))
    }
}

/// Runs a programme on a pair of stacks and returns what client and server saw.
fn run(programme: &Programme, ours: [bool; 2], family: Family) -> [Vec<Seen>; 2] {
    let (near, far) = pair(WireConfig {
        mtu: programme.mtu,
        trusted: false,
        max_segment: 0,
        queue: DEPTH,
    });
    let mut client = end_of(ours[0], family, Role::Client, programme, near);
    let mut server = end_of(ours[1], family, Role::Server, programme, far);
    let (mut asking, mut answering) = (
        Application::new(programme.client),
        Application::new(programme.server),
    );
    let start = Instant::from_secs(1000);
    let mut now = start;
    let what = || format!("{} over {family:?}, ours: {ours:?}", programme.name);
    loop {
        for _ in 0..4 {
            client.poll(now);
            server.poll(now);
        }
        asking.work(client.as_mut(), now);
        if !programme.refuses {
            answering.work(server.as_mut(), now);
        }
        let is_over = asking.is_over() && (answering.is_over() || programme.refuses);
        if is_over && client.is_at_rest() && server.is_at_rest() {
            break;
        }
        let soon = now + Duration::from_micros(500);
        let deadlines = [
            client.next_deadline(now),
            server.next_deadline(now),
            asking.wakes(),
            answering.wakes(),
        ];
        now = deadlines
            .into_iter()
            .flatten()
            .min()
            .map_or(soon, |due| due.max(soon));
        assert!(
            now < start + PATIENCE,
            "{} is stuck: {:?} {:?}",
            what(),
            asking.seen,
            answering.seen
        );
    }
    assert!(client.has_lost_all() && server.has_lost_all(), "{}", what());
    [asking.seen, answering.seen]
}

/// Every pair of stacks shows both applications just this, over both families.
fn all_see(programme: Programme, client: &[Seen], server: &[Seen]) {
    for ours in PAIRS {
        for family in Family::BOTH {
            let [asking, answering] = run(&programme, ours, family);
            let what = format!("{} over {family:?}, ours: {ours:?}", programme.name);
            assert_eq!(asking, client, "what the client of `{what}` sees");
            assert_eq!(answering, server, "what the server of `{what}` sees");
        }
    }
}

const BASE: Programme = Programme::DEFAULT;

#[test]
fn a_client_that_closes_first_is_seen_alike() {
    let programme = Programme {
        name: "the client closes first",
        client: &[Send(1000), Shutdown, ReceiveAll],
        server: &[ReceiveAll, Send(500), Shutdown],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(500), Ended],
        &[Connected, Got(1000), Ended],
    );
}

#[test]
fn a_server_that_closes_first_is_seen_alike() {
    let programme = Programme {
        name: "the server closes first",
        client: &[ReceiveAll, Shutdown],
        server: &[Send(3000), Shutdown, ReceiveAll],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(3000), Ended],
        &[Connected, Got(0), Ended],
    );
}

#[test]
fn a_half_closed_connection_goes_on_alike() {
    let programme = Programme {
        name: "half-close",
        client: &[Send(10), Shutdown, ReceiveAll],
        server: &[
            Receive(10),
            Pause(SECOND),
            Send(100_000),
            Pause(SECOND),
            Send(7),
            Shutdown,
            ReceiveAll,
        ],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(100_007), Ended],
        &[Connected, Got(10), Got(10), Ended],
    );
}

#[test]
fn both_closing_at_once_is_seen_alike() {
    let programme = Programme {
        name: "simultaneous close",
        client: &[Pause(SECOND), Shutdown, ReceiveAll],
        server: &[Pause(SECOND), Shutdown, ReceiveAll],
        ..BASE
    };
    let seen = [Connected, Got(0), Ended];
    all_see(programme, &seen, &seen);
}

#[test]
fn an_abort_of_either_end_is_seen_alike() {
    let programme = Programme {
        name: "the client aborts",
        client: &[Send(100), Receive(50), Abort],
        server: &[Receive(100), Send(50), ReceiveAll],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(50)],
        &[Connected, Got(100), Got(100), Failed],
    );
    let programme = Programme {
        name: "the server aborts",
        client: &[Send(100), Receive(50), ReceiveAll],
        server: &[Receive(100), Send(50), Pause(SECOND), Abort],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(50), Got(50), Failed],
        &[Connected, Got(100)],
    );
}

#[test]
fn a_port_without_a_listener_refuses_alike() {
    let programme = Programme {
        name: "refused",
        refuses: true,
        client: &[Send(1)],
        ..BASE
    };
    all_see(programme, &[Failed], &[]);
}

#[test]
fn a_window_that_closes_and_reopens_is_seen_alike() {
    let programme = Programme {
        name: "zero window",
        buffer: 8192,
        client: &[Send(100_000), Shutdown, ReceiveAll],
        server: &[
            Pause(HALF_A_MINUTE),
            Receive(50_000),
            Pause(HALF_A_MINUTE),
            ReceiveAll,
            Shutdown,
        ],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(0), Ended],
        &[Connected, Got(50_000), Got(100_000), Ended],
    );
}

#[test]
fn small_packets_carry_streams_alike() {
    for (name, mtu, families) in [
        ("an MTU of 576", 576, &[Family::V4][..]),
        ("an MTU of 128", 128, &[Family::V4]),
        ("an MTU of 1280", 1280, &Family::BOTH),
    ] {
        let programme = Programme {
            name,
            mtu,
            client: &[Send(50_000), Shutdown, ReceiveAll],
            server: &[ReceiveAll, Send(50_000), Shutdown],
            ..BASE
        };
        let seen = vec![Connected, Got(50_000), Ended];
        for ours in PAIRS {
            for family in families {
                assert_eq!(
                    run(&programme, ours, *family),
                    [seen.clone(), seen.clone()],
                    "{name}, ours: {ours:?}"
                );
            }
        }
    }
}

#[test]
fn streams_both_ways_are_seen_alike() {
    let programme = Programme {
        name: "large transfers both ways",
        client: &[Send(300_000), Receive(1), Send(300_000), Shutdown, ReceiveAll],
        server: &[
            Send(40_000),
            Receive(600_000),
            Send(400_000),
            Shutdown,
            ReceiveAll,
        ],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(1), Got(440_000), Ended],
        &[Connected, Got(600_000), Got(600_000), Ended],
    );
}

#[test]
fn keep_alives_hold_a_quiet_connection_alike() {
    let programme = Programme {
        name: "keep-alive",
        keep_alive: true,
        client: &[Send(10), Pause(TEN_MINUTES), Send(10), Shutdown, ReceiveAll],
        server: &[ReceiveAll, Shutdown],
        ..BASE
    };
    all_see(
        programme,
        &[Connected, Got(0), Ended],
        &[Connected, Got(20), Ended],
    );
}

#[test]
fn losses_of_single_segments_are_not_seen_at_all() {
    const TO_CLIENT: [&[Lost]; 5] = [
        &[Lost::Syn],
        &[Lost::Fin],
        &[Lost::Last],
        &[Lost::Text(1)],
        &[Lost::Syn, Lost::Fin, Lost::Text(2)],
    ];
    const TO_SERVER: [&[Lost]; 6] = [
        &[Lost::Syn],
        &[Lost::Third],
        &[Lost::Fin],
        &[Lost::Text(1)],
        &[Lost::Text(3)],
        &[Lost::Syn, Lost::Fin, Lost::Text(2)],
    ];
    let losses = TO_CLIENT.map(|to| [to, &[]]).into_iter();
    for lost in losses.chain(TO_SERVER.map(|to| [&[], to])) {
        let client_closes_first = !lost[0].contains(&Lost::Last);
        let programme = Programme {
            name: "a segment is lost",
            lost,
            client: if client_closes_first {
                &[Receive(1000), Send(5000), Shutdown, ReceiveAll]
            } else {
                &[Receive(1000), Send(5000), ReceiveAll, Shutdown]
            },
            server: if client_closes_first {
                &[Send(4000), ReceiveAll, Shutdown]
            } else {
                &[Send(4000), Receive(5000), Shutdown, ReceiveAll]
            },
            ..BASE
        };
        let server: &[Seen] = if client_closes_first {
            &[Connected, Got(5000), Ended]
        } else {
            &[Connected, Got(5000), Got(5000), Ended]
        };
        let named = Programme {
            name: Box::leak(format!("losses {lost:?}").into_boxed_str()),
            ..programme
        };
        all_see(named, &[Connected, Got(1000), Got(4000), Ended], server);
    }
}
