//! Goodput against loss, round-trip time and buffer, in virtual time, as a table that is checked in: any change in loss recovery or
//! congestion control shows as a difference.
//!
//! `HANDFAST_UPDATE_GOODPUT=1` writes the table anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{Family, Pair, config};
use handfast::application::{Read, TcpHandle};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};

/// Loss in each direction, in percent.
const LOSSES: [f64; 7] = [0.0, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0];
/// Round-trip times, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [2, 20, 100];
/// Bytes of each send and receive buffer.
const BUFFERS: [u32; 3] = [64 << 10, 256 << 10, 1 << 20];
/// Bytes of each transfer, one for each seed.
const TOTAL: usize = 1 << 20;
const SEEDS: u64 = 4;
/// The bottleneck, and the packets that it holds.
const BITS_PER_SECOND: u64 = 100_000_000;
const QUEUE: usize = 512;
/// Virtual time after which a transfer is stuck.
const PATIENCE: Duration = Duration::from_secs(3600);

type Wires = Pair<Impair<LocalEnd>>;

/// Two engines that a path with these properties connects. The losses are those of what comes to the client and to the server.
fn path(seed: u64, losses: [f64; 2], round_trip: Duration, buffer: u32) -> Wires {
    let family = Family::V4;
    let impairment = |seed, loss| ImpairConfig {
        seed,
        loss,
        delay: Duration::from_nanos(round_trip.as_nanos() / 2),
        bits_per_second: Some(BITS_PER_SECOND),
        capacity: QUEUE,
        ..ImpairConfig::default()
    };
    let (near, far) = pair(WireConfig {
        trusted: false,
        max_segment: 0,
        queue: 1024,
        ..WireConfig::default()
    });
    let wrap = |end, seed, loss| {
        let pool = FramePool::new(PoolConfig::default());
        Impair::new(end, impairment(seed, loss), pool).expect("values in range")
    };
    let buffered = |secret, address| {
        let mut config = config(secret, address);
        config.tcp.send_buffer = buffer;
        config.tcp.receive_buffer = buffer;
        config.tcp.receive_buffer_limit = buffer;
        config.tcp.no_delay = true;
        config
    };
    Pair::with_configs(
        family,
        (wrap(near, seed, losses[0]), wrap(far, !seed, losses[1])),
        buffered(1, family.client()),
        buffered(2, family.server()),
    )
}

/// Connects, however often the handshake is lost.
fn connect(pair: &mut Wires) -> (TcpHandle, TcpHandle) {
    let listener = pair.listen();
    let client = pair
        .client
        .tcp_connect(None, pair.server_address())
        .expect("a connection");
    // The client's first byte completes a handshake whose last acknowledgment was lost.
    loop {
        pair.settle();
        if let Some(server) = pair.server.tcp_accept(listener) {
            return (client, server);
        }
        let _ = pair.client.tcp_send(client, &[0]);
        pair.settle();
        if let Some(server) = pair.server.tcp_accept(listener) {
            return (client, server);
        }
        pair.now = pair.next_deadline().expect("a timer runs").max(pair.now);
    }
}

/// Bits in a second that reach the application of the far end, of `total` bytes.
fn goodput(pair: &mut Wires, total: usize) -> f64 {
    let (client, server) = connect(pair);
    let started = pair.now;
    let (mut sent, mut received) = (0, 0);
    let text = vec![7; 64 << 10];
    let mut bytes = vec![0; 64 << 10];
    while received < total {
        pair.settle();
        while sent < total {
            let length = text.len().min(total - sent);
            match pair.client.tcp_send(client, &text[..length]) {
                Ok(0) => break,
                taken => sent += taken.expect("a living connection"),
            }
        }
        while let Ok(Read::Data(length)) = pair.server.tcp_receive(server, &mut bytes) {
            received += length;
        }
        pair.settle();
        if received < total {
            advance(pair, started);
        }
    }
    let nanos = pair.now.saturating_since(started).as_nanos();
    received as f64 * 8e9 / nanos as f64
}

fn advance(pair: &mut Wires, started: Instant) {
    let next = pair.next_deadline().expect("something is under way");
    pair.now = pair.now.max(next);
    assert!(
        pair.now < started + PATIENCE,
        "stuck: {:?}",
        pair.client.counters().tcp
    );
}

/// One line of the table: the mean over the seeds for each loss, in Mbit/s.
fn line(round_trip: u64, buffer: u32) -> String {
    let mut line = format!("{round_trip:>7} {:>7}", buffer >> 10);
    for loss in LOSSES {
        let total: f64 = (0..SEEDS)
            .map(|seed| {
                let losses = [loss / 100.0; 2];
                let mut pair = path(seed, losses, Duration::from_millis(round_trip), buffer);
                goodput(&mut pair, TOTAL)
            })
            .sum();
        write!(line, " {:>7.2}", total / SEEDS as f64 / 1e6).expect("a string takes everything");
    }
    line
}

fn table() -> String {
    let mut table = String::from(
        "Goodput in Mbit/s of 1 MiB over 100 Mbit/s with room for 512 packets, mean of 4 seeds, in virtual time.\n\
         RTT/ms buf/KiB",
    );
    for loss in LOSSES {
        write!(table, " {loss:>6}%").expect("a string takes everything");
    }
    table.push('\n');
    for round_trip in ROUND_TRIPS {
        for buffer in BUFFERS {
            table.push_str(&line(round_trip, buffer));
            table.push('\n');
        }
    }
    table
}

#[test]
fn goodput_is_as_recorded() {
    let table = table();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goodput.txt");
    if std::env::var_os("HANDFAST_UPDATE_GOODPUT").is_some() {
        std::fs::write(&path, &table).expect("a writable tree");
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        table, recorded,
        "\n{table}\ndiffers from what is recorded; HANDFAST_UPDATE_GOODPUT=1 records it"
    );
}

/// What theory says of a long transfer whose window is limited by loss alone (RFC 9438 section 5.1): the average window in
/// segments of a Reno flow, which CUBIC is not to fall below, and that of CUBIC.
fn average_window(loss: f64, round_trip: f64) -> f64 {
    let reno = (1.5 / loss).sqrt();
    let cubic = (0.4_f64 * 3.7 / 1.2).powf(0.25) * (round_trip / loss).powf(0.75);
    reno.max(cubic)
}

/// Octets of a segment's text.
const SEGMENT: f64 = 1448.0;

#[test]
fn goodput_on_a_path_that_loses_is_what_theory_says() {
    for (round_trip, loss, total) in [(20, 0.01, 8 << 20), (100, 0.01, 4 << 20), (100, 0.03, 4 << 20)] {
        let buffer = 1 << 20;
        let mut pair = path(1, [0.0, loss], Duration::from_millis(round_trip), buffer);
        let found = goodput(&mut pair, total);
        let seconds = round_trip as f64 / 1e3;
        let expected = average_window(loss, seconds) * SEGMENT * 8.0 / seconds;
        let ratio = found / expected;
        assert!(
            (0.85..1.15).contains(&ratio),
            "{found:.0} bit/s over {round_trip} ms that lose {loss}, {expected:.0} were expected"
        );
        // Nothing is reordered, and no acknowledgment is lost: whatever is undone was a loss.
        assert_eq!(pair.client.counters().tcp.recoveries_undone, 0);
    }
}
