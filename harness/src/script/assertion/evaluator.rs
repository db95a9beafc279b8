//! Expressions of whole numbers, by recursive descent.

use std::collections::HashMap;

use super::{Problem, is_name};

/// How deep brackets may nest.
const MAX_DEPTH: u32 = 64;

/// A place in a row of tokens.
pub(super) struct Evaluator<'a> {
    tokens: &'a [String],
    next: usize,
    known: &'a dyn Fn(&str) -> Option<i64>,
    own: &'a HashMap<String, i64>,
    depth: u32,
}

impl<'a> Evaluator<'a> {
    /// At the first of `tokens`.
    pub(super) fn new(
        tokens: &'a [String],
        known: &'a dyn Fn(&str) -> Option<i64>,
        own: &'a HashMap<String, i64>,
    ) -> Self {
        Self {
            tokens,
            next: 0,
            known,
            own,
            depth: 0,
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    pub(super) fn skip(&mut self, tokens: usize) {
        self.next += tokens;
    }

    /// Goes past the next token if it is this one.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|next| next == token);
        self.next += usize::from(found);
        found
    }

    fn take_any<'t>(&mut self, tokens: &[&'t str]) -> Option<&'t str> {
        tokens.iter().copied().find(|token| self.take(token))
    }

    /// The value of an expression, of which the next token is the first.
    pub(super) fn expression(&mut self) -> Result<i64, Problem> {
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
        let inverted = self.take("not");
        if self.take("in") {
            let among = self.row()?;
            return Ok(i64::from(among.contains(&left) != inverted));
        }
        if inverted {
            return Err(self.strange());
        }
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

    /// `(a, b)`, or with square brackets.
    fn row(&mut self) -> Result<Vec<i64>, Problem> {
        let end = match self.take_any(&["(", "["]) {
            Some("(") => ")",
            Some(_) => "]",
            None => return Err(self.strange()),
        };
        let mut values = Vec::new();
        while !self.take(end) {
            if !values.is_empty() && !self.take(",") {
                return Err(self.strange());
            }
            values.push(self.expression()?);
        }
        Ok(values)
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
        if matches!(token.as_str(), "abs" | "min" | "max" | "int") {
            let name = token.clone();
            self.next += 1;
            return self.function(&name);
        }
        let value = self.value(token)?;
        self.next += 1;
        Ok(value)
    }

    fn function(&mut self, name: &str) -> Result<i64, Problem> {
        let given = self.row()?;
        let value = match (name, given.as_slice()) {
            ("abs", [value]) => Some(value.wrapping_abs()),
            ("int", [value]) => Some(*value),
            ("min", [_, _, ..]) => given.iter().copied().min(),
            ("max", [_, _, ..]) => given.iter().copied().max(),
            _ => None,
        };
        value.ok_or_else(|| self.strange())
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
