//! The network that a script takes place on: addresses, ports, and what the script's numbers mean on each connection.

use super::build::Ends;
use super::configuration::Settings;
use super::flow::Flow;
use super::packet::Packet;

/// The first port of a peer that connects to us.
const FIRST_PEER_PORT: u16 = 20_000;

/// Who talks to whom.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) settings: Settings,
    /// The listener that was opened last.
    pub(super) listening_port: Option<u16>,
    flows: Vec<Flow>,
    current: Option<usize>,
    peers: u16,
}

impl Network {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            listening_port: None,
            flows: Vec::new(),
            current: None,
            peers: 0,
        }
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
        let local = self.listening_port.unwrap_or(self.settings.bind_port);
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

    /// The flow of a connection that begins now: what its numbers meant before is forgotten.
    pub(super) fn begin_flow(&mut self, local_port: u16, remote_port: u16) {
        let flow = self.flow(local_port, remote_port);
        self.flows[flow] = Flow::new(local_port, remote_port);
        self.select(Some(flow));
    }

    pub(super) fn flow_at(&mut self, index: usize) -> &mut Flow {
        &mut self.flows[index]
    }

    /// Whether a packet between these ports is of a flow that was seen before the one under test began.
    pub(super) fn is_past(&self, local_port: u16, remote_port: u16) -> bool {
        let ports = (local_port, remote_port);
        let is = |flow: &Flow| (flow.local_port, flow.remote_port) == ports;
        self.current.is_some_and(|current| !is(&self.flows[current])) && self.flows.iter().any(is)
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
