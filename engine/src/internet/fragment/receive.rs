//! Fragments that arrive.

use super::assembly::{Added, Assembly, First, Piece};
use super::header;
use crate::config::FragmentConfig;
use crate::frame::{Frame, FramePool, Packet, PacketQueue, Purpose, Size};
use crate::internet::address::Address;
use crate::internet::datagram::{Ecn, Fragment, Header, Parsed};
use crate::internet::icmp::{ParameterProblem, Refusal};
use crate::internet::neighbour::message::is_discovery;
use crate::internet::{Inbound, Internet, ipv4, ipv6, protocol};
use crate::time::Instant;

/// What the fragments of one datagram have in common. IPv6 leaves the protocol out (RFC 8200 section 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key {
    src: Address,
    dst: Address,
    identification: u32,
    protocol: u8,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    due: Instant,
    /// `None` once refused: what still comes of it is dropped until then.
    assembly: Option<Assembly>,
}

/// All datagrams that are being put together, in the order in which they were begun.
#[derive(Debug)]
pub(in crate::internet) struct Reassembly {
    config: FragmentConfig,
    pool: FramePool,
    datagrams: Vec<Datagram>,
}

/// What became of a fragment.
enum Outcome {
    Kept,
    Dropped,
    /// The datagram is whole: its IP header and all behind it.
    Whole(Frame),
}

impl Reassembly {
    pub(in crate::internet) fn new(config: &FragmentConfig, pool: FramePool) -> Self {
        Self {
            config: config.clone(),
            pool,
            datagrams: Vec::with_capacity(config.datagrams as usize),
        }
    }

    pub(in crate::internet) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// When the first datagram that is not whole will be given up.
    pub(in crate::internet) fn next_deadline(&self) -> Option<Instant> {
        self.datagrams.iter().map(|datagram| datagram.due).min()
    }

    fn add(&mut self, now: Instant, parsed: &Parsed, fragment: &Fragment, packet: &Packet) -> Outcome {
        let payload = parsed.payload();
        let piece = Piece {
            start: fragment.offset,
            len: payload.len() as u16,
        };
        if piece.len == 0 {
            return Outcome::Dropped;
        }
        let Some(index) = self.find_or_begin(now, parsed, fragment) else {
            return Outcome::Dropped;
        };
        let datagram = &mut self.datagrams[index];
        let Some(assembly) = &mut datagram.assembly else {
            return Outcome::Dropped;
        };
        match assembly.add(piece, fragment.more, packet.parts_from(payload.start)) {
            Ok(Added::Repetition) => Outcome::Dropped,
            Ok(added) => {
                assembly.note(parsed, piece);
                if added == Added::Incomplete {
                    return Outcome::Kept;
                }
                let Datagram { key, assembly, .. } = self.datagrams.remove(index);
                match assembly.and_then(|assembly| assembly.finish(&key)) {
                    Some(frame) => Outcome::Whole(frame),
                    None => Outcome::Dropped,
                }
            }
            Err(_) => {
                datagram.assembly = None;
                Outcome::Dropped
            }
        }
    }

    fn find_or_begin(&mut self, now: Instant, parsed: &Parsed, fragment: &Fragment) -> Option<usize> {
        let is_v4 = parsed.src.is_v4();
        let key = Key {
            src: parsed.src,
            dst: parsed.dst,
            identification: fragment.identification,
            protocol: if is_v4 { parsed.protocol } else { 0 },
        };
        if let Some(index) = self.datagrams.iter().position(|datagram| datagram.key == key) {
            return Some(index);
        }
        if self.config.datagrams == 0 {
            return None;
        }
        if self.datagrams.len() >= self.config.datagrams as usize {
            // One that is refused already is missed least.
            let refused = self
                .datagrams
                .iter()
                .position(|datagram| datagram.assembly.is_none());
            self.datagrams.remove(refused.unwrap_or(0));
        }
        let mut frame = self.pool.allocate(Purpose::Receive, Size::Large)?;
        frame.reserve(header::header_len(is_v4));
        let patience = if is_v4 {
            self.config.timeout_v4
        } else {
            self.config.timeout_v6
        };
        self.datagrams.push(Datagram {
            key,
            due: now + patience,
            assembly: Some(Assembly::new(frame)),
        });
        Some(self.datagrams.len() - 1)
    }

    /// Takes out a datagram whose time is over.
    fn take_overdue(&mut self, now: Instant) -> Option<Datagram> {
        let index = self.datagrams.iter().position(|datagram| datagram.due <= now)?;
        Some(self.datagrams.remove(index))
    }
}

impl Assembly {
    /// Remembers what the headers say. Congestion met by one fragment was met by the datagram (RFC 3168 section 5.3).
    fn note(&mut self, parsed: &Parsed, piece: Piece) {
        if piece.start == 0 {
            self.first = Some(First {
                protocol: parsed.protocol,
                hop_limit: parsed.hop_limit,
                dscp: parsed.dscp,
                len: piece.len,
            });
        }
        let is_first = piece.start == 0 && self.ecn != Ecn::CongestionExperienced;
        if is_first || parsed.ecn == Ecn::CongestionExperienced {
            self.ecn = parsed.ecn;
        }
    }

    fn header(&self, key: &Key, payload_len: usize) -> Option<(Header, First)> {
        let first = self.first?;
        let header = Header {
            src: key.src,
            dst: key.dst,
            protocol: first.protocol,
            hop_limit: first.hop_limit,
            dscp: first.dscp,
            ecn: self.ecn,
            payload_len: payload_len as u16,
        };
        Some((header, first))
    }

    /// The datagram behind a header without options or extensions: those of the fragments have been seen to.
    fn finish(mut self, key: &Key) -> Option<Frame> {
        let (header, _) = self.header(key, self.frame.len())?;
        if key.src.is_v4() {
            let room = self.frame.push_front(ipv4::HEADER_LEN)?;
            ipv4::emit(&header, room.first_chunk_mut()?);
        } else {
            let room = self.frame.push_front(ipv6::HEADER_LEN)?;
            ipv6::emit(&header, room.first_chunk_mut()?);
        }
        Some(self.frame)
    }

    /// The first fragment as it came, for the sender to recognise. `None` when it never came.
    fn first_fragment(mut self, key: &Key) -> Option<Frame> {
        let len = usize::from(self.first?.len);
        let (header, _) = self.header(key, len)?;
        let fragment = Fragment {
            identification: key.identification,
            offset: 0,
            more: true,
        };
        let header_len = header::header_len(key.src.is_v4());
        self.frame.truncate(len);
        header::emit(&header, &fragment, self.frame.push_front(header_len)?);
        Some(self.frame)
    }
}

impl Internet {
    /// A fragment for one of our addresses. When it was the last that was missing, `packet` becomes the whole datagram.
    #[cold]
    pub(in crate::internet) fn on_fragment(
        &mut self,
        now: Instant,
        index: u16,
        parsed: &Parsed,
        fragment: &Fragment,
        packet: &mut Packet,
        queue: &mut PacketQueue,
    ) -> Option<Inbound> {
        if fragment.offset == 0 && !parsed.src.is_v4() && !has_upper_header(packet) {
            self.counters.dropped_fragment += 1;
            let problem = ParameterProblem::incomplete_header_chain();
            self.refuse(now, Refusal::ParameterProblem(problem), packet, queue);
            return None;
        }
        let frame = match self.reassembly.add(now, parsed, fragment, packet) {
            Outcome::Kept => return None,
            Outcome::Whole(frame) => frame,
            Outcome::Dropped => {
                self.counters.dropped_fragment += 1;
                return None;
            }
        };
        packet.reset();
        packet
            .push_piece(frame.freeze())
            .expect("an empty packet has room for a piece");
        self.counters.reassembled += 1;
        let whole = match self.parse(packet) {
            Ok(whole) if whole.fragment.is_none() => whole,
            Ok(_) => {
                self.counters.dropped_fragment += 1;
                return None;
            }
            Err(reason) => {
                self.counters.dropped_malformed[reason as usize] += 1;
                return None;
            }
        };
        // RFC 6980: Neighbor Discovery is never believed when it came in fragments.
        let kind = packet.contiguous().get(whole.header_len).copied();
        if whole.protocol == protocol::ICMPV6 && kind.is_none_or(is_discovery) {
            self.counters.dropped_icmp += 1;
            return None;
        }
        self.deliver(now, index, &whole, packet, queue)
    }

    /// Gives up the datagrams whose time is over; who sent the first fragment is told (RFC 792, RFC 4443 section 3.3).
    #[cold]
    pub(in crate::internet) fn run_reassembly(&mut self, now: Instant, queue: &mut PacketQueue) {
        while let Some(Datagram { key, assembly, .. }) = self.reassembly.take_overdue(now) {
            let Some(assembly) = assembly else { continue };
            self.counters.reassembly_timeouts += 1;
            let Some(first) = assembly.first_fragment(&key) else {
                continue;
            };
            let mut offender = Packet::default();
            if offender.push_piece(first.freeze()).is_ok() {
                self.refuse(now, Refusal::ReassemblyTime, &offender, queue);
            }
        }
    }
}

/// Whether the first fragment of an IPv6 datagram has all headers up to the transport's (RFC 7112, RFC 8200 section 4.5).
fn has_upper_header(packet: &Packet) -> bool {
    let bytes = packet.contiguous();
    let Some(header) = bytes.first_chunk() else {
        return false;
    };
    let mut cursor = ipv6::extension::Cursor::new(header, bytes);
    loop {
        match cursor.advance() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return false,
        }
    }
    let upper_len = match cursor.next_header {
        protocol::TCP => 20,
        protocol::UDP | protocol::ICMPV6 => 8,
        _ => 0,
    };
    packet.len() >= cursor.offset + upper_len
}
