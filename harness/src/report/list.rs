//! What there is to choose from, as a document.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use super::metrics::required;
use crate::config::{Keys, PathKind, ScenarioKind, StackKind};

/// Names the format of a [`List`].
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum ListFormat {
    #[serde(rename = "handfast.list/1")]
    List1,
}

/// Everything that has a name on the command line of `run`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct List {
    pub(crate) schema: ListFormat,
    pub(crate) scenarios: Vec<Choice>,
    pub(crate) stacks: Vec<Choice>,
    pub(crate) paths: Vec<Choice>,
    /// Flags of `run` without their dashes, which are the keys of scenario files.
    pub(crate) options: Vec<Choice>,
}

/// One name; lists that do not apply are left out.
#[derive(Clone, Default, Debug, Serialize, JsonSchema)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Of a scenario: the metrics that its documents have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) metrics: Vec<String>,
    /// Of a stack: the paths that it can take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) paths: Vec<String>,
    /// Of a path: the stacks that can be at both of its ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stacks: Vec<String>,
    /// Of an option: what it can be set to, where that is a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
}

impl List {
    /// All there is.
    pub(crate) fn of_all() -> Self {
        let scenario = |&kind: &ScenarioKind| Choice {
            metrics: required(kind).into_iter().map(str::to_owned).collect(),
            ..choice(&kind)
        };
        let stack = |&kind: &StackKind| Choice {
            paths: kind.paths().iter().map(ToString::to_string).collect(),
            ..choice(&kind)
        };
        Self {
            schema: ListFormat::List1,
            scenarios: ScenarioKind::value_variants().iter().map(scenario).collect(),
            stacks: StackKind::value_variants().iter().map(stack).collect(),
            paths: PathKind::value_variants().iter().map(path).collect(),
            options: Keys::of_run().flags().map(option).collect(),
        }
    }
}

fn choice<T: ValueEnum>(kind: &T) -> Choice {
    let value = kind.to_possible_value().unwrap_or_default();
    Choice {
        name: value.get_name().to_owned(),
        about: value.get_help().map(ToString::to_string).unwrap_or_default(),
        ..Choice::default()
    }
}

fn path(kind: &PathKind) -> Choice {
    let stacks = StackKind::value_variants().iter();
    Choice {
        stacks: stacks
            .filter(|stack| stack.paths().contains(kind))
            .map(ToString::to_string)
            .collect(),
        ..choice(kind)
    }
}

fn option(flag: &clap::Arg) -> Choice {
    let values = flag.get_possible_values();
    Choice {
        name: flag.get_long().unwrap_or_default().to_owned(),
        about: flag.get_help().map(ToString::to_string).unwrap_or_default(),
        values: values.iter().map(|value| value.get_name().to_owned()).collect(),
        ..Choice::default()
    }
}
