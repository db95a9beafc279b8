use super::{Cubic, cube_root};
use crate::time::{Duration, Instant};
use crate::transport::tcp::congestion::Ack;
use crate::transport::tcp::rtt::RttEstimator;
use crate::transport::tcp::seq::SeqNumber;
use proptest::prelude::*;

const SMSS: u32 = 1_500;

/// A connection whose every round trip takes so long, and whose window is always full.
struct Path {
    cubic: Cubic,
    rtt: RttEstimator,
    round_trip: Duration,
    now: Instant,
    sent: SeqNumber,
}

impl Path {
    fn new(round_trip_millis: u64) -> Self {
        let mut rtt = RttEstimator::new();
        rtt.sample(Duration::from_millis(round_trip_millis));
        Self {
            cubic: Cubic::new(SMSS as u16),
            rtt,
            round_trip: Duration::from_millis(round_trip_millis),
            now: Instant::ZERO,
            sent: SeqNumber(0),
        }
    }

    /// Acknowledges one window, two segments at a time; each measured as `rtt_millis`.
    fn round(&mut self, rtt_millis: Option<u16>) {
        let (start, end) = (self.sent, self.sent + self.cubic.window());
        let mut acked = start;
        let acks = u64::from((end - start).div_ceil(2 * SMSS));
        while acked.lt(end) {
            let octets = (end - acked).min(2 * SMSS);
            acked += octets;
            self.now += Duration::from_nanos(self.round_trip.as_nanos() / acks);
            let ack = Ack {
                octets,
                snd_una: acked,
                snd_nxt: acked + self.cubic.window(),
                now: self.now,
                rtt: &self.rtt,
            };
            self.cubic.on_ack(&ack, || rtt_millis);
        }
        self.sent = end;
    }

    fn segments(&self) -> f64 {
        f64::from(self.cubic.window()) / f64::from(SMSS)
    }

    /// A window of so many segments at a loss, and what the loss leaves.
    fn lose_at(&mut self, segments: u32) {
        self.cubic.cwnd = segments * SMSS;
        self.cubic.on_congestion(segments * SMSS);
    }
}

/// RFC 9438 figure 1: W_cubic(t) = C (t − K)³ + W_max.
#[test]
fn the_window_follows_the_cubic_function() {
    let mut path = Path::new(100);
    path.lose_at(1_000);
    assert_eq!(path.cubic.window(), 700 * SMSS);
    let k = (300.0_f64 / 0.4).cbrt();
    let started = path.now;
    for _ in 0..180 {
        path.round(None);
        let t = path.now.saturating_since(started).as_nanos() as f64 / 1e9;
        let expected = 0.4 * (t - k).powi(3) + 1_000.0;
        let error = (path.segments() - expected).abs() / expected;
        assert!(error < 0.02, "{} at {t}, not {expected}", path.segments());
    }
}

/// A window of a gigabyte that one ACK covers is where a product of octets, segment and fraction would need more than 64 bits.
#[test]
fn the_largest_windows_grow_like_small_ones() {
    let mut path = Path::new(100);
    path.cubic.cwnd = 1 << 30;
    path.cubic.on_congestion(1 << 30);
    let before = path.cubic.window();
    for _ in 0..10 {
        path.now += path.round_trip;
        let ack = Ack {
            octets: path.cubic.window(),
            snd_una: path.sent,
            snd_nxt: path.sent + path.cubic.window(),
            now: path.now,
            rtt: &path.rtt,
        };
        path.cubic.on_ack(&ack, || None);
    }
    let model = |t: f64, k: f64| 0.4 * (t - k).powi(3) * f64::from(SMSS) + f64::from(1 << 30);
    let k = (0.3 * f64::from(1 << 30) / f64::from(SMSS) / 0.4).cbrt();
    let grown = f64::from(path.cubic.window());
    assert!(grown > f64::from(before));
    assert!(
        (grown / model(1.0, k) - 1.0).abs() < 0.01,
        "{grown} is not {}",
        model(1.0, k)
    );
}

/// Section 4.3: at short round-trip times CUBIC does as Reno does, with a steady state of the same mean window.
#[test]
fn a_short_path_is_reno_friendly() {
    let mut path = Path::new(2);
    path.lose_at(100);
    let mut reno = 70.0;
    for _ in 0..50 {
        path.round(None);
        reno += 9.0 / 17.0;
        let error = (path.segments() - reno).abs() / reno;
        assert!(error < 0.03, "{} is not {reno}", path.segments());
    }
}

/// Section 5.1, for one loss in so many segments: the mean window is within 15 % of (C (3 + β) / (4 (1 − β)))^(1/4) · (RTT/p)^(3/4) / RTT^..., in
/// segments 1.054 · (RTT/p)^(3/4).
#[test]
fn the_steady_state_is_within_fifteen_percent_of_theory() {
    for (round_trip_millis, loss_every) in [
        (100_u64, 20_000_u64),
        (100, 100_000),
        (50, 100_000),
        (200, 10_000),
    ] {
        let mut path = Path::new(round_trip_millis);
        path.lose_at(100);
        let (mut since_loss, mut rounds, mut windows) = (0, 0, 0.0);
        let mut losses = 0;
        while losses < 60 {
            path.round(None);
            since_loss += path.segments() as u64;
            if losses >= 20 {
                rounds += 1;
                windows += path.segments();
            }
            if since_loss >= loss_every {
                let flight = path.cubic.window();
                path.cubic.on_congestion(flight);
                since_loss = 0;
                losses += 1;
            }
        }
        let mean = windows / f64::from(rounds);
        let seconds = round_trip_millis as f64 / 1e3;
        let theory = (0.4_f64 * 3.7 / (4.0 * 0.3)).powf(0.25) * (seconds * loss_every as f64).powf(0.75);
        let error = (mean - theory).abs() / theory;
        assert!(
            error < 0.15,
            "{mean} segments, not {theory}, at {round_trip_millis} ms and 1 in {loss_every}"
        );
    }
}

/// Section 4.7.
#[test]
fn a_flow_that_loses_below_its_last_window_leaves_room() {
    let mut path = Path::new(100);
    path.lose_at(1_000);
    assert_eq!(path.cubic.w_max, 1_000 * SMSS);
    path.lose_at(900);
    assert_eq!(path.cubic.w_max, 765 * SMSS);
}

/// Section 4.8: after a timeout congestion avoidance starts where slow start ends, convex at once.
#[test]
fn after_a_timeout_k_is_zero() {
    let mut path = Path::new(100);
    path.lose_at(1_000);
    path.cubic.on_retransmission_timeout(1_000 * SMSS, false);
    assert_eq!((path.cubic.window(), path.cubic.ssthresh()), (SMSS, 700 * SMSS));
    while path.cubic.window() < path.cubic.ssthresh() {
        path.round(None);
    }
    let (from, started) = (path.segments(), path.now);
    (0..40).for_each(|_| path.round(None));
    let t = path.now.saturating_since(started).as_nanos() as f64 / 1e9;
    let expected = from + 0.4 * t.powi(3);
    assert!(
        (path.segments() - expected).abs() / expected < 0.02,
        "{}",
        path.segments()
    );
}

/// Section 4.2: time in which the application did not fill the window does not count.
#[test]
fn unused_time_does_not_count() {
    let mut path = Path::new(100);
    path.lose_at(100);
    (0..10).for_each(|_| path.round(None));
    let before = path.segments();
    path.cubic.on_unused();
    path.now += Duration::from_secs(100);
    path.round(None);
    assert!(
        path.segments() < before + 2.0,
        "{} after {before}",
        path.segments()
    );
}

/// RFC 9406: delay that grows ends slow start without a loss, after five slower rounds; steady delay does not.
#[test]
fn growing_delay_ends_slow_start() {
    let mut steady = Path::new(50);
    (0..8).for_each(|_| steady.round(Some(50)));
    assert_eq!(steady.cubic.ssthresh(), u32::MAX);
    let mut growing = Path::new(50);
    (0..4).for_each(|_| growing.round(Some(50)));
    let doubled = growing.segments();
    (0..7).for_each(|_| growing.round(Some(60)));
    assert!(growing.cubic.ssthresh() < u32::MAX);
    let slower = growing.segments() / doubled;
    assert!(
        slower < 8.0,
        "five rounds of a quarter of the growth make {slower}"
    );
}

/// RFC 9406 section 4.2: delay that goes again was none.
#[test]
fn delay_that_goes_resumes_slow_start() {
    let mut path = Path::new(50);
    (0..4).for_each(|_| path.round(Some(50)));
    (0..2).for_each(|_| path.round(Some(60)));
    (0..6).for_each(|_| path.round(Some(50)));
    assert_eq!(path.cubic.ssthresh(), u32::MAX);
}

proptest! {
    #[test]
    fn the_cube_root_is_exact(cube in 0..1_u64 << 60) {
        let root = u64::from(cube_root(cube));
        prop_assert!(root.pow(3) <= cube && (root + 1).pow(3) > cube);
    }
}
