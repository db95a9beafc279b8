use super::SeqNumber;
use proptest::prelude::*;

const HALF: u32 = 1 << 31;

/// Any number, with the places where arithmetic wraps made likely.
fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0u32..4,
        (u32::MAX - 3)..=u32::MAX,
        (HALF - 3)..(HALF + 3),
    ]
}

fn any_seq() -> impl Strategy<Value = SeqNumber> {
    any_number().prop_map(SeqNumber)
}

#[test]
fn order_at_the_wraps_of_the_circle() {
    for (earlier, later) in [
        (u32::MAX, 0),
        (HALF - 1, HALF),
        (0, HALF - 1),
        (HALF + 1, 0),
        (0xffff_ff00, 0x100),
    ] {
        let (earlier, later) = (SeqNumber(earlier), SeqNumber(later));
        assert!(earlier.lt(later) && earlier.le(later), "{earlier} before {later}");
        assert!(later.gt(earlier) && later.ge(earlier), "{later} after {earlier}");
        assert!(
            !later.lt(earlier) && !later.le(earlier),
            "{later} not before {earlier}"
        );
        assert_eq!(earlier.max(later), later);
        assert_eq!(later.min(earlier), earlier);
    }
}

#[test]
fn antipodes_are_on_both_sides_of_each_other() {
    let (a, b) = (SeqNumber(5), SeqNumber(5) + HALF);
    assert!(a.lt(b) && b.lt(a) && a.gt(b) && b.gt(a));
    assert!(!a.le(b) && !b.le(a) && !a.ge(b) && !b.ge(a));
    assert_eq!(b.distance(a), i32::MIN);
    assert_eq!(b - a, HALF);
}

#[test]
fn windows_wrap_and_exclude_their_right_edge() {
    let start = SeqNumber(u32::MAX - 1);
    assert!(start.in_window(start, 1));
    assert!(SeqNumber(1).in_window(start, 4));
    assert!(!SeqNumber(2).in_window(start, 4));
    assert!(!(start - 1).in_window(start, 4));
    assert!(!start.in_window(start, 0));
}

/// A number reads as a number, not as the tuple that holds it.
#[test]
fn a_number_is_written_as_such() {
    let number = SeqNumber(u32::MAX);
    assert_eq!(format!("{number} {number:?}"), "4294967295 4294967295");
}

proptest! {
    #[test]
    fn adding_then_subtracting_is_the_identity(a in any_seq(), octets in any_number()) {
        prop_assert_eq!((a + octets) - octets, a);
        prop_assert_eq!((a + octets) - a, octets);
        let (mut up, mut down) = (a, a + octets);
        up += octets;
        down -= octets;
        prop_assert_eq!((up, down), (a + octets, a));
    }

    #[test]
    fn distance_is_the_shorter_way_around(a in any_seq(), octets in any_number()) {
        let b = a + octets;
        let forward = i64::from(octets);
        let expected = if octets < HALF { forward } else { forward - (1 << 32) };
        prop_assert_eq!(i64::from(b.distance(a)), expected);
        prop_assert_eq!(a.lt(b), expected > 0 || octets == HALF);
        prop_assert_eq!(a.gt(b), expected < 0);
    }

    #[test]
    fn exactly_one_of_before_same_after_except_at_the_antipode(a in any_seq(), b in any_seq()) {
        prop_assume!(b - a != HALF);
        prop_assert_eq!(u8::from(a.lt(b)) + u8::from(a == b) + u8::from(a.gt(b)), 1);
        prop_assert_eq!(a.le(b), !a.gt(b));
        prop_assert_eq!(a.ge(b), !a.lt(b));
        prop_assert_eq!(a.max(b), b.max(a));
        prop_assert_eq!(a.min(b), b.min(a));
    }

    #[test]
    fn order_does_not_depend_on_where_the_circle_starts(a in any_seq(), b in any_seq(), shift in any_number()) {
        prop_assert_eq!(a.lt(b), (a + shift).lt(b + shift));
        prop_assert_eq!(a.le(b), (a + shift).le(b + shift));
        prop_assert_eq!(a.distance(b), (a + shift).distance(b + shift));
    }

    #[test]
    fn window_membership_is_the_offset_below_the_length(start in any_seq(), len in any_number(), offset in any_number()) {
        prop_assert_eq!((start + offset).in_window(start, len), offset < len);
    }
}
