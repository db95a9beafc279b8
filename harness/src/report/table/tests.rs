use super::*;
use crate::config::StackKind;
use crate::report::fixtures::{document, document_of, measured, plan, ran};

#[test]
fn every_stack_has_a_column_and_every_figure_a_unit() {
    let text = comparison(&document());
    for expected in [
        "engine",
        "(memory)",
        "kernel-tuned",
        "(loopback)",
        "505 k",
        "1.98 µs",
        "set-up time, p99.9",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in\n{text}");
    }
    assert!(
        !text.contains("TIME_WAIT peak"),
        "what nobody could tell is left out:\n{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours:\n{text}");
}

#[test]
fn remarks_say_what_figures_do_not() {
    let text = comparison(&document());
    for expected in [
        "crr: engine (memory) is 25.0× kernel-tuned (loopback) in connections/s",
        "A bare system call costs 1.35 µs here",
        "smoltcp is shown at its best, with 1 in flight; with 64 it has 101 k connections/s",
        "kernel (loopback) is unsupported: no ports left",
        "crr: valid",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in\n{text}");
    }
}

#[test]
fn the_system_call_matters_only_beside_the_kernel() {
    let mut done = plan(&[StackKind::Engine], 1);
    done.subjects[0].runs[0] = ran(Ok(measured(1000.0, 10, 1000)));
    assert!(!comparison(&document_of(&done)).contains("system call"));
}

#[test]
fn figures_that_do_not_count_are_called_so() {
    let mut done = plan(&[StackKind::Engine], 1);
    done.subjects[0].runs[0] = ran(Err("exit status: 101; it said last:\npanicked".to_owned()));
    let text = comparison(&document_of(&done));
    assert!(
        text.contains("INVALID") && text.contains("exit status: 101"),
        "{text}"
    );
}

#[test]
fn headlines_name_the_scenario_of_each_row() {
    let text = headlines(&[document()]);
    assert!(
        text.contains("crr: connections/s") && text.contains("crr: CPU per connection"),
        "{text}"
    );
    assert!(!text.contains("p99.9"), "only what matters most:\n{text}");
}
