//! How connections end.

use super::Tcp;
use super::connection::{ConnectionError, Deadline, Flags as Has};
use super::state::State;
use super::time_wait::Entry;
use crate::internet::Output;
use crate::transport::flow_table::Flow;
use crate::transport::ready::Ready;

impl Tcp {
    /// The connection failed; the application is told why.
    pub(super) fn fail(&mut self, index: u32, error: ConnectionError) {
        let connection = self.connections.get_mut(index);
        if matches!(connection.state, State::SynSent | State::SynReceived) {
            self.counters.failed_opens += 1;
        }
        connection.error = Some(error);
        self.leave(index, Ready::FAILED, true);
    }

    /// The connection is over in good order.
    pub(super) fn finish(&mut self, index: u32) {
        self.leave(index, Ready::CLOSED, true);
    }

    /// Both FINs are exchanged and ours was first: the tuple stays in TIME_WAIT, everything else goes.
    pub(super) fn enter_time_wait(&mut self, out: &mut Output<'_>, index: u32) {
        let connection = self.connections.get_mut(index);
        connection.state = State::TimeWait;
        if connection.rcv_acked != connection.rcv_nxt {
            // The peer's FIN. When the FINs crossed, it was acknowledged already, and the acknowledgment of ours needs no answer.
            self.acknowledge(out, index);
        }
        let connection = self.connections.get(index);
        let window = (connection.rcv_wnd() >> connection.rcv_scale) as u16;
        let mut entry = Entry::new(connection.key, connection.snd_nxt, connection.rcv_nxt, window);
        if connection.flags.has(Has::TIMESTAMPS) {
            entry = entry.with_timestamps(connection.ts_recent);
        }
        if connection.destination.is_some() {
            entry = entry.with_ephemeral_port();
        }
        let hash = connection.hash;
        self.start_waiting(entry, hash, out.now);
        self.leave(index, Ready::CLOSED, false);
    }

    /// Takes a connection out of the world. Its slot is freed when the application has given up the handle; else it stays for what the
    /// application has not read yet.
    fn leave(&mut self, index: u32, last_news: Ready, release_port: bool) {
        self.detach(index, release_port);
        let connection = self.connections.get_mut(index);
        if connection.state != State::TimeWait {
            connection.state = State::Closed;
        }
        if connection.flags.has(Has::ORPHAN) {
            self.notices.last(index, connection, last_news);
            self.free(index);
        } else {
            self.notices.add(index, connection, last_news | Ready::READABLE);
        }
    }

    /// Out of the flow table, and nothing runs out any more; what was not sent is dropped. The wheel may wake the slot once more.
    pub(super) fn detach(&mut self, index: u32, release_port: bool) {
        let connection = self.connections.get_mut(index);
        if connection.flags.has(Has::DETACHED) {
            return;
        }
        connection.flags.set(Has::DETACHED);
        connection.flags.clear(Has::ACK_NOW | Has::ACK_SOON | Has::PACED);
        connection.retransmit_at = Deadline::NEVER;
        connection.ack_at = Deadline::NEVER;
        connection.quiet_at = Deadline::NEVER;
        if let Some(queue) = self.queues.send.get(connection.send) {
            queue.clear();
        }
        self.queues.send.detach(&mut connection.send);
        self.orphans -= u32::from(connection.flags.has(Has::ORPHAN));
        if release_port && let Some(destination) = connection.destination.take() {
            self.ports.release(destination, connection.key.local_port);
        }
        self.passive -= u32::from(connection.is_passive());
        let removed = self.flows.remove(connection.hash, Flow::Connection(index));
        debug_assert!(removed, "a connection is in the flow table until it is detached");
        if connection.flags.has(Has::KEEPS_ALIVE | Has::RARE | Has::LOSS) {
            self.forget_what_few_have(index);
        }
    }

    #[cold]
    fn forget_what_few_have(&mut self, index: u32) {
        self.forget_keep_alive(index);
        self.forget_rare(index);
        self.forget_loss(index);
    }

    /// Frees the slot of a connection that nobody can name any more.
    pub(super) fn free(&mut self, index: u32) {
        let connection = self.connections.get_mut(index);
        debug_assert!(
            connection.flags.has(Has::DETACHED),
            "a connection is detached before it is freed"
        );
        connection.state = State::Closed;
        if let Some(queue) = self.queues.receive.get(connection.receive) {
            queue.clear();
        }
        self.queues.receive.detach(&mut connection.receive);
        self.connections.remove(index);
    }
}
