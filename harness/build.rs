//! Tells the program which commit and compiler it was built from.

use std::path::Path;
use std::process::Command;

fn main() {
    // What a document's commit stands for: the sources of both crates, and each new commit.
    for source in ["src", "../engine/src", "../Cargo.lock", "../.git/logs/HEAD"] {
        if Path::new(source).exists() {
            println!("cargo::rerun-if-changed={source}");
        }
    }
    if let Some(commit) = first_line(
        "git",
        &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
    ) {
        println!("cargo::rustc-env=HANDFAST_COMMIT={commit}");
    }
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if let Some(version) = first_line(&compiler, &["--version"]) {
        println!("cargo::rustc-env=HANDFAST_COMPILER={version}");
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout)
        .ok()?
        .lines()
        .next()
        .map(str::to_owned)
}
