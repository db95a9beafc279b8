//! `$((32*1024*1024))`: sums and products of whole numbers.

/// A value with what stands in `$((…))` worked out; `None` when that is no sum of products, or none of 64 bits.
pub(super) fn expand(value: &str) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("$((") {
        let (expression, behind) = after.split_once("))")?;
        expanded.push_str(before);
        expanded.push_str(&sum(expression)?.to_string());
        rest = behind;
    }
    expanded.push_str(rest);
    Some(expanded)
}

fn sum(expression: &str) -> Option<u64> {
    expression
        .split('+')
        .try_fold(0, |sum: u64, term| sum.checked_add(product(term)?))
}

fn product(term: &str) -> Option<u64> {
    term.split('*').try_fold(1, |product: u64, factor| {
        product.checked_mul(factor.trim().parse().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn sums_of_products() {
        let expanded = |value| expand(value).unwrap();
        assert_eq!(
            expanded("4096 $((256 * 1024)) $((15*1024*1024+1))"),
            "4096 262144 15728641"
        );
        assert_eq!(expanded("plain"), "plain");
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for value in [
            "$((1 << 3))",
            "$((x))",
            "$((1",
            "$((9999999999 * 9999999999))",
            "$(())",
        ] {
            assert_eq!(expand(value), None, "{value}");
        }
    }
}
