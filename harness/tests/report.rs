//! The verb `report` over a directory of results as runs leave it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A directory of results that is gone with the test.
struct Results(PathBuf);

impl Results {
    fn new(name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("handfast-report-{name}-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a scratch directory");
        Self(place)
    }

    /// A run of the generator alone that writes to `place`.
    fn run(&self, place: &str, duration: &str) -> Command {
        let mut command = handfast(&[
            "run",
            "rr",
            "--stack",
            "null",
            "--runs",
            "1",
            "--duration",
            duration,
        ]);
        command.arg("--out").arg(self.0.join(place));
        command
    }

    fn report(&self) -> Output {
        handfast(&["report"])
            .arg(&self.0)
            .output()
            .expect("the program starts")
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn handfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handfast"));
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_killed_run_is_listed_as_broken_beside_the_whole_ones() {
    let results = Results::new("killed");
    let whole = results
        .run("whole", "100ms")
        .status()
        .expect("the program starts");
    assert!(matches!(whole.code(), Some(0 | 4)), "{whole}");
    let mut killed = results
        .run("2026-11-22T19-30-00Z-rr-1a2b", "60s")
        .args(["--json-lines", "--interval", "100ms"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let errors = BufReader::new(killed.stderr.take().expect("it is piped"));
    let measures = errors
        .lines()
        .map_while(Result::ok)
        .any(|line| line.starts_with('{'));
    killed.kill().expect("it is ours");
    killed.wait().expect("it is ours");
    assert!(measures, "the run got as far as its window");
    assert!(!results.0.join("2026-11-22T19-30-00Z-rr-1a2b/run.json").exists());

    let report = results.report();
    assert_eq!(report.status.code(), Some(0));
    let page = fs::read_to_string(results.0.join("index.html")).expect("the page is there");
    assert_eq!(page.matches(">broken</span>").count(), 1, "{page}");
    assert!(page.contains("1 broken") && page.contains("2026-11-22T19-30-00Z-rr-1a2b"));
    assert!(page.contains("whole&#x2f;run.json"));
}

#[test]
fn a_document_without_results_is_refused_and_gets_no_page() {
    let results = Results::new("nothing");
    let run = r#"{"schema":"handfast.run/1","scenario":"crr","results":[]}"#;
    for (name, text) in [
        ("run.json", run),
        ("suite.json", r#"{"schema":"handfast.suite/1","documents":[]}"#),
    ] {
        let file = results.0.join(name);
        fs::write(&file, text).expect("writable");
        let report = handfast(&["report"])
            .arg(&file)
            .stderr(Stdio::piped())
            .output()
            .expect("the program starts");
        let errors = String::from_utf8_lossy(&report.stderr);
        assert_eq!(report.status.code(), Some(2), "{name}: {errors}");
        assert!(errors.contains("no results"), "{name}: {errors}");
    }
    assert_eq!(fs::read_dir(&results.0).expect("listable").count(), 2);
}

#[test]
fn a_directory_without_results_is_refused() {
    let results = Results::new("empty");
    assert_eq!(results.report().status.code(), Some(2));
    assert_eq!(
        fs::read_dir(&results.0).expect("listable").count(),
        0,
        "no page of nothing"
    );
}
