//! Datagram sockets.

mod post;
mod socket;

pub use self::socket::UdpSocket;

pub(crate) use self::post::{Post, PostState};
