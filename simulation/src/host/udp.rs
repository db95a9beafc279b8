//! Datagrams: each arrives as it was sent, or not at all.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use handfast::application::{SendError, UdpHandle};
use handfast::time::{Duration, Instant};

use crate::end::AnyEngine;
use crate::plan::{CLOSED_PORT, Datagram, Plan, UDP_PORT, address};
use crate::stream::Stream;

/// Datagrams begin with their number.
const NUMBER: usize = 8;

#[derive(Debug)]
pub(crate) struct Datagrams {
    host: usize,
    plan: Rc<[Datagram]>,
    seed: u64,
    socket: Option<UdpHandle>,
    /// Those of this host that were not sent yet, the latest first.
    unsent: Vec<usize>,
    retry_at: Option<Instant>,
    /// How often each arrived here.
    pub(crate) arrived: Vec<u32>,
}

impl Datagrams {
    pub(super) fn new(host: usize, plan: &Plan) -> Self {
        let mut unsent: Vec<usize> = (0..plan.datagrams.len())
            .filter(|&number| plan.datagrams[number].from == host)
            .collect();
        unsent.sort_by_key(|&number| std::cmp::Reverse(plan.datagrams[number].at));
        Self {
            host,
            plan: plan.datagrams.clone().into(),
            seed: plan.seed,
            socket: None,
            unsent,
            retry_at: None,
            arrived: vec![0; plan.datagrams.len()],
        }
    }

    pub(super) fn bind(&mut self, engine: &mut AnyEngine) {
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), UDP_PORT);
        self.socket = Some(engine.udp_bind(any).expect("the port is free"));
    }

    pub(super) fn close(&mut self, engine: &mut AnyEngine) {
        if let Some(socket) = self.socket.take() {
            engine.udp_close(socket);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.unsent.is_empty()
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let next = self.plan[*self.unsent.last()?].at;
        Some(self.retry_at.map_or(next, |at| at.max(next)))
    }

    /// Sends what is due. Whether there was anything.
    pub(super) fn send_due(&mut self, engine: &mut AnyEngine, now: Instant) -> Result<bool, String> {
        let mut acted = false;
        while self.wakes_at().is_some_and(|at| at <= now) {
            acted = true;
            let (Some(number), Some(socket)) = (self.unsent.pop(), self.socket) else {
                break;
            };
            match self.send(engine, socket, number) {
                Ok(()) => self.retry_at = None,
                Err(SendError::NoRoom) => {
                    self.unsent.push(number);
                    self.retry_at = Some(now + Duration::from_millis(1));
                }
                Err(error) => return Err(format!("datagram {number} is refused: {error}")),
            }
        }
        Ok(acted)
    }

    fn send(&self, engine: &mut AnyEngine, socket: UdpHandle, number: usize) -> Result<(), SendError> {
        let datagram = self.plan[number];
        let port = if datagram.to_closed_port {
            CLOSED_PORT
        } else {
            UDP_PORT
        };
        let to = SocketAddr::new(address(datagram.to, datagram.v6), port);
        engine.udp_send(socket, to, &self.text(number))
    }

    fn text(&self, number: usize) -> Vec<u8> {
        let mut text = vec![0; self.plan[number].length];
        Stream::new(!self.seed, number as u64).fill(0, &mut text);
        text[..NUMBER].copy_from_slice(&(number as u64).to_be_bytes());
        text
    }

    /// Reads all that is there.
    pub(super) fn receive(&mut self, engine: &mut AnyEngine) -> Result<(), String> {
        let Some(socket) = self.socket else { return Ok(()) };
        // What the network says of datagrams that did not arrive is read, and proves nothing.
        let _ = engine.udp_take_error(socket);
        while let Some(datagram) = engine.udp_receive(socket) {
            let number = datagram
                .payload
                .first_chunk()
                .map(|bytes| u64::from_be_bytes(*bytes) as usize);
            let sent = number.filter(|number| {
                self.plan
                    .get(*number)
                    .is_some_and(|plan| plan.to == self.host && !plan.to_closed_port)
                    && *datagram.payload == *self.text(*number)
            });
            let number = sent.ok_or_else(|| {
                format!(
                    "a datagram of {} octets that nobody has sent",
                    datagram.payload.len()
                )
            })?;
            self.arrived[number] += 1;
        }
        Ok(())
    }
}
