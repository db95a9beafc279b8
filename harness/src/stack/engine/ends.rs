//! Two engines, joined by whatever the path asks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use handfast::frame::FramePool;
use handfast::link::Device;
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{self, WireConfig};
use handfast::link::socket::{SocketConfig, SocketDevice};

use super::{Engine, Options};
use crate::config::{Checksums, PathKind, RunConfig, ScenarioKind};
use crate::flood::{Flooded, Plan};
use crate::stack::{MakeEnd, Side, Stack, Unsupported};

/// How many datagrams of a `reorder` run are held back, and by how many places at most.
const HELD_BACK: f64 = 0.1;
const MOST_PLACES: u32 = 8;
/// Payload bytes of the largest virtual segment on a wire that does not need packets: a maximum IP packet, less headers.
const VIRTUAL_SEGMENT: u32 = 65_000;

/// Both ends, and who they are to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between<'a> {
    /// Number of the generator whose they are.
    pub(crate) generator: u32,
    pub(crate) clients: &'a [IpAddr],
    pub(crate) servers: &'a [SocketAddr],
}

impl Between<'_> {
    fn client(&self, run: &RunConfig) -> (Options, Vec<IpAddr>, Vec<SocketAddr>) {
        (
            Options::new(run, self.clients, Side::Client),
            self.clients.to_vec(),
            self.servers.to_vec(),
        )
    }

    fn server(&self, run: &RunConfig) -> (Options, Vec<IpAddr>, Vec<SocketAddr>) {
        let addresses: Vec<IpAddr> = self.servers.iter().map(SocketAddr::ip).collect();
        (Options::new(run, &addresses, Side::Server), addresses, Vec::new())
    }

    /// What a `syn-flood` run puts in front of the server.
    fn flood(&self, run: &RunConfig) -> Option<Plan> {
        Plan::of_generator(run, self.generator, self.servers)
    }
}

fn end<D: Device + 'static>(
    (options, addresses, remotes): (Options, Vec<IpAddr>, Vec<SocketAddr>),
    make_device: impl FnOnce(&FramePool) -> D,
) -> Box<dyn Stack> {
    Box::new(Engine::new(&options, &addresses, &remotes, make_device))
}

/// The end that is reached through what the scenario puts in front of it.
fn server_end<D: Device + 'static>(
    parts: (Options, Vec<IpAddr>, Vec<SocketAddr>),
    impairment: Option<ImpairConfig>,
    flood: Option<Plan>,
    make_device: impl FnOnce(&FramePool) -> D,
) -> Box<dyn Stack> {
    match (impairment, flood) {
        (Some(config), _) => end(parts, |pool| {
            Impair::new(make_device(pool), config, pool.clone()).expect("a tenth is a probability")
        }),
        (None, Some(plan)) => flooded_end(parts, plan, make_device),
        (None, None) => end(parts, make_device),
    }
}

fn flooded_end<D: Device + 'static>(
    (options, addresses, remotes): (Options, Vec<IpAddr>, Vec<SocketAddr>),
    plan: Plan,
    make_device: impl FnOnce(&FramePool) -> D,
) -> Box<dyn Stack> {
    let tally = Rc::default();
    let counted = Rc::clone(&tally);
    let engine = Engine::new(&options, &addresses, &remotes, |pool| {
        Flooded::new(make_device(pool), plan, counted)
    });
    Box::new(engine.flooded(tally))
}

/// The client's end and the server's.
pub(crate) type BothEnds = (Box<dyn Stack>, Box<dyn Stack>);

/// Both ends in one thread.
///
/// # Errors
/// [`Unsupported`] when the path is not the engine's, or its sockets cannot be had.
pub(crate) fn pair(run: &RunConfig, between: Between<'_>) -> Result<BothEnds, Unsupported> {
    match run.path {
        PathKind::Memory => {
            let (near, far) = memory::pair(wire(run));
            let client = end(between.client(run), |_| near);
            let server = server_end(between.server(run), impairment(run), between.flood(run), |_| far);
            Ok((client, server))
        }
        // Loopback: ends that devices lie between are not made here.
        _ => {
            let (near, far) = sockets(run)?;
            Ok((near(between.client(run)), far(between.server(run))))
        }
    }
}

/// Both ends, each to be made in the thread that it will live in.
///
/// # Errors
/// As [`pair`].
pub(crate) fn split_pair(run: &RunConfig, between: Between<'_>) -> Result<(MakeEnd, MakeEnd), Unsupported> {
    let (client, server) = (between.client(run), between.server(run));
    match run.path {
        PathKind::Memory => {
            let (near, far) = memory::threaded_pair(wire(run));
            let (impairment, flood) = (impairment(run), between.flood(run));
            Ok((
                Box::new(move || end(client, |pool| near.attach(pool.clone()))),
                Box::new(move || server_end(server, impairment, flood, |pool| far.attach(pool.clone()))),
            ))
        }
        // Loopback: ends that devices lie between are not made here.
        _ => {
            let (near, far) = sockets(run)?;
            Ok((Box::new(move || near(client)), Box::new(move || far(server))))
        }
    }
}

fn wire(run: &RunConfig) -> WireConfig {
    let trusted = run.checksums == Checksums::Device;
    WireConfig {
        mtu: run.mtu,
        trusted,
        max_segment: if trusted { VIRTUAL_SEGMENT } else { 0 },
        ..WireConfig::default()
    }
}

/// The reordering that a `reorder` run puts on the way to the server.
fn impairment(run: &RunConfig) -> Option<ImpairConfig> {
    (run.scenario == ScenarioKind::Reorder).then(|| ImpairConfig {
        seed: run.seed,
        reordering: HELD_BACK,
        places: MOST_PLACES,
        ..ImpairConfig::default()
    })
}

type Dress = Box<dyn FnOnce((Options, Vec<IpAddr>, Vec<SocketAddr>)) -> Box<dyn Stack> + Send>;

/// Two bound sockets on 127/8 that know each other, each to be wrapped in an end by its thread.
fn sockets(run: &RunConfig) -> Result<(Dress, Dress), Unsupported> {
    let reserve = || -> std::io::Result<SocketAddr> {
        std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
    };
    let unavailable = |error: std::io::Error| Unsupported(format!("no UDP socket on 127.0.0.1 ({error})"));
    let (near, far) = (reserve().map_err(unavailable)?, reserve().map_err(unavailable)?);
    let dress = |local: SocketAddr, peer: SocketAddr, impairment: Option<ImpairConfig>| -> Dress {
        let config = SocketConfig {
            local,
            peer: Some(peer),
            mtu: run.mtu,
            trusted: run.checksums == Checksums::Device,
            ..SocketConfig::default()
        };
        Box::new(move |parts| {
            let device = |pool: &FramePool| {
                SocketDevice::new(config, pool.clone()).expect("the address was free a moment ago")
            };
            match impairment {
                Some(impairment) => end(parts, |pool| {
                    Impair::new(device(pool), impairment, pool.clone()).expect("a tenth is a probability")
                }),
                None => end(parts, device),
            }
        })
    };
    Ok((dress(near, far, None), dress(far, near, impairment(run))))
}
