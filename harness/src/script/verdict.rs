//! What became of a script.

use std::fmt;
use std::path::Path;

use super::lexer::Position;

/// What became of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Passed,
    /// Something was not as expected, and the script said beforehand that it need not be (`--non_fatal`).
    PassedWith(Vec<Failure>),
    Failed(Failure),
    /// The system refuses what playing it needs, and why.
    Impossible(String),
    /// It needs something that cannot be done.
    Unsupported {
        at: Position,
        construct: String,
    },
}

/// Why a script failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) at: Position,
    pub(crate) reason: String,
    /// What was expected and what came instead, in columns.
    pub(crate) compared: Option<(String, String)>,
    /// What happened before, in lines.
    pub(crate) trace: Vec<String>,
}

/// Why a script ends before its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    Failed {
        reason: String,
        compared: Option<(String, String)>,
    },
    Unsupported(String),
}

impl Stop {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
            compared: None,
        }
    }

    pub(super) fn unsupported(construct: impl Into<String>) -> Self {
        Self::Unsupported(construct.into())
    }
}

impl From<super::host::Restless> for Stop {
    fn from(_: super::host::Restless) -> Self {
        Self::failed("the engine always has something to do at this time and never comes to rest")
    }
}

impl Verdict {
    /// What becomes of a script that stopped there, after what the trace says.
    pub(super) fn stopped(at: Position, stop: Stop, trace: Vec<String>) -> Self {
        match stop {
            Stop::Unsupported(construct) => Self::Unsupported { at, construct },
            Stop::Failed { reason, compared } => Self::Failed(Failure {
                at,
                reason,
                compared,
                trace,
            }),
        }
    }

    /// The verdict in words, about this file.
    pub(crate) fn about<'a>(&'a self, file: &'a Path) -> impl fmt::Display + 'a {
        About { verdict: self, file }
    }
}

struct About<'a> {
    verdict: &'a Verdict,
    file: &'a Path,
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.verdict {
            Verdict::Passed => write!(f, "pass         {file}"),
            Verdict::PassedWith(warnings) => {
                write!(f, "pass         {file}")?;
                warnings
                    .iter()
                    .try_for_each(|warning| write!(f, "\n    not fatal  {}: {}", warning.at, warning.reason))
            }
            Verdict::Impossible(why) => write!(f, "impossible   {file}: {why}"),
            Verdict::Unsupported { at, construct } => {
                write!(f, "unsupported  {file}:{}: {construct}", at.line)
            }
            Verdict::Failed(failure) => {
                write!(f, "fail         {file}:{}: {}", failure.at, failure.reason)?;
                if let Some((expected, actual)) = &failure.compared {
                    write!(f, "\n    expected  {expected}\n    actual    {actual}")?;
                }
                if !failure.trace.is_empty() {
                    write!(f, "\n    before that, in seconds and lines:")?;
                }
                failure
                    .trace
                    .iter()
                    .try_for_each(|line| write!(f, "\n      {line}"))
            }
        }
    }
}
