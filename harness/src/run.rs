//! Runs what was planned: every replicate a process of its own, stacks taking turns.

mod child;
mod interrupt;
mod plan;
mod progress;
pub(crate) mod replicate;

pub(crate) use self::interrupt::{install as stop_on_signals, interrupted};
pub(crate) use self::plan::{Plan, Subject, quick};
pub(crate) use self::replicate::Measured;

use std::cell::RefCell;
use std::time::Instant;

use self::child::{Heard, Told};
use self::progress::Progress;
use self::replicate::{Job, Outcome};
use crate::observe::{Figures, Interval, Observers, Standing};

/// What the runs of one subject came to.
#[derive(Debug)]
pub(crate) struct SubjectRuns {
    pub(crate) subject: Subject,
    /// Why the stack cannot do what was asked.
    pub(crate) unsupported: Option<String>,
    /// By run index; `None` where a run did not take place.
    pub(crate) runs: Vec<Option<Replicate>>,
}

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Replicate {
    /// What it found, or why it failed.
    pub(crate) found: Result<Measured, String>,
    /// What the system refused although the run could go on without.
    pub(crate) notes: Vec<String>,
    pub(crate) began: Instant,
    /// What its intervals came to; empty when nobody asked.
    pub(crate) intervals: Vec<Figures>,
}

/// What a plan came to.
#[derive(Debug)]
pub(crate) struct PlanRuns {
    pub(crate) plan: Plan,
    pub(crate) subjects: Vec<SubjectRuns>,
    /// Whether it ended before its time.
    pub(crate) interrupted: bool,
}

/// Runs a plan while `observers` look on. Ends early, with what was measured, when the program is told to stop.
pub(crate) fn execute(plan: Plan, observers: &Observers) -> PlanRuns {
    let mut subjects: Vec<SubjectRuns> = plan
        .subjects
        .iter()
        .map(|subject| blank(subject, plan.runs))
        .collect();
    let progress = Progress::new(&plan);
    for (run, at) in plan.order() {
        if interrupted() {
            break;
        }
        let subject = &mut subjects[at];
        if subject.unsupported.is_none() {
            progress.begin(run, &subject.subject);
            let kept = RefCell::new(Vec::new());
            let interval = |interval: &Interval| {
                kept.borrow_mut().push(Figures::of(interval));
                observers.tell(&standing(&plan, &plan.subjects[at], run), interval);
            };
            let heard = Heard {
                progress: &|part| progress.within(part),
                interval: &interval,
            };
            let job = Job {
                stack: subject.subject.stack,
                config: subject.subject.config_of_run(run),
                every: observers.every(),
                sequences: plan.sequence(&subject.subject, run),
                link_log: plan.wire_log(&subject.subject, run),
            };
            replicate_once(subject, run, &job, &heard);
            if let Some(replicate) = &mut subject.runs[run] {
                replicate.intervals = kept.take();
            }
        }
        progress.end_one();
    }
    progress.finish();
    PlanRuns {
        plan,
        subjects,
        interrupted: interrupted(),
    }
}

fn standing(plan: &Plan, subject: &Subject, run: usize) -> Standing {
    Standing {
        scenario: plan.scenario,
        name: plan.name.clone(),
        stack: subject.stack,
        path: subject.config.path,
        placement: subject.config.placement,
        connections: subject.config.connections,
        run: run + 1,
    }
}

fn blank(subject: &Subject, runs: u32) -> SubjectRuns {
    SubjectRuns {
        subject: subject.clone(),
        unsupported: subject.unsupported.clone(),
        runs: (0..runs).map(|_| None).collect(),
    }
}

fn replicate_once(subject: &mut SubjectRuns, run: usize, job: &Job, heard: &Heard<'_>) {
    let began = Instant::now();
    let (found, notes) = match child::run(job, heard) {
        Ok(Told {
            outcome: Outcome::Unsupported(reason),
            ..
        }) => {
            subject.unsupported = Some(reason);
            return;
        }
        Ok(Told {
            outcome: Outcome::Measured(measured),
            notes,
        }) => (Ok(measured), notes),
        Err(failure) => (Err(failure), Vec::new()),
    };
    subject.runs[run] = Some(Replicate {
        found,
        notes,
        began,
        intervals: Vec::new(),
    });
}
