//! What a scenario file would run.

use std::fmt::Write as _;
use std::time::Duration;

use crate::run::Plan;

/// Every run with its effective parameters, and the time that the measured windows take together.
pub(crate) fn of_plans(plans: &[Plan]) -> String {
    let mut text = String::new();
    for plan in plans {
        let _ = writeln!(
            text,
            "{} ({}, {} of each)",
            plan.name,
            plan.scenario,
            runs(plan.runs)
        );
        for subject in &plan.subjects {
            let config = &subject.config;
            let _ = writeln!(
                text,
                "  {} ({}, {}): {} × {} connections, {} B messages, MTU {}, {} s, seed {}",
                subject.stack,
                config.path,
                config.placement,
                config.generators,
                config.connections,
                config.message,
                config.mtu,
                config.duration.as_secs_f64(),
                config.seed,
            );
            if let Some(reason) = &subject.unsupported {
                let _ = writeln!(text, "    unsupported: {reason}");
            }
        }
    }
    let _ = writeln!(
        text,
        "measured windows together: {:.1} s",
        measured(plans).as_secs_f64()
    );
    text
}

fn runs(number: u32) -> String {
    format!("{number} run{}", if number == 1 { "" } else { "s" })
}

fn measured(plans: &[Plan]) -> Duration {
    let of_plan = |plan: &Plan| -> Duration {
        let possible = plan
            .subjects
            .iter()
            .filter(|subject| subject.unsupported.is_none());
        possible.map(|subject| subject.config.duration * plan.runs).sum()
    };
    plans.iter().map(of_plan).sum()
}
