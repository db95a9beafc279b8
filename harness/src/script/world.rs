//! The engine under test, its sockets, and what the script's numbers mean.

use handfast::config::Config;
use handfast::engine::Engine;

use super::build::Ends;
use super::configuration::Settings;
use super::flow::Flow;
use super::host::{Host, START};
use super::info::Link;
use super::packet::Packet;
use super::sockets::Sockets;
use super::wire::Wire;

/// The first port of a peer that connects to us.
const FIRST_PEER_PORT: u16 = 20_000;

/// Everything that a script acts on. The engine starts when it is first needed, so that what is set before can be configured.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) config: Config,
    /// What the script moves in all.
    octets: u64,
    host: Option<Host>,
    flows: Vec<Flow>,
    current: Option<usize>,
    peers: u16,
    pub(super) sockets: Sockets,
    /// The time until the engine starts.
    early: handfast::time::Instant,
}

impl World {
    pub(super) fn new(settings: Settings, config: Config, octets: u64) -> Self {
        Self {
            settings,
            config,
            octets,
            host: None,
            flows: Vec::new(),
            current: None,
            peers: 0,
            sockets: Sockets::default(),
            early: START,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.host.is_some()
    }

    pub(super) fn host(&mut self) -> &mut Host {
        let (config, mtu, octets, now) = (&self.config, self.settings.mtu, self.octets, self.early);
        self.host
            .get_or_insert_with(|| Host::new(config, mtu, octets, now))
    }

    pub(super) fn engine(&mut self) -> &mut Engine<Wire> {
        &mut self.host().engine
    }

    /// What the link lets pass.
    pub(super) fn link(&self) -> Link {
        let mtu = self.settings.mtu;
        let headers = if self.settings.local.is_ipv6() { 60 } else { 40 };
        let most = u32::from(self.config.tcp.max_segment);
        Link {
            mtu,
            advertised_mss: mtu.saturating_sub(headers).min(most),
        }
    }

    pub(super) fn now(&self) -> handfast::time::Instant {
        self.host.as_ref().map_or(self.early, Host::now)
    }

    /// Lets time pass while there is no engine yet.
    pub(super) fn wait_before_start(&mut self, until: handfast::time::Instant) {
        self.early = self.early.max(until);
    }

    /// The flow that a packet which arrives belongs to: the one whose ports it names, else the current one, else that of a new peer.
    pub(super) fn flow_of_arriving(&mut self, packet: &Packet) -> usize {
        if let Some((remote, local)) = packet.ports {
            return self.flow(local, remote);
        }
        if let Some(current) = self.current {
            return current;
        }
        let peer = FIRST_PEER_PORT + self.peers;
        self.peers += 1;
        let local = self.sockets.listening_port().unwrap_or(self.settings.bind_port);
        let flow = self.flow(local, peer);
        self.current = Some(flow);
        flow
    }

    /// The flow between two ports, made if it is new.
    pub(super) fn flow(&mut self, local_port: u16, remote_port: u16) -> usize {
        let known = self
            .flows
            .iter()
            .position(|flow| (flow.local_port, flow.remote_port) == (local_port, remote_port));
        known.unwrap_or_else(|| {
            self.flows.push(Flow::new(local_port, remote_port));
            self.flows.len() - 1
        })
    }

    pub(super) fn flow_at(&mut self, index: usize) -> &mut Flow {
        &mut self.flows[index]
    }

    /// The ports of the flow under test, local and remote.
    pub(super) fn current_ports(&self) -> Option<(u16, u16)> {
        let flow = &self.flows[self.current?];
        Some((flow.local_port, flow.remote_port))
    }

    /// What follows without ports is about this flow.
    pub(super) fn select(&mut self, flow: Option<usize>) {
        self.current = flow;
    }

    /// From the peer to us.
    pub(super) fn arriving_ends(&self, flow: usize) -> Ends {
        Ends {
            from: self.settings.remote,
            to: self.settings.local,
            from_port: self.flows[flow].remote_port,
            to_port: self.flows[flow].local_port,
        }
    }
}
