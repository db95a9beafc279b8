//! The paths `tun` and `tap`, whose interface is an end's own.

#[path = "support/scratch.rs"]
mod scratch;

use std::process::Command;

use handfast_namespace::skip;
use serde_json::Value;

use scratch::Scratch;

#[test]
fn an_interface_that_goes_with_its_end_was_there_in_the_window() {
    for path in ["tun", "tap"] {
        let out = Scratch::new(path);
        let output = Command::new(env!("CARGO_BIN_EXE_handfast"))
            .args(["run", "idle", "--client", "engine", "--server", "kernel"])
            .args(["--path", path, "--connections", "1000"])
            .args(["--duration", "100ms", "--runs", "1", "--json"])
            .args(["--out", out.path()])
            .output()
            .expect("the program starts");
        let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
        let result = &document["results"][0];
        if let Some(reason) = result["unsupported_reason"].as_str() {
            skip(reason.to_owned());
            return;
        }
        let reasons = document["invalid_reasons"].to_string();
        assert!(!reasons.contains("taken away"), "{path}: {reasons}");
        assert_eq!(result["runs"][0]["metrics"]["failed"], 0.0, "{path}: {result}");
    }
}
