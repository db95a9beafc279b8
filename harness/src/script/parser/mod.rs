//! From tokens to a tree, by recursive descent.

mod cursor;
mod expression;
mod icmp;
mod option;
mod packet;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::cursor::Cursor;
use super::lexer::{Placed, Position, SyntaxError, Token, tokens};
use super::tree::{Event, Nanos, Script, What, When};

/// How many events a script may have when its loops are unrolled.
const MAX_EVENTS: usize = 100_000;
/// How deep loops and lists may nest.
const MAX_DEPTH: usize = 16;

/// Words and what they stand for.
pub(crate) type Defines = HashMap<String, Vec<Placed>>;

/// Reads a script. `defines` come from the command line and go before the file's own.
pub(crate) fn parse(text: &str, defines: &Defines) -> Result<Script, SyntaxError> {
    let options = options(tokens(text, &Defines::new())?);
    let mut all = own_defines(&options)?;
    all.extend(defines.iter().map(|(name, value)| (name.clone(), value.clone())));
    let body = tokens(text, &all)?
        .into_iter()
        .filter(|(token, _)| !matches!(token, Token::Option(_)))
        .collect();
    let mut cursor = Cursor::new(body);
    let mut events = Vec::new();
    parse_events(&mut cursor, &mut events, 0)?;
    check_times(&events)?;
    Ok(Script { options, events })
}

/// One `NAME=VALUE` as a definition.
pub(crate) fn define(text: &str) -> Result<(String, Vec<Placed>), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` has no `=`; write NAME=VALUE"))?;
    if name.is_empty() {
        return Err(format!("`{text}` has no name before its `=`; write NAME=VALUE"));
    }
    let value = tokens(value, &Defines::new()).map_err(|error| error.message)?;
    Ok((name.to_owned(), value))
}

fn options(found: Vec<Placed>) -> Vec<(String, String, Position)> {
    found
        .into_iter()
        .filter_map(|(token, at)| match token {
            Token::Option(text) => {
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                Some((name.to_owned(), value.to_owned(), at))
            }
            _ => None,
        })
        .collect()
}

fn own_defines(options: &[(String, String, Position)]) -> Result<Defines, SyntaxError> {
    options
        .iter()
        .filter(|(name, ..)| name == "define" || name == "D")
        .map(|(_, value, at)| define(value).map_err(|message| SyntaxError::new(*at, message)))
        .collect()
}

fn parse_events(cursor: &mut Cursor, events: &mut Vec<Event>, depth: usize) -> Result<(), SyntaxError> {
    while cursor.peek().is_some() && !cursor.is_sign('}') {
        if cursor.is_word("loop") {
            parse_loop(cursor, events, depth)?;
        } else {
            events.push(parse_event(cursor)?);
        }
        if events.len() > MAX_EVENTS {
            return Err(SyntaxError::new(
                cursor.here(),
                format!("more than {MAX_EVENTS} events"),
            ));
        }
    }
    if depth == 0 && cursor.peek().is_some() {
        return Err(cursor.wanted("an event"));
    }
    Ok(())
}

/// `loop N { … }`, unrolled.
fn parse_loop(cursor: &mut Cursor, events: &mut Vec<Event>, depth: usize) -> Result<(), SyntaxError> {
    let at = cursor.here();
    if depth >= MAX_DEPTH {
        return Err(SyntaxError::new(at, "loops are nested too deep"));
    }
    cursor.take();
    let times: u32 = cursor.small("the turns of a loop")?;
    cursor.expect_sign('{')?;
    let mut body = Vec::new();
    parse_events(cursor, &mut body, depth + 1)?;
    cursor.expect_sign('}')?;
    if body.len().saturating_mul(times as usize) > MAX_EVENTS {
        return Err(SyntaxError::new(at, format!("more than {MAX_EVENTS} events")));
    }
    for _ in 0..times {
        events.extend_from_slice(&body);
    }
    Ok(())
}

fn parse_event(cursor: &mut Cursor) -> Result<Event, SyntaxError> {
    let at = cursor.here();
    let untimed = matches!(cursor.peek(), Some(Token::Shell(_) | Token::Code(_)))
        || cursor.take_word("init")
        || cursor.take_word("cleanup");
    let when = if untimed {
        When::Relative(0)
    } else {
        parse_when(cursor)?
    };
    let what = parse_what(cursor)?;
    check_when(at, when, &what)?;
    Ok(Event { at, when, what })
}

/// Absolute times count on, and the first event has the time 0.
fn check_times(events: &[Event]) -> Result<(), SyntaxError> {
    let mut last = 0;
    for (index, event) in events.iter().enumerate() {
        let (When::Absolute(time) | When::AbsoluteRange(time, _) | When::AbsoluteCall(time, _)) = event.when
        else {
            continue;
        };
        if index == 0 && time != 0 {
            return Err(SyntaxError::new(
                event.at,
                "the first event must be at time 0; write `+` before a time that counts from the event before",
            ));
        }
        if time < last {
            return Err(SyntaxError::new(
                event.at,
                format!(
                    "this time is before the {} of an earlier event; write `+` before a time that counts from the event before",
                    seconds(last)
                ),
            ));
        }
        last = time;
    }
    Ok(())
}

fn seconds(time: Nanos) -> String {
    let text = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn parse_when(cursor: &mut Cursor) -> Result<When, SyntaxError> {
    if cursor.take_sign('*') {
        return Ok(When::Any);
    }
    let at = cursor.here();
    let relative = cursor.take_sign('+');
    let first = parse_time(cursor)?;
    let in_order = |second| match second < first {
        false => Ok(()),
        true => Err(SyntaxError::new(
            at,
            "the second time is before the first; both count from the same moment",
        )),
    };
    if cursor.take_sign('~') {
        let second_relative = cursor.take_sign('+');
        let second = parse_time(cursor)?;
        in_order(second)?;
        return Ok(if relative || second_relative {
            When::RelativeRange(first, second)
        } else {
            When::AbsoluteRange(first, second)
        });
    }
    if cursor.peek() == Some(&Token::Ellipsis) {
        cursor.take();
        let returns_relative = cursor.take_sign('+');
        let second = parse_time(cursor)?;
        in_order(second)?;
        return Ok(if relative || returns_relative {
            When::RelativeCall(first, second)
        } else {
            When::AbsoluteCall(first, second)
        });
    }
    Ok(if relative {
        When::Relative(first)
    } else {
        When::Absolute(first)
    })
}

fn parse_time(cursor: &mut Cursor) -> Result<Nanos, SyntaxError> {
    let time = match cursor.peek() {
        Some(Token::Number(text)) => nanos(text),
        _ => None,
    };
    let time = time.ok_or_else(|| cursor.wanted("a time in seconds"))?;
    cursor.take();
    Ok(time)
}

/// Seconds with a fraction, in nanoseconds; `None` when that is no number of up to a century.
pub(crate) fn nanos(text: &str) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let fraction: u64 = digits.parse().ok()?;
    (whole <= 3_200_000_000).then(|| whole * 1_000_000_000 + fraction)
}

fn parse_what(cursor: &mut Cursor) -> Result<What, SyntaxError> {
    match cursor.peek() {
        Some(Token::Sign('<')) => {
            cursor.take();
            packet::parse(cursor, packet::Direction::In).map(What::Inject)
        }
        Some(Token::Sign('>')) => {
            cursor.take();
            if cursor.take_sign('!') {
                return Ok(What::Quiet);
            }
            packet::parse(cursor, packet::Direction::Out).map(What::Expect)
        }
        Some(Token::Shell(command)) => {
            let command = command.trim().to_owned();
            cursor.take();
            Ok(What::Shell(command))
        }
        Some(Token::Code(code)) => {
            let code = code.clone();
            cursor.take();
            Ok(What::Code(code))
        }
        Some(Token::Word(_)) => expression::parse_call(cursor).map(What::Call),
        _ => Err(cursor.wanted("`<`, `>`, a call, a command or an assertion")),
    }
}

/// Some ways to say when go with some events alone.
fn check_when(at: Position, when: When, what: &What) -> Result<(), SyntaxError> {
    match (when, what) {
        (When::Any | When::AbsoluteRange(..) | When::RelativeRange(..), What::Expect(_)) => Ok(()),
        (When::Any | When::AbsoluteRange(..) | When::RelativeRange(..), _) => Err(SyntaxError::new(
            at,
            "only a packet that is sent can have any time or a range of times",
        )),
        (When::AbsoluteCall(..) | When::RelativeCall(..), What::Call(_)) => Ok(()),
        (When::AbsoluteCall(..) | When::RelativeCall(..), _) => {
            Err(SyntaxError::new(at, "only a call can return at a second time"))
        }
        _ => Ok(()),
    }
}
