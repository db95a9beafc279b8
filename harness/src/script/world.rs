//! The engine under test and its sockets, in virtual time.

use std::collections::{HashMap, VecDeque};

use handfast::application::TcpHandle;
use handfast::config::Config;
use handfast::engine::Engine;
use handfast::time::Instant;

use super::host::{Host, START};
use super::info::{self, Link};
use super::meter::Meter;
use super::network::Network;
use super::packet::Body;
use super::sockets::{self, Attempt, Progress, Sockets};
use super::stopwatch::Stopwatch;
use super::subject::{Sent, Subject};
use super::tree::{Call, Event, Expression, Script, What};
use super::verdict::Stop;
use super::wire::Wire;
use super::{configuration::Settings, shell};

/// Everything that a script acts on. The engine starts when it is first needed, so that what is set before can be configured.
#[derive(Debug)]
pub(super) struct World {
    pub(super) network: Network,
    pub(super) config: Config,
    /// What the script moves in all.
    octets: u64,
    host: Option<Host>,
    pub(super) sockets: Sockets,
    /// The time until the engine starts.
    early: Instant,
    /// One for each connection; `None` when the script asks for no times.
    stopwatches: Option<HashMap<TcpHandle, Stopwatch>>,
    /// The script asks for what is counted on the wire.
    metered: bool,
    /// What was sent before the engine was there: nothing.
    nothing: VecDeque<Sent>,
}

impl World {
    /// An engine for a script.
    pub(super) fn new(settings: Settings, script: &Script) -> Self {
        Self {
            config: settings.config(),
            network: Network::new(settings),
            octets: octets_of(script),
            host: None,
            sockets: Sockets::default(),
            early: START,
            stopwatches: asks_for(script, &["_time", "_limited"]).then(HashMap::new),
            metered: asks_for(script, &COUNTED),
            nothing: VecDeque::new(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.host.is_some()
    }

    fn host(&mut self) -> &mut Host {
        let (config, mtu, octets, now) = (&self.config, self.network.settings.mtu, self.octets, self.early);
        let metered = self.metered;
        self.host.get_or_insert_with(|| {
            let mut host = Host::new(config, mtu, octets, now);
            host.engine.device_mut().meter = metered.then(Meter::default);
            host
        })
    }

    pub(super) fn engine(&mut self) -> &mut Engine<Wire> {
        &mut self.host().engine
    }

    /// What the link lets pass.
    pub(super) fn link(&self) -> Link {
        let mtu = self.network.settings.mtu;
        let headers = if self.network.settings.local.is_ipv6() {
            60
        } else {
            40
        };
        let most = u32::from(self.config.tcp.max_segment);
        Link {
            mtu,
            advertised_mss: mtu.saturating_sub(headers).min(most),
        }
    }

    /// The connection of the current flow, or the one that was made last.
    fn connection_under_test(&mut self) -> Option<TcpHandle> {
        let ports = self.network.current_ports();
        let streams: Vec<_> = self.sockets.streams().collect();
        let engine = self.engine();
        let is_current = |handle: &TcpHandle| {
            let ends = engine.tcp_addresses(*handle);
            ends.map(|(local, remote)| (local.port(), remote.port())) == ports
        };
        let chosen = streams.iter().copied().find(is_current);
        chosen.or_else(|| streams.last().copied())
    }
}

impl Subject for World {
    fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    fn now(&self) -> Instant {
        self.host.as_ref().map_or(self.early, Host::now)
    }

    fn step(&mut self, limit: Instant, _waits: bool) -> Result<(), Stop> {
        match &mut self.host {
            Some(host) => host.step(limit)?,
            None => self.early = self.early.max(limit),
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Stop> {
        let Some(host) = &mut self.host else {
            return Ok(());
        };
        host.settle()?;
        let audit = host.engine.pool().audit();
        audit.map_err(|broken| Stop::failed(format!("the engine's memory is inconsistent: {broken}")))
    }

    fn inject(&mut self, bytes: Vec<u8>) -> Result<(), Stop> {
        Ok(self.host().inject(bytes)?)
    }

    fn sent(&mut self) -> &mut VecDeque<Sent> {
        match &mut self.host {
            Some(host) => host.sent(),
            None => &mut self.nothing,
        }
    }

    fn attempt(&mut self, call: &Call, progress: &mut Progress) -> Result<Attempt, Stop> {
        sockets::attempt(self, call, progress)
    }

    fn command(&mut self, commands: &str) -> Result<(), Stop> {
        let running = self.is_running();
        shell::run(
            commands,
            &mut self.config,
            &mut self.network.settings.mtu,
            running,
        )
    }

    fn field(&mut self, name: &str) -> Option<i64> {
        let handle = self.connection_under_test()?;
        let link = self.link();
        let snapshot = self.engine().tcp_info(handle)?;
        let known = info::field(name, link, &snapshot);
        let timed = || self.stopwatches.as_ref()?.get(&handle)?.field(name);
        if let Some(found) = known.or_else(timed) {
            return Some(found);
        }
        let (local, remote) = self.engine().tcp_addresses(handle)?;
        let now = self.now();
        let meter = self.engine().device_mut().meter.as_ref()?;
        meter.field((local.port(), remote.port()), name, &snapshot, now)
    }

    fn observe(&mut self, waits: bool) {
        if self.stopwatches.is_none() {
            return;
        }
        let now = self.now();
        let streams: Vec<TcpHandle> = self.sockets.streams().collect();
        for handle in streams {
            let snapshot = self.engine().tcp_info(handle);
            if let (Some(snapshot), Some(stopwatches)) = (snapshot, &mut self.stopwatches) {
                let stopwatch = stopwatches.entry(handle).or_default();
                stopwatch.look(&snapshot, waits, now);
            }
        }
    }
}

/// What packets and calls carry, as far as the script says.
fn octets_of(script: &Script) -> u64 {
    let octets = |event: &Event| match &event.what {
        What::Inject(packet) | What::Expect(packet) => match &packet.body {
            Body::Tcp(tcp) => u64::from(tcp.len),
            Body::Udp(len) => u64::from(*len),
            Body::Icmp(_) | Body::Raw(_) => 0,
        },
        What::Call(call) => call
            .arguments
            .get(2)
            .and_then(Expression::integer)
            .unwrap_or(0)
            .unsigned_abs(),
        _ => 0,
    };
    script.events.iter().map(octets).fold(0, u64::saturating_add)
}

/// What the names of fields have in common that are counted on the wire.
const COUNTED: [&str; 4] = [
    "tcpi_bytes_",
    "tcpi_data_segs_",
    "tcpi_total_retrans",
    "tcpi_last_",
];

/// Whether an assertion contains one of these.
fn asks_for(script: &Script, parts: &[&str]) -> bool {
    let asks = |code: &String| parts.iter().any(|part| code.contains(part));
    let mut codes = script.events.iter().filter_map(|event| match &event.what {
        What::Code(code) => Some(code),
        _ => None,
    });
    codes.any(asks)
}
