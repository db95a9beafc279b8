//! Received messages, and the packets in them.
//!
//! A message that holds a run of packets can be 64 KiB long, but most hold one packet, which should not pin that much memory.
//! So each is received into two frames: a small one as long as the MTU, and a large one for what goes beyond.

use core::mem;
use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;

use crate::frame::{Checksum, Frame, FramePool, LARGE_SLOT, PacketQueue, Payload, Purpose, SMALL_SLOT, Size};
use crate::link::DeviceCounters;
use crate::link::sys::mmsg::{BATCH, Buffer, Received, Receiver};

/// Messages that are received at a time when each may need a large frame.
const LARGE_BATCH: usize = 16;

/// The frames to receive into, and the messages that are not split yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    pool: FramePool,
    mtu: usize,
    trusted: bool,
    /// Whether a message can be longer than one packet.
    merges: bool,
    receiver: Receiver,
    buffers: Box<[Buffer]>,
    waiting: VecDeque<Message>,
    overflows: u32,
}

impl Arrivals {
    pub(super) fn new(pool: FramePool, mtu: usize, trusted: bool, merges: bool) -> Self {
        let count = if merges || mtu > SMALL_SLOT {
            LARGE_BATCH
        } else {
            BATCH
        };
        Self {
            pool,
            mtu,
            trusted,
            merges,
            receiver: Receiver::new(),
            buffers: (0..count).map(|_| Buffer::default()).collect(),
            waiting: VecDeque::with_capacity(count),
            overflows: 0,
        }
    }

    /// Moves packets out of the waiting messages into `batch`, as far as there is room.
    pub(super) fn split_into(&mut self, batch: &mut PacketQueue, counters: &mut DeviceCounters) {
        while let Some(message) = self.waiting.front_mut() {
            while !message.is_empty() {
                let Some(packet) = batch.push() else { return };
                let Some(payload) = message.next_packet(&self.pool, &mut counters.copied_bytes) else {
                    batch.pop_back();
                    counters.dropped += 1;
                    continue;
                };
                if self.trusted {
                    packet.checksum = Checksum::Offloaded;
                }
                let pushed = packet.push_piece(payload);
                debug_assert!(pushed.is_ok(), "an empty packet takes a piece");
            }
            self.waiting.pop_front();
        }
    }

    /// Whether packets are left of messages that were received.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Receives up to `limit` messages; `false` when the socket has no more for now, or the pool no frames.
    pub(super) fn refill(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: usize,
        counters: &mut DeviceCounters,
    ) -> bool {
        let ready = self.prepare_buffers(limit);
        if ready == 0 {
            return false;
        }
        counters.system_calls += 1;
        match self.receiver.receive(socket, &mut self.buffers[..ready]) {
            Ok(count) => {
                for index in 0..count {
                    self.accept(index, counters);
                }
                count == ready
            }
            Err(error) => {
                // The report on a packet that was sent, for which nobody listened.
                let refused = error.raw_os_error() == Some(libc::ECONNREFUSED);
                counters.dropped += u64::from(refused);
                refused || error.kind() == io::ErrorKind::Interrupted
            }
        }
    }

    /// Sees to it that the first buffers have frames, and returns how many have.
    fn prepare_buffers(&mut self, limit: usize) -> usize {
        let needs_overflow = self.merges && self.mtu <= SMALL_SLOT;
        for (index, buffer) in self.buffers.iter_mut().take(limit).enumerate() {
            if buffer.front.is_none() {
                buffer.front = front_frame(&self.pool, self.mtu);
            }
            if needs_overflow && buffer.overflow.is_none() {
                buffer.overflow = blank_frame(&self.pool, LARGE_SLOT);
            }
            // The first message goes without an overflow if need be: single packets pass and runs are lost, because a pool that is
            // held must not stop the packets that would free it.
            let lacks_overflow = needs_overflow && buffer.overflow.is_none() && index > 0;
            if buffer.front.is_none() || lacks_overflow {
                return index;
            }
        }
        limit.min(self.buffers.len())
    }

    fn accept(&mut self, index: usize, counters: &mut DeviceCounters) {
        let received = self.receiver.received(index);
        if let Some(overflows) = received.overflows {
            counters.dropped += u64::from(overflows.wrapping_sub(self.overflows));
            self.overflows = overflows;
        }
        if received.truncated {
            counters.dropped += 1;
            return;
        }
        self.waiting
            .push_back(Message::take(&mut self.buffers[index], received));
    }
}

/// A large frame has room for any message, a small one for the MTU.
fn front_frame(pool: &FramePool, mtu: usize) -> Option<Frame> {
    blank_frame(pool, if mtu <= SMALL_SLOT { mtu } else { LARGE_SLOT })
}

fn blank_frame(pool: &FramePool, bytes: usize) -> Option<Frame> {
    let size = if bytes <= SMALL_SLOT {
        Size::Small
    } else {
        Size::Large
    };
    let mut frame = pool.allocate(Purpose::Receive, size)?;
    frame.extend(bytes)?;
    Some(frame)
}

/// One packet, or a run of packets of one size.
#[derive(Debug)]
struct Message {
    front: Payload,
    rest: Payload,
    segment_size: usize,
}

impl Message {
    /// Takes the frames that were received into; an overflow frame that was not needed stays for the next message.
    fn take(buffer: &mut Buffer, received: Received) -> Self {
        let mut front = buffer.front.take().expect("received into a frame");
        let overflow = received.bytes.saturating_sub(front.len());
        front.truncate(received.bytes);
        let rest = (overflow > 0).then(|| {
            let mut rest = buffer.overflow.take().expect("received into two frames");
            rest.truncate(overflow);
            rest.freeze()
        });
        Self {
            front: front.freeze(),
            rest: rest.unwrap_or_default(),
            segment_size: received.segment_size.max(1),
        }
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.rest.is_empty()
    }

    /// The next packet, in place unless it lies across both frames. `None` when there is no frame to bring it together in.
    fn next_packet(&mut self, pool: &FramePool, copied_bytes: &mut u64) -> Option<Payload> {
        let segment = self.segment_size;
        if self.front.is_empty() {
            mem::swap(&mut self.front, &mut self.rest);
        }
        if self.rest.is_empty() && self.front.len() <= segment {
            return Some(mem::take(&mut self.front));
        }
        if self.rest.is_empty() || self.front.len() >= segment {
            return Some(self.front.split_front(segment));
        }
        let head = mem::take(&mut self.front);
        let tail = self.rest.split_front(segment - head.len());
        bring_together(&head, &tail, pool, copied_bytes)
    }
}

fn bring_together(head: &[u8], tail: &[u8], pool: &FramePool, copied_bytes: &mut u64) -> Option<Payload> {
    let mut frame = blank_frame(pool, head.len() + tail.len())?;
    let (front, back) = frame.split_at_mut(head.len());
    front.copy_from_slice(head);
    back.copy_from_slice(tail);
    *copied_bytes += frame.len() as u64;
    Some(frame.freeze())
}
