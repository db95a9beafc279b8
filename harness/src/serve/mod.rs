//! Small servers for anybody's clients: the same services over the engine and over the kernel.

mod device;
mod http;
mod plain;
mod sockets;
mod station;
mod subnet;
mod tally;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use handfast::application::asynchronous as engine;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

pub(crate) use self::device::DeviceName;
pub(crate) use self::station::Host;
pub(crate) use self::subnet::Subnet;

use self::http::Site;
use self::sockets::{Datagrams, Listener};
use self::station::Station;
use self::tally::Tally;
use crate::output;
use crate::session::Exit;

/// What is served, and where.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) service: Service,
    /// The service's own when `None`.
    pub(crate) port: Option<u16>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) network: Network,
}

/// Whose TCP and UDP answer.
#[derive(Debug)]
pub(crate) enum Network {
    Engine(Host),
    /// At these addresses; at all of the machine's when there are none.
    Kernel(Vec<Subnet>),
}

/// What clients find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    Echo,
    Discard,
    Chargen,
    Http,
}

impl Service {
    fn default_port(self) -> u16 {
        match self {
            Self::Echo => 7,
            Self::Discard => 9,
            Self::Chargen => 19,
            Self::Http => 80,
        }
    }

    fn has_datagrams(self) -> bool {
        self != Self::Http
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "echo",
            Self::Discard => "discard",
            Self::Chargen => "chargen",
            Self::Http => "http",
        })
    }
}

/// Why there is no server (any more).
#[derive(Debug)]
struct Trouble {
    what: String,
    exit: Exit,
}

impl Trouble {
    fn environment(what: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            exit: Exit::Environment,
        }
    }

    fn usage(what: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            exit: Exit::Usage,
        }
    }

    fn socket(at: SocketAddr, error: &io::Error) -> Self {
        let way_out = match error.kind() {
            io::ErrorKind::AddrInUse => ": end its other user, or choose another --port",
            io::ErrorKind::PermissionDenied => ": run as root, or choose a --port of 1024 or more",
            io::ErrorKind::AddrNotAvailable => ": choose an --address of this machine",
            _ => "",
        };
        Self::environment(format!("{at} cannot be served ({error}){way_out}"))
    }
}

/// Serves until it is told to stop.
pub(crate) fn main(plan: Plan) -> Exit {
    match serve(plan) {
        Ok(()) => Exit::Ok,
        Err(trouble) => {
            note!("error: {}", trouble.what);
            trouble.exit
        }
    }
}

fn serve(plan: Plan) -> Result<(), Trouble> {
    let stop = stop_on_signal()?;
    let port = plan.port.unwrap_or(plan.service.default_port());
    let site = Site::new(plan.root.as_deref()).map_err(Trouble::usage)?;
    let server = Server {
        service: plan.service,
        site: Arc::new(site),
        tally: Arc::new(Tally::default()),
    };
    match plan.network {
        Network::Engine(host) => over_engine(&server, host, port, &stop),
        Network::Kernel(addresses) => over_kernel(&server, &addresses, port, &stop),
    }
}

/// Told once, it lets the server end; told twice, it ends the process.
fn stop_on_signal() -> Result<Arc<Notify>, Trouble> {
    let stop = Arc::new(Notify::new());
    let (told, notified) = (AtomicBool::new(false), stop.clone());
    ctrlc::set_handler(move || {
        if told.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
        notified.notify_one();
    })
    .map_err(|error| Trouble::environment(format!("no handler for Ctrl-C ({error})")))?;
    Ok(stop)
}

fn over_engine(server: &Server, host: Host, port: u16, stop: &Notify) -> Result<(), Trouble> {
    let title = format!(
        "{} at {}, port {port}, by the engine over {}",
        server.service, host, host.device
    );
    let hint = host.hint();
    let own: Vec<IpAddr> = host.addresses.iter().map(|subnet| subnet.address).collect();
    let (network, station) = Station::start(host)?;
    let runtime = runtime(Builder::new_current_thread().enable_time())?;
    let at = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let outcome = runtime.block_on(async {
        let failed = |error| Trouble::socket(at, &error);
        let listener = engine::TcpListener::bind(&network, at).await.map_err(failed)?;
        let mut datagrams = Vec::new();
        if server.service.has_datagrams() {
            for &address in &own {
                datagrams.push(bind(&network, SocketAddr::new(address, port)).await?);
            }
        }
        announce(&title, hint.as_deref());
        server.until(stop, [listener], datagrams).await
    });
    end(runtime);
    drop(network);
    let ended = station.end();
    match (outcome, ended) {
        // What ended the engine explains why its sockets failed.
        (_, Err(trouble)) | (Err(trouble), Ok(_)) => Err(trouble),
        (Ok(()), Ok(counters)) => told(&format!("{}{}\n", server.tally, tally::Engine(&counters))),
    }
}

/// A socket for each address, so that answers come from where the question went. An IPv6 address can be used when nobody has objected to it.
async fn bind(network: &engine::Network, at: SocketAddr) -> Result<engine::UdpSocket, Trouble> {
    const PAUSE: Duration = Duration::from_millis(100);
    for _ in 0..30 {
        match engine::UdpSocket::bind(network, at).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => tokio::time::sleep(PAUSE).await,
            outcome => return outcome.map_err(|error| Trouble::socket(at, &error)),
        }
    }
    Err(Trouble::environment(format!(
        "{} is not ours to use: somebody else on the link has it; choose another --address",
        at.ip()
    )))
}

fn over_kernel(server: &Server, addresses: &[Subnet], port: u16, stop: &Notify) -> Result<(), Trouble> {
    let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let own: Vec<IpAddr> = addresses.iter().map(|subnet| subnet.address).collect();
    let addresses = if own.is_empty() { &everywhere[..] } else { &own };
    let runtime = runtime(Builder::new_current_thread().enable_all())?;
    let outcome = runtime.block_on(async {
        let mut listeners = Vec::new();
        let mut sockets = Vec::new();
        for &address in addresses {
            let at = SocketAddr::new(address, port);
            let failed = |error| Trouble::socket(at, &error);
            listeners.push(tokio::net::TcpListener::bind(at).await.map_err(failed)?);
            if server.service.has_datagrams() {
                sockets.push(tokio::net::UdpSocket::bind(at).await.map_err(failed)?);
            }
        }
        let own: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        let title = format!(
            "{} at {}, port {port}, by the kernel",
            server.service,
            own.join(" and ")
        );
        announce(&title, None);
        server.until(stop, listeners, sockets).await
    });
    end(runtime);
    outcome.and_then(|()| told(&format!("{}\n", server.tally)))
}

fn told(text: &str) -> Result<(), Trouble> {
    output::print(text).map_err(|error| Trouble::environment(error.to_string()))
}

fn announce(title: &str, hint: Option<&str>) {
    note!("{title}; Ctrl-C ends it");
    if let Some(hint) = hint {
        note!("{hint}");
    }
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Trouble> {
    builder
        .build()
        .map_err(|error| Trouble::environment(format!("no runtime for the services ({error})")))
}

/// Drops what is being served; a file that is just being read is waited for a moment.
fn end(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// What all connections have in common.
#[derive(Debug)]
struct Server {
    service: Service,
    site: Arc<Site>,
    tally: Arc<Tally>,
}

impl Server {
    /// Serves all sockets until it is told to stop, or one of them fails for good.
    async fn until<L: Listener, D: Datagrams>(
        &self,
        stop: &Notify,
        listeners: impl IntoIterator<Item = L>,
        sockets: impl IntoIterator<Item = D>,
    ) -> Result<(), Trouble> {
        let streams = listeners.into_iter().map(|listener| self.accept(listener));
        let datagrams = sockets.into_iter().map(|socket| self.exchange(socket));
        tokio::select! {
            () = stop.notified() => Ok(()),
            trouble = sockets::first(streams) => Err(trouble),
            trouble = sockets::first(datagrams) => Err(trouble),
        }
    }

    async fn accept<L: Listener>(&self, listener: L) -> Trouble {
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                Err(error) if L::is_passing(&error) => {
                    note!("warning: a connection was not accepted ({error})");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Err(error) => return Trouble::environment(error),
            };
            self.tally.accepted();
            let (service, site, tally) = (self.service, self.site.clone(), self.tally.clone());
            tokio::spawn(async move {
                let outcome = match service {
                    Service::Echo => plain::echo(stream).await,
                    Service::Discard => plain::discard(stream).await,
                    Service::Chargen => plain::chargen(stream).await,
                    Service::Http => http::serve(stream, site, &tally).await,
                };
                tally.ended(&outcome);
            });
        }
    }

    async fn exchange<D: Datagrams>(&self, socket: D) -> Trouble {
        let outcome = match self.service {
            Service::Echo => plain::echo_datagrams(&socket).await,
            Service::Chargen => plain::chargen_datagrams(&socket).await,
            Service::Discard | Service::Http => plain::discard_datagrams(&socket).await,
        };
        match outcome {
            Ok(never) => match never {},
            Err(error) => Trouble::environment(error),
        }
    }
}
