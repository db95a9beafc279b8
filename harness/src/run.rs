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
use crate::observe::{Figures, Interval, Observers, RunEnded, Standing, Whereabouts};

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
    let progress = Progress::new(&plan, observers.show_progress());
    for (run, at) in plan.order() {
        if interrupted() {
            break;
        }
        let subject = &mut subjects[at];
        if subject.unsupported.is_none() {
            progress.begin(run, &subject.subject);
            let standing = standing(&plan, &subject.subject, run);
            let arrive = |part| {
                progress.within(part);
                observers.progress(&Whereabouts {
                    standing: &standing,
                    runs: plan.runs,
                    part: progress.part(),
                });
            };
            arrive(0.0);
            let kept = RefCell::new(Vec::new());
            let interval = |interval: &Interval| {
                kept.borrow_mut().push(Figures::of(interval));
                observers.tell(&standing, interval);
            };
            let heard = Heard {
                progress: &arrive,
                interval: &interval,
            };
            let job = Job {
                stack: subject.subject.stack,
                config: subject.subject.config_of_run(run),
                every: observers.every(),
                sequences: plan.sequence(&subject.subject, run),
                link_log: plan.wire_log(&subject.subject, run),
                capture: plan.packets(&subject.subject, run),
            };
            replicate_once(subject, run, &job, &heard);
            if let Some(replicate) = &mut subject.runs[run] {
                replicate.intervals = kept.take();
            }
            observers.ended(&standing, &ended(subject, run));
        }
        progress.end_one();
    }
    progress.finish();
    observers.finished();
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

fn ended(subject: &SubjectRuns, run: usize) -> RunEnded {
    let replicate = subject.runs[run].as_ref();
    match (&subject.unsupported, replicate.map(|replicate| &replicate.found)) {
        (Some(reason), _) => RunEnded::Unsupported(reason.clone()),
        (None, None) => RunEnded::Invalid("it did not take place".to_owned()),
        (None, Some(Err(failure))) => RunEnded::Invalid(failure.clone()),
        (None, Some(Ok(measured))) if measured.cut_short => RunEnded::Invalid("interrupted".to_owned()),
        (None, Some(Ok(measured))) => match measured.invalid_reasons.first() {
            Some(reason) => RunEnded::Invalid(reason.clone()),
            None => RunEnded::Valid,
        },
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
