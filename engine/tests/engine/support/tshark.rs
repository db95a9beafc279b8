//! Captures, judged by tshark.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Checksums are computed and checked, what a packet says is held against what was said before.
const PREFERENCES: [&str; 8] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
    "-o",
    "tcp.analyze_sequence_numbers:TRUE",
];

/// What TCP and UDP carry is nothing to dissect: chance bytes that look like a protocol to a heuristic are no fault of the stack's.
const CARRIED: [&str; 4] = ["-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data"];

/// A file that is gone when the test is over.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("handfast-{name}-{}.pcapng", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The directory is a temporary one: a file that stays there harms nobody.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The lines that tshark prints of the packets which a display filter lets through; `None` when there is no tshark.
pub(crate) fn filtered(file: &Scratch, filter: &str) -> Option<Vec<String>> {
    let output: Output = Command::new("tshark")
        .args(PREFERENCES)
        .args(CARRIED)
        .args(["-n", "-Y", filter, "-r"])
        .arg(&file.0)
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}
