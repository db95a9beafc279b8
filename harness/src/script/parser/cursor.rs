//! A place in a row of tokens.

use crate::script::lexer::{Placed, Position, SyntaxError, Token};

/// Reads tokens one after another.
pub(super) struct Cursor {
    tokens: Vec<Placed>,
    next: usize,
    end: Position,
}

impl Cursor {
    pub(super) fn new(tokens: Vec<Placed>) -> Self {
        let end = tokens
            .last()
            .map_or(Position { line: 1, column: 1 }, |(_, at)| *at);
        Self { tokens, next: 0, end }
    }

    /// Where the next token stands.
    pub(super) fn here(&self) -> Position {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|(token, _)| token)
    }

    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next)?.0.clone();
        self.next += 1;
        Some(token)
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word().is_some_and(|found| found == word)
    }

    /// The next token if it is a word.
    pub(super) fn word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(super) fn take_sign(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_sign(&mut self, sign: char) -> Result<(), SyntaxError> {
        if self.take_sign(sign) {
            return Ok(());
        }
        Err(self.wanted(&format!("`{sign}`")))
    }

    /// An error about the next token.
    pub(super) fn wanted(&self, what: &str) -> SyntaxError {
        let found = self
            .peek()
            .map_or_else(|| "the end of the file".to_owned(), ToString::to_string);
        SyntaxError::new(self.here(), format!("expected {what}, found {found}"))
    }

    /// A whole number without a sign, decimal or hexadecimal.
    pub(super) fn unsigned(&mut self) -> Result<u64, SyntaxError> {
        let value = match self.peek() {
            Some(Token::Number(text)) => text.parse().ok(),
            Some(Token::Hex(value)) => Some(*value),
            _ => None,
        };
        let value = value.ok_or_else(|| self.wanted("a whole number"))?;
        self.next += 1;
        Ok(value)
    }

    /// A whole number that fits into `T`.
    pub(super) fn small<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T, SyntaxError> {
        let at = self.here();
        let value = self.unsigned()?;
        T::try_from(value).map_err(|_| SyntaxError::new(at, format!("{value} is too large for {what}")))
    }

    /// Digits up to the next `,` or `>`, in pairs, as bytes.
    pub(super) fn hex_bytes(&mut self) -> Result<Vec<u8>, SyntaxError> {
        let at = self.here();
        if let Some(symbol) = self
            .word()
            .filter(|word| bytes_of(word).is_none() && word.contains('_'))
        {
            let construct = format!("{symbol}, which nothing defines: -D {symbol}=VALUE does");
            return Err(SyntaxError::unsupported(at, construct));
        }
        let mut digits = String::new();
        while let Some(Token::Number(text) | Token::Word(text) | Token::Text(text)) = self.peek() {
            digits += text;
            self.next += 1;
        }
        bytes_of(&digits).ok_or_else(|| SyntaxError::new(at, "expected pairs of hexadecimal digits"))
    }
}

/// Bytes from hexadecimal digits; blanks between them are skipped.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect())
}
