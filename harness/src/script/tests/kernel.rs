//! The scripts against the kernel's own TCP, and the list of what it does otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{our_scripts, topic_of};
use crate::script::tests::play_on;
use crate::script::{Against, Options, Profile, Verdict};

/// A script that takes longer in real time is not played; `handfast script --against kernel --longest 600` does that.
const LONGEST_SECONDS: u64 = 2;
/// Real time is late when the machine is busy, so a script may be played again, and has to pass once.
const TURNS: usize = 6;
/// Scripts at the same time: they mostly wait.
const AT_ONCE: usize = 16;
/// Microseconds by which the machine may be late where a script does not allow more.
const TOLERANCE: u64 = 9_000;
const VERDICTS: [&str; 5] = ["policy", "deviation", "interface", "exact", "engine"];

/// The verdict on each listed script, and the reason.
fn listed() -> BTreeMap<String, (String, String)> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/scripts/kernel.tsv");
    let text = fs::read_to_string(at).expect("the list");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [script, verdict, reason] = columns.as_slice() else {
                panic!("three columns: {line}");
            };
            (
                (*script).to_owned(),
                ((*verdict).to_owned(), (*reason).to_owned()),
            )
        })
        .collect()
}

fn name_of(file: &Path) -> String {
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    format!("{}/{stem}", topic_of(file))
}

/// Whether a script knows better than [`TOLERANCE`]: the kernel's own timers go off up to 32 ms late, and later the longer they run.
fn allows_more(file: &Path) -> bool {
    let text = fs::read_to_string(file).expect("a script");
    let own = text.split("tolerance_usecs=").skip(1).filter_map(|rest| {
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok()
    });
    own.max().is_some_and(|own| own > TOLERANCE)
}

fn play(files: &[PathBuf]) -> Vec<(PathBuf, Verdict)> {
    let (patient, others): (Vec<PathBuf>, Vec<PathBuf>) =
        files.iter().cloned().partition(|file| allows_more(file));
    let given = vec![("tolerance_usecs", TOLERANCE.to_string())];
    let mut verdicts = play_on(AT_ONCE, &others, &options(given));
    verdicts.extend(play_on(AT_ONCE, &patient, &options(Vec::new())));
    verdicts
}

fn options(given: Vec<(&'static str, String)>) -> Options {
    Options {
        against: Against::Kernel,
        profile: Profile::Lenient,
        version: None,
        longest: LONGEST_SECONDS,
        given,
        defines: [].into(),
    }
}

#[test]
fn every_line_of_the_list_is_about_a_script_and_says_why() {
    let names: Vec<String> = our_scripts().iter().map(|file| name_of(file)).collect();
    for (script, (verdict, reason)) in listed() {
        assert!(names.contains(&script), "there is no script {script}");
        assert!(VERDICTS.contains(&verdict.as_str()), "{script}: {verdict}");
        assert!(reason.len() > 10, "{script}: why?");
    }
}

/// Whether a script cannot be played here, or takes too long.
fn is_left_out(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Impossible(_) => true,
        Verdict::Unsupported { construct, .. } => construct.contains("of real time"),
        _ => false,
    }
}

#[test]
fn the_kernel_plays_all_scripts_as_the_engine_does_but_for_those_that_are_listed() {
    let listed = listed();
    let mut files: Vec<PathBuf> = our_scripts();
    files.retain(|file| !listed.contains_key(&name_of(file)));
    let mut played = 0;
    let mut troubles = Vec::new();
    for _ in 0..TURNS {
        let verdicts = play(&files);
        if let Some((_, Verdict::Impossible(why))) = verdicts.first() {
            eprintln!("SKIPPED: scripts against the kernel, because there is {why}");
            return;
        }
        let passed = |verdict: &Verdict| matches!(verdict, Verdict::Passed | Verdict::PassedWith(_));
        played += verdicts.iter().filter(|(_, verdict)| passed(verdict)).count();
        troubles = verdicts;
        troubles.retain(|(_, verdict)| !passed(verdict) && !is_left_out(verdict));
        files = troubles.iter().map(|(file, _)| file.clone()).collect();
        if files.is_empty() {
            break;
        }
    }
    let words: Vec<String> = troubles
        .iter()
        .map(|(file, verdict)| verdict.about(file).to_string())
        .collect();
    assert!(
        words.is_empty(),
        "the kernel differs; engine/tests/scripts/kernel.tsv lists where that is as it should be:\n{}",
        words.join("\n\n")
    );
    assert!(played > 200, "only {played} scripts were played");
}
