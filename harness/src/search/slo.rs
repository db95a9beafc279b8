//! What is asked of a stack at a rate: `fail<=0,p99<=5ms`.

use std::fmt;
use std::mem::discriminant;
use std::str::FromStr;
use std::time::Duration;

use crate::config::quantity::{count, duration};

/// Conditions that all have to be kept.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Slo {
    text: String,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Condition {
    /// Operations that failed, were dropped or lost.
    Fail(Most),
    /// Datagrams that were lost.
    Loss(Most),
    /// A percentile of the response time, by the name of its metric.
    Response(&'static str, Duration),
}

/// So many at most.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Most {
    Number(u64),
    /// Of what was offered, 0 to 1.
    Part(f64),
}

/// What a run is judged by.
pub(crate) trait Figures {
    /// `None` where the run cannot tell.
    fn figure(&self, metric: &str) -> Option<f64>;
}

impl Slo {
    /// What was not kept, one sentence each; empty when all was.
    pub(crate) fn breaches(&self, figures: &impl Figures) -> Vec<String> {
        self.conditions
            .iter()
            .filter_map(|condition| condition.breach(figures))
            .collect()
    }
}

impl Slo {
    /// The longest that a percentile of the response time may be, in nanoseconds; `None` where nothing is asked of it.
    pub(crate) fn longest_ns(&self, metric: &str) -> Option<f64> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Response(name, most) if *name == metric => Some(most.as_nanos() as f64),
            _ => None,
        })
    }

    /// The part of `offered` operations that may fail, or be lost where that is all that is asked.
    pub(crate) fn most_failures(&self, offered: f64) -> Option<f64> {
        let part = |most: Most| match most {
            Most::Number(number) => number as f64 / offered,
            Most::Part(part) => part,
        };
        let fail = self.conditions.iter().find_map(|condition| match *condition {
            Condition::Fail(most) => Some(part(most)),
            _ => None,
        });
        fail.or_else(|| {
            self.conditions.iter().find_map(|condition| match *condition {
                Condition::Loss(most) => Some(part(most)),
                _ => None,
            })
        })
    }
}

impl Condition {
    fn is_of_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Response(one, _), Self::Response(another, _)) => one == another,
            _ => discriminant(self) == discriminant(other),
        }
    }

    fn breach(&self, figures: &impl Figures) -> Option<String> {
        match *self {
            Self::Fail(most) => {
                let parts = ["failed", "dropped_arrivals", "lost"];
                let failed: f64 = parts.iter().filter_map(|part| figures.figure(part)).sum();
                most.breach(failed, "operations failed, were dropped or lost", figures)
            }
            Self::Loss(most) => {
                let lost = figures.figure("lost").unwrap_or(0.0);
                most.breach(lost, "datagrams were lost", figures)
            }
            Self::Response(metric, most) => match figures.figure(metric) {
                None => Some(format!(
                    "{metric} cannot be told of so few operations: make --duration longer"
                )),
                Some(ns) if ns > most.as_nanos() as f64 => Some(format!(
                    "{metric} is {:.3} ms, above {:.3} ms",
                    ns / 1e6,
                    most.as_secs_f64() * 1e3
                )),
                Some(_) => None,
            },
        }
    }
}

impl Most {
    fn breach(self, found: f64, what: &str, figures: &impl Figures) -> Option<String> {
        match self {
            Self::Number(most) => (found > most as f64).then(|| format!("{found} {what}, more than {most}")),
            Self::Part(most) => {
                let figure = |name| figures.figure(name).unwrap_or(0.0);
                let offered = figure("offered_per_second") * figure("window_seconds");
                (found > most * offered)
                    .then(|| format!("{found} of {offered:.0} {what}, more than {} %", 100.0 * most))
            }
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl FromStr for Slo {
    type Err = String;

    /// Errors name the word and its column, in characters from 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut column = 1;
        let mut conditions = Vec::new();
        for part in text.split(',') {
            let indent = part.chars().take_while(|c| c.is_whitespace()).count();
            let found = condition(part.trim(), column + indent)?;
            if conditions.iter().any(|known| found.is_of_the_same(known)) {
                return Err(format!(
                    "column {}: `{}` is said of the same as a condition before it: keep one of them",
                    column + indent,
                    part.trim()
                ));
            }
            conditions.push(found);
            column += part.chars().count() + 1;
        }
        Ok(Self {
            text: text.to_owned(),
            conditions,
        })
    }
}

fn condition(text: &str, column: usize) -> Result<Condition, String> {
    let Some((name, value)) = text.split_once("<=") else {
        return Err(format!(
            "column {column}: `{text}` is no condition: write NAME<=VALUE, as in fail<=0 or p99<=5ms"
        ));
    };
    let value_column =
        column + name.chars().count() + 2 + value.chars().take_while(|c| c.is_whitespace()).count();
    let wrong = |error: String| format!("column {value_column}: {error}");
    let (name, value) = (name.trim(), value.trim());
    let response = |metric| duration(value).map(|most| Condition::Response(metric, most));
    match name {
        "fail" => most(value).map(Condition::Fail),
        "loss" => most(value).map(Condition::Loss),
        "p50" => response("response_ns_p50"),
        "p99" => response("response_ns_p99"),
        "p999" => response("response_ns_p999"),
        _ => {
            return Err(format!(
                "column {column}: `{name}` is nothing that can be asked for: there are fail, loss, p50, p99 and p999"
            ));
        }
    }
    .map_err(wrong)
}

fn most(text: &str) -> Result<Most, String> {
    let Some(part) = text.strip_suffix('%') else {
        return count(text).map(Most::Number);
    };
    match part.parse::<f64>() {
        Ok(part) if (0.0..100.0).contains(&part) => Ok(Most::Part(part / 100.0)),
        _ => Err(format!(
            "`{text}` is no part of the operations: write a count or a percentage, as in 0 or 0.1%"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Figures for BTreeMap<&str, f64> {
        fn figure(&self, metric: &str) -> Option<f64> {
            self.get(metric).copied()
        }
    }

    fn breaches(slo: &str, figures: &[(&'static str, f64)]) -> usize {
        let slo: Slo = slo.parse().expect("well written");
        slo.breaches(&BTreeMap::from_iter(figures.iter().copied())).len()
    }

    #[test]
    fn conditions_hold_up_to_their_bound() {
        let figures = [
            ("failed", 3.0),
            ("dropped_arrivals", 2.0),
            ("offered_per_second", 1000.0),
            ("window_seconds", 5.0),
            ("response_ns_p99", 5e6),
        ];
        assert_eq!(breaches("fail<=5, p99<=5ms", &figures), 0);
        assert_eq!(breaches("fail<=4,p99<=4999us", &figures), 2);
        assert_eq!(breaches("fail<=0.1%", &figures), 0);
        assert_eq!(breaches("fail<=0.09%", &figures), 1);
        assert_eq!(breaches("loss<=0", &figures), 0, "nobody lost a datagram");
        assert_eq!(breaches("p999<=1m", &figures), 1, "too few operations to tell");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_word_and_column() {
        for (text, column, word) in [
            ("", 1, "``"),
            ("fail", 1, "`fail`"),
            ("fail<=0,p98<=5ms", 9, "`p98`"),
            ("fail<=0, p99<=5", 15, "`5`"),
            ("fail<=many", 7, "`many`"),
            ("loss<=100%", 7, "`100%`"),
            ("p99<=5ms,", 10, "``"),
            ("fail<0", 1, "`fail<0`"),
            ("p99<=5ms,fail<=0, p99<=6ms", 19, "`p99<=6ms`"),
            ("fail<=0,fail<=1%", 9, "`fail<=1%`"),
        ] {
            let error = text.parse::<Slo>().expect_err(text);
            assert!(
                error.starts_with(&format!("column {column}: ")) && error.contains(word),
                "{text}: {error}"
            );
        }
    }
}
