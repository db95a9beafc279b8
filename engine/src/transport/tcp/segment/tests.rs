use super::*;
use crate::transport::tcp::options::{SackBlock, SynOptions, Timestamps, emit_segment, emit_syn};
use etherparse::{TcpHeader, TcpHeaderSlice};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use smoltcp::wire::TcpPacket;

fn any_flags() -> impl Strategy<Value = Flags> {
    any::<u8>().prop_map(Flags)
}

fn any_emit_header() -> impl Strategy<Value = EmitHeader> {
    (any::<(u32, u32)>(), any::<(u16, u16, u16, u16)>(), any_flags()).prop_map(
        |((seq, ack), (source_port, destination_port, window, urgent), flags)| EmitHeader {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            source_port,
            destination_port,
            window,
            urgent,
            flags,
        },
    )
}

fn any_timestamps() -> impl Strategy<Value = Timestamps> {
    any::<(u32, u32)>().prop_map(|(tsval, tsecr)| Timestamps { tsval, tsecr })
}

fn segment_bytes(header: &EmitHeader, timestamps: Option<Timestamps>, text: &[u8]) -> Vec<u8> {
    let mut out = [0xaa; MAX_HEADER_LEN];
    let (fixed, rest) = out.split_first_chunk_mut().unwrap();
    let options_len = emit_segment(timestamps, &[], rest);
    header.emit(options_len, fixed);
    [&out[..HEADER_LEN + options_len], text].concat()
}

fn plain_header(flags: Flags) -> EmitHeader {
    EmitHeader {
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        source_port: 3,
        destination_port: 4,
        window: 5,
        urgent: 0,
        flags,
    }
}

#[test]
fn a_syn_byte_by_byte() {
    let header = EmitHeader {
        seq: SeqNumber(0x0102_0304),
        ack: SeqNumber(0x0506_0708),
        source_port: 0x1112,
        destination_port: 0x1314,
        window: 0xfffe,
        urgent: 0x2122,
        flags: Flags::SYN | Flags::ACK,
    };
    let mut out = [0xaa; HEADER_LEN + 4];
    let (fixed, rest) = out.split_first_chunk_mut().unwrap();
    let syn = SynOptions {
        mss: 1460,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
    };
    header.emit(emit_syn(&syn, rest), fixed);
    set_checksum(fixed, 0xbeef);
    assert_eq!(checksum(fixed), 0xbeef);
    #[rustfmt::skip]
    assert_eq!(out, [
        0x11, 0x12, 0x13, 0x14,
        1, 2, 3, 4,
        5, 6, 7, 8,
        0x60, 0x12, 0xff, 0xfe,
        0xbe, 0xef, 0x21, 0x22,
        2, 4, 0x05, 0xb4,
    ]);
    let parsed = Header::parse(&out).unwrap();
    assert_eq!(
        (parsed.window, parsed.header_len, parsed.options.mss),
        (0xfffe, 24, Some(1460))
    );
}

#[test]
fn data_offsets_outside_the_segment_are_refused() {
    let bytes = segment_bytes(&plain_header(Flags::ACK), None, &[1; 8]);
    for (words, expected) in [
        (0, Err(Malformed::DataOffset)),
        (4, Err(Malformed::DataOffset)),
        (5, Ok(20)),
        (6, Ok(24)),
        (7, Ok(28)),
        (8, Err(Malformed::DataOffset)),
        (15, Err(Malformed::DataOffset)),
    ] {
        let mut bytes = bytes.clone();
        bytes[12] = words << 4;
        assert_eq!(
            Header::parse(&bytes).map(|header| header.header_len),
            expected,
            "{words} words"
        );
    }
}

#[test]
fn reserved_bits_are_ignored() {
    let bytes = segment_bytes(&plain_header(Flags::ACK), None, &[]);
    let mut with_reserved = bytes.clone();
    with_reserved[12] |= 0x0f;
    assert_eq!(Header::parse(&with_reserved), Header::parse(&bytes));
}

#[test]
fn an_illegal_option_makes_the_segment_malformed() {
    let mut bytes = segment_bytes(
        &plain_header(Flags::ACK),
        Some(Timestamps { tsval: 1, tsecr: 2 }),
        &[],
    );
    bytes[HEADER_LEN + 3] = 1;
    assert_eq!(Header::parse(&bytes), Err(Malformed::Option(IllegalLength)));
}

#[test]
fn sack_blocks_are_those_of_the_segment() {
    let sack = [(100, 200), (300, 400)].map(|(left, right)| SackBlock {
        left: SeqNumber(left),
        right: SeqNumber(right),
    });
    let mut bytes = [0; MAX_HEADER_LEN];
    let (fixed, rest) = bytes.split_first_chunk_mut().unwrap();
    let options_len = emit_segment(None, &sack, rest);
    plain_header(Flags::ACK).emit(options_len, fixed);
    let parsed = Header::parse(&bytes).unwrap();
    assert_eq!(parsed.sack_blocks(&bytes).as_slice(), sack);
    assert_eq!(parsed.sack_blocks(&[]).as_slice(), []);
}

#[test]
fn syn_and_fin_occupy_the_sequence_space() {
    for (flags, expected) in [
        (Flags::NONE, 10),
        (
            Flags::ACK | Flags::PSH | Flags::RST | Flags::URG | Flags::ECE | Flags::CWR,
            10,
        ),
        (Flags::SYN, 11),
        (Flags::FIN | Flags::ACK, 11),
        (Flags::SYN | Flags::FIN, 12),
    ] {
        let bytes = segment_bytes(&plain_header(flags), None, &[]);
        assert_eq!(
            Header::parse(&bytes).unwrap().sequence_len(10),
            expected,
            "{flags}"
        );
    }
}

#[test]
fn flags_print_as_in_tcpdump() {
    for (flags, expected) in [
        (Flags::NONE, "none"),
        (Flags::SYN, "S"),
        (Flags::SYN | Flags::ACK, "S."),
        (Flags::FIN | Flags::PSH | Flags::ACK, "FP."),
        (Flags::RST, "R"),
        (Flags::SYN | Flags::ECE | Flags::CWR, "SEW"),
        (Flags(0xff), "FSRP.UEW"),
    ] {
        assert_eq!(flags.to_string(), expected);
    }
}

#[test]
fn flags_are_a_set() {
    let mut flags = Flags::SYN.with(Flags::ACK);
    assert!(flags.contains(Flags::SYN) && flags.contains(Flags::SYN | Flags::ACK));
    assert!(!flags.contains(Flags::SYN | Flags::FIN));
    assert!(flags.intersects(Flags::SYN | Flags::FIN) && !flags.intersects(Flags::FIN));
    assert_eq!(flags.without(Flags::SYN), Flags::ACK);
    flags |= Flags::FIN;
    assert_eq!(flags, Flags(0x13));
}

#[test]
fn headers_stay_small() {
    assert!(size_of::<Header>() <= 44, "{}", size_of::<Header>());
    assert_eq!(size_of::<EmitHeader>(), 20);
}

proptest! {
    #[test]
    fn a_header_reads_back_as_it_was_written(
        header in any_emit_header(),
        timestamps in option::of(any_timestamps()),
        text in vec(any::<u8>(), 0..32),
    ) {
        let bytes = segment_bytes(&header, timestamps, &text);
        let parsed = Header::parse(&bytes).unwrap();
        let fields = EmitHeader {
            seq: parsed.seq,
            ack: parsed.ack,
            source_port: parsed.source_port,
            destination_port: parsed.destination_port,
            window: parsed.window,
            urgent: parsed.urgent,
            flags: parsed.flags,
        };
        prop_assert_eq!(fields, header);
        prop_assert_eq!(parsed.options.timestamps, timestamps);
        prop_assert_eq!(&bytes[usize::from(parsed.header_len)..], &text[..]);
    }

    #[test]
    fn independent_decoders_read_what_was_written(
        header in any_emit_header(),
        timestamps in option::of(any_timestamps()),
        text in vec(any::<u8>(), 0..32),
    ) {
        let bytes = segment_bytes(&header, timestamps, &text);
        let (theirs, rest) = TcpHeader::from_slice(&bytes).unwrap();
        prop_assert_eq!(rest, &text[..]);
        prop_assert_eq!(theirs.sequence_number, header.seq.0);
        prop_assert_eq!(theirs.acknowledgment_number, header.ack.0);
        prop_assert_eq!((theirs.source_port, theirs.destination_port), (header.source_port, header.destination_port));
        prop_assert_eq!((theirs.window_size, theirs.urgent_pointer), (header.window, header.urgent));
        prop_assert_eq!((theirs.checksum, theirs.ns), (0, false));
        let bits = [theirs.fin, theirs.syn, theirs.rst, theirs.psh, theirs.ack, theirs.urg, theirs.ece, theirs.cwr];
        let packed = bits.iter().rev().fold(0, |packed, bit| packed << 1 | u8::from(*bit));
        prop_assert_eq!(Flags(packed), header.flags);

        let second_opinion = TcpPacket::new_checked(&bytes[..]).unwrap();
        prop_assert_eq!(second_opinion.payload(), &text[..]);
        prop_assert_eq!(second_opinion.seq_number().0, header.seq.0.cast_signed());
    }

    #[test]
    fn what_an_independent_encoder_writes_is_read(
        seq in any::<u32>(), ack in any::<u32>(), window in any::<u16>(), options in vec(1u8..2, 0..=40),
    ) {
        let mut theirs = TcpHeader::new(1234, 80, seq, window);
        theirs.acknowledgment_number = ack;
        theirs.ack = true;
        theirs.set_options_raw(&options).unwrap();
        let parsed = Header::parse(&theirs.to_bytes()).unwrap();
        prop_assert_eq!((parsed.seq.0, parsed.ack.0, parsed.window), (seq, ack, window));
        prop_assert_eq!((parsed.source_port, parsed.destination_port, parsed.flags), (1234, 80, Flags::ACK));
        prop_assert_eq!(usize::from(parsed.header_len), theirs.header_len());
    }

    #[test]
    fn random_bytes_never_panic_and_the_text_stays_inside(bytes in vec(any::<u8>(), 0..80)) {
        match Header::parse(&bytes) {
            Ok(header) => {
                prop_assert!(usize::from(header.header_len) <= bytes.len());
                prop_assert!(TcpHeaderSlice::from_slice(&bytes).is_ok());
            }
            Err(Malformed::Truncated | Malformed::DataOffset) => {
                prop_assert!(TcpHeaderSlice::from_slice(&bytes).is_err());
            }
            Err(Malformed::Option(_)) => {}
        }
    }

    #[test]
    fn every_truncation_of_the_header_is_refused(header in any_emit_header(), timestamps in any_timestamps()) {
        let bytes = segment_bytes(&header, Some(timestamps), &[]);
        for len in 0..bytes.len() {
            let expected = if len < HEADER_LEN { Malformed::Truncated } else { Malformed::DataOffset };
            prop_assert_eq!(Header::parse(&bytes[..len]), Err(expected));
        }
    }
}
