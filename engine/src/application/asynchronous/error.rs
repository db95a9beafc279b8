//! What goes wrong, as the errors of `std::io`.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use crate::transport::tcp::{ConnectError, ConnectionError};
use crate::transport::udp::{BindError, SendError};

/// Why a socket does not do what it was asked to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Send(#[from] SendError),
    /// A listener has that address and port.
    #[error("{0} has a listener already")]
    ListenerExists(SocketAddr),
    /// Every port that a socket without a port of its own could have is taken.
    #[error("no port is free to be chosen from; name one")]
    NoFreePort,
    /// The sending direction is shut down, by us, or with the connection.
    #[error("the sending direction is shut down")]
    ShutDown,
    /// A datagram socket was to send to its peer and has none.
    #[error("the socket is not connected; name the receiver, or connect it")]
    NoPeer,
    /// Nobody drives the engine any more.
    #[error("the engine of this network has ended")]
    NoDriver,
}

impl Failure {
    fn kind(self) -> ErrorKind {
        match self {
            Self::Connection(ConnectionError::Reset) => ErrorKind::ConnectionReset,
            Self::Connection(ConnectionError::Refused) => ErrorKind::ConnectionRefused,
            Self::Connection(ConnectionError::TimedOut) => ErrorKind::TimedOut,
            Self::Connection(ConnectionError::Unreachable) => ErrorKind::HostUnreachable,
            Self::Connect(ConnectError::NoRoute) => ErrorKind::NetworkUnreachable,
            Self::Connect(ConnectError::InvalidRemoteAddress)
            | Self::Send(SendError::TooLarge { .. } | SendError::WrongFamily) => ErrorKind::InvalidInput,
            Self::Connect(ConnectError::TooManyConnections | ConnectError::TooManyDestinations)
            | Self::Bind(BindError::TooManySockets) => ErrorKind::QuotaExceeded,
            Self::Connect(ConnectError::PortsExhausted | ConnectError::InvalidLocalAddress)
            | Self::Bind(BindError::InvalidAddress)
            | Self::Send(SendError::NoSource)
            | Self::NoFreePort => ErrorKind::AddrNotAvailable,
            Self::Bind(BindError::InUse) | Self::ListenerExists(_) => ErrorKind::AddrInUse,
            Self::ShutDown => ErrorKind::BrokenPipe,
            Self::Send(SendError::NoRoom) => ErrorKind::WouldBlock,
            Self::Send(SendError::NoSocket) | Self::NoPeer => ErrorKind::NotConnected,
            Self::NoDriver => ErrorKind::ConnectionAborted,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind(), failure)
    }
}
