//! The two stacks behind one face.

use std::net::SocketAddr;

use handfast::application::{ListenerHandle, Read, TcpHandle};
use handfast::config::KeepAlive;
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::LocalEnd;
use handfast::time::{Duration, Instant};
use handfast::transport::tcp::state::State;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration as TheirDuration, Instant as TheirInstant};
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::Role;
use super::programme::Programme;
use super::sieve::Sieve;
use super::wire::Adapter;
use crate::support::{Family, PORT, config};

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    Opening,
    /// It has been established.
    Open,
    /// It could not be opened.
    Failed,
}

/// What a read comes to.
pub(crate) enum Got {
    Bytes(usize),
    Nothing,
    End,
    Failure,
}

/// A stack with one connection.
pub(crate) trait End {
    fn poll(&mut self, now: Instant);
    fn next_deadline(&mut self, now: Instant) -> Option<Instant>;
    fn standing(&mut self) -> Standing;
    /// Bytes that found room; `None` when the connection takes no more.
    fn send(&mut self, bytes: &[u8]) -> Option<usize>;
    fn receive(&mut self, buffer: &mut [u8]) -> Got;
    fn shutdown(&mut self);
    fn abort(&mut self);
    /// CLOSED or TIME-WAIT: nothing is owed to the peer.
    fn is_at_rest(&mut self) -> bool;
    /// Whether everything was lost on the way here that should be.
    fn has_lost_all(&mut self) -> bool;
}

fn address(family: Family, role: Role) -> std::net::IpAddr {
    match role {
        Role::Client => family.client(),
        Role::Server => family.server(),
    }
}

/// Probes of a quiet connection come that often.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The engine.
pub(crate) struct Ours {
    engine: Engine<Sieve<LocalEnd>>,
    listener: Option<ListenerHandle>,
    connection: Option<TcpHandle>,
    keep_alive: bool,
    opened: bool,
}

impl Ours {
    pub(crate) fn new(family: Family, role: Role, programme: &Programme, device: Sieve<LocalEnd>) -> Self {
        let mut settings = config(1 + role as u8, address(family, role));
        settings.tcp.set_receive_buffer(programme.buffer as u32);
        let mut engine = Engine::new(&settings, FramePool::new(PoolConfig::default()), device);
        let at = SocketAddr::new(family.server(), PORT);
        let listens = role == Role::Server && !programme.refuses;
        let listener = listens.then(|| engine.tcp_listen(at, 4).expect("a listener"));
        let connection = match role {
            Role::Client => Some(engine.tcp_connect(None, at).expect("a connection")),
            Role::Server => None,
        };
        Self {
            engine,
            listener,
            connection,
            keep_alive: programme.keep_alive,
            opened: false,
        }
    }
}

impl End for Ours {
    fn poll(&mut self, now: Instant) {
        self.engine.poll(now, Budget::default());
        while self.engine.poll_event().is_some() {}
        if let Err(violation) = self.engine.check_invariants() {
            panic!("at {now:?}: {violation}");
        }
    }

    fn next_deadline(&mut self, _now: Instant) -> Option<Instant> {
        self.engine.next_deadline()
    }

    fn standing(&mut self) -> Standing {
        if let (None, Some(listener)) = (self.connection, self.listener) {
            self.connection = self.engine.tcp_accept(listener);
        }
        let Some(connection) = self.connection else {
            return Standing::Opening;
        };
        if self.opened {
            return Standing::Open;
        }
        match self.engine.tcp_state(connection) {
            Some(State::SynSent | State::SynReceived) => Standing::Opening,
            None | Some(State::Closed) => Standing::Failed,
            Some(_) => {
                self.opened = true;
                if self.keep_alive {
                    let settings = KeepAlive {
                        idle: KEEP_ALIVE,
                        interval: KEEP_ALIVE,
                        ..KeepAlive::default()
                    };
                    let set = self.engine.tcp_set_keep_alive(connection, Some(settings));
                    set.expect("the connection stands");
                }
                Standing::Open
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        self.engine.tcp_send(self.connection?, bytes).ok()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Got {
        let connection = self.connection.expect("open");
        match self.engine.tcp_receive(connection, buffer) {
            Ok(Read::Data(count)) => Got::Bytes(count),
            Ok(Read::WouldBlock) => Got::Nothing,
            Ok(Read::End) => Got::End,
            Err(_) => Got::Failure,
        }
    }

    fn shutdown(&mut self) {
        if let Some(connection) = self.connection {
            // What has failed already needs no FIN.
            let _ = self.engine.tcp_shutdown(connection);
        }
    }

    fn abort(&mut self) {
        if let Some(connection) = self.connection {
            self.engine.tcp_abort(connection);
        }
    }

    fn is_at_rest(&mut self) -> bool {
        self.connection.is_none_or(|connection| {
            let state = self.engine.tcp_state(connection);
            matches!(state, None | Some(State::Closed | State::TimeWait))
        })
    }

    fn has_lost_all(&mut self) -> bool {
        self.engine.device_mut().is_done()
    }
}

/// smoltcp.
pub(crate) struct Theirs {
    adapter: Adapter<Sieve<LocalEnd>>,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    keep_alive: bool,
    opened: bool,
}

fn their_time(now: Instant) -> TheirInstant {
    TheirInstant::from_micros((now.saturating_since(Instant::ZERO).as_nanos() / 1000) as i64)
}

impl Theirs {
    pub(crate) fn new(family: Family, role: Role, programme: &Programme, device: Sieve<LocalEnd>) -> Self {
        let mut adapter = Adapter::new(device);
        let mut settings = Config::new(HardwareAddress::Ip);
        settings.random_seed = 7;
        let mut interface = Interface::new(settings, &mut adapter, TheirInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(address(family, role).into(), 8);
            addresses.push(own).expect("there is room for one");
        });
        let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
        let mut socket = tcp::Socket::new(buffer(programme.buffer), buffer(64 << 10));
        let at = SocketAddr::new(family.server(), PORT);
        match role {
            Role::Client => socket
                .connect(interface.context(), at, 50_000)
                .expect("the socket is closed"),
            Role::Server if programme.refuses => {}
            Role::Server => socket.listen(PORT).expect("the socket is closed"),
        }
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self {
            adapter,
            interface,
            sockets,
            socket,
            keep_alive: programme.keep_alive,
            opened: false,
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }
}

impl End for Theirs {
    fn poll(&mut self, now: Instant) {
        self.adapter.now = now;
        self.interface
            .poll(their_time(now), &mut self.adapter, &mut self.sockets);
    }

    fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(their_time(now), &self.sockets)?;
        Some(Instant::ZERO + Duration::from_micros(at.total_micros() as u64))
    }

    fn standing(&mut self) -> Standing {
        if self.opened {
            return Standing::Open;
        }
        match self.socket().state() {
            tcp::State::Listen | tcp::State::SynSent | tcp::State::SynReceived => Standing::Opening,
            tcp::State::Closed => Standing::Failed,
            _ => {
                self.opened = true;
                if self.keep_alive {
                    let every = TheirDuration::from_micros(KEEP_ALIVE.as_nanos() / 1000);
                    self.socket().set_keep_alive(Some(every));
                }
                Standing::Open
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        self.socket().send_slice(bytes).ok()
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Got {
        match self.socket().recv_slice(buffer) {
            Ok(0) => Got::Nothing,
            Ok(count) => Got::Bytes(count),
            Err(tcp::RecvError::Finished) => Got::End,
            Err(tcp::RecvError::InvalidState) => Got::Failure,
        }
    }

    fn shutdown(&mut self) {
        self.socket().close();
    }

    fn abort(&mut self) {
        self.socket().abort();
    }

    fn is_at_rest(&mut self) -> bool {
        let state = self.socket().state();
        matches!(
            state,
            tcp::State::Closed | tcp::State::TimeWait | tcp::State::Listen
        )
    }

    fn has_lost_all(&mut self) -> bool {
        self.adapter.device.is_done()
    }
}
