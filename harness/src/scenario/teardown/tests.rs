use super::*;
use crate::config::{Close, Closer, ScenarioKind};
use crate::load::fake::{HALF_ROUND, Rig, config};
use crate::load::{Actor, Phase};

const ROUNDS: usize = 400;

fn run(config: &RunConfig, breaks: bool) -> (TeardownTally, TeardownTally) {
    let mut rig = Rig::new(config);
    rig.client.faults.breaks = breaks;
    let mut client = Client::new(config, AddressPlan::all(&rig.ends));
    let mut server = Server::new(config);
    rig.run_all(&mut client, &mut server, ROUNDS);
    assert!(client.settled(Phase::Drain) && server.settled(Phase::Drain));
    (client.into_tally(), server.into_tally())
}

#[test]
fn the_initiator_times_every_way_to_close() {
    for close in [Close::Fin, Close::Rst] {
        for closer in [Closer::Client, Closer::Server] {
            let config = RunConfig {
                close,
                closer,
                ..config(ScenarioKind::Teardown)
            };
            let (client, server) = run(&config, false);
            let case = format!("{close:?} by the {closer:?}");
            let (initiator, other) = match closer {
                Closer::Client => (client, server),
                Closer::Server => (server, client),
            };
            assert!(initiator.completed >= 100, "{case}: {}", initiator.completed);
            assert_eq!(initiator.failures.total() + other.failures.total(), 0, "{case}");
            assert_eq!(other.completed, 0, "{case}");
            assert_eq!(
                initiator.times.clone().into_histogram().len(),
                initiator.completed,
                "{case}"
            );
            let window = 2 * HALF_ROUND * ROUNDS as u64;
            assert!(
                (1..window).contains(&initiator.busy_ns),
                "{case}: setting up is not timed"
            );
        }
    }
}

#[test]
fn a_connection_that_breaks_while_it_is_set_up_is_replaced() {
    for closer in [Closer::Client, Closer::Server] {
        let config = RunConfig {
            closer,
            ..config(ScenarioKind::Teardown)
        };
        let mut rig = Rig::new(&config);
        let mut client = Client::new(&config, AddressPlan::all(&rig.ends));
        let mut server = Server::new(&config);
        rig.client.faults.breaks = true;
        rig.run(&mut client, &mut server, Phase::WarmUp, 1);
        // The server takes the batch to be over when nothing more comes.
        for _ in 0..3 {
            rig.run(&mut client, &mut server, Phase::WarmUp, 100);
            rig.now += 20_000_000;
        }
        rig.run(&mut client, &mut server, Phase::Measure, ROUNDS);
        rig.run(&mut client, &mut server, Phase::Drain, ROUNDS);
        let completed = client.into_tally().completed + server.into_tally().completed;
        assert!(completed >= 100, "{completed} when closed by the {closer:?}");
    }
}
