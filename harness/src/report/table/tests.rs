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
        "Ratios are medians; 3 pairs of runs are too few for an interval or a test: take --runs 6",
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

/// Whoever reads the first lines only must not take figures along that do not count.
#[test]
fn the_verdict_comes_before_any_figure_and_a_shared_reason_once() {
    let mut done = plan(&[StackKind::Engine, StackKind::Kernel], 1);
    for runs in done.subjects.iter_mut().flat_map(|subject| &mut subject.runs) {
        let mut found = measured(505_000.0, 10, 1000);
        found.invalid_reasons = vec!["disturbed: by others".to_owned()];
        *runs = ran(Ok(found));
    }
    let document = document_of(&done);
    for text in [comparison(&document), headlines(std::slice::from_ref(&document))] {
        let at = |part: &str| {
            text.find(part)
                .unwrap_or_else(|| panic!("`{part}` is missing in\n{text}"))
        };
        assert!(at("INVALID") < at("505 k"), "{text}");
        assert!(
            text.contains("  engine (memory), kernel (loopback): disturbed: by others\n"),
            "{text}"
        );
    }
}

#[test]
fn ratios_stand_side_by_side_with_their_intervals_and_what_may_be_chance_is_said() {
    let text = comparison(&document());
    let row = text
        .lines()
        .skip_while(|line| !line.contains("engine (memory) ÷"))
        .find(|line| line.contains("connections/s"));
    let row = row.unwrap_or_else(|| panic!("no ratios in\n{text}"));
    assert!(
        row.contains("25.0×") && row.contains("3.33×") && !row.contains('['),
        "{row}"
    );

    let mut done = plan(&[StackKind::Engine, StackKind::Kernel], 6);
    for (at, subject) in done.subjects.iter_mut().enumerate() {
        for (run, place) in subject.runs.iter_mut().enumerate() {
            let rate = [5e5, 1e5][at] * (1.0 + run as f64 / 100.0);
            *place = ran(Ok(measured(rate, 20_000, 1_000_000_000 / rate as u64)));
        }
    }
    let text = comparison(&document_of(&done));
    assert!(text.contains("5.00× [5.00×, 5.00×]"), "{text}");
    assert!(text.contains("Ratios are medians of 6 pairs of runs"), "{text}");
    assert!(
        text.contains("crr: each may be chance, as one of 4 ratios (Holm): take more --runs"),
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
