use super::*;
use crate::config::{Arrivals, OpenLoop, RunConfig, ScenarioKind};
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase};
use crate::measure::recorder::Recorder;

const ROUNDS: usize = 2_000;
/// Of virtual time.
const SPAN: u64 = 2 * HALF_ROUND * ROUNDS as u64;

fn run(rate: u32) -> (SenderTally, ReceiverTally) {
    let config = RunConfig {
        open_loop: Some(OpenLoop {
            rate,
            arrivals: Arrivals::Poisson,
        }),
        ..config(ScenarioKind::Udp)
    };
    let udp = Udp {
        length: 18,
        open_loop: open_loop::Plan::of(&config),
        pace: None,
    };
    let mut rig = Rig::new(&config);
    let mut sender = udp.client(&rig.ends).expect("always");
    let mut receiver = udp.server(&rig.ends);
    sender.open(&mut rig.client).expect("bound");
    receiver.open(&mut rig.server).expect("bound");
    rig.run_all(&mut sender, &mut receiver, ROUNDS);
    assert!(sender.settled(Phase::Drain));
    (sender.into_tally(), receiver.into_tally())
}

#[test]
fn an_open_loop_sends_at_its_rate_and_times_every_datagram() {
    let rate = 500_000;
    let (sender, receiver) = run(rate);
    let offered = sender.open_loop.expect("an open loop").offered;
    let expected = f64::from(rate) * SPAN as f64 / 1e9;
    assert!(
        (offered as f64 - expected).abs() < 4.0 * expected.sqrt(),
        "{offered}"
    );
    assert_eq!((sender.sent, receiver.counted), (offered, offered));
    let delays = receiver.delays.expect("timed");
    let [response, service] = [delays.response, delays.service].map(Recorder::into_histogram);
    assert_eq!((response.len(), service.len()), (offered, offered));
    assert!(
        service.equivalent(service.min(), HALF_ROUND) && service.equivalent(service.max(), HALF_ROUND),
        "from one end's step to the other's"
    );
    assert!(
        response.max() <= 2 * HALF_ROUND + HALF_ROUND + 2,
        "due at some moment of a round: {}",
        response.max()
    );
}
