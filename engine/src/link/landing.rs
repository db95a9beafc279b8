//! Where a packet of unknown length is received: a small frame, and a large one for what goes beyond.
//!
//! Most packets are no longer than an ordinary MTU and should not pin 64 KiB; some are runs of segments that fill them. Nothing is copied:
//! a long packet is two pieces, of which the first holds all headers.

use std::io::IoSliceMut;

use crate::frame::{Frame, FramePool, LARGE_SLOT, Packet, Payload, Purpose, SMALL_SLOT, Size};

/// The frames for the next packet.
#[derive(Debug)]
pub(super) struct Landing {
    pool: FramePool,
    /// Bytes of the longest packet that may come.
    longest: usize,
    front: Option<Frame>,
    rest: Option<Frame>,
}

/// A packet as it was received.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) front: Payload,
    pub(super) rest: Payload,
}

impl Landing {
    /// Takes frames from `pool`, for packets of up to `longest` bytes.
    pub(super) fn new(pool: FramePool, longest: usize) -> Self {
        Self {
            pool,
            longest,
            front: None,
            rest: None,
        }
    }

    /// Sees to it that there are frames; `false` when the pool has none. Without a large one short packets still pass, because a pool that
    /// is held must not stop the packets that would free it.
    pub(super) fn prepare(&mut self) -> bool {
        if self.front.is_none() {
            self.front = blank(&self.pool, Size::Small);
        }
        if self.rest.is_none() && self.longest >= SMALL_SLOT {
            self.rest = blank(&self.pool, Size::Large);
        }
        self.front.is_some()
    }

    /// Where to receive into, after [`Landing::prepare`].
    pub(super) fn room(&mut self) -> [IoSliceMut<'_>; 2] {
        [&mut self.front, &mut self.rest]
            .map(|frame| IoSliceMut::new(frame.as_deref_mut().unwrap_or_default()))
    }

    /// Takes out a packet of `bytes` that was received. `None` when it fills all the room, for it may have been longer.
    pub(super) fn take(&mut self, bytes: usize) -> Option<Landed> {
        let room: usize = self.room().iter().map(|part| part.len()).sum();
        if bytes >= room {
            return None;
        }
        let mut front = self.front.take()?;
        let beyond = bytes.saturating_sub(front.len());
        front.truncate(bytes);
        let rest = if beyond == 0 {
            Payload::empty()
        } else {
            let mut rest = self.rest.take()?;
            rest.truncate(beyond);
            rest.freeze()
        };
        Some(Landed {
            front: front.freeze(),
            rest,
        })
    }
}

impl Landed {
    /// Puts the bytes into an empty packet.
    pub(super) fn move_into(self, packet: &mut Packet) {
        for piece in [self.front, self.rest] {
            if !piece.is_empty() {
                let pushed = packet.push_piece(piece);
                debug_assert!(pushed.is_ok(), "an empty packet takes two pieces");
            }
        }
    }
}

fn blank(pool: &FramePool, size: Size) -> Option<Frame> {
    let mut frame = pool.allocate(Purpose::Receive, size)?;
    let bytes = match size {
        Size::Small => SMALL_SLOT,
        Size::Large => LARGE_SLOT,
    };
    frame.extend(bytes)?;
    Some(frame)
}
