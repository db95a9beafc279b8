//! Made-up runs for tests.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Document, summarise};
use crate::config::{Options, ScenarioKind, StackKind};
use crate::measure::environment::Environment;
use crate::measure::recorder::{Recorder, to_buckets};
use crate::observe::Figures;
use crate::observe::fixtures::interval;
use crate::run::{Measured, Plan, PlanRuns, Replicate, SubjectRuns};

/// A run with some latencies around `latency_ns`.
pub(crate) fn measured(rate: f64, samples: u64, latency_ns: u64) -> Measured {
    let mut setup = Recorder::new();
    (0..samples).for_each(|n| setup.record(latency_ns + n % 100));
    Measured {
        metrics: BTreeMap::from([
            ("connections_per_second".to_owned(), Some(rate)),
            ("cpu_ns_per_connection".to_owned(), Some(1e9 / rate)),
            ("failed".to_owned(), Some(0.0)),
            ("window_seconds".to_owned(), Some(3.0)),
        ]),
        histograms: BTreeMap::from([("setup_ns".to_owned(), to_buckets(&setup.into_histogram()))]),
        distributions: BTreeMap::from([("occupancy".to_owned(), serde_json::json!([1, 2, 3]))]),
        ..Measured::default()
    }
}

/// A plan of `crr` on these stacks that is still to be filled with runs.
pub(crate) fn plan(stacks: &[StackKind], runs: u32) -> PlanRuns {
    let asked = Options {
        stacks: stacks.to_vec(),
        runs: Some(runs),
        ..Options::default()
    };
    let plan = Plan::new(ScenarioKind::Crr, &asked);
    let blank = |subject: &crate::run::Subject| SubjectRuns {
        subject: subject.clone(),
        unsupported: None,
        runs: (0..runs).map(|_| None).collect(),
    };
    let subjects = plan.subjects.iter().map(blank).collect();
    PlanRuns {
        plan,
        subjects,
        interrupted: false,
    }
}

/// A run that took place.
pub(crate) fn ran(found: Result<Measured, String>) -> Option<Replicate> {
    Some(Replicate {
        found,
        notes: Vec::new(),
        began: Instant::now(),
        intervals: vec![Figures::of(&interval())],
    })
}

/// The document of a plan.
pub(crate) fn document_of(done: &PlanRuns) -> Document {
    summarise(done, environment(), "2026-11-22T19:30:00Z".to_owned())
}

/// Engine, kernel-tuned and smoltcp (with 1 and with 64 connections) in three runs; the kernel is unsupported.
pub(crate) fn document() -> Document {
    let stacks = [
        StackKind::Engine,
        StackKind::KernelTuned,
        StackKind::Smoltcp,
        StackKind::Kernel,
    ];
    let mut done = plan(&stacks, 3);
    let rates = [500_000.0, 20_000.0, 150_000.0, 100_000.0];
    for (subject, rate) in done.subjects.iter_mut().zip(rates) {
        for (index, run) in subject.runs.iter_mut().enumerate() {
            *run = ran(Ok(measured(
                rate * (1.0 + index as f64 / 100.0),
                20_000,
                1_000_000_000 / rate as u64,
            )));
        }
    }
    done.subjects.last_mut().expect("four stacks").unsupported = Some("no ports left".to_owned());
    done.subjects.last_mut().expect("four stacks").runs = vec![None, None, None];
    document_of(&done)
}

fn environment() -> Environment {
    Environment {
        kernel: Some("6.18.0".to_owned()),
        architecture: "x86_64".to_owned(),
        cpu: Some("a processor".to_owned()),
        nproc: 2,
        virtual_machine: Some(true),
        mitigations: BTreeMap::from([("meltdown".to_owned(), "Mitigation: PTI".to_owned())]),
        syscall_ns: 1352.0,
        clock_ns: 40.0,
        clock_source: Some("tsc".to_owned()),
        memory_bytes: Some(1 << 34),
        load: Some([0.5, 0.25, 0.125]),
        commit: Some("0123456789ab".to_owned()),
        compiler: Some("rustc 1.95.0".to_owned()),
        optimised: true,
        congestion_control: Some("cubic".to_owned()),
        tcp_tw_reuse: Some(2),
        tcp_max_tw_buckets: Some(131_072),
        ip_local_port_range: Some([32_768, 60_999]),
        somaxconn: Some(4096),
        open_files: None,
    }
}
