//! From text to tokens.

use std::collections::HashMap;
use std::fmt;

/// Where something stands in a file; both count from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What a script is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A decimal number, perhaps with a fraction, as written.
    Number(String),
    /// `0x…`.
    Hex(u64),
    /// A name.
    Word(String),
    /// `"…"`, without the quotes.
    Text(String),
    /// Commands between backticks.
    Shell(String),
    /// Assertions between `%{` and `}%`.
    Code(String),
    /// `--name=value`.
    Option(String),
    /// `...`.
    Ellipsis,
    /// Any other character.
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(text) | Self::Word(text) => write!(f, "`{text}`"),
            Self::Hex(value) => write!(f, "`{value:#x}`"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Shell(_) => write!(f, "a command in backticks"),
            Self::Code(_) => write!(f, "an assertion"),
            Self::Option(text) => write!(f, "`--{text}`"),
            Self::Ellipsis => write!(f, "`...`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

/// A token and where it begins.
pub(crate) type Placed = (Token, Position);

/// What is wrong with a script's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) message: String,
    /// It is part of the language, but not of what can be run.
    pub(crate) unsupported: bool,
}

impl SyntaxError {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            unsupported: false,
        }
    }

    pub(crate) fn unsupported(at: Position, construct: impl Into<String>) -> Self {
        Self {
            at,
            message: construct.into(),
            unsupported: true,
        }
    }
}

/// Cuts a script into tokens; a word that `defines` knows is replaced by what it stands for.
pub(crate) fn tokens(text: &str, defines: &HashMap<String, Vec<Placed>>) -> Result<Vec<Placed>, SyntaxError> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    while let Some((token, at)) = lexer.next()? {
        match &token {
            Token::Word(word) if defines.contains_key(word) => {
                found.extend(defines[word].iter().map(|(token, _)| (token.clone(), at)));
            }
            _ => found.push((token, at)),
        }
    }
    Ok(found)
}

struct Lexer {
    text: Vec<char>,
    next: usize,
    here: Position,
}

impl Lexer {
    fn new(text: &str) -> Self {
        Self {
            text: text.chars().collect(),
            next: 0,
            here: Position { line: 1, column: 1 },
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.next + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.next += 1;
        if c == '\n' {
            self.here = Position {
                line: self.here.line + 1,
                column: 1,
            };
        } else {
            self.here.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(c) = self.peek(0).filter(|c| accept(*c)) {
            taken.push(c);
            self.take();
        }
        taken
    }

    /// What comes before `end`, which is taken too. `start` is where the whole begins.
    fn take_until(&mut self, start: Position, end: &str, what: &str) -> Result<String, SyntaxError> {
        let mut taken = String::new();
        while !self.starts_with(end) {
            match self.take() {
                Some(c) => taken.push(c),
                None => return Err(SyntaxError::new(start, format!("{what} has no end `{end}`"))),
            }
        }
        for _ in end.chars() {
            self.take();
        }
        Ok(taken)
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            if self.peek(0).is_some_and(char::is_whitespace) {
                self.take();
            } else if self.starts_with("//") || (self.starts_with("#") && self.here.column == 1) {
                self.take_while(|c| c != '\n');
            } else if self.starts_with("/*") {
                let start = self.here;
                self.take();
                self.take();
                self.take_until(start, "*/", "a comment")?;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<Placed>, SyntaxError> {
        self.skip_blanks()?;
        let at = self.here;
        let Some(first) = self.peek(0) else {
            return Ok(None);
        };
        let token = match first {
            '-' if self.begins_option() => self.option()?,
            '"' => {
                self.take();
                Token::Text(self.take_until(at, "\"", "a string")?)
            }
            '`' => {
                self.take();
                Token::Shell(self.take_until(at, "`", "a command")?)
            }
            '%' if self.starts_with("%{") => {
                self.take();
                self.take();
                Token::Code(self.take_until(at, "}%", "an assertion")?)
            }
            '.' if self.starts_with("...") => {
                for _ in 0..3 {
                    self.take();
                }
                Token::Ellipsis
            }
            '0' if self.starts_with("0x") || self.starts_with("0X") => self.hex(at)?,
            c if c.is_ascii_digit() => self.number(),
            '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number(),
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.take_while(|c| c.is_alphanumeric() || c == '_'))
            }
            c => {
                self.take();
                Token::Sign(c)
            }
        };
        Ok(Some((token, at)))
    }

    /// `--name`: two signs that stand nowhere else, and a letter.
    fn begins_option(&self) -> bool {
        self.starts_with("--") && self.peek(2).is_some_and(char::is_alphabetic)
    }

    /// A value in quotes or backticks keeps them, and its blanks.
    fn option(&mut self) -> Result<Token, SyntaxError> {
        self.take_while(|c| c == '-');
        let mut text = self.take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '`'));
        if let Some(quote @ ('"' | '`')) = self.peek(0) {
            let start = self.here;
            self.take();
            let value = self.take_until(start, &quote.to_string(), "the value of an option")?;
            text += &format!("{quote}{value}{quote}");
        }
        Ok(Token::Option(text))
    }

    fn hex(&mut self, at: Position) -> Result<Token, SyntaxError> {
        self.take();
        self.take();
        let digits = self.take_while(|c| c.is_ascii_hexdigit());
        u64::from_str_radix(&digits, 16)
            .map(Token::Hex)
            .map_err(|_| SyntaxError::new(at, format!("`0x{digits}` is no number of up to 64 bits")))
    }

    fn number(&mut self) -> Token {
        let mut text = self.take_while(|c| c.is_ascii_digit());
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.take();
            text.push('.');
            text += &self.take_while(|c| c.is_ascii_digit());
        }
        Token::Number(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Token, tokens};

    fn lex(text: &str) -> Vec<Token> {
        tokens(text, &[].into())
            .expect("legal text")
            .into_iter()
            .map(|(token, _)| token)
            .collect()
    }

    fn number(text: &str) -> Token {
        Token::Number(text.to_owned())
    }

    #[test]
    fn dots_belong_to_numbers_flags_and_ellipses() {
        assert_eq!(lex("0...0.25"), [number("0"), Token::Ellipsis, number("0.25")]);
        assert_eq!(lex("+.1"), [Token::Sign('+'), number(".1")]);
        assert_eq!(
            lex("S. 0"),
            [Token::Word("S".to_owned()), Token::Sign('.'), number("0")]
        );
    }

    #[test]
    fn comments_count_as_blanks_and_lines_are_counted() {
        let found = tokens("/* a\nb */ // c\n  x", &[].into()).expect("legal text");
        assert_eq!(
            found,
            [(Token::Word("x".to_owned()), Position { line: 3, column: 3 })]
        );
    }

    #[test]
    fn what_has_no_end_is_reported_where_it_begins() {
        let error = tokens("\n `echo", &[].into()).expect_err("no end");
        assert_eq!(error.at, Position { line: 2, column: 2 });
        assert!(error.message.contains("no end"), "{}", error.message);
    }

    #[test]
    fn defined_words_are_replaced() {
        let defines = [("SIZE".to_owned(), tokens("12", &[].into()).expect("legal text"))].into();
        let found = tokens("( SIZE", &defines).expect("legal text");
        assert_eq!(found[1].0, number("12"));
        assert_eq!(found[1].1, Position { line: 1, column: 3 });
    }
}
