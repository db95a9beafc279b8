//! The two directions of a stream, for two places in a program.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::stream::TcpStream;

/// The reading half of a borrowed stream.
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a borrowed stream.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a stream. The connection lives as long as either half.
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a stream. Dropping it shuts the sending direction down, unless [`OwnedWriteHalf::forget`] is called.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shuts_down: bool,
}

/// Two halves that were given to [`OwnedReadHalf::reunite`] are of two streams. They are given back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of one stream")
    }
}

impl std::error::Error for ReuniteError {}

impl<'a> ReadHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self(stream)
    }
}

impl<'a> WriteHalf<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self(stream)
    }
}

impl OwnedReadHalf {
    pub(super) fn pair(stream: TcpStream) -> (Self, OwnedWriteHalf) {
        let stream = Arc::new(stream);
        let writing = OwnedWriteHalf {
            stream: stream.clone(),
            shuts_down: true,
        };
        (Self(stream), writing)
    }

    /// Puts the halves together again.
    ///
    /// # Errors
    /// Gives them back if they are not of one stream.
    pub fn reunite(self, mut other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.shuts_down = false;
        drop(other);
        // The other half was the only other owner.
        Ok(Arc::into_inner(self.0).expect("two halves own a stream"))
    }
}

impl OwnedWriteHalf {
    /// Drops the half and leaves the sending direction open.
    pub fn forget(mut self) {
        self.shuts_down = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts_down {
            // A connection that has failed needs no end.
            let _ = self.stream.shut_down();
        }
    }
}

impl Deref for ReadHalf<'_> {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        self.0
    }
}

impl Deref for WriteHalf<'_> {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        self.0
    }
}

impl Deref for OwnedReadHalf {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

impl Deref for OwnedWriteHalf {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.stream
    }
}
