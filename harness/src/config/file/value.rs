//! Values of a file as words of a command line.

use clap::Arg;
use toml::Spanned;
use toml::de::DeValue;

use super::place::{Source, Wrong};
use crate::config::keys::{Word, is_list};

/// The words that stand for `value` behind `flag`.
///
/// # Errors
/// When the value is of a kind that no command line has, or a list where the flag takes one value.
pub(super) fn words(
    source: &Source<'_>,
    flag: &Arg,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Word>, Wrong> {
    match value.get_ref() {
        DeValue::Array(list) if is_list(flag) => list.iter().map(|item| word(source, flag, item)).collect(),
        _ => Ok(vec![word(source, flag, value)?]),
    }
}

fn word(source: &Source<'_>, flag: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Word, Wrong> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => value.to_string(),
            Err(_) => number.as_str().to_owned(),
        },
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            let kind = value.get_ref().type_str();
            let text = format!("{kind} is no value for {flag}: write a string or a number");
            return Err(source.wrong(value.span(), &text));
        }
    };
    Ok(Word {
        text: text.into(),
        at: value.span(),
    })
}
