//! Both ends on threads of their own: headers cross by value, bodies as [`Loan`]s, and small bodies by value as well.

use rtrb::{Consumer, Producer, RingBuffer};

use super::WireConfig;
use crate::frame::{
    Checksum, FramePool, HEADER_CAPACITY, Loan, MAX_PIECES, Packet, PacketQueue, Payload, Purpose,
    SMALL_SLOT, Size,
};
use crate::link::{Capabilities, Device, DeviceCounters};
use crate::time::Instant;

/// Bodies up to this many bytes are copied through the wire: cheaper than the way there and back of a loan.
const COPYBREAK: usize = 256;

/// Two ends of a wire for two engines on two threads. A full direction takes no more ([`DeviceCounters::refused`]).
///
/// Bodies above 256 bytes cross in place, as long as both pools have loans left; otherwise, and below, they are copied
/// into the wire and from there into a frame of the receiver, and both ends count the bytes. A receiver without such a
/// frame drops the packet ([`DeviceCounters::dropped`]).
pub fn threaded_pair(config: WireConfig) -> (ThreadEnd, ThreadEnd) {
    let (there_out, there_in) = direction(&config);
    let (back_out, back_in) = direction(&config);
    let end = |outgoing, incoming| ThreadEnd {
        capabilities: config.capabilities(),
        outgoing,
        incoming,
    };
    (end(there_out, back_in), end(back_out, there_in))
}

/// One end of a wire made by [`threaded_pair`], free to move to the thread that will use it.
#[derive(Debug)]
pub struct ThreadEnd {
    capabilities: Capabilities,
    outgoing: Outgoing,
    incoming: Incoming,
}

impl ThreadEnd {
    /// Makes the end a device of the calling thread. Received bodies are borrowed through `pool`, or copied into its frames.
    pub fn attach(self, pool: FramePool) -> ThreadDevice {
        ThreadDevice {
            capabilities: self.capabilities,
            outgoing: self.outgoing,
            incoming: self.incoming,
            pool,
            counters: DeviceCounters::default(),
        }
    }
}

/// One end of a wire between threads, on its thread.
#[derive(Debug)]
pub struct ThreadDevice {
    capabilities: Capabilities,
    outgoing: Outgoing,
    incoming: Incoming,
    pool: FramePool,
    counters: DeviceCounters,
}

impl Device for ThreadDevice {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn receive(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let Incoming { descriptors, bodies } = &mut self.incoming;
        let arrived = descriptors.slots().min(batch.room());
        let chunk = descriptors
            .read_chunk(arrived)
            .expect("as many are there as were counted");
        let (first, wrapped) = chunk.as_slices();
        let mut received = 0;
        for descriptor in first.iter().chain(wrapped) {
            let packet = batch.push().expect("no more were counted than there is room for");
            descriptor.write_to(packet);
            if bodies.receive(
                descriptor.body,
                packet,
                &self.pool,
                &mut self.counters.copied_bytes,
            ) {
                received += 1;
            } else {
                batch.pop_back();
                self.counters.dropped += 1;
            }
        }
        chunk.commit_all();
        self.counters.received += received as u64;
        received
    }

    fn transmit(&mut self, _now: Instant, batch: &mut PacketQueue) -> usize {
        let Outgoing { descriptors, bodies } = &mut self.outgoing;
        let offered = batch.len();
        let room = room_for(descriptors, offered);
        let mut chunk = descriptors
            .write_chunk(room)
            .expect("as much room is there as was counted");
        let (first, wrapped) = chunk.as_mut_slices();
        let mut free = first.iter_mut().chain(wrapped);
        let mut sent = 0;
        while let Some(packet) = batch.get(0) {
            if !can_cross(&self.capabilities, packet) {
                self.counters.dropped += 1;
            } else if let Some(descriptor) = free.next()
                && let Some(body) = bodies.send(packet, &mut self.counters.copied_bytes)
            {
                descriptor.describe(packet, body);
                sent += 1;
            } else {
                break;
            }
            batch.pop_front();
        }
        // Last, because descriptors announce what is in the other rings.
        chunk.commit(sent);
        self.counters.sent += sent as u64;
        self.counters.refused += batch.len() as u64;
        offered - batch.len()
    }

    fn counters(&self) -> DeviceCounters {
        self.counters
    }
}

fn can_cross(capabilities: &Capabilities, packet: &Packet) -> bool {
    capabilities.carries(packet) && packet.header().len() <= IP_HEADERS
}

/// Room for up to `wanted` entries, without a look at the other thread's position while the last one seen suffices.
fn room_for<T>(ring: &Producer<T>, wanted: usize) -> usize {
    let known = ring.cached_slots();
    let room = if known < wanted { ring.slots() } else { known };
    room.min(wanted)
}

/// Bytes that [`Packet::set_header_len`] has room for.
const IP_HEADERS: usize = HEADER_CAPACITY - 16;

/// All of a packet but its body.
#[derive(Clone, Copy, Debug)]
struct Descriptor {
    body: Body,
    header_len: u8,
    checksum: Checksum,
    segment_size: u16,
    transport_offset: u16,
    header: [u8; IP_HEADERS],
}

impl Default for Descriptor {
    fn default() -> Self {
        Self {
            body: Body::Copied { bytes: 0 },
            header_len: 0,
            checksum: Checksum::InPacket,
            segment_size: 0,
            transport_offset: 0,
            header: [0; IP_HEADERS],
        }
    }
}

/// Where the body of a packet travels.
#[derive(Clone, Copy, Debug)]
enum Body {
    Copied { bytes: u32 },
    Lent { pieces: u8 },
}

impl Descriptor {
    #[inline]
    fn describe(&mut self, packet: &Packet, body: Body) {
        let header = packet.header();
        self.header[..header.len()].copy_from_slice(header);
        self.header_len = header.len() as u8;
        self.body = body;
        self.checksum = packet.checksum;
        self.segment_size = packet.segment_size;
        self.transport_offset = packet.transport_offset;
    }

    #[inline]
    fn write_to(&self, packet: &mut Packet) {
        let header = &self.header[..self.header_len as usize];
        packet.set_header_len(header.len()).copy_from_slice(header);
        packet.checksum = self.checksum;
        packet.segment_size = self.segment_size;
        packet.transport_offset = self.transport_offset;
    }
}

#[derive(Debug)]
struct Outgoing {
    descriptors: Producer<Descriptor>,
    bodies: OutgoingBodies,
}

#[derive(Debug)]
struct OutgoingBodies {
    loans: Producer<Loan>,
    bytes: Producer<u8>,
}

#[derive(Debug)]
struct Incoming {
    descriptors: Consumer<Descriptor>,
    bodies: IncomingBodies,
}

#[derive(Debug)]
struct IncomingBodies {
    loans: Consumer<Loan>,
    bytes: Consumer<u8>,
}

fn direction(config: &WireConfig) -> (Outgoing, Incoming) {
    let queue = config.queue.max(1).next_power_of_two();
    // A queue full of small bodies, and one body of any size that could not be lent.
    let largest = config.mtu.max(config.max_segment) as usize;
    let (descriptors_out, descriptors_in) = RingBuffer::new(queue);
    let (loans_out, loans_in) = RingBuffer::new(queue * MAX_PIECES);
    let (bytes_out, bytes_in) = RingBuffer::new(queue * COPYBREAK + largest);
    (
        Outgoing {
            descriptors: descriptors_out,
            bodies: OutgoingBodies {
                loans: loans_out,
                bytes: bytes_out,
            },
        },
        Incoming {
            descriptors: descriptors_in,
            bodies: IncomingBodies {
                loans: loans_in,
                bytes: bytes_in,
            },
        },
    )
}

impl OutgoingBodies {
    /// Puts the body of `packet` on its way. `None`, and nothing done, when there is no room.
    #[inline]
    fn send(&mut self, packet: &Packet, copied_bytes: &mut u64) -> Option<Body> {
        if packet.body_len() > COPYBREAK
            && let Some(body) = self.lend(packet)
        {
            return Some(body);
        }
        self.copy(packet, copied_bytes)
    }

    /// `None` when a piece is borrowed itself or no more may be lent; pieces that were lent by then come home at once.
    fn lend(&mut self, packet: &Packet) -> Option<Body> {
        let pieces = packet.body();
        let mut lent = [const { None }; MAX_PIECES];
        for (loan, piece) in lent.iter_mut().zip(pieces) {
            *loan = Some(piece.clone().lend().ok()?);
        }
        self.loans
            .write_chunk_uninit(pieces.len())
            .ok()?
            .fill_from_iter(lent.into_iter().flatten());
        Some(Body::Lent {
            pieces: pieces.len() as u8,
        })
    }

    #[inline]
    fn copy(&mut self, packet: &Packet, copied_bytes: &mut u64) -> Option<Body> {
        let bytes = packet.body_len();
        if room_for(&self.bytes, bytes) < bytes {
            return None;
        }
        for piece in packet.body() {
            self.bytes
                .push_entire_slice(piece)
                .expect("room for all pieces was found");
        }
        *copied_bytes += bytes as u64;
        Some(Body::Copied { bytes: bytes as u32 })
    }
}

impl IncomingBodies {
    /// Takes a body off the wire into `packet`; `false` when a piece found no place in the pool.
    #[inline]
    fn receive(&mut self, body: Body, packet: &mut Packet, pool: &FramePool, copied_bytes: &mut u64) -> bool {
        match body {
            Body::Copied { bytes: 0 } => true,
            Body::Copied { bytes } => {
                *copied_bytes += u64::from(bytes);
                push_some(packet, self.copy(bytes as usize, pool))
            }
            // No short circuit: every announced loan leaves the ring.
            Body::Lent { pieces } => (0..pieces).fold(true, |all, _| {
                let loan = self.loans.pop().expect("loans travel ahead of their descriptor");
                push_some(packet, adopt_or_copy(loan, pool, copied_bytes)) && all
            }),
        }
    }

    #[inline]
    fn copy(&mut self, bytes: usize, pool: &FramePool) -> Option<Payload> {
        let size = if bytes <= SMALL_SLOT {
            Size::Small
        } else {
            Size::Large
        };
        let chunk = self
            .bytes
            .read_chunk(bytes)
            .expect("bytes travel ahead of their descriptor");
        let frame = pool.allocate(Purpose::Receive, size).and_then(|mut frame| {
            let (first, wrapped) = chunk.as_slices();
            let target = frame.extend(bytes)?;
            target[..first.len()].copy_from_slice(first);
            target[first.len()..].copy_from_slice(wrapped);
            Some(frame.freeze())
        });
        chunk.commit_all();
        frame
    }
}

fn adopt_or_copy(loan: Loan, pool: &FramePool, copied_bytes: &mut u64) -> Option<Payload> {
    match pool.adopt(loan) {
        Ok(payload) => Some(payload),
        Err(loan) => {
            *copied_bytes += loan.len() as u64;
            Some(pool.copy(Purpose::Receive, &loan)?.freeze())
        }
    }
}

#[inline]
fn push_some(packet: &mut Packet, piece: Option<Payload>) -> bool {
    piece.is_some_and(|piece| packet.push_piece(piece).is_ok())
}

#[cfg(test)]
mod tests;
