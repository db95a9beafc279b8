//! Runs at the rates that a search wants to know of.

use std::time::{Duration, Instant};

use super::bisection::{self, Bounds, Ended, Verdict};
use super::document::{Found, Iteration, Quantity, Search, SearchFormat};
use super::slo::{Figures, Slo};
use crate::config::{OpenLoop, Options};
use crate::measure::environment::Environment;
use crate::observe::Observers;
use crate::report::document::Run;
use crate::report::{now_utc, summarise};
use crate::run::{self, Plan, Subject};

/// What begins the reason of a run that others disturbed, and of one whose generator was the limit.
const DISTURBED: &str = "disturbed";
const CLIENT_BOUND: &str = "client_bound";

/// What a search is to find.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) quantity: Quantity,
    pub(crate) slo: Slo,
    pub(crate) bounds: Bounds,
    /// Runs that a stack may take.
    pub(crate) most_runs: u32,
    /// Time after which no further run of a stack begins.
    pub(crate) at_most: Duration,
    /// Of each run.
    pub(crate) options: Options,
}

impl Figures for Run {
    fn figure(&self, metric: &str) -> Option<f64> {
        self.metrics.get(metric).copied().flatten()
    }
}

/// Searches for the highest rate of each stack in turn. Ends early, with what was found, when the program is told to stop.
pub(crate) fn carry_out(asked: &Asked) -> Search {
    let plan = Plan {
        runs: 1,
        ..Plan::new(asked.quantity.scenario(), &asked.options)
    };
    let environment = Environment::observe();
    let started = now_utc();
    let results = plan
        .subjects
        .iter()
        .take_while(|_| !run::interrupted())
        .map(|subject| of_subject(asked, &plan, subject, &environment))
        .collect();
    Search {
        schema: SearchFormat::Search1,
        quantity: asked.quantity,
        scenario: plan.scenario,
        started,
        slo: asked.slo.to_string(),
        bounds: asked.bounds,
        most_runs: asked.most_runs,
        at_most: asked.at_most,
        environment,
        interrupted: run::interrupted(),
        results,
    }
}

fn of_subject(asked: &Asked, plan: &Plan, subject: &Subject, environment: &Environment) -> Found {
    let began = Instant::now();
    let mut iterations: Vec<Iteration> = Vec::new();
    let mut unsupported = None;
    let answer = bisection::search(&asked.bounds, |rate| {
        let is_over = iterations.len() >= asked.most_runs as usize || began.elapsed() >= asked.at_most;
        if is_over || run::interrupted() {
            return Err(Ended::OutOfBounds);
        }
        match once(plan, subject, rate, iterations.len(), environment) {
            Ok(run) => {
                let iteration = judge(&asked.slo, rate, run);
                note!("{}: {rate}/s {}", subject.stack, iteration.verdict);
                iterations.push(iteration);
                Ok(iterations.last().map_or(Verdict::Void, |last| last.verdict))
            }
            Err(reason) => {
                unsupported = Some(reason);
                Err(Ended::Unsupported)
            }
        }
    });
    Found {
        stack: subject.stack,
        path: subject.config.path,
        placement: subject.config.placement,
        unsupported_reason: unsupported,
        highest_per_second: answer.holds,
        fails_per_second: answer.fails,
        ended: answer.ended,
        config: subject.config.clone(),
        iterations,
    }
}

/// One run at `rate`, with a seed of its own.
///
/// # Errors
/// Why the stack cannot do what was asked.
fn once(
    plan: &Plan,
    subject: &Subject,
    rate: u32,
    number: usize,
    environment: &Environment,
) -> Result<Run, String> {
    let mut config = subject.config_of_run(number);
    let arrivals = config.open_loop.map(|load| load.arrivals).unwrap_or_default();
    config.open_loop = Some(OpenLoop { rate, arrivals });
    let plan = Plan {
        subjects: vec![Subject {
            config,
            ..subject.clone()
        }],
        ..plan.clone()
    };
    let document = summarise(
        &run::execute(plan, &Observers::default()),
        environment.clone(),
        now_utc(),
    );
    let mut results = document.results.into_iter();
    let result = results.next().ok_or("nothing was run")?;
    if let Some(reason) = result.unsupported_reason {
        return Err(reason);
    }
    result
        .runs
        .into_iter()
        .next()
        .ok_or_else(|| "no run took place".to_owned())
}

fn judge(slo: &Slo, rate: u32, run: Run) -> Iteration {
    let mut reasons = slo.breaches(&run);
    reasons.extend(run.invalid_reasons);
    let has = |name: &str| reasons.iter().any(|reason| reason.starts_with(name));
    let verdict = if reasons.is_empty() {
        Verdict::Holds
    } else if has(DISTURBED) {
        Verdict::Void
    } else if has(CLIENT_BOUND) {
        Verdict::ClientBound
    } else {
        Verdict::Fails
    };
    Iteration {
        rate,
        verdict,
        reasons,
        metrics: run.metrics,
    }
}
