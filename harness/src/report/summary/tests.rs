use super::*;
use crate::config::{PathKind, StackKind};
use crate::report::fixtures::{document, document_of, measured, plan, ran};

fn fill(runs: &mut SubjectRuns, with: impl Fn(usize) -> Measured) {
    for (index, run) in runs.runs.iter_mut().enumerate() {
        *run = ran(Ok(with(index)));
    }
}

#[test]
fn metrics_are_summed_up_over_runs() {
    let document = document();
    let rate = document.results[0].metrics["connections_per_second"];
    assert_eq!(
        (rate.median, rate.min, rate.max),
        (Some(505_000.0), Some(500_000.0), Some(510_000.0))
    );
    assert_eq!(
        (rate.low, rate.high, rate.n),
        (None, None, 3),
        "three runs give no interval"
    );
}

#[test]
fn what_the_contract_names_is_there_even_when_nobody_could_tell() {
    let document = document();
    for name in required(ScenarioKind::Crr) {
        assert!(document.results[0].metrics.contains_key(name), "{name}");
        assert!(document.results[0].runs[0].metrics.contains_key(name), "{name}");
    }
    let unknown = document.results[0].metrics["time_wait_peak"];
    assert_eq!((unknown.median, unknown.n), (None, 0));
}

#[test]
fn a_run_whose_cores_others_had_is_invalid() {
    let reasons = |waited: f64, others: Option<f64>, stolen: f64| {
        let mut done = plan(&[StackKind::Engine], 1);
        fill(&mut done.subjects[0], |_| {
            let mut one = measured(1000.0, 9_999, 1000);
            for (name, value) in [
                ("core_wait_ratio", Some(waited)),
                ("other_programs_ratio", others),
                ("stolen_ratio", Some(stolen)),
            ] {
                one.metrics.insert(name.to_owned(), value);
            }
            one
        });
        let document = document_of(&done);
        assert_eq!(document.valid, document.invalid_reasons.is_empty());
        document.invalid_reasons.join("\n")
    };
    assert_eq!(reasons(0.09, Some(0.5), 0.1), "", "nobody waited");
    assert_eq!(reasons(0.5, Some(0.1), 0.0), "", "softirq threads had the cores");
    for disturbed in [reasons(0.11, Some(0.11), 0.0), reasons(0.11, None, 0.0)] {
        assert!(
            disturbed.contains("disturbed: other programs") && !disturbed.contains("hypervisor"),
            "{disturbed}"
        );
    }
    let stolen = reasons(0.0, Some(0.0), 0.11);
    assert!(
        stolen.contains("disturbed: the hypervisor") && !stolen.contains("other programs"),
        "{stolen}"
    );
}

#[test]
fn a_percentile_needs_ten_samples_beyond_it() {
    let mut done = plan(&[StackKind::Engine], 1);
    fill(&mut done.subjects[0], |_| measured(1000.0, 9_999, 1000));
    let metrics = &document_of(&done).results[0].runs[0].metrics;
    assert!(metrics["setup_ns_p50"].is_some() && metrics["setup_ns_p99"].is_some());
    assert_eq!(metrics["setup_ns_p999"], None);
}

#[test]
fn the_summary_of_a_percentile_is_that_of_the_merged_histogram() {
    let mut done = plan(&[StackKind::Engine], 3);
    // One run in three is a thousand times slower and has as many samples: p99 of all is slow, p50 fast, and no run's own.
    fill(&mut done.subjects[0], |index| {
        measured(1000.0, 3000, if index == 1 { 1_000_000 } else { 1000 })
    });
    let metrics = &document_of(&done).results[0].metrics;
    assert!(metrics["setup_ns_p50"].median.is_some_and(|p50| p50 < 1200.0));
    assert!(
        metrics["setup_ns_p99"]
            .median
            .is_some_and(|p99| p99 >= 1_000_000.0),
        "the median of the runs' p99 is fast"
    );
    assert!(metrics["setup_ns_p99"].min.is_some_and(|p99| p99 < 1200.0));

    // 9,000 samples together are too few for a p99.9, and 12,000 are enough though no run has enough.
    assert_eq!(metrics["setup_ns_p999"].median, None);
    let mut done = plan(&[StackKind::Engine], 4);
    fill(&mut done.subjects[0], |_| measured(1000.0, 3000, 1000));
    let p999 = document_of(&done).results[0].metrics["setup_ns_p999"];
    assert!(p999.median.is_some());
    assert_eq!((p999.min, p999.n), (None, 0), "no run could tell by itself");
}

#[test]
fn six_runs_have_an_interval_around_the_median() {
    let mut done = plan(&[StackKind::Engine, StackKind::KernelTuned], 6);
    fill(&mut done.subjects[0], |index| {
        measured(1000.0 + index as f64, 3000, 1000 + 10 * index as u64)
    });
    fill(&mut done.subjects[1], |index| {
        measured(100.0 + index as f64, 3000, 9000)
    });
    let document = document_of(&done);
    let metrics = &document.results[0].metrics;
    for name in ["connections_per_second", "setup_ns_p99"] {
        let Summary {
            median: Some(median),
            low: Some(low),
            high: Some(high),
            n: 6,
            ..
        } = metrics[name]
        else {
            panic!("{name} lacks its interval: {:?}", metrics[name])
        };
        assert!(
            low <= median && median <= high && low < high,
            "{name}: {low} {median} {high}"
        );
    }
    assert!(
        document
            .ratios
            .iter()
            .all(|ratio| ratio.n == 6 && ratio.low.is_some() && ratio.high.is_some())
    );
}

#[test]
fn ratios_put_the_engine_beside_every_other_stack() {
    let document = document();
    let rates: Vec<_> = document
        .ratios
        .iter()
        .filter(|ratio| ratio.metric == "connections_per_second")
        .collect();
    assert_eq!(rates.len(), 2, "the unsupported kernel has none");
    assert_eq!(
        (rates[0].of, rates[0].to, rates[0].n),
        (
            Pairing::of(StackKind::Engine),
            Pairing::of(StackKind::KernelTuned),
            3
        )
    );
    assert!((rates[0].value - 25.0).abs() < 1e-9);
    assert_eq!(
        (rates[1].to, rates[1].to_path),
        (Pairing::of(StackKind::Smoltcp), PathKind::Memory)
    );
    assert!(
        (rates[1].value - 500.0 / 150.0).abs() < 1e-9,
        "beside smoltcp at its best"
    );
}

#[test]
fn ratios_pair_runs_of_the_same_index() {
    let mut done = plan(&[StackKind::Engine, StackKind::Null], 3);
    fill(&mut done.subjects[0], |index| {
        measured([10.0, 20.0, 90.0][index], 10, 1000)
    });
    fill(&mut done.subjects[1], |index| {
        measured([5.0, 10.0, 30.0][index], 10, 1000)
    });
    done.subjects[1].runs[0] = ran(Err("crashed".to_owned()));
    let document = document_of(&done);
    let ratio = document
        .ratios
        .iter()
        .find(|ratio| ratio.metric == "connections_per_second")
        .expect("a ratio");
    assert!(
        (ratio.value - 6_f64.sqrt()).abs() < 1e-9,
        "between 2 and 3 by logarithms"
    );
    assert_eq!((ratio.n, ratio.p), (2, None));
}

#[test]
fn a_stack_is_shown_at_its_best_and_the_rest_is_kept() {
    let document = document();
    let smoltcp = &document.results[2];
    assert_eq!(document.results.len(), 4, "one result for each stack");
    assert_eq!(
        (smoltcp.stack, smoltcp.config.connections),
        (Pairing::of(StackKind::Smoltcp), 1)
    );
    assert_eq!(smoltcp.alternatives.len(), 1);
    assert_eq!(smoltcp.alternatives[0].config.connections, 64);
    assert_eq!(smoltcp.alternatives[0].runs.len(), 3);

    let mut done = plan(&[StackKind::Smoltcp], 1);
    fill(&mut done.subjects[0], |_| measured(100.0, 10, 1000));
    fill(&mut done.subjects[1], |_| measured(200.0, 10, 1000));
    let better_second = &document_of(&done).results[0];
    assert_eq!(
        (
            better_second.config.connections,
            better_second.alternatives[0].config.connections
        ),
        (64, 1)
    );
}

#[test]
fn an_unsupported_stack_does_not_make_the_document_invalid() {
    let document = document();
    let kernel = document.results.last().expect("four results");
    assert_eq!(kernel.unsupported_reason.as_deref(), Some("no ports left"));
    assert!(kernel.runs.is_empty() && !kernel.valid);
    assert!(document.valid, "{:?}", document.invalid_reasons);
}

#[test]
fn a_failed_run_is_told_and_invalidates() {
    let mut done = plan(&[StackKind::Engine], 2);
    fill(&mut done.subjects[0], |_| measured(100.0, 10, 1000));
    done.subjects[0].runs[1] = ran(Err("it crashed".to_owned()));
    let document = document_of(&done);
    assert!(!document.valid && !document.results[0].valid && document.results[0].runs[0].valid);
    assert_eq!(document.results[0].runs[1].error.as_deref(), Some("it crashed"));
    assert_eq!(
        document.invalid_reasons,
        ["engine (memory): run 2 failed: it crashed"]
    );
    assert_eq!(document.results[0].metrics["connections_per_second"].n, 1);
}

#[test]
fn an_interruption_keeps_what_was_measured() {
    let mut done = plan(&[StackKind::Engine, StackKind::Null], 2);
    done.interrupted = true;
    done.subjects[0].runs[0] = ran(Ok(Measured {
        cut_short: true,
        ..measured(100.0, 10, 1000)
    }));
    let document = document_of(&done);
    assert!(document.interrupted && !document.valid);
    assert_eq!(
        document.results[0].metrics["connections_per_second"].median,
        Some(100.0)
    );
    assert_eq!(
        document.results[0].invalid_reasons,
        ["the run was stopped before its time"]
    );
    assert_eq!(document.results[1].invalid_reasons, ["no run took place"]);
}

#[test]
fn what_the_scenario_finds_wrong_invalidates_once() {
    let mut done = plan(&[StackKind::Engine], 3);
    fill(&mut done.subjects[0], |index| {
        let client_bound = (index > 0).then(|| "client-bound".to_owned());
        Measured {
            invalid_reasons: client_bound.into_iter().collect(),
            ..measured(100.0, 10, 1000)
        }
    });
    let document = document_of(&done);
    assert!(!document.valid && document.results[0].runs[0].valid && !document.results[0].runs[1].valid);
    assert_eq!(document.invalid_reasons, ["engine (memory): client-bound"]);
}

#[test]
fn the_effective_parameters_are_told_for_all_and_for_each() {
    let document = document();
    assert_eq!(
        document.config.stacks,
        [
            StackKind::Engine,
            StackKind::KernelTuned,
            StackKind::Smoltcp,
            StackKind::Kernel
        ]
        .map(Pairing::of)
    );
    assert_eq!(
        (
            document.config.path,
            document.config.connections,
            document.config.runs
        ),
        (None, 64, 3)
    );
    assert_eq!(document.results[1].config.path, PathKind::Loopback);
}
