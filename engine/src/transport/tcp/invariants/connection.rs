//! The rules of one connection.

use super::{Checked, ensure};
use crate::transport::flow_table::Flow;
use crate::transport::tcp::Tcp;
use crate::transport::tcp::connection::{Connection, Flags as Has, NO_QUEUE};
use crate::transport::tcp::send_queue::SendQueue;
use crate::transport::tcp::state::State;

impl Tcp {
    pub(super) fn check_connection(&self, index: u32, connection: &Connection) -> Checked {
        if connection.flags.has(Has::DETACHED) {
            return check_detached(connection);
        }
        let found = self
            .flows
            .find(connection.hash, |flow| flow == Flow::Connection(index));
        ensure!(
            found.is_some(),
            "the flow table does not know a living connection"
        );
        ensure!(
            connection.flags.has(Has::KEEPS_ALIVE) == self.watches.contains_key(&index),
            "keep-alives are on in one place and off in the other"
        );
        ensure!(
            connection.flags.has(Has::RARE) == self.rare.contains_key(&index),
            "the flag of what few connections have and the table of it disagree"
        );
        check_sequence_numbers(connection)?;
        self.check_send_queue(connection)?;
        self.check_receive_queue(index, connection)?;
        self.check_loss(connection)?;
        self.check_timers(connection)?;
        self.check_lists(index, connection)
    }

    fn check_send_queue(&self, connection: &Connection) -> Checked {
        let Some(queue) = self.queues.send.peek(connection.send) else {
            let sent = text_outstanding(connection);
            ensure!(
                sent == 0,
                "{sent} octets are outstanding, and no queue holds them"
            );
            return Ok(());
        };
        queue.check()?;
        let (sent, outstanding) = (queue.len() - queue.unsent(), text_outstanding(connection));
        ensure!(
            sent == outstanding,
            "{outstanding} octets are outstanding, {sent} are kept for sending again"
        );
        let unsent = queue.unsent();
        ensure!(
            !connection.flags.has(Has::FIN_SENT) || unsent == 0,
            "{unsent} octets were queued and not sent before our FIN"
        );
        Ok(())
    }

    fn check_receive_queue(&self, index: u32, connection: &Connection) -> Checked {
        // A promise is kept up to a segment and what rounding adds beyond the buffer; see `window_to_offer`. It may be from before the path
        // became narrow.
        let excess = u32::from(self.agreed_mss(index, connection)) + (1 << connection.rcv_scale);
        let limit = self.largest_receive_buffer(index, connection);
        let promised = connection.rcv_wnd().saturating_add(connection.rcv_buffered);
        ensure!(
            promised <= limit.saturating_add(excess),
            "{} octets are held and {} more may come, of {limit}",
            connection.rcv_buffered,
            connection.rcv_wnd()
        );
        let Some(queue) = self.queues.receive.peek(connection.receive) else {
            return Ok(());
        };
        let held = queue.queued_bytes();
        ensure!(
            held <= u64::from(connection.rcv_buffered),
            "{held} octets wait for the application, {} are accounted for",
            connection.rcv_buffered
        );
        queue.early.check(connection.rcv_nxt, connection.rcv_edge)
    }

    fn check_loss(&self, connection: &Connection) -> Checked {
        ensure!(
            connection.flags.has(Has::LOSS) == (connection.loss != NO_QUEUE),
            "the flag of loss and the state of loss disagree"
        );
        let loss = self.queues.loss.peek(connection.loss);
        loss.map_or(Ok(()), |loss| loss.check(connection))
    }

    /// Whatever is to happen without a segment from the peer has a timer, or its turn in the next poll.
    fn check_timers(&self, connection: &Connection) -> Checked {
        for deadline in [connection.retransmit_at, connection.ack_at, connection.quiet_at] {
            if let Some(at) = deadline.instant() {
                ensure!(
                    self.wheel.fires_by(&connection.link, at),
                    "the timer wheel wakes the connection after its deadline of {at:?}"
                );
            }
        }
        let outstanding = connection.snd_max - connection.snd_una;
        let (flags, has_timer) = (connection.flags, connection.retransmit_at.is_set());
        ensure!(
            outstanding > 0 || flags.has(Has::PROBING) || !has_timer,
            "the retransmission timer runs, and nothing is outstanding"
        );
        if flags.has(Has::DIRTY) {
            return Ok(());
        }
        ensure!(
            outstanding == 0 || has_timer,
            "{outstanding} octets are outstanding, and no timer runs"
        );
        ensure!(
            connection.rcv_acked == connection.rcv_nxt
                || connection.ack_at.is_set()
                || flags.has(Has::ACK_NOW | Has::ACK_SOON),
            "{} octets are not acknowledged, and no acknowledgment is due",
            connection.rcv_nxt - connection.rcv_acked
        );
        self.check_nothing_is_forgotten(connection, outstanding)
    }

    fn check_nothing_is_forgotten(&self, connection: &Connection, outstanding: u32) -> Checked {
        if matches!(connection.state, State::SynSent | State::SynReceived) {
            return Ok(());
        }
        let queue = self.queues.send.peek(connection.send);
        let unsent = queue.map_or(0, SendQueue::unsent);
        let probes = connection.flags.has(Has::PROBING) && connection.retransmit_at.is_set();
        let keeps_pace = connection.flags.has(Has::PACED) && connection.link.is_linked();
        ensure!(
            unsent == 0 || outstanding > 0 || probes || keeps_pace,
            "{unsent} octets wait to be sent, nothing is outstanding and the peer's window is not probed"
        );
        ensure!(
            unsent > 0 || outstanding > 0 || !connection.owes_fin(),
            "everything is acknowledged, and our FIN was not sent"
        );
        Ok(())
    }

    /// A flag that says "is on that list" is true.
    fn check_lists(&self, index: u32, connection: &Connection) -> Checked {
        let flags = connection.flags;
        ensure!(
            !flags.has(Has::DIRTY) || self.dirty.contains(index),
            "marked as dirty, and not on the list"
        );
        ensure!(
            !flags.has(Has::ACK_SOON) || self.soon.iter().any(|&waiting| waiting == index),
            "an acknowledgment is due soon, and not on the list"
        );
        ensure!(
            !flags.has(Has::EVENT_QUEUED) || self.notices.contains(index, connection.generation),
            "an event is marked as queued, and is not"
        );
        Ok(())
    }
}

/// Only the application's handle keeps such a connection.
fn check_detached(connection: &Connection) -> Checked {
    ensure!(
        connection.send == NO_QUEUE && connection.loss == NO_QUEUE,
        "a connection that is over holds what it would send"
    );
    Ok(())
}

/// RFC 9293 section 3.3.1, Figures 3 and 4.
fn check_sequence_numbers(connection: &Connection) -> Checked {
    let Connection {
        snd_una,
        snd_nxt,
        snd_max,
        rcv_acked,
        rcv_nxt,
        rcv_edge,
        ..
    } = *connection;
    ensure!(
        snd_una.le(snd_nxt) && snd_nxt.le(snd_max),
        "SND.UNA {snd_una:?}, SND.NXT {snd_nxt:?} and SND.MAX {snd_max:?} are out of order"
    );
    let fin = u32::from(connection.flags.has(Has::FIN_RECEIVED));
    ensure!(
        rcv_acked.le(rcv_nxt) && rcv_nxt.le(rcv_edge + fin),
        "the last acknowledgment {rcv_acked:?}, RCV.NXT {rcv_nxt:?} and the window's edge {rcv_edge:?} are out of order"
    );
    ensure!(
        connection.flags.has(Has::FIN_RECEIVED) == has_peers_fin(connection.state),
        "the peer's FIN does not go with {:?}",
        connection.state
    );
    if matches!(connection.state, State::SynSent | State::SynReceived) {
        ensure!(snd_max - snd_una <= 1, "more than a SYN was sent");
        return Ok(());
    }
    // The FIN goes whatever the window's size.
    let (outstanding, largest) = (snd_max - snd_una, connection.max_snd_wnd);
    ensure!(
        outstanding <= largest.saturating_add(1),
        "{outstanding} octets are outstanding, the peer's largest window was {largest}"
    );
    Ok(())
}

fn has_peers_fin(state: State) -> bool {
    matches!(
        state,
        State::CloseWait | State::Closing | State::LastAck | State::TimeWait
    )
}

/// Octets of text that were sent and not acknowledged.
fn text_outstanding(connection: &Connection) -> u32 {
    if matches!(connection.state, State::SynSent | State::SynReceived) {
        return 0;
    }
    let fin = connection.flags.has(Has::FIN_SENT) && !connection.all_acknowledged();
    (connection.snd_max - connection.snd_una).saturating_sub(u32::from(fin))
}
