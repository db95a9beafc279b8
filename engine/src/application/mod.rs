//! Layer 4: what an application holds: typed handles and readiness events.
//!
//! A handle names one socket for ever: it carries a generation, so that a handle which outlives its socket is recognised and answered with an
//! error, never with another socket's data.
//!
//! # When the network fails
//!
//! What becomes of a connection, and what the application hears. `engine/tests/engine/peers/faults.rs` has each of these happen between the
//! engine and the kernel, unless another place is named; `docs/faults.md` has the tests by name.
//!
//! | what happens | what becomes of it |
//! |---|---|
//! | the interface is down for a while | what was sent meanwhile is sent again; [`Readiness::TROUBLE`] tells when three times were in vain |
//! | the peer vanishes | `TROUBLE`, and when the user timeout is over, or [`TcpConfig::retries`](crate::config::TcpConfig::retries) are, `FAILED` with [`ConnectionError::TimedOut`] |
//! | the interface is removed under load | as if the peer had vanished; the device counts what it drops, and [`Engine::wait`](crate::engine::Engine::wait) sleeps on; [`Device::is_gone`](crate::link::Device::is_gone) tells who asks |
//! | a neighbour does not answer | an attempt to connect fails with [`ConnectionError::Unreachable`] after three solicitations; an open connection hears `TROUBLE`, [`SoftError::HostUnreachable`]; a UDP socket has an error (`internet/neighbours.rs`) |
//! | an address moves to another station that announces it | followed at once, but not twice in a second |
//! | an address moves silently | found out when the neighbour is probed: after the second timeout of a connection in a row, else after at most 53 s with the default times; a connection outlives that (`internet/conflicts.rs`, `internet/neighbours.rs`) |
//! | the path becomes narrow, and a router says so | segments become smaller at once (RFC 1191, RFC 8201) |
//! | the path becomes narrow, and nobody says so | segments become smaller after some timeouts (RFC 4821; `transport/path_mtu.rs`) |
//! | bits fall over | checksums find out, the segment is sent again, a counter tells |
//! | somebody else claims an address of ours | he is not believed, and it is counted; with [`LinkConfig::address_conflict_detection`](crate::config::LinkConfig) he is told (`internet/conflicts.rs`) |
//! | somebody has an address before us | it is never ours, and [`Engine::addresses`](crate::engine::Engine::addresses) does not have it; for IPv4 with that same knob (`internet/conflicts.rs`, `internet/neighbours.rs`) |

#[cfg(feature = "async")]
pub mod asynchronous;

use crate::transport::ready::Ready;
use crate::transport::tcp::Id;

pub use crate::frame::RxChunk;
pub use crate::transport::ready::Ready as Readiness;
pub use crate::transport::tcp::{ConnectError, ConnectionError, Limit, SoftError, StreamError, TcpInfo};
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
