//! What the arguments of calls say.

use super::Result;
use crate::script::tree::{Call, Expression};
use crate::script::verdict::Stop;

/// Bytes that one call moves at most.
const MAX_LEN: i64 = 64 << 20;

/// The descriptor, the first argument.
pub(in crate::script) fn fd(call: &Call) -> Result<i64> {
    integer(call, 0, "a descriptor")
}

/// A whole number.
pub(in crate::script) fn integer(call: &Call, index: usize, what: &str) -> Result<i64> {
    call.arguments
        .get(index)
        .and_then(Expression::integer)
        .ok_or_else(|| Stop::failed(format!("argument {} of {} must be {what}", index + 1, call.name)))
}

/// The names that an argument consists of.
pub(in crate::script) fn words(call: &Call, index: usize) -> Vec<&str> {
    call.arguments
        .get(index)
        .map(Expression::words)
        .unwrap_or_default()
}

/// The port of a socket address; `None` when the script leaves it open.
pub(in crate::script) fn port(call: &Call, index: usize) -> Option<u16> {
    let address = call.arguments.get(index)?;
    let port = address.field("sin_port").or_else(|| address.field("sin6_port"))?;
    u16::try_from(port.integer()?).ok()
}

/// How many bytes a call is to move, and its flags.
pub(in crate::script) fn length(call: &Call) -> Result<(usize, Vec<&str>)> {
    let (length, flags) = match call.name.as_str() {
        "readv" | "writev" => (vector(call.arguments.get(1)), Vec::new()),
        "recvmsg" | "sendmsg" => {
            let pieces = call.arguments.get(1).and_then(|message| message.field("msg_iov"));
            (vector(pieces), words(call, 2))
        }
        _ => (Some(integer(call, 2, "a length")?), words(call, 3)),
    };
    let length = length
        .filter(|length| (0..=MAX_LEN).contains(length))
        .ok_or_else(|| Stop::failed(format!("{} has no length from 0 to {MAX_LEN}", call.name)))?;
    Ok((length as usize, flags))
}

/// Whether the call is to move bytes from or to `NULL`.
pub(in crate::script) fn points_nowhere(call: &Call) -> Result<bool> {
    Ok(words(call, 1) == ["NULL"] && integer(call, 2, "a length")? > 0)
}

/// `[{..., 10}, {..., 20}]`.
fn vector(pieces: Option<&Expression>) -> Option<i64> {
    let Expression::List(pieces) = pieces? else {
        return None;
    };
    pieces.iter().try_fold(0_i64, |sum, piece| {
        let Expression::Structure(fields) = piece else {
            return None;
        };
        sum.checked_add(fields.last()?.1.integer()?)
    })
}

/// Refuses flags of a call that cannot be honoured.
pub(in crate::script) fn check_flags(flags: &[&str], known: &[&str]) -> Result<()> {
    match flags.iter().find(|flag| !known.contains(flag)) {
        Some(strange) => Err(Stop::unsupported(format!("flag {strange}"))),
        None => Ok(()),
    }
}
