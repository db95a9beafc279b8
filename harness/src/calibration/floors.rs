//! The same against the same: plans that run everything twice, and what the two differ by.

use super::Floor;
use crate::config::ScenarioKind;
use crate::measure::statistics::paired;
use crate::report::{is_counted, metrics_compared, metrics_of};
use crate::run::{Plan, PlanRuns, SubjectRuns};

/// A plan in which every subject comes twice. They take turns like any two.
pub(crate) fn doubled(plan: Plan) -> Plan {
    let subjects = plan
        .subjects
        .iter()
        .flat_map(|subject| [subject.clone(), subject.clone()]);
    Plan {
        subjects: subjects.collect(),
        ..plan
    }
}

/// What the runs of a [`doubled`] plan say of the machine. Metrics with too few pairs of runs that count are left out. Of a stack that
/// was run with several numbers of connections the noisiest counts.
pub(crate) fn floors(done: &PlanRuns) -> Vec<Floor> {
    let mut floors: Vec<Floor> = Vec::new();
    for twins in done.subjects.chunks_exact(2) {
        let found = metrics_compared(done.plan.scenario)
            .iter()
            .filter_map(|metric| floor(done.plan.scenario, metric, &twins[0], &twins[1]));
        for floor in found {
            let column = (floor.stack, floor.path, floor.placement);
            match floors
                .iter_mut()
                .find(|known| known.is_of(floor.scenario, column, &floor.metric))
            {
                Some(known) if known.noise >= floor.noise => {}
                Some(known) => *known = floor,
                None => floors.push(floor),
            }
        }
    }
    floors
}

fn floor(scenario: ScenarioKind, metric: &str, one: &SubjectRuns, other: &SubjectRuns) -> Option<Floor> {
    let value = |subject: &SubjectRuns, run: usize| {
        let measured = subject.runs[run].as_ref()?.found.as_ref().ok()?;
        let metrics = metrics_of(scenario, measured);
        metrics
            .get(metric)
            .copied()
            .flatten()
            .filter(|_| is_counted(measured))
    };
    let pairs = (0..one.runs.len()).filter_map(|run| value(one, run).zip(value(other, run)));
    let (of, to): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let config = &one.subject.config;
    let effect = paired(&of, &to, config.seed)?;
    let certainty = effect.certainty?;
    Some(Floor {
        scenario,
        stack: one.subject.stack,
        path: config.path,
        placement: config.placement,
        metric: metric.to_owned(),
        noise: certainty.low.abs().max(certainty.high.abs()).exp_m1(),
        n: effect.n,
        duration: config.duration.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, StackKind};
    use crate::report::fixtures::{measured, ran};

    fn done(runs: u32, rates: impl Fn(usize, usize) -> f64) -> PlanRuns {
        let asked = Options {
            stacks: vec![StackKind::Engine],
            runs: Some(runs),
            ..Options::default()
        };
        let plan = doubled(Plan::new(ScenarioKind::Crr, &asked));
        let subjects = plan
            .subjects
            .iter()
            .enumerate()
            .map(|(twin, subject)| SubjectRuns {
                subject: subject.clone(),
                unsupported: None,
                runs: (0..runs as usize)
                    .map(|run| ran(Ok(measured(rates(twin, run), 2000, 1000))))
                    .collect(),
            });
        PlanRuns {
            subjects: subjects.collect(),
            plan,
            interrupted: false,
        }
    }

    #[test]
    fn noise_is_the_farther_end_of_what_twins_differ_by() {
        let done = done(8, |twin, run| 1000.0 * if twin == run % 2 { 1.04 } else { 1.0 });
        let floors = floors(&done);
        let rate = floors
            .iter()
            .find(|floor| floor.metric == "connections_per_second")
            .expect("measured");
        assert!((0.02..0.0401).contains(&rate.noise), "{rate:?}");
        assert_eq!((rate.n, rate.stack.to_string()), (8, "engine".to_owned()));
        let setup = floors
            .iter()
            .find(|floor| floor.metric == "setup_ns_p50")
            .expect("a percentile");
        assert_eq!(setup.noise, 0.0);
    }

    #[test]
    fn too_few_pairs_and_runs_that_do_not_count_say_nothing() {
        assert!(floors(&done(5, |_, _| 1000.0)).is_empty());
        let mut disturbed = done(6, |_, _| 1000.0);
        let run = disturbed.subjects[0].runs[3].as_mut().expect("it took place");
        run.found
            .as_mut()
            .expect("measured")
            .invalid_reasons
            .push("disturbed".to_owned());
        assert!(floors(&disturbed).is_empty());
    }
}
