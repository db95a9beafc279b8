//! The assertions between `%{` and `}%`: the small part of Python that packet scripts use, evaluated here.

use std::collections::HashMap;

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
    if text.starts_with("print") || text == "pass" {
        return Ok(());
    }
    let tokens = tokens(text).ok_or_else(strange)?;
    let mut evaluator = Evaluator {
        tokens: &tokens,
        next: 0,
        known,
        own,
        depth: 0,
    };
    if evaluator.take("assert") {
        let value = evaluator.expression()?;
        if evaluator.next < tokens.len() && !evaluator.take(",") {
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
            evaluator.next = 2;
            let value = evaluator.expression()?;
            if evaluator.next < tokens.len() {
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

/// `None` at a character that is not part of the language.
fn tokens(text: &str) -> Option<Vec<String>> {
    const PAIRS: [&str; 8] = ["==", "!=", "<=", ">=", "<<", ">>", "//", "**"];
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            1 + rest[1..].find(first)? + 1
        } else if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
            2
        } else if "+-*/%&|^~<>()=,".contains(first) {
            1
        } else {
            return None;
        };
        found.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    Some(found)
}

/// How deep brackets may nest.
const MAX_DEPTH: u32 = 64;

struct Evaluator<'a> {
    tokens: &'a [String],
    next: usize,
    known: &'a dyn Fn(&str) -> Option<i64>,
    own: &'a HashMap<String, i64>,
    depth: u32,
}

impl Evaluator<'_> {
    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|next| next == token);
        self.next += usize::from(found);
        found
    }

    fn take_any<'t>(&mut self, tokens: &[&'t str]) -> Option<&'t str> {
        tokens.iter().copied().find(|token| self.take(token))
    }

    fn expression(&mut self) -> Result<i64, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::Unsupported("an expression nested that deep".to_owned()));
        }
        let mut value = self.conjunction()?;
        while self.take("or") {
            let other = self.conjunction()?;
            value = if value != 0 { value } else { other };
        }
        self.depth -= 1;
        Ok(value)
    }

    fn conjunction(&mut self) -> Result<i64, Problem> {
        let mut value = self.negation()?;
        while self.take("and") {
            let other = self.negation()?;
            value = if value == 0 { 0 } else { other };
        }
        Ok(value)
    }

    fn negation(&mut self) -> Result<i64, Problem> {
        let mut inverted = None;
        while self.take("not") {
            inverted = Some(!inverted.unwrap_or(false));
        }
        let value = self.comparison()?;
        Ok(match inverted {
            None => value,
            Some(inverted) => i64::from((value != 0) != inverted),
        })
    }

    /// `a < b <= c` means both.
    fn comparison(&mut self) -> Result<i64, Problem> {
        let mut left = self.operation(0)?;
        let mut holds = None;
        while let Some(operator) = self.take_any(&["==", "!=", "<=", ">=", "<", ">"]) {
            let right = self.operation(0)?;
            let this = match operator {
                "==" => left == right,
                "!=" => left != right,
                "<=" => left <= right,
                ">=" => left >= right,
                "<" => left < right,
                _ => left > right,
            };
            holds = Some(holds.unwrap_or(true) && this);
            left = right;
        }
        Ok(holds.map_or(left, i64::from))
    }

    /// Operators of two numbers, the loosest first.
    fn operation(&mut self, level: usize) -> Result<i64, Problem> {
        const LEVELS: [&[&str]; 6] = [
            &["|"],
            &["^"],
            &["&"],
            &["<<", ">>"],
            &["+", "-"],
            &["*", "//", "/", "%"],
        ];
        let Some(operators) = LEVELS.get(level) else {
            return self.single();
        };
        let mut value = self.operation(level + 1)?;
        while let Some(operator) = self.take_any(operators) {
            let other = self.operation(level + 1)?;
            value = apply(operator, value, other)
                .ok_or_else(|| Problem::Unsupported(format!("`{value} {operator} {other}`")))?;
        }
        Ok(value)
    }

    fn single(&mut self) -> Result<i64, Problem> {
        if self.take("-") {
            return Ok(self.single()?.wrapping_neg());
        }
        if self.take("~") {
            return Ok(!self.single()?);
        }
        if self.take("(") {
            let value = self.expression()?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err(self.strange())
            };
        }
        let token = self.tokens.get(self.next).ok_or_else(|| self.strange())?;
        let value = self.value(token)?;
        self.next += 1;
        Ok(value)
    }

    fn strange(&self) -> Problem {
        Problem::Unsupported(format!("expression `{}`", self.tokens.join(" ")))
    }

    fn value(&self, token: &str) -> Result<i64, Problem> {
        let number = match token.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => token.parse().ok(),
        };
        if let Some(number) = number {
            return Ok(number);
        }
        match token {
            "True" => return Ok(1),
            "False" => return Ok(0),
            _ if !is_name(token) => return Err(self.strange()),
            _ => {}
        }
        self.own
            .get(token)
            .copied()
            .or_else(|| (self.known)(token))
            .ok_or_else(|| Problem::Unsupported(token.to_owned()))
    }
}

fn apply(operator: &str, a: i64, b: i64) -> Option<i64> {
    match operator {
        "|" => Some(a | b),
        "^" => Some(a ^ b),
        "&" => Some(a & b),
        "<<" => a.checked_shl(u32::try_from(b).ok()?),
        ">>" => a.checked_shr(u32::try_from(b).ok()?),
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "%" => a.checked_rem_euclid(b),
        // Python's true division gives a fraction; only what comes out whole can be said here.
        "/" => (b != 0 && a.checked_rem(b)? == 0).then(|| a / b),
        _ => a.checked_div_euclid(b),
    }
}

#[cfg(test)]
mod tests;
