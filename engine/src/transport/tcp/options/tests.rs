use super::*;
use etherparse::{TcpOptionElement as Element, TcpOptionsIterator};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const TS: Timestamps = Timestamps {
    tsval: 0x0102_0304,
    tsecr: 0x0506_0708,
};
const TS_BYTES: [u8; 10] = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock {
        left: SeqNumber(left),
        right: SeqNumber(right),
    }
}

fn syn_bytes(options: &SynOptions) -> Vec<u8> {
    let mut out = [0xaa; MAX_LEN];
    let len = emit_syn(options, &mut out);
    assert_eq!(len, options.wire_len());
    assert!(
        out[len..].iter().all(|byte| *byte == 0xaa),
        "nothing is written past the length"
    );
    if let Some(all) = options.full() {
        assert_eq!(out[..len], all);
    }
    out[..len].to_vec()
}

fn segment_bytes(timestamps: Option<Timestamps>, sack: &[SackBlock]) -> Vec<u8> {
    let mut out = [0xaa; MAX_LEN];
    let len = emit_segment(timestamps, sack, &mut out);
    assert_eq!(len, segment_len(timestamps.is_some(), sack.len()));
    assert!(
        out[len..].iter().all(|byte| *byte == 0xaa),
        "nothing is written past the length"
    );
    out[..len].to_vec()
}

/// All that an option block says; the location of the SACK blocks is replaced by the blocks.
fn understood(bytes: &[u8]) -> Result<(Options, Vec<SackBlock>), IllegalLength> {
    let options = parse(bytes)?;
    let sack = sack_blocks(bytes, options.sack).as_slice().to_vec();
    assert_eq!(sack.is_empty(), options.sack.is_empty());
    let sack_elsewhere = Options {
        sack: SackLocation::default(),
        ..options
    };
    Ok((sack_elsewhere, sack))
}

fn sack_of(bytes: &[u8]) -> Vec<SackBlock> {
    understood(bytes).unwrap().1
}

fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn syn_layouts_are_those_of_linux() {
    const MSS: &[u8] = &[2, 4, 0x05, 0xb4];
    const NOP_NOP: &[u8] = &[1, 1];
    const SACK_OK: &[u8] = &[4, 2];
    const NOP_WSCALE: &[u8] = &[1, 3, 3, 8];
    let table: [(bool, bool, bool, &[&[u8]]); 8] = [
        (true, true, true, &[MSS, SACK_OK, &TS_BYTES, NOP_WSCALE]),
        (true, true, false, &[MSS, SACK_OK, &TS_BYTES]),
        (true, false, true, &[MSS, NOP_NOP, &TS_BYTES, NOP_WSCALE]),
        (true, false, false, &[MSS, NOP_NOP, &TS_BYTES]),
        (false, true, true, &[MSS, NOP_NOP, SACK_OK, NOP_WSCALE]),
        (false, true, false, &[MSS, NOP_NOP, SACK_OK]),
        (false, false, true, &[MSS, NOP_WSCALE]),
        (false, false, false, &[MSS]),
    ];
    for (timestamps, sack_permitted, scaled, parts) in table {
        let options = SynOptions {
            mss: 1460,
            window_scale: scaled.then_some(8),
            sack_permitted,
            timestamps: timestamps.then_some(TS),
        };
        assert_eq!(syn_bytes(&options), concat(parts), "{options:?}");
    }
}

#[test]
fn segment_layouts_are_those_of_linux() {
    let sack: Vec<SackBlock> = (0..5).map(|n| block(n * 16, n * 16 + 8)).collect();
    assert_eq!(segment_bytes(None, &[]), []);
    assert_eq!(segment_bytes(Some(TS), &[]), concat(&[&[1, 1], &TS_BYTES]));
    assert_eq!(
        segment_bytes(None, &sack[1..2]),
        [1, 1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 24]
    );
    assert_eq!(
        segment_bytes(Some(TS), &sack[1..2]),
        concat(&[&[1, 1], &TS_BYTES, &[1, 1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 24]])
    );
    assert_eq!(sack_of(&segment_bytes(Some(TS), &sack)), sack[..3]);
    assert_eq!(sack_of(&segment_bytes(None, &sack)), sack[..4]);
}

/// MUST-4, MUST-6, MUST-64, MUST-69; RFC 7323 section 2.3.
#[test]
fn blocks_that_are_understood() {
    let none = Options::default();
    let table: [(&str, &[u8], Options); 14] = [
        ("nothing", &[], none),
        ("no-operations alone", &[1; 40], none),
        (
            "mss",
            &[2, 4, 0x05, 0xb4],
            Options {
                mss: Some(1460),
                ..none
            },
        ),
        ("mss of zero", &[2, 4, 0, 0], Options { mss: Some(0), ..none }),
        (
            "mss at an odd place",
            &[1, 2, 4, 2, 0x18],
            Options {
                mss: Some(536),
                ..none
            },
        ),
        (
            "nothing counts after the end of the list",
            &[0, 2, 4, 5, 0xb4],
            none,
        ),
        ("not even what is malformed", &[1, 0, 2, 0], none),
        (
            "window scale at its limit",
            &[3, 3, 14],
            Options {
                window_scale: Some(14),
                ..none
            },
        ),
        (
            "window scale beyond its limit",
            &[3, 3, 255],
            Options {
                window_scale: Some(14),
                ..none
            },
        ),
        (
            "sack permitted",
            &[4, 2],
            Options {
                sack_permitted: true,
                ..none
            },
        ),
        (
            "unknown kind",
            &[254, 5, 2, 4, 9, 4, 2],
            Options {
                sack_permitted: true,
                ..none
            },
        ),
        (
            "unknown kind without a body",
            &[77, 2, 4, 2],
            Options {
                sack_permitted: true,
                ..none
            },
        ),
        (
            "the last of two counts",
            &[2, 4, 0, 1, 2, 4, 0, 2],
            Options { mss: Some(2), ..none },
        ),
        (
            "timestamps unaligned",
            &TS_BYTES,
            Options {
                timestamps: Some(TS),
                ..none
            },
        ),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(parse(bytes), Ok(expected), "{what}");
    }
}

#[test]
fn a_known_kind_of_a_foreign_length_is_skipped() {
    let table: [&[u8]; 10] = [
        &[2, 3, 5],
        &[2, 5, 5, 0xb4, 0],
        &[3, 2],
        &[3, 4, 7, 7],
        &[4, 3, 0],
        &[8, 9, 1, 2, 3, 4, 5, 6, 7],
        &[8, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[5, 2],
        &[5, 9, 0, 0, 0, 1, 0, 0, 0],
        &[5, 14, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ];
    for bytes in table {
        assert_eq!(parse(bytes), Ok(Options::default()), "{bytes:?}");
    }
    let five_blocks = [&[5, 42][..], &[7; 40]].concat();
    assert_eq!(parse(&five_blocks), Ok(Options::default()));
}

#[test]
fn a_foreign_length_does_not_undo_a_good_option() {
    let good = [&TS_BYTES[..], &[5, 10, 0, 0, 0, 1, 0, 0, 0, 2]].concat();
    let then_bad = [&good[..], &[8, 3, 0], &[5, 3, 0]].concat();
    assert_eq!(understood(&then_bad), understood(&good));
    assert_eq!(sack_of(&good), [block(1, 2)]);
}

/// The location is only good for the block it came from; elsewhere it does no harm.
#[test]
fn sack_blocks_stay_inside_of_any_block() {
    let bytes = segment_bytes(Some(TS), &[block(1, 2), block(3, 4)]);
    let location = parse(&bytes).unwrap().sack;
    for (len, expected) in [(32, 2), (31, 1), (24, 1), (23, 0), (16, 0), (15, 0), (0, 0)] {
        assert_eq!(
            sack_blocks(&bytes[..len], location).as_slice().len(),
            expected,
            "{len} octets"
        );
    }
    assert_eq!(sack_of(&[&[1; 250][..], &[5, 10], &[0; 8]].concat()).len(), 1);
    assert_eq!(sack_of(&[&[1; 254][..], &[5, 10], &[0; 8]].concat()).len(), 0);
}

/// MUST-7.
#[test]
fn illegal_lengths_are_errors() {
    let table: [&[u8]; 10] = [
        &[2],
        &[1, 254],
        &[2, 0, 5, 0xb4],
        &[2, 1, 5, 0xb4],
        &[254, 0],
        &[254, 1],
        &[2, 4, 5],
        &[254, 255, 0, 0],
        &[1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0],
        &[1, 1, 8, 11, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    for bytes in table {
        assert_eq!(parse(bytes), Err(IllegalLength), "{bytes:?}");
    }
}

#[test]
fn options_stay_small() {
    assert!(size_of::<Options>() <= 24, "{}", size_of::<Options>());
}

fn any_timestamps() -> impl Strategy<Value = Timestamps> {
    any::<(u32, u32)>().prop_map(|(tsval, tsecr)| Timestamps { tsval, tsecr })
}

fn any_syn_options() -> impl Strategy<Value = SynOptions> {
    (
        any::<u16>(),
        option::of(0..=MAX_WINDOW_SCALE),
        any::<bool>(),
        option::of(any_timestamps()),
    )
        .prop_map(|(mss, window_scale, sack_permitted, timestamps)| SynOptions {
            mss,
            window_scale,
            sack_permitted,
            timestamps,
        })
}

fn any_blocks() -> impl Strategy<Value = Vec<SackBlock>> {
    vec(
        any::<(u32, u32)>().prop_map(|(left, right)| block(left, right)),
        0..6,
    )
}

/// Bytes that look like options often enough to get past the first one.
fn option_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0u8..12, 0u8..12, any::<u8>()];
    vec(byte, 0..48)
}

/// What an independent decoder makes of an option block; it stops at what it does not know.
fn decoded_by_etherparse(bytes: &[u8]) -> Result<(Options, Vec<SackBlock>), ()> {
    let mut options = Options::default();
    let mut sack = Vec::new();
    for element in TcpOptionsIterator::from_slice(bytes) {
        match element.map_err(|_| ())? {
            Element::Noop => {}
            Element::MaximumSegmentSize(mss) => options.mss = Some(mss),
            Element::WindowScale(shift) => options.window_scale = Some(shift.min(MAX_WINDOW_SCALE)),
            Element::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
            Element::Timestamp(tsval, tsecr) => options.timestamps = Some(Timestamps { tsval, tsecr }),
            Element::SelectiveAcknowledgement(first, others) => {
                let pairs = core::iter::once(first).chain(others.into_iter().flatten());
                sack = pairs.map(|(left, right)| block(left, right)).collect();
            }
        }
    }
    Ok((options, sack))
}

proptest! {
    #[test]
    fn a_syn_reads_back_as_it_was_written(options in any_syn_options()) {
        let bytes = syn_bytes(&options);
        let expected = Options {
            mss: Some(options.mss),
            window_scale: options.window_scale,
            sack_permitted: options.sack_permitted,
            timestamps: options.timestamps,
            sack: SackLocation::default(),
        };
        prop_assert_eq!(parse(&bytes), Ok(expected));
        prop_assert_eq!(decoded_by_etherparse(&bytes), Ok((expected, vec![])));
        prop_assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_segment_reads_back_as_it_was_written(timestamps in option::of(any_timestamps()), sack in any_blocks()) {
        let bytes = segment_bytes(timestamps, &sack);
        let fitting = sack.len().min(max_sack_blocks(timestamps.is_some()));
        let expected = (Options { timestamps, ..Options::default() }, sack[..fitting].to_vec());
        prop_assert_eq!(understood(&bytes), Ok(expected.clone()));
        prop_assert_eq!(decoded_by_etherparse(&bytes), Ok(expected));
        prop_assert!(bytes.len() <= MAX_LEN && bytes.len().is_multiple_of(4));
    }

    #[test]
    fn what_an_independent_decoder_understands_is_understood_alike(bytes in option_like_bytes()) {
        if let Ok(expected) = decoded_by_etherparse(&bytes) {
            prop_assert_eq!(understood(&bytes), Ok(expected));
        }
    }

    /// One octet changed at a time, so that what looks nearly like a common block is among them.
    #[test]
    fn shortcuts_agree_with_the_general_way(
        options in any_syn_options(), of_syn in any::<bool>(), at in 0usize..20, octet in 0u8..12,
    ) {
        let mut bytes = if of_syn { syn_bytes(&options) } else { segment_bytes(options.timestamps, &[]) };
        prop_assert_eq!(parse(&bytes), parse_any(&bytes));
        if let Some(changed) = bytes.get_mut(at) {
            *changed = octet;
        }
        prop_assert_eq!(parse(&bytes), parse_any(&bytes));
    }

    #[test]
    fn every_truncation_is_refused_or_understood(options in any_syn_options(), blocks in any_blocks(), cut in 0usize..60) {
        let bytes = [syn_bytes(&options), segment_bytes(None, &blocks)].concat();
        let cut = cut.min(bytes.len());
        if let Ok((partly, sack)) = understood(&bytes[..cut]) {
            let (whole, whole_sack) = understood(&bytes).unwrap();
            prop_assert!(partly.mss.is_none() || partly.mss == whole.mss);
            prop_assert!(partly.timestamps.is_none() || partly.timestamps == whole.timestamps);
            prop_assert!(sack.is_empty() || sack == whole_sack);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..80)) {
        if let Ok((options, _)) = understood(&bytes) {
            prop_assert!(options.window_scale.is_none_or(|shift| shift <= MAX_WINDOW_SCALE));
        }
    }
}
