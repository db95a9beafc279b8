//! Connections and listeners.

mod halves;
mod listener;
mod pipe;
mod stream;
mod traits;

pub use self::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use self::listener::{Incoming, TcpListener};
pub use self::pipe::Setting;
pub use self::stream::TcpStream;

pub(crate) use self::listener::Door;
pub(crate) use self::pipe::{Pipe, PipeState, Stage};
pub(super) use self::stream::now;
