//! TCP options.

use super::cursor::Cursor;
use crate::script::lexer::{SyntaxError, Token};
use crate::script::packet::TcpOption;

const FAST_OPEN: u8 = 34;
const EXPERIMENT: u8 = 254;
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];
const MD5: u8 = 19;
const ACCURATE_ECN_0: u8 = 172;
const ACCURATE_ECN_1: u8 = 174;

/// `<a,b,c>`; `None` for `<...>`.
pub(super) fn parse(cursor: &mut Cursor) -> Result<Option<Vec<TcpOption>>, SyntaxError> {
    cursor.expect_sign('<')?;
    if cursor.peek() == Some(&Token::Ellipsis) {
        cursor.take();
        cursor.expect_sign('>')?;
        return Ok(None);
    }
    let mut options = Vec::new();
    while !cursor.take_sign('>') {
        if !options.is_empty() {
            cursor.expect_sign(',')?;
        }
        options.push(parse_option(cursor)?);
    }
    Ok(Some(options))
}

fn parse_option(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    let wanted = cursor.wanted("an option of TCP");
    let at = cursor.here();
    let Some(Token::Word(name)) = cursor.take() else {
        return Err(wanted);
    };
    Ok(match name.as_str() {
        "mss" => TcpOption::Mss(cursor.small("an MSS")?),
        "wscale" => TcpOption::WindowScale(cursor.small("a shift")?),
        "sackOK" => TcpOption::SackPermitted,
        "nop" => TcpOption::Nop,
        "eol" => TcpOption::Eol,
        "sack" => TcpOption::Sack(parse_blocks(cursor)?),
        "TS" => parse_timestamps(cursor)?,
        "FO" => raw(at, &[FAST_OPEN], cursor.hex_bytes()?)?,
        "FOEXP" => {
            let cookie = cursor.hex_bytes()?;
            raw(at, &[EXPERIMENT], [&FAST_OPEN_EXPERIMENT[..], &cookie].concat())?
        }
        "md5" => raw(at, &[MD5], cursor.hex_bytes()?)?,
        "raw" => TcpOption::Raw(cursor.hex_bytes()?),
        "ECN" => parse_accurate_ecn(cursor)?,
        _ => return Err(wanted),
    })
}

/// An option with a length byte.
fn raw(at: crate::script::lexer::Position, kind: &[u8], value: Vec<u8>) -> Result<TcpOption, SyntaxError> {
    let len = u8::try_from(value.len() + 2)
        .ok()
        .filter(|len| *len <= 40)
        .ok_or_else(|| SyntaxError::new(at, "an option cannot be that long"))?;
    Ok(TcpOption::Raw([kind, &[len], &value].concat()))
}

fn parse_blocks(cursor: &mut Cursor) -> Result<Vec<(u32, u32)>, SyntaxError> {
    let mut blocks = Vec::new();
    while matches!(cursor.peek(), Some(Token::Number(_))) {
        let left = cursor.small("a sequence number")?;
        cursor.expect_sign(':')?;
        blocks.push((left, cursor.small("a sequence number")?));
    }
    Ok(blocks)
}

/// `ECN e0b N [ceb N [e1b N]]`, or the other way round: AccECN's counters of 24 bits, in one of two orders (draft-ietf-tcpm-accurate-ecn).
fn parse_accurate_ecn(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    let (kind, order) = match cursor.word() {
        Some("e0b") => (ACCURATE_ECN_0, ["e0b", "ceb", "e1b"]),
        Some("e1b") => (ACCURATE_ECN_1, ["e1b", "ceb", "e0b"]),
        _ => return Err(cursor.wanted("`e0b` or `e1b`")),
    };
    let mut bytes = vec![kind, 2];
    for counter in order {
        if !cursor.take_word(counter) {
            break;
        }
        let at = cursor.here();
        let value: u32 = cursor.small("a counter")?;
        if value >= 1 << 24 {
            return Err(SyntaxError::new(
                at,
                format!("{value} is too large for a counter of 24 bits"),
            ));
        }
        bytes.extend(&value.to_be_bytes()[1..]);
        bytes[1] += 3;
    }
    Ok(TcpOption::Raw(bytes))
}

fn parse_timestamps(cursor: &mut Cursor) -> Result<TcpOption, SyntaxError> {
    if !cursor.take_word("val") {
        return Err(cursor.wanted("`val`"));
    }
    let val = cursor.small("a timestamp")?;
    if !cursor.take_word("ecr") {
        return Err(cursor.wanted("`ecr`"));
    }
    let ecr = cursor.small("a timestamp")?;
    Ok(TcpOption::Timestamps { val, ecr })
}
