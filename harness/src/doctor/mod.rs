//! What this machine allows, found by trying it: nothing is concluded from who the user is.

mod probe;
mod report;

pub(crate) use self::report::print;

use serde::Serialize;

/// What one probe found.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked for.
    pub(crate) what: &'static str,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

/// Whether it is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub(crate) enum Verdict {
    /// It works; what is worth knowing of it.
    Works { detail: String },
    /// It does not, why, and what would help.
    Missing { reason: String, help: &'static str },
}

impl Verdict {
    fn works(detail: impl Into<String>) -> Self {
        Self::Works {
            detail: detail.into(),
        }
    }

    fn missing(reason: impl ToString, help: &'static str) -> Self {
        Self::Missing {
            reason: reason.to_string(),
            help,
        }
    }
}

/// Tries everything. Call it while the process has one thread; the process is in namespaces of its own afterwards.
pub(crate) fn examine() -> Vec<Finding> {
    probe::ALL
        .iter()
        .map(|(what, probe)| Finding {
            what,
            verdict: probe(),
        })
        .collect()
}
