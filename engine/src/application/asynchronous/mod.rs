//! Sockets for asynchronous programs: [`TcpStream`], [`TcpListener`] and [`UdpSocket`] with the traits of tokio and of futures-io, for any
//! executor, and for any thread although the engine stays on its own.
//!
//! [`network`] makes two ends. The [`Network`] goes to the program, which makes sockets with it. The [`Station`] goes to the thread of the
//! engine, whose [`Driver`](crate::engine::driver::Driver) moves bytes between the sockets and the engine. No reactor, no runtime and no
//! timer of a runtime is involved: what a socket waits for, the driver wakes.
//!
//! | | copies | |
//! |---|---|---|
//! | read | one, from the memory in which the bytes arrived | none with [`TcpStream::chunk`] |
//! | write | one into the socket, one into the frame that is sent | |
//!
//! Every operation can be abandoned: a future that is dropped has done nothing, and no bytes are lost with it. Dropping a stream closes the
//! connection in the background as `close(2)` does: what was written is still sent, and a peer whose bytes were not read hears of it
//! by a reset. A write waits while the socket holds as much as the engine does not take yet, and so, in the end, for the peer.
//!
//! ```no_run
#![doc = include_str!("../../../examples/async_echo.rs")]
//! ```

mod chunk;
mod error;
mod mailbox;
mod shared;
mod tcp;
mod udp;
mod wakers;

pub use self::chunk::Chunk;
pub use self::mailbox::{Network, Station, network};
pub use self::tcp::{
    Incoming, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, Setting, TcpListener, TcpStream,
    WriteHalf,
};
pub use self::udp::UdpSocket;

pub(crate) use self::chunk::Piece;
pub(crate) use self::error::Failure;
pub(crate) use self::mailbox::Call;
pub(crate) use self::shared::{Shared, State};
pub(crate) use self::tcp::{Door, Pipe, PipeState, Stage};
pub(crate) use self::udp::{Post, PostState};
