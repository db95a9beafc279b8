//! Servers: who waits for calls, and when they are accepted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use handfast::application::ListenerHandle;
use handfast::time::{Duration, Instant};

use super::{Host, key};
use crate::plan::CLOSED_PORT;

/// A listener and what its server does with it.
#[derive(Debug)]
pub(super) struct Listening {
    port: u16,
    handle: Option<ListenerHandle>,
    accepts_after: Duration,
    accepts_at: Option<Instant>,
    closes_at: Option<Instant>,
}

impl Listening {
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let times = [self.accepts_at, self.closes_at];
        times
            .into_iter()
            .flatten()
            .min()
            .filter(|_| self.handle.is_some())
    }
}

impl Host {
    pub(super) fn open_listeners(&mut self) {
        let plan = self.shared.plan.clone();
        let own = plan
            .dialogues
            .iter()
            .filter(|dialogue| dialogue.hosts[1] == self.number);
        for dialogue in own.filter(|dialogue| !dialogue.crossed && dialogue.port != CLOSED_PORT) {
            if self
                .listening
                .iter()
                .any(|listening| listening.port == dialogue.port)
            {
                continue;
            }
            let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), dialogue.port);
            let handle = self
                .engine
                .tcp_listen(any, dialogue.backlog)
                .expect("the port is free");
            self.listening.push(Listening {
                port: dialogue.port,
                handle: Some(handle),
                accepts_after: dialogue.accepts_after,
                accepts_at: None,
                closes_at: dialogue
                    .listener_closes_after
                    .map(|after| dialogue.opens_at + after),
            });
        }
    }

    pub(super) fn on_acceptable(&mut self, listener: ListenerHandle, now: Instant) {
        let listening = self.listening.iter_mut().find(|own| own.handle == Some(listener));
        if let Some(listening) = listening {
            let soon = now + listening.accepts_after;
            listening.accepts_at = Some(listening.accepts_at.map_or(soon, |at| at.min(soon)));
        }
    }

    pub(super) fn serve_listeners(&mut self, now: Instant) -> Result<bool, String> {
        let mut acted = false;
        for index in 0..self.listening.len() {
            let listening = &mut self.listening[index];
            let Some(handle) = listening.handle else { continue };
            if listening.closes_at.is_some_and(|at| at <= now) {
                listening.handle = None;
                self.engine.tcp_close_listener(handle);
                if self.engine.tcp_accept(handle).is_some() {
                    return Err("a closed listener accepts".to_string());
                }
                acted = true;
            } else if listening.accepts_at.is_some_and(|at| at <= now) {
                listening.accepts_at = None;
                self.accept(index, handle, now)?;
                acted = true;
            }
        }
        Ok(acted)
    }

    fn accept(&mut self, index: usize, listener: ListenerHandle, now: Instant) -> Result<(), String> {
        while let Some(handle) = self.engine.tcp_accept(listener) {
            let (local, remote) = self
                .engine
                .tcp_addresses(handle)
                .ok_or("an accepted connection has no addresses")?;
            let dialogue = self.shared.calls.borrow().get(&(remote, local)).copied();
            let dialogue = dialogue.ok_or_else(|| format!("{remote} was accepted, and has not called"))?;
            self.begin(handle, dialogue, 1, [local, remote], true)?;
            let at = self.by_handle[&key(handle)];
            self.ends[at].run(&mut self.engine, now)?;
            let pause = self.listening[index].accepts_after;
            if pause > Duration::ZERO {
                self.listening[index].accepts_at = Some(now + pause);
                break;
            }
        }
        Ok(())
    }

    pub(super) fn close_listeners(&mut self) {
        for listening in &mut self.listening {
            if let Some(handle) = listening.handle.take() {
                self.engine.tcp_close_listener(handle);
            }
        }
    }
}
