//! What connections carry.

use super::Engine;
use crate::application::{Read, RxChunk, StreamError, TcpHandle};
use crate::frame::Payload;
use crate::link::Device;

impl<D: Device> Engine<D> {
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
}
