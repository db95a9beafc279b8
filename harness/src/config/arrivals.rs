//! Open loops: operations that the clock starts, and not the end of the one before.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::positive;
use super::{Misfit, ScenarioKind};

/// Bytes of a datagram of an open loop at least: the mark that says whether it counts, when it was to be sent, and when it was.
pub(crate) const SMALLEST_TIMED: u32 = 17;

/// What the command line may say of arrivals.
#[derive(Clone, Default, PartialEq, Eq, Debug, clap::Args)]
pub(crate) struct ArrivalOptions {
    /// Operations started per second by the clock, over all generators, in place of one when another ends; of connect, crr, rr and udp [default: closed loop]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) rate: Option<u32>,
    /// How the starts of --rate are spread: poisson, paced (evenly) or burst:N (N at once) [default: poisson]
    #[arg(long, value_name = "poisson|paced|burst:N")]
    pub(crate) arrivals: Option<Arrivals>,
}

/// The load of an open loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OpenLoop {
    /// Operations per second that are to start, over all generators.
    pub(crate) rate: u32,
    pub(crate) arrivals: Arrivals,
}

/// How intended starts are spread over time. In documents as on the command line.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Arrivals {
    /// Independent of each other, with exponentially distributed gaps.
    #[default]
    Poisson,
    /// Evenly.
    Paced,
    /// So many at the same time, and the groups evenly.
    Burst(u32),
}

impl ArrivalOptions {
    /// The open loop that was asked for; `None` for a closed loop.
    pub(super) fn open_loop(&self) -> Option<OpenLoop> {
        Some(OpenLoop {
            rate: self.rate?,
            arrivals: self.arrivals.unwrap_or_default(),
        })
    }

    /// Refuses a scenario that the clock cannot drive.
    ///
    /// # Errors
    /// [`Misfit`] names the option and the way out.
    pub(super) fn check(&self, scenario: ScenarioKind, message: Option<u32>) -> Result<(), Misfit> {
        let is_able = matches!(
            scenario,
            ScenarioKind::Connect | ScenarioKind::Crr | ScenarioKind::Rr | ScenarioKind::Udp
        );
        match (self.rate, message) {
            (None, _) if self.arrivals.is_some() => Err(Misfit(
                "--arrivals says how the starts of --rate are spread: ask for both".to_owned(),
            )),
            (None, _) => Ok(()),
            (Some(_), _) if !is_able => Err(Misfit(format!(
                "--rate is for connect, crr, rr and udp, whose operations a clock can start, and {scenario} is none of them: leave it out"
            ))),
            (Some(_), Some(message)) if scenario == ScenarioKind::Udp && message < SMALLEST_TIMED => {
                Err(Misfit(format!(
                    "--message {message} has no room for the times that --rate needs: give at least {SMALLEST_TIMED} bytes"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisson => formatter.pad("poisson"),
            Self::Paced => formatter.pad("paced"),
            Self::Burst(number) => formatter.pad(&format!("burst:{number}")),
        }
    }
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("burst:")) {
            ("poisson", _) => Ok(Self::Poisson),
            ("paced", _) => Ok(Self::Paced),
            (_, Some(number)) => positive(number).map(Self::Burst),
            _ => Err(format!(
                "`{text}` is no way to spread arrivals: write poisson, paced, or burst:N as in burst:32"
            )),
        }
    }
}

impl TryFrom<String> for Arrivals {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Arrivals> for String {
    fn from(arrivals: Arrivals) -> Self {
        arrivals.to_string()
    }
}

impl JsonSchema for Arrivals {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Arrivals".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "How intended starts are spread over time.",
            "type": "string",
            "pattern": "^(poisson|paced|burst:[1-9][0-9]*)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_written_as_they_are_read() {
        for text in ["poisson", "paced", "burst:32"] {
            let arrivals: Arrivals = text.parse().expect("known");
            assert_eq!(arrivals.to_string(), text);
            let json = serde_json::to_string(&arrivals).expect("JSON");
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Arrivals>(&json).expect("same"), arrivals);
        }
        for text in ["", "burst", "burst:", "burst:0", "Poisson", "uniform"] {
            assert!(text.parse::<Arrivals>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_for_what_a_clock_can_start() {
        let asked = ArrivalOptions {
            rate: Some(1000),
            arrivals: None,
        };
        assert!(asked.check(ScenarioKind::Crr, None).is_ok());
        assert!(asked.check(ScenarioKind::Udp, None).is_ok());
        let error = asked
            .check(ScenarioKind::Stream, None)
            .expect_err("a stream has no operations");
        assert!(
            error
                .to_string()
                .contains("--rate is for connect, crr, rr and udp")
        );
        let error = asked
            .check(ScenarioKind::Udp, Some(16))
            .expect_err("no room for times");
        assert!(error.to_string().contains("at least 17"));
        assert!(
            ArrivalOptions::default()
                .check(ScenarioKind::Stream, None)
                .is_ok()
        );
    }
}
