//! The engine: one of each layer, and the loop that runs them.

mod bytes;
mod connections;
mod datagrams;
#[cfg(feature = "async")]
pub mod driver;
mod inspection;
mod options;
#[cfg(target_os = "linux")]
mod waiting;

use std::net::{IpAddr, SocketAddr};

pub use self::inspection::Counters;
use crate::application::{Event, ListenerHandle, TcpHandle, UdpHandle};
use crate::config::Config;
use crate::frame::{Frame, FramePool, PacketQueue, Purpose, Size};
use crate::internet::{Internet, Output};
use crate::link::Device;
use crate::link::ethernet::MacAddress;
use crate::time::Instant;
use crate::transport::Transport;

/// How much one [`Engine::poll`] may do. It is never one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Batches that are received.
    pub batches: u32,
}

impl Default for Budget {
    /// Four batches: 256 packets with the default batch.
    fn default() -> Self {
        Self { batches: 4 }
    }
}

/// What a poll did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    /// Packets received.
    pub received: usize,
    /// Packets handed to the device.
    pub sent: usize,
}

impl Progress {
    /// Whether the poll found nothing to do.
    pub fn is_idle(&self) -> bool {
        self.received == 0 && self.sent == 0
    }
}

/// There is a listener on that address and port already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} has a listener already")]
pub struct AddressInUse(pub SocketAddr);

/// The handle names no listener (any more).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no such listener")]
pub struct ListenerClosed;

/// A TCP/UDP/IP stack over one device. It stays on one thread and does nothing by itself: the application calls [`Engine::poll`] in a loop,
/// reads what became ready from [`Engine::poll_event`], and may sleep until [`Engine::next_deadline`] or until the device has packets.
///
/// Methods come in four kinds: getters; [`Engine::poll`], which takes time and packets in; mutators by the application, which take effect in
/// the next poll; and [`Engine::poll_event`] and [`Engine::next_deadline`], which are asked after each poll, in this order.
#[derive(Debug)]
pub struct Engine<D> {
    device: D,
    internet: Internet,
    transport: Transport,
    pool: FramePool,
    now: Instant,
    receive_batch: PacketQueue,
    transmit_queue: PacketQueue,
}

/// The parts of the engine that a mutator of the transport layer needs beside it.
macro_rules! output {
    ($engine:expr) => {
        &mut Output {
            now: $engine.now,
            internet: &mut $engine.internet,
            queue: &mut $engine.transmit_queue,
        }
    };
}
use output;

impl<D: Device> Engine<D> {
    /// An engine over `device` whose packets and queues take their memory from `pool`.
    pub fn new(config: &Config, pool: FramePool, device: D) -> Self {
        Self {
            internet: Internet::new(
                config,
                pool.clone(),
                device.capabilities(),
                device.hardware_address(),
            ),
            transport: Transport::new(config, pool.clone()),
            receive_batch: PacketQueue::with_capacity(config.batch),
            transmit_queue: PacketQueue::with_capacity(config.transmit_queue),
            now: Instant::ZERO,
            device,
            pool,
        }
    }

    /// Receives what has arrived, runs timers, sends what became due. The work is bounded by `budget`, not by the number of connections.
    pub fn poll(&mut self, now: Instant, budget: Budget) -> Progress {
        self.now = self.now.max(now);
        self.pool.reclaim();
        self.transport.tcp.collect_credits();
        self.transport.tcp.feed_starved();
        self.transport.tcp.release_soon();
        let mut progress = self.receive(budget);
        self.internet.run_timers(self.now, &mut self.transmit_queue);
        if self.internet.has_new_hearing() {
            self.device.hear(&self.internet.hearing());
        }
        self.transport.run(output!(self));
        progress.sent += self.transmit();
        progress
    }

    fn receive(&mut self, budget: Budget) -> Progress {
        let mut progress = Progress::default();
        for round in 0..budget.batches {
            // Every packet may be answered by one; a queue that is too full for that is emptied first. Two ends that both cannot must not wait
            // for each other, so the first batch is taken in any case: a reply that finds no place is counted, and asked for again.
            if self.transmit_queue.room() < self.receive_batch.capacity() {
                progress.sent += self.transmit();
                if round > 0 && self.transmit_queue.room() < self.receive_batch.capacity() {
                    break;
                }
            }
            let batch = self.device.receive(self.now, &mut self.receive_batch);
            if batch == 0 {
                break;
            }
            progress.received += batch;
            self.transport.begin_batch();
            self.internet.input(
                self.now,
                &mut self.receive_batch,
                &mut self.transmit_queue,
                &mut self.transport,
            );
            self.transport.input(output!(self), &mut self.receive_batch);
            self.receive_batch.clear();
        }
        progress
    }

    /// Hands the queue to the device; connections that found it full get another turn while the device takes.
    fn transmit(&mut self) -> usize {
        let mut sent = 0;
        loop {
            let taken = self.hand_over();
            sent += taken;
            if taken == 0 || !self.transmit_queue.is_empty() || !self.transport.tcp.has_unsent() {
                return sent;
            }
            self.transport.tcp.output(output!(self));
        }
    }

    /// Hands the device what it takes now.
    #[inline]
    fn hand_over(&mut self) -> usize {
        let packets = self.internet.output(self.now, &mut self.transmit_queue);
        self.device.transmit(self.now, packets)
    }

    /// When the engine wants to be polled although no packet arrives: now, if something waits already; `None` when nothing will happen.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.transport.tcp.has_pending_output() || self.has_refused() || self.internet.has_pending() {
            return Some(self.now);
        }
        self.next_timer()
    }

    /// Whether packets are left that the device did not take.
    fn has_refused(&self) -> bool {
        !self.transmit_queue.is_empty() || self.internet.has_frames()
    }

    fn next_timer(&self) -> Option<Instant> {
        let layers = [
            self.transport.next_deadline(),
            self.internet.next_deadline(),
            self.device.next_deadline(),
        ];
        layers.into_iter().flatten().min()
    }

    /// The next thing that became true of a socket. Listeners come first, so that a connection is accepted before it has news.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        if !self.transport.tcp.has_announcement()
            && let Some((id, ready)) = self.transport.tcp.pop_notice()
        {
            return Some(Event::Tcp(TcpHandle(id), ready));
        }
        self.poll_rarer_event()
    }

    /// An event that is not a connection's, or the next after it has gone.
    #[inline(never)]
    fn poll_rarer_event(&mut self) -> Option<Event> {
        if let Some(id) = self.transport.tcp.pop_listener() {
            return Some(Event::Acceptable(ListenerHandle(id)));
        }
        self.transport
            .udp
            .pop_notice()
            .map(|id| Event::Udp(UdpHandle(id)))
    }

    /// A frame for the application to fill, to be frozen and sent with [`Engine::tcp_send_payload`]. `None` when the pool has none.
    pub fn allocate(&self, size: Size) -> Option<Frame> {
        self.pool.allocate(Purpose::Application, size)
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, for changing it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Ends the engine and gives its device back, so that a wrapper can be asked for what it has gathered, as
    /// [`Capture::finish`](crate::link::capture::Capture::finish) is. Connections end without a word to their peers.
    pub fn into_device(self) -> D {
        self.device
    }

    /// The addresses that are the engine's now, of each block the one that it was made with: those configured, without those that duplicate
    /// address detection has not passed (yet), and those made from what routers advertise.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.internet.addresses().map(IpAddr::from)
    }

    /// The station that the engine is on its Ethernet; `None` over a device whose packets begin with IP headers.
    pub fn hardware_address(&self) -> Option<MacAddress> {
        self.internet.hardware_address()
    }

    /// The pool that the engine's frames come from.
    pub fn pool(&self) -> &FramePool {
        &self.pool
    }
}
