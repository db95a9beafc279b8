//! Programs that do what programs do, without plan.

use std::net::SocketAddr;

use handfast::application::{ListenerHandle, TcpHandle, UdpHandle};
use handfast::config::UserTimeout;
use handfast::engine::Engine;
use handfast::time::Duration;

use super::forger::Forger;
use crate::support::random::Random;
use crate::support::{PORT, Pair};

/// The connections of both ends, dead ones included.
pub(super) struct Programs {
    listener: ListenerHandle,
    clients: Vec<TcpHandle>,
    servers: Vec<TcpHandle>,
    sockets: [UdpHandle; 2],
}

impl Programs {
    pub(super) fn begin(pair: &mut Pair<Forger>) -> Self {
        let (near, far) = (SocketAddr::new(pair.family.client(), PORT), pair.server_address());
        Self {
            listener: pair.listen(),
            clients: Vec::new(),
            servers: Vec::new(),
            sockets: [
                pair.client.udp_bind(near).expect("a free port"),
                pair.server.udp_bind(far).expect("a free port"),
            ],
        }
    }

    pub(super) fn act(&mut self, pair: &mut Pair<Forger>, random: &mut Random) {
        if self.clients.len() < 3 || random.below(12) == 0 {
            // Refused while all places are taken, which the next steps free.
            self.clients
                .extend(pair.client.tcp_connect(None, pair.server_address()));
        }
        self.servers
            .extend(std::iter::from_fn(|| pair.server.tcp_accept(self.listener)));
        self.exchange_datagrams(pair, random);
        for _ in 0..random.below(5) {
            let (engine, handles) = match random.below(2) {
                0 => (&mut pair.client, &mut self.clients),
                _ => (&mut pair.server, &mut self.servers),
            };
            if !handles.is_empty() {
                let at = random.below(handles.len());
                if use_one(engine, handles[at], random) {
                    handles.swap_remove(at);
                }
            }
        }
    }

    /// Datagrams of all sizes, fragments among them, some to where nobody listens.
    fn exchange_datagrams(&mut self, pair: &mut Pair<Forger>, random: &mut Random) {
        let (client, server) = (pair.family.client(), pair.family.server());
        let [near, far] = self.sockets;
        for (engine, socket, to) in [(&mut pair.client, near, server), (&mut pair.server, far, client)] {
            if random.below(4) == 0 {
                let port = random.one_of(&[PORT, PORT, PORT, 9]);
                let length = random.one_of(&[0, 1, 500, 1472, 1473, 4000, 9000]);
                // Refused when no memory is left, which is no surprise here.
                let _ = engine.udp_send(socket, SocketAddr::new(to, port), &vec![8; length]);
            }
            if random.below(3) == 0 {
                while engine.udp_receive(socket).is_some() {}
                engine.udp_take_error(socket);
            }
        }
    }

    pub(super) fn end(self, pair: &mut Pair<Forger>) {
        self.clients.iter().for_each(|&one| pair.client.tcp_close(one));
        self.servers.iter().for_each(|&one| pair.server.tcp_close(one));
        pair.server.tcp_close_listener(self.listener);
        pair.client.udp_close(self.sockets[0]);
        pair.server.udp_close(self.sockets[1]);
    }
}

/// One call; whether the handle was given back.
fn use_one(engine: &mut Engine<Forger>, connection: TcpHandle, random: &mut Random) -> bool {
    // That a call fails is no surprise here.
    let _ = match random.below(24) {
        0..8 => engine
            .tcp_send(connection, &vec![7; random.below(20_000)])
            .map(drop),
        8..15 => engine
            .tcp_receive(connection, &mut vec![0; random.below(20_000)])
            .map(drop),
        15 => engine.tcp_receive_chunk(connection, random.below(5000)).map(drop),
        16 => engine.tcp_send_urgent(connection, b"!").map(drop),
        17 => engine.tcp_shutdown(connection),
        18 => engine.tcp_set_no_delay(connection, random.below(2) == 0),
        19 => engine.tcp_set_quick_acks(connection, random.below(4) as u8),
        20 => {
            let span = Duration::from_secs(random.below(60) as u64);
            engine.tcp_set_user_timeout(connection, UserTimeout::After(span))
        }
        21 => {
            let limit = Duration::from_millis(random.below(3000) as u64);
            engine.tcp_set_linger(connection, (random.below(2) == 0).then_some(limit))
        }
        22 => {
            engine.tcp_close(connection);
            return true;
        }
        _ => {
            if random.below(3) == 0 {
                engine.tcp_abort(connection);
                return true;
            }
            Ok(())
        }
    };
    false
}
