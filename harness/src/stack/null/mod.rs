//! No stack at all: what one end does shows at the other with its next poll. What a scenario costs on this stack is
//! the cost of the scenario.
//!
//! Bytes are produced in a ring and consumed from it in place; there are no segments, timers or TIME_WAIT.

mod ring;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use self::ring::Ring;
use super::slots::Slots;
use super::{Conn, ConnectError, Datagrams, Event, Gone, Nanos, Ready, Received, Stack, StackCounters};

/// Datagrams that wait at a socket before more are refused.
const DATAGRAM_QUEUE: usize = 256;

/// One of two ends that share everything, and a thread.
#[derive(Debug)]
pub(super) struct Null {
    shared: Rc<RefCell<Shared>>,
    /// 0 or 1; the peer is the other one.
    end: usize,
}

#[derive(Debug)]
struct Shared {
    /// Both ends of a connection have the same slot and generation.
    links: Slots<Link>,
    ends: [End; 2],
    /// Rings of connections that have ended.
    spare: Vec<Ring>,
    ring_bytes: usize,
}

#[derive(Default, Debug)]
struct End {
    listening: Vec<SocketAddr>,
    events: Vec<Event>,
    datagram_sockets: Vec<DatagramSocket>,
    connections: u64,
    payload_bytes: u64,
}

/// A connection. Index 0 of each array belongs to end 0.
#[derive(Debug)]
struct Link {
    /// What is on its way *to* the end.
    inbound: [Ring; 2],
    standing: [Standing; 2],
    /// The end was cut short when it sent.
    blocked: [bool; 2],
}

/// How one end stands to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Open,
    /// It has closed its direction and waits for the other.
    Closed,
    /// It has yet to be told that the connection is over.
    Over,
    Left,
}

#[derive(Debug)]
struct DatagramSocket {
    at: SocketAddr,
    waiting: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Null {
    /// Two ends whose connections hold `ring_bytes` in each direction.
    pub(super) fn pair(ring_bytes: usize) -> (Self, Self) {
        let shared = Shared {
            links: Slots::new(),
            ends: Default::default(),
            spare: Vec::new(),
            ring_bytes,
        };
        let shared = Rc::new(RefCell::new(shared));
        (
            Self {
                shared: Rc::clone(&shared),
                end: 0,
            },
            Self { shared, end: 1 },
        )
    }
}

impl Shared {
    fn new_link(&mut self, standing: [Standing; 2]) -> Conn {
        let (spare, ring_bytes) = (&mut self.spare, self.ring_bytes);
        let inbound = [(); 2].map(|()| spare.pop().unwrap_or_else(|| Ring::new(ring_bytes)));
        self.links.insert(Link {
            inbound,
            standing,
            blocked: [false; 2],
        })
    }

    /// The connection, as long as this end has neither closed nor lost it.
    fn open_link(&mut self, conn: Conn, end: usize) -> Result<&mut Link, Gone> {
        self.links
            .get_mut(conn)
            .filter(|link| link.standing[end] == Standing::Open)
            .ok_or(Gone)
    }

    fn tell(&mut self, end: usize, conn: Conn, ready: Ready) {
        self.ends[end].events.push(Event { conn, ready });
    }

    /// Tells the end that the connection is over, unless it has given it up.
    fn finish(&mut self, conn: Conn, end: usize, ready: Ready) {
        let Some(link) = self.links.get_mut(conn) else {
            return;
        };
        if matches!(link.standing[end], Standing::Open | Standing::Closed) {
            link.standing[end] = Standing::Over;
            self.tell(end, conn, ready);
        }
    }

    /// The end knows that the connection is over; the slot is free when both do.
    fn leave(&mut self, conn: Conn, end: usize) {
        let Some(link) = self.links.get_mut(conn) else {
            return;
        };
        link.standing[end] = Standing::Left;
        self.ends[end].connections -= 1;
        if link.standing == [Standing::Left; 2] {
            let link = self.links.take(conn).expect("found above");
            for mut ring in link.inbound {
                ring.clear();
                self.spare.push(ring);
            }
            self.links.release(conn);
        }
    }

    fn connect(&mut self, end: usize, to: SocketAddr) -> Conn {
        let peer = 1 - end;
        let heard = self.ends[peer]
            .listening
            .iter()
            .any(|at| at.port() == to.port() && (at.ip() == to.ip() || at.ip().is_unspecified()));
        self.ends[end].connections += 1;
        if heard {
            self.ends[peer].connections += 1;
            let conn = self.new_link([Standing::Open; 2]);
            self.tell(end, conn, Ready::CONNECTED);
            self.tell(peer, conn, Ready::ACCEPTED);
            return conn;
        }
        let mut standing = [Standing::Left; 2];
        standing[end] = Standing::Open;
        let conn = self.new_link(standing);
        self.finish(conn, end, Ready::FAILED);
        conn
    }

    fn send(
        &mut self,
        conn: Conn,
        end: usize,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<usize, Gone> {
        let link = self.open_link(conn, end)?;
        let ring = &mut link.inbound[1 - end];
        let first = ring.produce(length, fill);
        let sent = first + ring.produce(length - first, fill);
        link.blocked[end] = sent < length;
        if sent > 0 {
            self.ends[end].payload_bytes += sent as u64;
            self.tell(1 - end, conn, Ready::READABLE);
        }
        Ok(sent)
    }

    fn receive(
        &mut self,
        conn: Conn,
        end: usize,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        let link = self.open_link(conn, end)?;
        let length = link.inbound[end].consume(limit, consume);
        if length == 0 {
            let open = link.standing[1 - end] == Standing::Open;
            return Ok(if open {
                Received::WouldBlock
            } else {
                Received::EndOfStream
            });
        }
        if std::mem::take(&mut link.blocked[1 - end]) {
            self.tell(1 - end, conn, Ready::WRITABLE);
        }
        Ok(Received::Bytes(length))
    }

    fn close(&mut self, conn: Conn, end: usize) {
        let Ok(link) = self.open_link(conn, end) else {
            return;
        };
        if link.standing[1 - end] == Standing::Open {
            link.standing[end] = Standing::Closed;
            self.tell(1 - end, conn, Ready::READABLE);
        } else {
            self.finish(conn, end, Ready::CLOSED);
            self.finish(conn, 1 - end, Ready::CLOSED);
        }
    }

    fn abort(&mut self, conn: Conn, end: usize) {
        let Some(link) = self.links.get(conn) else { return };
        if link.standing[end] != Standing::Left {
            self.finish(conn, 1 - end, Ready::FAILED);
            self.leave(conn, end);
        }
    }

    /// Hands out what was told since the last poll, except about connections that the end has aborted since.
    fn announce(&mut self, end: usize, events: &mut Vec<Event>) {
        let mut told = std::mem::take(&mut self.ends[end].events);
        for event in told.drain(..) {
            let standing = self.links.get(event.conn).map(|link| link.standing[end]);
            let over = event.ready == Ready::CLOSED || event.ready == Ready::FAILED;
            if over && standing == Some(Standing::Over) {
                self.leave(event.conn, end);
                events.push(event);
            } else if standing == Some(Standing::Open) {
                events.push(event);
            }
        }
        self.ends[end].events = told;
    }

    fn send_datagrams(
        &mut self,
        end: usize,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        let sockets = &mut self.ends[1 - end].datagram_sockets;
        // Towards a port that nobody is bound to, datagrams vanish.
        let Some(socket) = sockets.iter_mut().find(|socket| socket.at == to) else {
            return count;
        };
        let room = DATAGRAM_QUEUE - socket.waiting.len();
        for index in 0..count.min(room) {
            let mut datagram = socket.spare.pop().unwrap_or_default();
            datagram.resize(length, 0);
            fill(index, &mut datagram);
            socket.waiting.push_back(datagram);
        }
        self.ends[end].payload_bytes += (count.min(room) * length) as u64;
        count.min(room)
    }
}

impl Stack for Null {
    fn listen(&mut self, at: SocketAddr, _backlog: usize) -> io::Result<()> {
        self.shared.borrow_mut().ends[self.end].listening.push(at);
        Ok(())
    }

    fn connect(&mut self, _from: IpAddr, to: SocketAddr) -> Result<Conn, ConnectError> {
        Ok(self.shared.borrow_mut().connect(self.end, to))
    }

    fn send(&mut self, conn: Conn, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<usize, Gone> {
        self.shared.borrow_mut().send(conn, self.end, length, fill)
    }

    fn receive(
        &mut self,
        conn: Conn,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Gone> {
        self.shared.borrow_mut().receive(conn, self.end, limit, consume)
    }

    fn close(&mut self, conn: Conn) {
        self.shared.borrow_mut().close(conn, self.end);
    }

    fn abort(&mut self, conn: Conn) {
        self.shared.borrow_mut().abort(conn, self.end);
    }

    fn bind(&mut self, at: SocketAddr) -> io::Result<Datagrams> {
        let sockets = &mut self.shared.borrow_mut().ends[self.end].datagram_sockets;
        sockets.push(DatagramSocket {
            at,
            waiting: VecDeque::new(),
            spare: Vec::new(),
        });
        Ok(Datagrams(
            u32::try_from(sockets.len() - 1).expect("few datagram sockets"),
        ))
    }

    fn send_datagrams(
        &mut self,
        _socket: Datagrams,
        to: SocketAddr,
        count: usize,
        length: usize,
        fill: &mut dyn FnMut(usize, &mut [u8]),
    ) -> usize {
        self.shared
            .borrow_mut()
            .send_datagrams(self.end, to, count, length, fill)
    }

    fn receive_datagrams(
        &mut self,
        socket: Datagrams,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> usize {
        let sockets = &mut self.shared.borrow_mut().ends[self.end].datagram_sockets;
        let Some(socket) = sockets.get_mut(socket.0 as usize) else {
            return 0;
        };
        let count = limit.min(socket.waiting.len());
        for datagram in socket.waiting.drain(..count) {
            consume(&datagram);
            socket.spare.push(datagram);
        }
        count
    }

    fn poll(&mut self, _now: Nanos, _wait: Duration, events: &mut Vec<Event>) {
        self.shared.borrow_mut().announce(self.end, events);
    }

    fn counters(&self) -> StackCounters {
        let shared = self.shared.borrow();
        let end = &shared.ends[self.end];
        StackCounters {
            payload_bytes: Some(end.payload_bytes),
            copied_bytes: Some(0),
            system_calls: Some(0),
            connections: Some(end.connections),
            ..StackCounters::default()
        }
    }
}
