//! Packets.

use super::cursor::Cursor;
use super::{icmp, option};
use crate::script::lexer::{SyntaxError, Token};
use crate::script::packet::{ACK, Body, Ecn, FLAG_LETTERS, IpInfo, Packet, Tcp};

/// Whether the engine receives or sends a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    In,
    Out,
}

/// What follows `<` or `>`.
pub(super) fn parse(cursor: &mut Cursor, direction: Direction) -> Result<Packet, SyntaxError> {
    let ip = parse_ip_info(cursor)?;
    for prefix in ["ipv4", "ipv6", "gre", "mpls"] {
        if cursor.is_word(prefix) {
            return Err(SyntaxError::unsupported(
                cursor.here(),
                format!("encapsulation in {prefix}"),
            ));
        }
    }
    let mut ports = parse_ports(cursor)?;
    let body = if cursor.take_word("udp") {
        ports = parse_ports(cursor)?.or(ports);
        Body::Udp(parse_len(cursor)?)
    } else if cursor.take_word("icmp") {
        Body::Icmp(icmp::parse(cursor)?)
    } else if direction == Direction::In && cursor.take_word("raw") {
        Body::Raw(cursor.hex_bytes()?)
    } else {
        Body::Tcp(parse_tcp(cursor, direction)?)
    };
    Ok(Packet { ip, ports, body })
}

fn parse_ports(cursor: &mut Cursor) -> Result<Option<(u16, u16)>, SyntaxError> {
    let has_ports =
        matches!(cursor.peek(), Some(Token::Number(_))) && cursor.peek_at(1) == Some(&Token::Sign('>'));
    if !has_ports {
        return Ok(None);
    }
    let from = cursor.small("a port")?;
    cursor.expect_sign('>')?;
    Ok(Some((from, cursor.small("a port")?)))
}

fn parse_ip_info(cursor: &mut Cursor) -> Result<IpInfo, SyntaxError> {
    let mut info = IpInfo::default();
    let end = if cursor.take_sign('[') {
        ']'
    } else if cursor.take_sign('(') {
        ')'
    } else {
        return Ok(info);
    };
    while !cursor.take_sign(end) {
        parse_ip_field(cursor, &mut info)?;
        cursor.take_sign(',');
    }
    Ok(info)
}

fn parse_ip_field(cursor: &mut Cursor, info: &mut IpInfo) -> Result<(), SyntaxError> {
    let word = cursor.word().unwrap_or_default().to_owned();
    let wanted =
        cursor.wanted("`noecn`, `ect0`, `ect1`, `ce`, `ect01`, `tos`, `ttl`, `flowlabel` or `badsum`");
    if !word.is_empty() {
        cursor.take();
    }
    match word.as_str() {
        "noecn" => info.ecn = Some(Ecn::Bits(0)),
        "ect1" => info.ecn = Some(Ecn::Bits(1)),
        "ect0" => info.ecn = Some(Ecn::Bits(2)),
        "ce" => info.ecn = Some(Ecn::Bits(3)),
        "ect01" => info.ecn = Some(Ecn::AnyEct),
        "tos" => info.tos = Some(cursor.small("TOS")?),
        "ttl" => info.ttl = Some(cursor.small("a TTL")?),
        "flowlabel" => info.flow_label = Some(cursor.small("a flow label")?),
        "badsum" => info.spoilt = true,
        _ => return Err(wanted),
    }
    Ok(())
}

/// `(N)`.
pub(super) fn parse_len(cursor: &mut Cursor) -> Result<u32, SyntaxError> {
    cursor.expect_sign('(')?;
    let len: u16 = cursor.small("a packet")?;
    cursor.expect_sign(')')?;
    Ok(u32::from(len))
}

/// `first:end(len)`.
pub(super) fn parse_range(cursor: &mut Cursor) -> Result<(u32, u32), SyntaxError> {
    let at = cursor.here();
    let first: u32 = cursor.small("a sequence number")?;
    cursor.expect_sign(':')?;
    let end: u32 = cursor.small("a sequence number")?;
    cursor.expect_sign('(')?;
    let len: u32 = cursor.small("a length")?;
    cursor.expect_sign(')')?;
    if first.wrapping_add(len) != end {
        return Err(SyntaxError::new(
            at,
            format!(
                "{first}:{end}({len}) contradicts itself: {first} + {len} is {}",
                first.wrapping_add(len)
            ),
        ));
    }
    Ok((first, len))
}

fn parse_tcp(cursor: &mut Cursor, direction: Direction) -> Result<Tcp, SyntaxError> {
    let at = cursor.here();
    let flags = parse_flags(cursor)?;
    let (seq, len) = parse_range(cursor)?;
    if direction == Direction::In && len > 65_000 {
        return Err(SyntaxError::new(at, "a packet that arrives cannot be that long"));
    }
    let mut tcp = Tcp {
        flags,
        seq,
        len,
        ack: None,
        window: None,
        urgent: None,
        options: Some(Vec::new()),
    };
    if cursor.take_word("ack") {
        tcp.ack = Some(cursor.small("an acknowledgment")?);
    }
    if cursor.take_word("win") {
        tcp.window = Some(cursor.small("a window")?);
    }
    if cursor.take_word("urg") {
        tcp.urgent = Some(cursor.small("an urgent pointer")?);
    }
    if cursor.is_sign('<') && cursor.peek_at(1) != Some(&Token::Sign('[')) {
        tcp.options = option::parse(cursor)?;
    }
    if direction == Direction::In && tcp.window.is_none() {
        return Err(SyntaxError::new(at, "a packet that arrives needs `win`"));
    }
    if direction == Direction::In && tcp.options.is_none() {
        return Err(SyntaxError::new(at, "a packet that arrives cannot have `<...>`"));
    }
    Ok(tcp)
}

/// Letters, then `.` for ACK, then the digit of the ACE field; or `-` for none.
fn parse_flags(cursor: &mut Cursor) -> Result<u16, SyntaxError> {
    if cursor.take_sign('-') {
        return Ok(0);
    }
    let mut text = String::new();
    if let Some(word) = cursor.word() {
        text += word;
        cursor.take();
    }
    match cursor.peek() {
        Some(Token::Sign('.')) => text.push('.'),
        Some(Token::Number(number)) if number.starts_with('.') => text += number,
        _ if text.is_empty() => return Err(cursor.wanted("the flags of a segment")),
        _ => {
            return flag_bits(&text)
                .ok_or_else(|| cursor.wanted(&format!("`{text}` to be flags, before what")));
        }
    }
    let bits =
        flag_bits(&text).ok_or_else(|| cursor.wanted(&format!("`{text}` to be flags, before what")))?;
    cursor.take();
    Ok(bits)
}

fn flag_bits(text: &str) -> Option<u16> {
    text.chars().try_fold(0, |bits, c| {
        let bit = match c {
            '.' => ACK,
            '0'..='7' => (c as u16 - u16::from(b'0')) << 6,
            letter => 1 << FLAG_LETTERS.iter().position(|known| *known == letter)?,
        };
        Some(bits | bit)
    })
}
