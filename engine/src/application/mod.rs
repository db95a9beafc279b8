//! Layer 4: what an application holds: typed handles and readiness events.
//!
//! A handle names one socket for ever: it carries a generation, so that a handle which outlives its socket is recognised and answered with an
//! error, never with another socket's data.

#[cfg(feature = "async")]
pub mod asynchronous;

use crate::transport::ready::Ready;
use crate::transport::tcp::Id;

pub use crate::frame::RxChunk;
pub use crate::transport::ready::Ready as Readiness;
pub use crate::transport::tcp::{ConnectError, ConnectionError, SoftError, StreamError, TcpInfo};
pub use crate::transport::udp::{BindError, Datagram, SendError};

/// A TCP connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TcpHandle(pub(crate) Id);

/// A TCP listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListenerHandle(pub(crate) Id);

/// A UDP socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UdpHandle(pub(crate) Id);

macro_rules! dense {
    ($($handle:ident),*) => {$(
        impl $handle {
            /// A small number that no other living socket of this kind has: an index for the application's own table.
            pub const fn slot(&self) -> u32 {
                self.0.index
            }

            /// The handle that these two numbers came from. Any other pair of numbers makes a handle that names nothing, or another
            /// socket of the same application.
            pub const fn from_parts(slot: u32, generation: u32) -> Self {
                Self(Id { index: slot, generation })
            }

            /// Tells sockets that had the same slot one after another apart.
            pub const fn generation(&self) -> u32 {
                self.0.generation
            }
        }
    )*};
}

dense!(TcpHandle, ListenerHandle, UdpHandle);

/// Something became true of a socket. What happens again before the event is read is merged into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Of a connection.
    Tcp(TcpHandle, Ready),
    /// A listener has connections to accept.
    Acceptable(ListenerHandle),
    /// A UDP socket has datagrams to read, or an error to report.
    Udp(UdpHandle),
}

/// What a read found.
#[derive(Debug)]
pub enum Read<T> {
    /// Bytes.
    Data(T),
    /// Nothing yet; an event follows.
    WouldBlock,
    /// The peer has closed its direction, and everything was read.
    End,
}

impl<T> From<crate::transport::tcp::Read<T>> for Read<T> {
    fn from(read: crate::transport::tcp::Read<T>) -> Self {
        use crate::transport::tcp::Read as Found;
        match read {
            Found::Data(data) => Self::Data(data),
            Found::Nothing => Self::WouldBlock,
            Found::End => Self::End,
        }
    }
}
