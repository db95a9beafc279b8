//! ICMP messages.

use super::cursor::Cursor;
use super::packet::{parse_len, parse_range};
use crate::script::icmp::is_code;
use crate::script::lexer::{SyntaxError, Token};
use crate::script::packet::{Icmp, Quoted};

/// What follows `icmp`. Type and code are looked up when the IP version is known.
pub(super) fn parse(cursor: &mut Cursor) -> Result<Icmp, SyntaxError> {
    let wanted = cursor.wanted("the type of an ICMP message");
    let Some(Token::Word(mut name)) = cursor.take() else {
        return Err(wanted);
    };
    if let Some(code) = cursor.word().filter(|word| is_code(word)).map(ToOwned::to_owned) {
        cursor.take();
        name = format!("{name} {code}");
    }
    let mut icmp = Icmp {
        name,
        kind: 0,
        code: 0,
        mtu: None,
        id: None,
        quoted: None,
    };
    if cursor.take_word("mtu") {
        icmp.mtu = Some(cursor.small("an MTU")?);
    }
    if cursor.take_word("id") {
        icmp.id = Some(cursor.small("an identifier")?);
    }
    if cursor.take_sign('[') {
        icmp.quoted = Some(parse_quoted(cursor)?);
        cursor.expect_sign(']')?;
    }
    Ok(icmp)
}

fn parse_quoted(cursor: &mut Cursor) -> Result<Quoted, SyntaxError> {
    if cursor.take_word("udp") {
        return parse_len(cursor).map(Quoted::Udp);
    }
    if cursor.take_word("raw") {
        return parse_len(cursor).map(Quoted::Raw);
    }
    let (seq, len) = parse_range(cursor)?;
    Ok(Quoted::Tcp { seq, len })
}
