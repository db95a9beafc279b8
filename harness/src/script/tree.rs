//! What a script says, as a tree.

use std::fmt;

use super::lexer::Position;
use super::packet::Packet;

/// A span of script time in nanoseconds.
pub(crate) type Nanos = u64;

/// A whole file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// `--name=value` lines.
    pub(crate) options: Vec<(String, String, Position)>,
    pub(crate) events: Vec<Event>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: Position,
    pub(crate) when: When,
    pub(crate) what: What,
}

/// When an event happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// So long after the start.
    Absolute(Nanos),
    /// So long after the event before.
    Relative(Nanos),
    /// Whenever it pleases.
    Any,
    /// Between two times after the start.
    AbsoluteRange(Nanos, Nanos),
    /// Between two times after the event before.
    RelativeRange(Nanos, Nanos),
    /// A call that starts at the first time and returns at the second, both after the start.
    AbsoluteCall(Nanos, Nanos),
    /// The same, both after the event before.
    RelativeCall(Nanos, Nanos),
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A packet arrives.
    Inject(Packet),
    /// The engine must send this packet.
    Expect(Packet),
    /// Nothing but what was expected may have been sent up to now.
    Quiet,
    /// The application calls.
    Call(Call),
    /// Commands of a shell.
    Shell(String),
    /// Assertions on the connection.
    Code(String),
}

/// A call by the application and what it returns.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<Expression>,
    /// `None` when the script does not care.
    pub(crate) result: Option<Expression>,
    pub(crate) error: Option<String>,
}

/// An argument or a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expression {
    Integer(i64),
    Word(String),
    Text(String),
    Ellipsis,
    /// `A|B`.
    Flags(Vec<Self>),
    /// `[a, b]`.
    List(Vec<Self>),
    /// `{name=value, …}`; a value may have no name.
    Structure(Vec<(Option<String>, Self)>),
    /// `name(a, b)`.
    Function(String, Vec<Self>),
}

impl Script {
    /// Where the first event stands.
    pub(crate) fn start(&self) -> Position {
        let first = self.events.first();
        first.map_or(Position { line: 1, column: 1 }, |event| event.at)
    }

    /// How long the script takes at least, as far as its times tell.
    pub(crate) fn length(&self) -> Nanos {
        let mut end: Nanos = 0;
        for event in &self.events {
            end = match event.when {
                When::Absolute(time) | When::AbsoluteRange(time, _) | When::AbsoluteCall(_, time) => {
                    end.max(time)
                }
                When::Relative(span) | When::RelativeRange(span, _) => end.saturating_add(span),
                // What follows counts from the start of a call.
                When::RelativeCall(start, _) => end.saturating_add(start),
                When::Any => end,
            };
        }
        end
    }
}

impl Expression {
    /// The names that an expression such as `A|B` consists of; empty when it is something else.
    pub(crate) fn words(&self) -> Vec<&str> {
        match self {
            Self::Word(word) => vec![word],
            Self::Flags(parts) => parts.iter().flat_map(Self::words).collect(),
            _ => Vec::new(),
        }
    }

    /// The value of a field of a structure.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Structure(fields) = self else {
            return None;
        };
        fields
            .iter()
            .find(|(field, _)| field.as_deref() == Some(name))
            .map(|(_, value)| value)
    }

    /// A whole number, perhaps the only element of a list or inside `htons()`.
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::List(elements) | Self::Function(_, elements) if elements.len() == 1 => {
                elements[0].integer()
            }
            _ => None,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, row(&self.arguments, ", "))?;
        if let Some(result) = &self.result {
            write!(f, " = {result}")?;
        }
        self.error.iter().try_for_each(|error| write!(f, " {error}"))
    }
}

fn row(expressions: &[Expression], between: &str) -> String {
    let shown: Vec<String> = expressions.iter().map(ToString::to_string).collect();
    shown.join(between)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Word(word) => write!(f, "{word}"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Ellipsis => write!(f, "..."),
            Self::Flags(parts) => write!(f, "{}", row(parts, "|")),
            Self::List(elements) => write!(f, "[{}]", row(elements, ", ")),
            Self::Function(name, arguments) => write!(f, "{name}({})", row(arguments, ", ")),
            Self::Structure(fields) => {
                let shown: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| match name {
                        Some(name) => format!("{name}={value}"),
                        None => value.to_string(),
                    })
                    .collect();
                write!(f, "{{{}}}", shown.join(", "))
            }
        }
    }
}
