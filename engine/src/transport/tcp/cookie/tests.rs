use proptest::prelude::*;

use super::{Cookies, LIFETIME, Told};
use crate::internet::address::Address;
use crate::time::{Duration, Instant};
use crate::transport::flow::FlowKey;
use crate::transport::tcp::half_open::Offered;
use crate::transport::tcp::seq::SeqNumber;

const NOW: Instant = Instant::from_secs(1_000);
const IRS: SeqNumber = SeqNumber(7_000);
const TSVAL: u32 = 123_456_789;

fn cookies() -> Cookies {
    Cookies::new(&[7; 32])
}

fn key() -> FlowKey {
    FlowKey {
        local: Address::v4([10, 0, 0, 1]),
        remote: Address::v4([10, 0, 0, 2]),
        local_port: 80,
        remote_port: 4_000,
    }
}

fn all(mss: u16) -> Told {
    Told {
        mss,
        window_shift: 7,
        offered: Offered::TIMESTAMPS
            .with(Offered::WINDOW_SCALE)
            .with(Offered::SACK),
    }
}

#[test]
fn the_segment_size_is_never_more_than_announced() {
    for (announced, told) in [
        (0, 48),
        (47, 48),
        (48, 48),
        (255, 48),
        (535, 256),
        (536, 536),
        (1_459, 1_440),
        (1_460, 1_460),
        (8_939, 1_460),
        (u16::MAX, 8_940),
    ] {
        let cookie = cookies().make(&key(), IRS, all(announced), NOW);
        assert_eq!(cookie.told.mss, told, "{announced}");
    }
}

/// Without a timestamp to carry them, shift and SACK are not agreed on.
#[test]
fn options_need_a_timestamp() {
    let mut cookies = cookies();
    let told = Told {
        offered: Offered::WINDOW_SCALE.with(Offered::SACK),
        ..all(1_460)
    };
    let cookie = cookies.make(&key(), IRS, told, NOW);
    assert_eq!(cookie.told.offered, Offered::default());
    let opened = cookies.open(&key(), IRS, cookie.iss, None, NOW).unwrap();
    assert_eq!((opened.mss, opened.offered), (1_460, Offered::default()));
}

#[test]
fn a_cookie_lasts_for_one_epoch_and_no_longer_than_two() {
    let mut cookies = cookies();
    let mut lasted = 0;
    for second in 0..64 {
        let made = NOW + Duration::from_secs(second);
        let cookie = cookies.make(&key(), IRS, all(1_460), made);
        let is_good = |after: u64, of: &Cookies| {
            let echo = Some(cookie.stamp(TSVAL));
            let at = made + Duration::from_secs(after);
            of.open(&key(), IRS, cookie.iss, echo, at).is_some()
        };
        assert!((0..=64).all(|after| is_good(after, &cookies)));
        assert!((128..1_000).all(|after| !is_good(after, &cookies)));
        lasted += (65..128).filter(|after| is_good(*after, &cookies)).count();
    }
    assert!(lasted > 0);
    assert!(cookies.are_out(NOW + Duration::from_secs(64)));
    assert!(!cookies.are_out(NOW + Duration::from_secs(64) + LIFETIME));
}

/// Whatever is not as it was when the cookie was made, it is none.
#[test]
fn another_tuple_number_option_or_key_is_refused() {
    let mut cookies = cookies();
    let cookie = cookies.make(&key(), IRS, all(1_460), NOW);
    let echo = cookie.stamp(TSVAL);
    let is_good =
        |cookies: &Cookies, key: &FlowKey, irs, iss, echo| cookies.open(key, irs, iss, echo, NOW).is_some();
    assert!(is_good(&cookies, &key(), IRS, cookie.iss, Some(echo)));
    for other in [
        FlowKey {
            remote: Address::v4([10, 0, 0, 3]),
            ..key()
        },
        FlowKey {
            remote_port: 4_001,
            ..key()
        },
        FlowKey {
            local_port: 81,
            ..key()
        },
    ] {
        assert!(!is_good(&cookies, &other, IRS, cookie.iss, Some(echo)));
    }
    assert!(!is_good(&cookies, &key(), IRS + 1, cookie.iss, Some(echo)));
    for bit in 0..32 {
        let forged = SeqNumber(cookie.iss.0 ^ 1 << bit);
        assert!(!is_good(&cookies, &key(), IRS, forged, Some(echo)), "bit {bit}");
    }
    for bit in 0..6 {
        let forged = Some(echo ^ 1 << bit);
        assert!(!is_good(&cookies, &key(), IRS, cookie.iss, forged), "bit {bit}");
    }
    assert!(!is_good(&cookies, &key(), IRS, cookie.iss, None));
    let others = Cookies::new(&[8; 32]);
    assert!(!is_good(&others, &key(), IRS, cookie.iss, Some(echo)));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        mss in 48..9_000_u16,
        shift in 0..15_u8,
        options in 0..8_u8,
        irs: u32,
        tsval: u32,
    ) {
        let mut cookies = cookies();
        let mut offered = Offered::TIMESTAMPS;
        if options & 1 != 0 {
            offered = offered.with(Offered::WINDOW_SCALE);
        }
        if options & 2 != 0 {
            offered = offered.with(Offered::SACK);
        }
        if options & 4 != 0 {
            offered = offered.with(Offered::ECN);
        }
        let window_shift = if options & 1 != 0 { shift } else { 0 };
        let cookie = cookies.make(&key(), SeqNumber(irs), Told { mss, window_shift, offered }, NOW);
        let stamp = cookie.stamp(tsval);
        prop_assert!(tsval.wrapping_sub(stamp) < 64, "a little in the past at most");
        let told = cookies.open(&key(), SeqNumber(irs), cookie.iss, Some(stamp), NOW);
        prop_assert_eq!(told, Some(cookie.told));
        prop_assert_eq!((cookie.told.window_shift, cookie.told.offered), (window_shift, offered));
    }
}
