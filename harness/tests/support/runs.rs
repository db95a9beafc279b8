//! What a document says of each run that it tells of.

use std::process::Command;

use handfast_namespace::skip;
use serde_json::Value;

use crate::scratch::Scratch;

/// The only run of each column of `handfast run` with these arguments. A column that is unsupported for one of the reasons `allowed` is left out,
/// loudly; `None` when no other is left.
pub(crate) fn runs(arguments: &[&str], allowed: &[&str]) -> Option<Vec<(String, Value)>> {
    let out = Scratch::new(&format!("run-{}", arguments.concat()));
    let output = Command::new(env!("CARGO_BIN_EXE_handfast"))
        .arg("run")
        .args(arguments)
        .args(["--runs", "1", "--json", "--out", out.path()])
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    let mut found = Vec::new();
    for result in document["results"].as_array().expect("results") {
        if let Some(reason) = result["unsupported_reason"].as_str() {
            assert!(allowed.iter().any(|allowed| reason.contains(allowed)), "{reason}");
            skip(format!("{arguments:?}: {reason}"));
            continue;
        }
        let run = &result["runs"][0];
        assert!(run["error"].is_null(), "{run}");
        found.push((result["stack"].as_str().expect("a name").to_owned(), run.clone()));
    }
    (!found.is_empty()).then_some(found)
}
