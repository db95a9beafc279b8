//! What few connections have, kept beside the connections so that the others pay nothing for it.

use super::Tcp;
use super::congestion::Algorithm;
use super::connection::Flags as Has;
use super::delivery::Delivery;
use super::pacing::Pace;
use super::path::Narrowed;
use super::seq::SeqNumber;
use super::trouble::SoftError;
use super::urgent::Urgent;
use super::user_timeout::Patience;
use crate::time::Duration;

/// All that is kept of one connection beside the connection itself.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// How long data may stay unacknowledged, if the application has said so.
    pub(super) patience: Option<Patience>,
    /// Segments are smaller than both ends agreed on, because the path is narrower.
    pub(super) narrowed: Option<Narrowed>,
    /// Where urgent data ends.
    pub(super) urgent: Urgent,
    /// What the application was told of last.
    pub(super) trouble: Option<SoftError>,
    /// How long the attempt to connect may take once it begins.
    pub(super) connect_timeout: Option<Duration>,
    /// How long closing may take.
    pub(super) linger: Option<Duration>,
    /// How many octets the receive queue holds, if the application has said so.
    pub(super) receive_buffer: Option<u32>,
    /// How fast the application takes what the peer sends.
    pub(super) delivery: Option<Delivery>,
    /// What its cork holds back goes once, although the cork stays.
    pub(super) pushes: bool,
    /// When the next segment may go.
    pub(super) pace: Option<Pace>,
    /// The congestion control of a connection that is not open yet, if not the configured one.
    pub(super) algorithm: Option<Algorithm>,
    /// The largest receive queue that the connection had.
    pub(super) largest_receive_buffer: u32,
    /// How many octets the send queue holds, if not as many as configured.
    pub(super) send_buffer: Option<u32>,
    /// How many octets may wait beyond what the windows take, if the application has said so.
    pub(super) unsent_low_water: Option<u32>,
    /// The largest window that the application wants offered.
    pub(super) window_clamp: Option<u32>,
    /// How long an orphan waits for the peer's FIN, if not as long as configured.
    pub(super) fin_wait_2: Option<Duration>,
    /// SND.MAX when an echo of congestion reduced the window last.
    pub(super) reduced: Option<SeqNumber>,
}

impl Tcp {
    /// What is kept of a connection; `None` for nearly all.
    #[inline]
    pub(super) fn rare(&mut self, index: u32) -> Option<&mut Rare> {
        let flags = self.connections.get(index).flags;
        flags.has(Has::RARE).then_some(())?;
        self.rare.get_mut(&index)
    }

    /// What is kept of a connection, new if there is nothing yet.
    pub(super) fn rare_or_new(&mut self, index: u32) -> &mut Rare {
        self.connections.get_mut(index).flags.set(Has::RARE);
        self.rare.entry(index).or_default()
    }

    /// The connection is over.
    #[inline]
    pub(super) fn forget_rare(&mut self, index: u32) {
        if self.connections.get_mut(index).flags.take(Has::RARE)
            && let Some(rare) = self.rare.remove(&index)
        {
            self.forget_narrowed(index, &rare);
        }
    }
}
