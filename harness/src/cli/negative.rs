//! Negative numbers on the command line.

use std::ffi::OsString;

/// Joins what looks like a negative number (`-5%`) to the option before it (`--gate=-5%`): it is a value, which its option refuses with the
/// way out, and no unknown option.
pub(super) fn joined(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        match joined.last_mut() {
            Some(option) if is_negative(&argument) && is_option(option) => {
                option.push("=");
                option.push(argument);
            }
            _ => joined.push(argument),
        }
    }
    joined
}

fn is_negative(argument: &OsString) -> bool {
    matches!(argument.as_encoded_bytes(), [b'-', b'0'..=b'9' | b'.', ..])
}

/// Whether it is a long option that has no value yet.
fn is_option(argument: &OsString) -> bool {
    let bytes = argument.as_encoded_bytes();
    matches!(bytes, [b'-', b'-', _, ..]) && !bytes.contains(&b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_number_belongs_to_the_option_before_it() {
        let cases: [(&[&str], &[&str]); 5] = [
            (
                &["compare", "--gate", "-5%", "a"],
                &["compare", "--gate=-5%", "a"],
            ),
            (&["run", "--rate", "-.5k"], &["run", "--rate=-.5k"]),
            (&["run", "--rate=5", "-5"], &["run", "--rate=5", "-5"]),
            (&["script", "--", "-5"], &["script", "--", "-5"]),
            (&["run", "-5", "-h"], &["run", "-5", "-h"]),
        ];
        for (given, expected) in cases {
            let arguments = given.iter().map(OsString::from);
            assert_eq!(
                joined(arguments),
                expected.iter().map(OsString::from).collect::<Vec<_>>()
            );
        }
    }
}
