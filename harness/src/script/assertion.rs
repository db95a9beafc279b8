//! The assertions between `%{` and `}%`: the small part of Python that packet scripts use, evaluated here.

mod evaluator;

use std::collections::HashMap;

use self::evaluator::Evaluator;

/// What an assertion comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    /// It does not hold.
    False(String),
    /// It says something that is not understood.
    Unsupported(String),
}

/// Runs the statements of a snippet. `known` gives the values of names such as `tcpi_snd_cwnd`; `own` keeps what snippets assign.
pub(super) fn run(
    code: &str,
    known: &dyn Fn(&str) -> Option<i64>,
    own: &mut HashMap<String, i64>,
) -> Result<(), Problem> {
    for statement in statements(code) {
        run_statement(&statement, known, own)?;
    }
    Ok(())
}

/// The statements of a snippet, without comments; brackets and backslashes join lines.
fn statements(code: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut depth = 0_i32;
    let joined = code.replace("\\\n", " ");
    for line in joined.lines() {
        let line = line.split('#').next().unwrap_or_default();
        for c in line.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if c == ';' && depth <= 0 {
                found.push(String::new());
            } else if let Some(last) = found.last_mut() {
                last.push(c);
            }
        }
        if depth <= 0 {
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push(' ');
        }
    }
    found
        .into_iter()
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

fn run_statement(
    text: &str,
    known: &dyn Fn(&str) -> Option<i64>,
    own: &mut HashMap<String, i64>,
) -> Result<(), Problem> {
    let strange = || Problem::Unsupported(format!("statement `{text}`"));
    // What is imported is only ever used to print.
    let is_idle = ["print", "import ", "from "]
        .iter()
        .any(|start| text.starts_with(start));
    if is_idle || text == "pass" {
        return Ok(());
    }
    let tokens = tokens(text);
    let mut evaluator = Evaluator::new(&tokens, known, own);
    if evaluator.take("assert") {
        let value = evaluator.expression()?;
        // What follows a comma is for the reader.
        if !evaluator.is_at_end() && !evaluator.take(",") {
            return Err(strange());
        }
        return if value == 0 {
            Err(Problem::False(explain(text, &tokens, known, own)))
        } else {
            Ok(())
        };
    }
    match (tokens.first(), tokens.get(1).map(String::as_str)) {
        (Some(name), Some("=")) if is_name(name) => {
            evaluator.skip(2);
            let value = evaluator.expression()?;
            if !evaluator.is_at_end() {
                return Err(strange());
            }
            own.insert(name.clone(), value);
            Ok(())
        }
        _ => Err(strange()),
    }
}

/// The assertion, and what its names stood for.
fn explain(
    text: &str,
    tokens: &[String],
    known: &dyn Fn(&str) -> Option<i64>,
    own: &HashMap<String, i64>,
) -> String {
    let mut values: Vec<String> = tokens
        .iter()
        .take_while(|token| *token != ",")
        .filter(|token| is_name(token) && token.chars().any(char::is_lowercase))
        .filter_map(|name| {
            let value = own.get(name).copied().or_else(|| known(name))?;
            Some(format!("{name} is {value}"))
        })
        .collect();
    values.dedup();
    format!("`{text}` does not hold: {}", values.join(", "))
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, numbers, strings and signs. A sign that the language has not is no problem where nobody looks at it.
fn tokens(text: &str) -> Vec<String> {
    const PAIRS: [&str; 8] = ["==", "!=", "<=", ">=", "<<", ">>", "//", "**"];
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            rest[1..].find(first).map_or(rest.len(), |end| end + 2)
        } else if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
            2
        } else {
            first.len_utf8()
        };
        found.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    found
}

#[cfg(test)]
mod tests;
