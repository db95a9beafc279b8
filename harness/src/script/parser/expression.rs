//! Calls, their arguments and results.

use super::MAX_DEPTH;
use super::cursor::Cursor;
use crate::script::lexer::{SyntaxError, Token};
use crate::script::tree::{Call, Expression};

/// `name(arguments) = result ERRNO (text)`.
pub(super) fn parse_call(cursor: &mut Cursor) -> Result<Call, SyntaxError> {
    let Some(Token::Word(name)) = cursor.take() else {
        return Err(cursor.wanted("the name of a call"));
    };
    cursor.expect_sign('(')?;
    let arguments = parse_row(cursor, ')', 0)?;
    if !cursor.take_sign('=') {
        return Ok(Call {
            name,
            arguments,
            result: None,
            error: None,
        });
    }
    let result = match parse_expression(cursor, 0)? {
        Expression::Ellipsis => None,
        result => Some(result),
    };
    let error = cursor
        .word()
        .filter(|word| {
            word.starts_with('E') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        })
        .map(ToOwned::to_owned);
    if error.is_some() {
        cursor.take();
    }
    skip_note(cursor)?;
    Ok(Call {
        name,
        arguments,
        result,
        error,
    })
}

/// `(…)` behind a result, for the reader.
fn skip_note(cursor: &mut Cursor) -> Result<(), SyntaxError> {
    let mut depth = 0_u32;
    while cursor.is_sign('(') || depth > 0 {
        match cursor.take() {
            Some(Token::Sign('(')) => depth += 1,
            Some(Token::Sign(')')) => depth -= 1,
            Some(_) => {}
            None => return Err(cursor.wanted("`)`")),
        }
        if depth == 0 {
            break;
        }
    }
    Ok(())
}

/// Expressions between commas, up to `end`, which is taken too.
fn parse_row(cursor: &mut Cursor, end: char, depth: usize) -> Result<Vec<Expression>, SyntaxError> {
    let mut row = Vec::new();
    while !cursor.take_sign(end) {
        if !row.is_empty() {
            cursor.expect_sign(',')?;
        }
        row.push(parse_expression(cursor, depth + 1)?);
    }
    Ok(row)
}

fn parse_expression(cursor: &mut Cursor, depth: usize) -> Result<Expression, SyntaxError> {
    if depth > MAX_DEPTH {
        return Err(SyntaxError::new(cursor.here(), "lists are nested too deep"));
    }
    let first = parse_single(cursor, depth)?;
    if !cursor.is_sign('|') {
        return Ok(first);
    }
    let mut parts = vec![first];
    while cursor.take_sign('|') {
        parts.push(parse_single(cursor, depth)?);
    }
    Ok(Expression::Flags(parts))
}

fn parse_single(cursor: &mut Cursor, depth: usize) -> Result<Expression, SyntaxError> {
    match cursor.peek() {
        Some(Token::Sign('-')) => {
            cursor.take();
            let value: i64 = cursor.small("a number")?;
            Ok(Expression::Integer(-value))
        }
        Some(Token::Number(_) | Token::Hex(_)) => {
            let value: i64 = cursor.small("a number")?;
            Ok(Expression::Integer(value))
        }
        Some(Token::Ellipsis) => {
            cursor.take();
            Ok(Expression::Ellipsis)
        }
        Some(Token::Text(_)) => Ok(parse_text(cursor)),
        Some(Token::Sign('[')) => {
            cursor.take();
            parse_row(cursor, ']', depth).map(Expression::List)
        }
        Some(Token::Sign('{')) => {
            cursor.take();
            parse_structure(cursor, depth)
        }
        Some(Token::Word(_)) => parse_name(cursor, depth),
        _ => Err(cursor.wanted("a value")),
    }
}

/// Strings side by side are one.
fn parse_text(cursor: &mut Cursor) -> Expression {
    let mut text = String::new();
    while let Some(Token::Text(part)) = cursor.peek() {
        text += part;
        cursor.take();
    }
    Expression::Text(text)
}

fn parse_name(cursor: &mut Cursor, depth: usize) -> Result<Expression, SyntaxError> {
    let Some(Token::Word(name)) = cursor.take() else {
        return Err(cursor.wanted("a name"));
    };
    if cursor.take_sign('(') {
        return Ok(Expression::Function(name, parse_row(cursor, ')', depth)?));
    }
    Ok(Expression::Word(name))
}

/// `{a=1, b(n)=2, 3}` behind its brace.
fn parse_structure(cursor: &mut Cursor, depth: usize) -> Result<Expression, SyntaxError> {
    let mut fields = Vec::new();
    while !cursor.take_sign('}') {
        if !fields.is_empty() {
            cursor.expect_sign(',')?;
        }
        let first = parse_expression(cursor, depth + 1)?;
        if !cursor.take_sign('=') {
            fields.push((None, first));
            continue;
        }
        let (Expression::Word(name) | Expression::Function(name, _)) = first else {
            return Err(cursor.wanted("a field, before what"));
        };
        fields.push((Some(name), parse_expression(cursor, depth + 1)?));
    }
    Ok(Expression::Structure(fields))
}
