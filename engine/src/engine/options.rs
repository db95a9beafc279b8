//! What an application may ask of a connection, as socket options do elsewhere.

use super::Engine;
use crate::application::{StreamError, TcpHandle};
use crate::config::{Congestion, KeepAlive, Pacing, UserTimeout};
use crate::link::Device;
use crate::time::Duration;

impl<D: Device> Engine<D> {
    /// Switches the Nagle algorithm off or on. Switched off, it also lets go what a cork holds back at that time
    /// ([`Engine::tcp_set_cork`]); the cork stays for what is written later.
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

    /// Corks the connection or uncorks it: while corked, text that does not fill a segment waits for more, even when nothing is outstanding
    /// and although Nagle is off. Uncorking, [`Engine::tcp_shutdown`], urgent data and [`Engine::tcp_set_no_delay`] let it go; so does the
    /// retransmission timeout, 200 ms at least, when nothing is outstanding. What others write with `MSG_MORE`, and what they put between
    /// `TCP_CORK` and its end.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_cork(&mut self, connection: TcpHandle, corked: bool) -> Result<(), StreamError> {
        self.transport.tcp.set_cork(connection.0, corked)
    }

    /// Bounds how many bytes wait unsent beyond what the windows take now, 1 at least; `None`, the default, for as many as the send queue
    /// holds. [`Readiness::WRITABLE`](crate::application::Readiness::WRITABLE) comes when less than half of them wait
    /// (`TCP_NOTSENT_LOWAT`). What goes out early is fresh: the rest can still be decided on.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_unsent_low_water(
        &mut self,
        connection: TcpHandle,
        bytes: Option<u32>,
    ) -> Result<(), StreamError> {
        self.transport.tcp.set_unsent_low_water(connection.0, bytes)
    }

    /// Sets the largest window that the connection offers, 1 to 2³⁰ bytes, and grows to by itself, whatever
    /// [`Engine::tcp_set_receive_buffer`] says or will say (`TCP_WINDOW_CLAMP`). Bytes that wait for the application are taken off, as they
    /// are of the buffer. A window that was offered is not taken back.
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_window_clamp(&mut self, connection: TcpHandle, bytes: u32) -> Result<(), StreamError> {
        self.transport.tcp.set_window_clamp(connection.0, bytes)
    }

    /// Says how long the connection, once closed, waits for the peer's FIN in FIN-WAIT-2, instead of
    /// [`TcpConfig::fin_wait_2`](crate::config::TcpConfig::fin_wait_2); zero resets it as soon as ours is acknowledged (`TCP_LINGER2`).
    ///
    /// # Errors
    /// If the connection is gone or over.
    pub fn tcp_set_fin_wait_2(&mut self, connection: TcpHandle, limit: Duration) -> Result<(), StreamError> {
        self.transport.tcp.set_fin_wait_2(connection.0, limit)
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
}
