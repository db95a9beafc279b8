//! The engine: one of each layer, and the loop that runs them.

#[cfg(feature = "async")]
pub mod driver;

#[cfg(target_os = "linux")]
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::application::{
    BindError, ConnectError, ConnectionError, Datagram, Event, ListenerHandle, Read, RxChunk, SendError,
    SoftError, StreamError, TcpHandle, TcpInfo, UdpHandle,
};
use crate::config::{Config, Congestion, KeepAlive, Pacing, UserTimeout};
use crate::frame::{Frame, FramePool, PacketQueue, Payload, Purpose, Size};
use crate::internet::address::Address;
use crate::internet::{EthernetCounters, GroupError, Internet, InternetCounters, Output};
use crate::link::ethernet::MacAddress;
#[cfg(target_os = "linux")]
use crate::link::wait::{Waiter, Wakeup, Watch};
use crate::link::{Device, DeviceCounters};
use crate::time::{Duration, Instant};
use crate::transport::Transport;
use crate::transport::tcp::{TcpCounters, TcpMemory, TimeWaitStatus, Violation, state::State};
use crate::transport::udp::UdpCounters;

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

/// Counters of all layers.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Layer 1.
    pub device: DeviceCounters,
    /// Layer 2.
    pub internet: InternetCounters,
    /// Frames and neighbours.
    pub ethernet: EthernetCounters,
    /// TCP.
    pub tcp: TcpCounters,
    /// UDP.
    pub udp: UdpCounters,
}

/// There is a listener on that address and port already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} has a listener already")]
pub struct AddressInUse(pub SocketAddr);

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

    /// Sleeps until a packet arrives, a [`Waker`](crate::link::wait::Waker) calls, or the engine wants to be polled; not at all while the last
    /// work is less than the waiter's spin ago. To be called with what [`Engine::poll`] returned, when all events are handled. A device that
    /// refused packets is waited for without spinning.
    ///
    /// A thread that runs several engines uses [`Waiter::wait`] with all their descriptors and deadlines.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the device has no descriptor, so that nothing would end the sleep for a packet, and what the system
    /// says.
    #[cfg(target_os = "linux")]
    pub fn wait(&self, waiter: &mut Waiter, now: Instant, progress: Progress) -> io::Result<Wakeup> {
        self.wait_until(waiter, now, progress, None)
    }

    /// Sleeps as [`Engine::wait`] does, but no longer than until `latest`.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    #[cfg(target_os = "linux")]
    pub fn wait_until(
        &self,
        waiter: &mut Waiter,
        now: Instant,
        progress: Progress,
        latest: Option<Instant>,
    ) -> io::Result<Wakeup> {
        if !progress.is_idle() {
            waiter.note_work(now);
        }
        let blocked = self.has_refused();
        let deadline = if blocked {
            self.next_timer()
        } else {
            self.next_deadline()
        };
        let Some(descriptor) = self.device.descriptor() else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this device has no descriptor to wait for: poll it, or give both its ends to one thread",
            ));
        };
        let watch = Watch {
            descriptor,
            writable: blocked,
        };
        let deadline = [deadline, latest].into_iter().flatten().min();
        waiter.wait(now, deadline, &[watch])
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

    /// Waits for connections to `at`; the unspecified address stands for all of ours. At most `backlog` wait to be accepted, one at
    /// least. While so many do, a SYN is dropped, and so is the last acknowledgment of a handshake that had begun: its peer says it again,
    /// and is heard when there is room. Nobody is reset for that.
    ///
    /// # Errors
    /// If that address and port have a listener.
    pub fn tcp_listen(&mut self, at: SocketAddr, backlog: usize) -> Result<ListenerHandle, AddressInUse> {
        let address = Address::from(at.ip());
        let address = (!address.is_unspecified()).then_some(address);
        self.transport
            .tcp
            .listen(address, at.port(), backlog)
            .map(ListenerHandle)
            .map_err(|_| AddressInUse(at))
    }

    /// The next connection that a listener has established.
    pub fn tcp_accept(&mut self, listener: ListenerHandle) -> Option<TcpHandle> {
        self.transport.tcp.accept(listener.0).map(TcpHandle)
    }

    /// Closes a listener and resets the connections that nobody accepted.
    pub fn tcp_close_listener(&mut self, listener: ListenerHandle) {
        self.transport.tcp.close_listener(output!(self), listener.0);
    }

    /// Starts to connect to `remote`, from `local` or from the engine's first address of that family. The local port is chosen by RFC 6056.
    /// [`Readiness::CONNECTED`](crate::application::Readiness::CONNECTED) or `FAILED` follows.
    ///
    /// # Errors
    /// If the addresses cannot be used, or there is no room or no free port.
    pub fn tcp_connect(
        &mut self,
        local: Option<IpAddr>,
        remote: SocketAddr,
    ) -> Result<TcpHandle, ConnectError> {
        let to = Address::from(remote.ip());
        if to.is_unspecified() || to.is_multicast() || to.is_limited_broadcast() || remote.port() == 0 {
            return Err(ConnectError::InvalidRemoteAddress);
        }
        let from = match local {
            Some(local) => Some(Address::from(local))
                .filter(|from| self.internet.is_local(from) && from.is_v4() == to.is_v4()),
            None => self.internet.source_for(&to),
        };
        if !self.internet.has_route(&to) {
            return Err(ConnectError::NoRoute);
        }
        let from = from.ok_or(ConnectError::InvalidLocalAddress)?;
        self.transport
            .tcp
            .connect(self.now, from, to, remote.port())
            .map(TcpHandle)
    }

    /// Copies bytes to the send queue and returns how many it took. Fewer than all means that `WRITABLE` follows.
    ///
    /// # Errors
    /// If the connection is gone, failed, or shut down.
    pub fn tcp_send(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, StreamError> {
        let mut rest = bytes;
        let taken = self
            .transport
            .tcp
            .send_with(connection.0, bytes.len(), |target: &mut [u8]| {
                let (now, later) = rest.split_at(target.len());
                target.copy_from_slice(now);
                rest = later;
            })?;
        self.transport.tcp.note_application_copy(taken);
        Ok(taken)
    }

    /// Lets `fill` produce up to `length` bytes in the very memory that will be sent (it is called once or more, for consecutive stretches),
    /// and returns how many there was room for.
    ///
    /// # Errors
    /// As [`Engine::tcp_send`].
    pub fn tcp_send_with(
        &mut self,
        connection: TcpHandle,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<usize, StreamError> {
        self.transport.tcp.send_with(connection.0, length, fill)
    }

    /// A frame for the application to fill, to be frozen and sent with [`Engine::tcp_send_payload`]. `None` when the pool has none.
    pub fn allocate(&self, size: Size) -> Option<Frame> {
        self.pool.allocate(Purpose::Application, size)
    }

    /// Sends a payload without copying it. `Ok(Some(payload))` gives it back when the queue has no room; `WRITABLE` follows.
    ///
    /// # Errors
    /// As [`Engine::tcp_send`].
    pub fn tcp_send_payload(
        &mut self,
        connection: TcpHandle,
        payload: Payload,
    ) -> Result<Option<Payload>, StreamError> {
        self.transport.tcp.send_payload(connection.0, payload)
    }

    /// Copies received bytes to `target` and returns how many.
    ///
    /// # Errors
    /// If the connection is gone, or failed and everything before was read.
    pub fn tcp_receive(
        &mut self,
        connection: TcpHandle,
        target: &mut [u8],
    ) -> Result<Read<usize>, StreamError> {
        let mut filled = 0;
        let limit = target.len();
        let read = self
            .transport
            .tcp
            .receive_with(connection.0, limit, |bytes: &[u8]| {
                target[filled..filled + bytes.len()].copy_from_slice(bytes);
                filled += bytes.len();
            })?;
        self.transport.tcp.note_application_copy(filled);
        Ok(read.into())
    }

    /// Shows up to `limit` received bytes to `consume`, in the memory where they arrived (it is called once or more).
    ///
    /// # Errors
    /// As [`Engine::tcp_receive`].
    pub fn tcp_receive_with(
        &mut self,
        connection: TcpHandle,
        limit: usize,
        consume: &mut dyn FnMut(&[u8]),
    ) -> Result<Read<usize>, StreamError> {
        self.transport
            .tcp
            .receive_with(connection.0, limit, consume)
            .map(Into::into)
    }

    /// Takes up to `limit` received bytes for as long as the application wants. The window reopens when the chunk is dropped.
    ///
    /// # Errors
    /// As [`Engine::tcp_receive`].
    pub fn tcp_receive_chunk(
        &mut self,
        connection: TcpHandle,
        limit: usize,
    ) -> Result<Read<RxChunk>, StreamError> {
        self.transport
            .tcp
            .receive_chunk(connection.0, limit)
            .map(Into::into)
    }

    /// Closes the sending direction once everything queued is sent; receiving goes on.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn tcp_shutdown(&mut self, connection: TcpHandle) -> Result<(), StreamError> {
        self.transport.tcp.shutdown(connection.0)
    }

    /// Closes both directions and gives the handle up. What is queued is still sent; if received data was not read, the peer is told by a reset.
    /// `CLOSED` or `FAILED` is the last event of the handle, unless it came already.
    pub fn tcp_close(&mut self, connection: TcpHandle) {
        self.transport.tcp.close(output!(self), connection.0);
    }

    /// Resets the connection and gives the handle up; no event follows.
    pub fn tcp_abort(&mut self, connection: TcpHandle) {
        self.transport.tcp.abort(output!(self), connection.0);
    }

    /// Switches the Nagle algorithm off or on.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn tcp_set_no_delay(&mut self, connection: TcpHandle, no_delay: bool) -> Result<(), StreamError> {
        self.transport.tcp.set_no_delay(connection.0, no_delay)
    }

    /// Has the next `count` segments that bring text acknowledged at once, as they are at the start of a connection
    /// ([`TcpConfig::quick_acks`](crate::config::TcpConfig::quick_acks)); 0 lets acknowledgments wait for company (RFC 9293 section 3.8.6.3).
    /// One that waits already goes out, unless `count` is 0.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_quick_acks(&mut self, connection: TcpHandle, count: u8) -> Result<(), StreamError> {
        self.transport.tcp.set_quick_acks(connection.0, count)
    }

    /// Switches keep-alives on or off. A peer that answers none of the probes fails the connection as timed out.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_keep_alive(
        &mut self,
        connection: TcpHandle,
        keep_alive: Option<KeepAlive>,
    ) -> Result<(), StreamError> {
        self.transport
            .tcp
            .set_keep_alive(self.now, connection.0, keep_alive)
    }

    /// Sets the Diffserv field (RFC 2474) of the segments that an established connection sends from now on. Of `diffserv` the lower six bits
    /// count.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn tcp_set_diffserv(&mut self, connection: TcpHandle, diffserv: u8) -> Result<(), StreamError> {
        self.transport.tcp.set_diffserv(connection.0, diffserv & 0x3f)
    }

    /// Says how long sent data may stay unacknowledged before the connection fails as timed out.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_user_timeout(
        &mut self,
        connection: TcpHandle,
        timeout: UserTimeout,
    ) -> Result<(), StreamError> {
        self.transport.tcp.set_user_timeout(connection.0, timeout)
    }

    /// Sends bytes as [`Engine::tcp_send`] does and tells the peer that they are urgent (RFC 9293 section 3.8.5): his application hears of
    /// it before it reads them. They travel in line with all others. New protocols should do without (RFC 6093 section 5).
    ///
    /// # Errors
    /// As [`Engine::tcp_send`].
    pub fn tcp_send_urgent(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, StreamError> {
        let taken = self.tcp_send(connection, bytes)?;
        if taken > 0 {
            self.transport.tcp.mark_urgent(connection.0)?;
        }
        Ok(taken)
    }

    /// How many octets there are to be read up to the last urgent one, arrived or not; `None` when no urgent data is pending.
    /// [`Readiness::URGENT`](crate::application::Readiness::URGENT) tells when there is some, or more. A reader who asks for no more than
    /// so many octets stops right behind the urgent data.
    pub fn tcp_urgent_mark(&mut self, connection: TcpHandle) -> Option<u32> {
        self.transport.tcp.urgent_mark(connection.0)
    }

    /// Says what [`Engine::tcp_close`] does with what is queued: `None`, the default, delivers it for as long as
    /// [`TcpConfig::orphan_retries`](crate::config::TcpConfig::orphan_retries) allows; a time bounds that, and the connection is reset when it
    /// is over; zero makes it an abort, of which no event tells.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_linger(
        &mut self,
        connection: TcpHandle,
        limit: Option<Duration>,
    ) -> Result<(), StreamError> {
        self.transport.tcp.set_linger(connection.0, limit)
    }

    /// Gives an attempt to connect so much time, from now on or from its first SYN; then it fails as timed out. Without effect on a connection that is open.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_connect_timeout(
        &mut self,
        connection: TcpHandle,
        limit: Duration,
    ) -> Result<(), StreamError> {
        self.transport
            .tcp
            .set_connect_timeout(connection.0, limit, self.now)
    }

    /// Sets how many bytes the connection queues for sending, 1 to 2³⁰, instead of
    /// [`TcpConfig::send_buffer`](crate::config::TcpConfig::send_buffer). What is queued already stays.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_send_buffer(&mut self, connection: TcpHandle, bytes: u32) -> Result<(), StreamError> {
        self.transport.tcp.set_send_buffer(connection.0, bytes)
    }

    /// Sets how many bytes the connection queues for the application, 1 to 2³⁰, and so the largest window it offers, as far as the window
    /// scale can tell, which was chosen with the SYN. A window that was offered is not taken back.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_receive_buffer(&mut self, connection: TcpHandle, bytes: u32) -> Result<(), StreamError> {
        self.transport.tcp.set_receive_buffer(connection.0, bytes)
    }

    /// Spreads what the connection sends over time, or no longer. Bursts are of about a millisecond, two segments at least; the timer
    /// asks for polls as often ([`Engine::next_deadline`]).
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_pacing(&mut self, connection: TcpHandle, pacing: Pacing) -> Result<(), StreamError> {
        self.transport.tcp.set_pacing(connection.0, pacing)
    }

    /// Gives the connection another congestion control than [`TcpConfig::congestion`](crate::config::TcpConfig::congestion). An open
    /// connection goes on with the window that it has.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_congestion(
        &mut self,
        connection: TcpHandle,
        congestion: Congestion,
    ) -> Result<(), StreamError> {
        self.transport.tcp.set_congestion(connection.0, congestion)
    }

    /// What the trouble is that [`Readiness::TROUBLE`](crate::application::Readiness::TROUBLE) told of last, once. The connection goes on
    /// (RFC 9293 sections 3.8.3 and 3.9.1.8).
    pub fn tcp_take_trouble(&mut self, connection: TcpHandle) -> Option<SoftError> {
        self.transport.tcp.take_trouble(connection.0)
    }

    /// The state of a connection; `None` when the handle is stale.
    pub fn tcp_state(&mut self, connection: TcpHandle) -> Option<State> {
        self.transport.tcp.state(connection.0)
    }

    /// What a connection looks like just now; `None` when the handle is stale.
    pub fn tcp_info(&mut self, connection: TcpHandle) -> Option<TcpInfo> {
        self.transport.tcp.info(connection.0, self.now)
    }

    /// Why a connection failed; `None` when it did not.
    pub fn tcp_error(&mut self, connection: TcpHandle) -> Option<ConnectionError> {
        self.transport.tcp.error(connection.0)
    }

    /// The local and the remote end of a connection; `None` when the handle is stale.
    pub fn tcp_addresses(&mut self, connection: TcpHandle) -> Option<(SocketAddr, SocketAddr)> {
        self.transport.tcp.addresses(connection.0)
    }

    /// Opens a UDP socket on `at`; the unspecified address stands for all of ours.
    ///
    /// # Errors
    /// If the address is taken or not ours, or there are as many sockets as configured.
    pub fn udp_bind(&mut self, at: SocketAddr) -> Result<UdpHandle, BindError> {
        let address = Address::from(at.ip());
        if !address.is_unspecified() && !self.internet.is_local(&address) {
            return Err(BindError::InvalidAddress);
        }
        self.transport.udp.bind(address, at.port()).map(UdpHandle)
    }

    /// Makes the host hear a multicast group, or by 255.255.255.255 broadcasts, those to a network on the link too: datagrams to there come to
    /// the socket that is bound to their port and to the unspecified address. What the engine sends there itself does not come back.
    ///
    /// # Errors
    /// If `group` is no such address, or the host is in [`MAX_GROUPS`](crate::internet::MAX_GROUPS).
    pub fn join_group(&mut self, group: IpAddr) -> Result<(), GroupError> {
        self.internet.join(self.now, &group.into())
    }

    /// Takes back one [`Engine::join_group`].
    ///
    /// # Errors
    /// If there was none.
    pub fn leave_group(&mut self, group: IpAddr) -> Result<(), GroupError> {
        self.internet.leave(self.now, &group.into())
    }

    /// Closes a UDP socket; what waits in it is dropped.
    pub fn udp_close(&mut self, socket: UdpHandle) {
        self.transport.udp.close(socket.0);
    }

    /// Sends a datagram whose `length` bytes `fill` produces in the very memory that will be sent.
    ///
    /// # Errors
    /// If the handle is stale, the datagram is too large, or there is no room now.
    pub fn udp_send_with(
        &mut self,
        socket: UdpHandle,
        to: SocketAddr,
        length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), SendError> {
        if self.transmit_queue.room() == 0 {
            self.hand_over();
        }
        self.transport
            .udp
            .send_with(output!(self), socket.0, to, length, fill)
    }

    /// Copies and sends a datagram.
    ///
    /// # Errors
    /// As [`Engine::udp_send_with`].
    pub fn udp_send(&mut self, socket: UdpHandle, to: SocketAddr, bytes: &[u8]) -> Result<(), SendError> {
        self.udp_send_with(socket, to, bytes.len(), &mut |target| {
            target.copy_from_slice(bytes);
        })
    }

    /// Sends a payload as a datagram without copying it.
    ///
    /// # Errors
    /// As [`Engine::udp_send_with`].
    pub fn udp_send_payload(
        &mut self,
        socket: UdpHandle,
        to: SocketAddr,
        payload: Payload,
    ) -> Result<(), SendError> {
        if self.transmit_queue.room() == 0 {
            self.hand_over();
        }
        self.transport
            .udp
            .send_payload(output!(self), socket.0, to, payload)
    }

    /// The next datagram of a socket, in the memory where it arrived.
    pub fn udp_receive(&mut self, socket: UdpHandle) -> Option<Datagram> {
        self.transport.udp.receive(socket.0)
    }

    /// The ICMP error that a socket's datagrams met last, once.
    pub fn udp_take_error(&mut self, socket: UdpHandle) -> Option<ConnectionError> {
        self.transport.udp.take_error(socket.0)
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

    /// What has happened since the engine was made.
    pub fn counters(&self) -> Counters {
        Counters {
            device: self.device.counters(),
            internet: *self.internet.counters(),
            ethernet: self.internet.ethernet_counters(),
            tcp: *self.transport.tcp.counters(),
            udp: *self.transport.udp.counters(),
        }
    }

    /// What TIME_WAIT holds and what became of it.
    pub fn time_wait(&self) -> TimeWaitStatus {
        self.transport.tcp.time_wait_status()
    }

    /// Looks for a rule of the engine that does not hold: sequence numbers out of order, an octet that two places or none account for, work
    /// without a timer. For simulations, fuzzers and debugging, between any two calls; O(everything that the engine holds).
    ///
    /// # Errors
    /// The first broken rule, with the connection that breaks it. That is a defect of the engine, whatever it was fed.
    pub fn check_invariants(&self) -> Result<(), Violation> {
        self.transport.tcp.check_invariants()?;
        self.pool.audit().map_err(|rule| Violation {
            connection: None,
            rule,
        })
    }

    /// Memory that connections take.
    pub fn tcp_memory(&self) -> TcpMemory {
        self.transport.tcp.memory()
    }

    /// Fills TIME_WAIT with `count` entries towards `remotes` whose expiries are spread evenly over the next 2MSL, as if that many connections
    /// had been closed during the last one. For measurements. Returns how many were made; fewer when ports or capacity run out.
    pub fn preload_time_wait(
        &mut self,
        now: Instant,
        locals: &[IpAddr],
        remotes: &[SocketAddr],
        count: u64,
    ) -> u64 {
        self.now = self.now.max(now);
        self.transport
            .tcp
            .preload_time_wait(self.now, locals, remotes, count)
    }
}
