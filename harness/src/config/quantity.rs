//! Quantities as people write them: `10s`, `50k`, `64KiB`. Every error names the value and how to write it.

use std::time::Duration;

/// The longest span of time that anything lasts: sums and multiples of it fit every clock.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A span of time longer than zero, and of at most a year: `500ms`, `10s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, f64)] = &[
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
    ];
    let way_out = "write a number and a unit, as in 500ms, 10s or 2m";
    let seconds = scaled(text, UNITS).ok_or_else(|| format!("`{text}` is not a duration: {way_out}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(span),
        _ => Err(format!(
            "`{text}` is no usable duration: give one longer than zero and of at most {}m, as in 500ms, 10s or 2m",
            LONGEST.as_secs() / 60
        )),
    }
}

/// A whole number: `64`, `50k`, `1M`, `2G`; the suffixes are powers of a thousand.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, f64)] = &[("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9)];
    whole(text, UNITS)
        .ok_or_else(|| format!("`{text}` is not a count: write a whole number, as in 64, 50k or 1M"))
}

/// A whole number above zero that fits 32 bits.
pub(crate) fn positive(text: &str) -> Result<u32, String> {
    within(text, u32::MAX)
}

/// Takes whole numbers from 1 to `most`.
pub(crate) fn at_most(most: u32) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| within(text, most)
}

fn within(text: &str, most: u32) -> Result<u32, String> {
    match u32::try_from(count(text)?) {
        Ok(0) => Err(format!("`{text}` leaves nothing to do: give at least 1")),
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("`{text}` is too many: give at most {most}")),
    }
}

/// What random numbers begin with: any whole number of 64 bits.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no seed: write a whole number from 0 to {}", u64::MAX))
}

/// A number of bytes above zero: `1500`, `64KiB`, `1MiB`, `9kB`.
pub(crate) fn bytes(text: &str) -> Result<u32, String> {
    const UNITS: &[(&str, f64)] = &[
        ("", 1.0),
        ("B", 1.0),
        ("k", 1e3),
        ("kB", 1e3),
        ("M", 1e6),
        ("MB", 1e6),
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
    ];
    let size = whole(text, UNITS).ok_or_else(|| {
        format!("`{text}` is not a size: write a whole number of bytes or a size, as in 1500, 64KiB or 1MiB")
    })?;
    match u32::try_from(size) {
        Ok(0) => Err(format!("`{text}` is no usable size: give at least 1 byte")),
        Ok(size) => Ok(size),
        Err(_) => Err(format!("`{text}` is too large: give less than 4096MiB")),
    }
}

/// The largest IP packet in bytes: 576 to 65535.
pub(crate) fn mtu(text: &str) -> Result<u32, String> {
    match bytes(text)? {
        size @ 576..=65_535 => Ok(size),
        size @ ..576 => Err(format!(
            "an MTU of {size} is too small: IPv4 needs 576 and IPv6 1280; give 576 to 65535, as in 1500"
        )),
        size => Err(format!(
            "an MTU of {size} is more than an IP packet can hold: give 576 to 65535, as in 1500"
        )),
    }
}

/// A part of a hundred above zero and below a hundred, as a part of one: `5%`, `0.5%`.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let way_out = "write a percentage above zero and below a hundred, as in 5% or 0.5%";
    match scaled(text, &[("%", 0.01)]) {
        Some(part) if part > 0.0 && part < 1.0 => Ok(part),
        _ => Err(format!("`{text}` is no usable percentage: {way_out}")),
    }
}

fn whole(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let value = scaled(text, units)?;
    // Beyond 2^53 not every whole number exists as f64; nothing here is that large.
    (value.fract() == 0.0 && value < 9e15).then_some(value as u64)
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let &(_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_notation_is_understood() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(count("50k"), Ok(50_000));
        assert_eq!(count("1.5M"), Ok(1_500_000));
        assert_eq!(count("0"), Ok(0));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("1500"), Ok(1500));
        assert_eq!(bytes("9kB"), Ok(9000));
        assert_eq!(mtu("576"), Ok(576));
        assert_eq!(positive("64"), Ok(64));
        assert_eq!(percent("5%"), Ok(0.05));
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_the_way_out() {
        for text in [
            "10",
            "s",
            "0s",
            "-1s",
            "10 s",
            "1e3s",
            "",
            "10h",
            "1.2.3s",
            "527041m",
            "99999999999999999999999m",
        ] {
            let error = duration(text).expect_err(text);
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("500ms"),
                "{error}"
            );
        }
        for text in [
            "",
            "k",
            "1.5",
            "0.0001k",
            "-3",
            "1K",
            "1e9",
            "NaN",
            "99999999999G",
        ] {
            assert!(count(text).expect_err(text).contains("50k"), "{text}");
        }
        for text in ["64kib", "1.5", "12 B", "x"] {
            assert!(bytes(text).expect_err(text).contains("64KiB"), "{text}");
        }
        assert!(bytes("0").expect_err("zero").contains("at least 1"));
        assert!(bytes("5000MiB").expect_err("too large").contains("4096MiB"));
        for text in ["5", "%", "0%", "100%", "-1%", "five%"] {
            assert!(percent(text).expect_err(text).contains("5% or 0.5%"), "{text}");
        }
        assert!(positive("0").expect_err("zero").contains("at least 1"));
        assert!(positive("5G").expect_err("too many").contains("at most"));
        assert_eq!(at_most(10)("10"), Ok(10));
        assert!(
            at_most(10)("11")
                .expect_err("too many")
                .contains("`11` is too many: give at most 10")
        );
        for text in ["-1", "x", "", "18446744073709551616"] {
            assert!(
                seed(text).expect_err(text).contains("0 to 18446744073709551615"),
                "{text}"
            );
        }
        assert!(mtu("575").expect_err("too small").contains("IPv6 1280"));
        assert!(mtu("64KiB").expect_err("too large").contains("65535"));
    }
}
