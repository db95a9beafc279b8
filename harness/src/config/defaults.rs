//! What a parameter is when nobody says: the same for every stack unless the table of the contract says otherwise.

use std::time::Duration;

use super::{
    Checksums, Close, Closer, DeviceKind, Options, PathKind, Placement, RunConfig, ScenarioKind, StackKind,
};

/// Stacks that are compared when none is named.
pub(crate) const DEFAULT_STACKS: [StackKind; 3] =
    [StackKind::Engine, StackKind::KernelTuned, StackKind::Smoltcp];

/// Numbers of connections that a stack is run with, of which the best is shown and all are recorded: smoltcp looks through all of
/// its sockets for every packet, and is at its best with few.
pub(crate) fn connections_shown(scenario: ScenarioKind, stack: StackKind, asked: &Options) -> Vec<u32> {
    match asked.connections {
        None if stack == StackKind::Smoltcp && connections(scenario, stack) == IN_FLIGHT => {
            vec![1, IN_FLIGHT]
        }
        asked => vec![asked.unwrap_or_else(|| connections(scenario, stack))],
    }
}

impl RunConfig {
    /// The parameters of `scenario` on `stack` over `path`, with defaults for what was not asked for.
    pub(crate) fn effective(
        scenario: ScenarioKind,
        stack: StackKind,
        path: PathKind,
        connections: u32,
        asked: &Options,
    ) -> Self {
        Self {
            scenario,
            path,
            placement: asked.placement.unwrap_or(Placement::SameCore),
            generators: asked.generators.unwrap_or(1),
            connections,
            idle: asked.idle.unwrap_or(0),
            time_wait: asked.time_wait.unwrap_or(0),
            close: asked.close.unwrap_or(Close::Fin),
            closer: asked.closer.unwrap_or(Closer::Client),
            message: asked.message.unwrap_or_else(|| message(scenario, stack)),
            mtu: asked.mtu.unwrap_or(1500),
            checksums: asked.checksums.unwrap_or(Checksums::Device),
            device: asked.device.unwrap_or(DeviceKind::Packet),
            ip: asked.ip.unwrap_or_default(),
            open_loop: asked.arrivals.open_loop(),
            flood: (scenario == ScenarioKind::SynFlood).then(|| asked.flood.unwrap_or(FLOOD)),
            pressure: asked.pressure.clone(),
            link: (path == PathKind::Wire).then(|| asked.link.links()),
            duration: asked.duration.unwrap_or(Duration::from_secs(3)),
            seed: asked.seed.unwrap_or(1),
        }
    }
}

/// SYNs per second of a flood.
const FLOOD: u32 = 100_000;

/// Connections in flight of the scenarios that make or use many.
const IN_FLIGHT: u32 = 64;

fn connections(scenario: ScenarioKind, stack: StackKind) -> u32 {
    match scenario {
        ScenarioKind::Stream | ScenarioKind::Udp | ScenarioKind::Reorder => 1,
        ScenarioKind::Idle if stack == StackKind::Engine => 1_000_000,
        ScenarioKind::Idle => 10_000,
        _ => IN_FLIGHT,
    }
}

fn message(scenario: ScenarioKind, stack: StackKind) -> u32 {
    match scenario {
        // Large writes are what an expert would do to make the kernel's stack fast.
        ScenarioKind::Stream if stack == StackKind::KernelTuned => 1 << 20,
        ScenarioKind::Stream => 64 << 10,
        ScenarioKind::Udp | ScenarioKind::Packets => 18,
        ScenarioKind::Reorder => 64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(scenario: ScenarioKind, stack: StackKind, asked: &Options) -> RunConfig {
        let connections = connections_shown(scenario, stack, asked)[0];
        RunConfig::effective(scenario, stack, stack.paths()[0], connections, asked)
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let none = Options::default();
        let crr = effective(ScenarioKind::Crr, StackKind::Engine, &none);
        assert_eq!((crr.connections, crr.message, crr.mtu), (64, 1, 1500));
        assert_eq!((crr.path, crr.placement), (PathKind::Memory, Placement::SameCore));
        assert_eq!(
            (crr.close, crr.closer, crr.duration),
            (Close::Fin, Closer::Client, Duration::from_secs(3))
        );
        let tuned = effective(ScenarioKind::Stream, StackKind::KernelTuned, &none);
        assert_eq!(
            (tuned.path, tuned.message, tuned.connections),
            (PathKind::Loopback, 1 << 20, 1)
        );
        assert_eq!(
            effective(ScenarioKind::Stream, StackKind::Smoltcp, &none).message,
            65_536
        );
        assert_eq!(effective(ScenarioKind::Udp, StackKind::Engine, &none).message, 18);
        assert_eq!(
            effective(ScenarioKind::Idle, StackKind::Engine, &none).connections,
            1_000_000
        );
        assert_eq!(
            effective(ScenarioKind::Idle, StackKind::Kernel, &none).connections,
            10_000
        );
    }

    #[test]
    fn what_was_asked_for_beats_every_default() {
        let asked = Options {
            connections: Some(7),
            message: Some(9),
            mtu: Some(9000),
            ..Options::default()
        };
        let config = effective(ScenarioKind::Stream, StackKind::KernelTuned, &asked);
        assert_eq!((config.connections, config.message, config.mtu), (7, 9, 9000));
    }

    #[test]
    fn smoltcp_is_shown_at_its_best_unless_told() {
        let none = Options::default();
        assert_eq!(
            connections_shown(ScenarioKind::Crr, StackKind::Smoltcp, &none),
            [1, 64]
        );
        assert_eq!(
            connections_shown(ScenarioKind::Stream, StackKind::Smoltcp, &none),
            [1]
        );
        assert_eq!(
            connections_shown(ScenarioKind::Crr, StackKind::Engine, &none),
            [64]
        );
        let asked = Options {
            connections: Some(8),
            ..Options::default()
        };
        assert_eq!(
            connections_shown(ScenarioKind::Crr, StackKind::Smoltcp, &asked),
            [8]
        );
    }
}
