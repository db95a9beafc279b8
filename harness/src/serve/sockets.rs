//! What the services know of a stack: streams and datagrams of tokio's kind.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;

use handfast::application::asynchronous::{self as engine, Setting};
use handfast::config::KeepAlive;
use handfast::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A peer that is quiet for so long is asked whether it is still there, and given up after three questions.
const QUIET: KeepAlive = KeepAlive {
    idle: Duration::from_secs(60),
    interval: Duration::from_secs(20),
    probes: 3,
};

/// Where connections come from.
pub(super) trait Listener {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection, which sends without delay and notices when its peer is gone.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Whether connections can be accepted after this error.
    fn is_passing(error: &io::Error) -> bool;
}

impl Listener for engine::TcpListener {
    type Stream = engine::TcpStream;

    async fn accept(&self) -> io::Result<engine::TcpStream> {
        let (stream, _) = self.accept().await?;
        // One that has failed already says so when it is read.
        let _ = stream.set_nodelay(true);
        let _ = stream.set(Setting::KeepAlive(Some(QUIET)));
        Ok(stream)
    }

    /// It fails only with its engine.
    fn is_passing(_error: &io::Error) -> bool {
        false
    }
}

impl Listener for tokio::net::TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<tokio::net::TcpStream> {
        let (stream, _) = self.accept().await?;
        let quiet = socket2::TcpKeepalive::new()
            .with_time(QUIET.idle.into())
            .with_interval(QUIET.interval.into())
            .with_retries(QUIET.probes.into());
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&quiet);
        Ok(stream)
    }

    /// A connection that was gone before it was accepted, or a limit of the process.
    fn is_passing(_error: &io::Error) -> bool {
        true
    }
}

/// A socket for datagrams.
pub(super) trait Datagrams {
    fn receive(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>>;
    fn send(&self, bytes: &[u8], to: SocketAddr) -> impl Future<Output = io::Result<usize>>;
}

impl Datagrams for engine::UdpSocket {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer).await
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.send_to(bytes, to).await
    }
}

impl Datagrams for tokio::net::UdpSocket {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.recv_from(buffer).await
    }

    async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.send_to(bytes, to).await
    }
}

/// What the first of several futures gives; nothing, ever, when there are none.
pub(super) async fn first<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> T {
    let mut futures: Vec<Pin<Box<_>>> = futures.map(Box::pin).collect();
    let mut any = pin!(poll_fn(move |context| {
        let ready = futures
            .iter_mut()
            .find_map(|future| match future.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            });
        ready.map_or(Poll::Pending, Poll::Ready)
    }));
    any.as_mut().await
}
