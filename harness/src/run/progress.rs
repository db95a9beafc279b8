//! Where a comparison stands, on standard error when that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Plan, Subject};

/// Steps of the bar for each replicate.
const STEPS: u64 = 100;

/// A bar over all replicates of a plan.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    scenario: String,
    runs: u32,
}

impl Progress {
    /// One that is not drawn where somebody else shows it.
    pub(super) fn new(plan: &Plan, hidden: bool) -> Self {
        let replicates = u64::from(plan.runs) * plan.subjects.len() as u64;
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg} [{elapsed} of {duration}]");
        let bar = ProgressBar::new(replicates * STEPS).with_style(style.expect("the template is valid"));
        if hidden {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            bar,
            scenario: plan.scenario.to_string(),
            runs: plan.runs,
        }
    }

    pub(super) fn begin(&self, run: usize, subject: &Subject) {
        let (stack, path) = (subject.stack, subject.config.path);
        self.bar.set_message(format!(
            "{} on {stack} ({path}), run {} of {}",
            self.scenario,
            run + 1,
            self.runs
        ));
    }

    /// The part of the running replicate that is over, 0 to 1.
    pub(super) fn within(&self, part: f64) {
        let whole = self.bar.position() / STEPS * STEPS;
        self.bar
            .set_position(whole + (part * STEPS as f64).clamp(0.0, STEPS as f64 - 1.0) as u64);
    }

    /// The part of the whole plan that is over, 0 to 1.
    pub(super) fn part(&self) -> f64 {
        let all = self.bar.length().unwrap_or(0).max(1);
        self.bar.position() as f64 / all as f64
    }

    pub(super) fn end_one(&self) {
        let whole = self.bar.position() / STEPS * STEPS;
        self.bar.set_position(whole + STEPS);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, ScenarioKind};

    #[test]
    fn the_bar_is_full_after_every_replicate() {
        let plan = Plan::new(ScenarioKind::Udp, &Options::default());
        let progress = Progress::new(&plan, false);
        for _ in plan.order() {
            progress.within(0.5);
            progress.within(7.0);
            progress.end_one();
        }
        assert_eq!(
            progress.bar.position(),
            progress.bar.length().expect("a bounded bar")
        );
    }
}
