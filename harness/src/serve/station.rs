//! The engine of a server, on a thread of its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time;

use handfast::application::asynchronous::{self, Network};
use handfast::config::{AddressBlock, Config, Route, RouteError};
use handfast::engine::driver::Driver;
use handfast::engine::{Counters, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::error::OpenError;
use handfast::link::ethernet::MacAddress;
use handfast::link::raw::MARK;
use handfast::link::wait::Waiter;
use handfast::time::{Duration, Instant};

use super::device::{self, DeviceName};
use super::{Subnet, Trouble};

/// How long the thread looks for the next packet before it sleeps.
const SPIN: Duration = Duration::from_micros(50);
/// How long connections may take to say their last when the server ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often it is looked whether the interface is still there.
const LOOK: Duration = Duration::from_secs(1);
/// Memory for packets: 32 MiB in small slots, 32 in large ones. What is not used is never touched.
const POOL: PoolConfig = PoolConfig {
    small_slots: 16_384,
    large_slots: 512,
    loans: 16_384,
    guaranteed_percent: 10,
};

/// Who the engine is, and where its packets come from.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) device: DeviceName,
    pub(crate) addresses: Vec<Subnet>,
    pub(crate) gateways: Vec<IpAddr>,
    /// Instead of the device's own.
    pub(crate) station: Option<MacAddress>,
    /// Of a tun or tap device.
    pub(crate) mtu: u32,
    /// Whether received checksums are believed.
    pub(crate) trusted: bool,
}

impl Host {
    /// What the user has to do so that clients find the server.
    pub(super) fn hint(&self) -> Option<String> {
        let own = self.addresses.first()?;
        match &self.device {
            DeviceName::Tun(name) | DeviceName::Tap(name) => Some(format!(
                "clients of this machine need an address beside the server's: ip address add ADDRESS/{} dev {name}",
                own.prefix
            )),
            DeviceName::Raw => Some(format!(
                "the kernel must be kept from resetting connections that it knows nothing of:\n  \
                 nft add table ip engine\n  \
                 nft 'add chain ip engine out {{ type filter hook output priority 0; }}'\n  \
                 nft add rule ip engine out ip saddr {} meta mark != {MARK} tcp flags rst drop",
                own.address
            )),
            DeviceName::Xdp(name) => Some(format!(
                "if {name} is one of a veth pair, the other has to cut segments and finish checksums itself, or nothing longer than a packet \
                 arrives: ethtool -K PEER tx off"
            )),
            DeviceName::Packet(_) | DeviceName::PacketRing(_) => None,
        }
    }

    fn config(&self) -> Result<Config, Trouble> {
        let mut secret = [0; 32];
        random(&mut secret)?;
        let own = self
            .addresses
            .iter()
            .map(|subnet| AddressBlock::single(subnet.address));
        let mut config = Config::new(secret, own);
        config.link.hardware_address = self.station.map(|station| station.0);
        for subnet in &self.addresses {
            let route = Route::on_link(subnet.address, subnet.prefix).map_err(Trouble::usage)?;
            match config.add_route(route) {
                // Two addresses on one link have one route.
                Ok(()) | Err(RouteError::Duplicate) => {}
                Err(error) => return Err(Trouble::usage(format!("--address {subnet}: {error}"))),
            }
        }
        for &gateway in &self.gateways {
            let route = Route::default_through(gateway);
            config
                .add_route(route)
                .map_err(|error| Trouble::usage(format!("--gateway {gateway}: {error}")))?;
        }
        Ok(config)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(Subnet::to_string).collect();
        f.write_str(&addresses.join(" and "))
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Trouble> {
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(bytes))
        .map_err(|error| Trouble::environment(format!("no randomness from /dev/urandom ({error})")))
}

/// A running engine.
#[derive(Debug)]
pub(super) struct Station {
    thread: JoinHandle<io::Result<Counters>>,
    ending: Arc<AtomicBool>,
}

impl Station {
    /// Opens the device and runs the engine over it.
    pub(super) fn start(host: Host) -> Result<(Network, Self), Trouble> {
        let config = host.config()?;
        let mut port_secret = [0; 16];
        random(&mut port_secret)?;
        let (network, station) = asynchronous::network();
        let (ready, opened) = mpsc::sync_channel(1);
        let ending = Arc::new(AtomicBool::new(false));
        let told = ending.clone();
        // The engine and its frames never leave the thread that they are made on.
        let thread = thread::Builder::new().name("engine".to_owned()).spawn(move || {
            let pool = FramePool::new(POOL);
            let device = match device::open(&host, &pool) {
                Ok(device) => device,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return Err(io::ErrorKind::NotConnected.into());
                }
            };
            let engine = Engine::new(&config, pool, device);
            let _ = ready.send(Ok(()));
            run(Driver::new(engine, station, port_secret), &told)
        });
        let thread = thread.map_err(|error| Trouble::environment(format!("no thread ({error})")))?;
        match opened.recv() {
            Ok(Ok(())) => Ok((network, Self { thread, ending })),
            Ok(Err(OpenError::Invalid(reason))) => Err(Trouble::usage(reason)),
            Ok(Err(error)) => Err(Trouble::environment(error)),
            Err(_) => Err(Trouble::environment("the engine's thread ended before it began")),
        }
    }

    /// Waits until the engine has ended, whose network is dropped.
    pub(super) fn end(self) -> Result<Counters, Trouble> {
        self.ending.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(outcome) => {
                outcome.map_err(|error| Trouble::environment(format!("the engine's device: {error}")))
            }
            Err(_) => Err(Trouble::environment("the engine's thread panicked")),
        }
    }
}

/// Drives the engine until nobody needs it, but no longer than a moment after the server has ended.
fn run(mut driver: Driver<Box<dyn Device>>, ending: &AtomicBool) -> io::Result<Counters> {
    let mut waiter = Waiter::new(SPIN)?;
    let start = time::Instant::now();
    let (mut latest, mut look_at) = (None, Instant::ZERO + LOOK);
    while !driver.is_finished() {
        let now = Instant::ZERO + start.elapsed().into();
        if latest.is_some_and(|latest| latest <= now) {
            break;
        }
        if now >= look_at {
            look_at = now + LOOK;
            if driver.engine().device().is_gone() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the interface is gone"));
            }
        }
        if latest.is_none() && ending.load(Ordering::Acquire) {
            latest = Some(now + FAREWELL);
        }
        let until = latest.map_or(look_at, |latest| latest.min(look_at));
        driver.run_once(&mut waiter, now, Some(until))?;
    }
    Ok(driver.engine().counters())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_a_server_is_told_what_its_device_needs_of_others() {
        let hint = |device: &str| {
            let host = Host {
                device: device.parse().expect("a device"),
                addresses: vec!["10.9.0.2/24".parse().expect("an address")],
                gateways: Vec::new(),
                station: None,
                mtu: 1500,
                trusted: false,
            };
            host.hint().unwrap_or_default()
        };
        for (device, needs) in [
            ("tun:t0", "ip address add ADDRESS/24 dev t0"),
            ("tap:t0", "ip address add ADDRESS/24 dev t0"),
            ("raw", "ip saddr 10.9.0.2 meta mark"),
            ("xdp:far", "if far is one of a veth pair"),
            ("packet:far", ""),
        ] {
            let hint = hint(device);
            assert!(hint.contains(needs), "{device}: {hint}");
            assert_eq!(hint.is_empty(), needs.is_empty(), "{device}: {hint}");
        }
    }
}
