//! Findings for people and for scripts.

use std::io;

use super::{Finding, Verdict};
use crate::output;

/// Prints the findings, a line each; as JSON when asked for.
///
/// # Errors
/// When standard output takes no more.
pub(crate) fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(findings)? + "\n"
    } else {
        findings.iter().map(|finding| line(finding) + "\n").collect()
    };
    output::print(&text)
}

fn line(finding: &Finding) -> String {
    match &finding.verdict {
        Verdict::Works { detail } => format!("✓  {:<32} {detail}", finding.what),
        Verdict::Missing { reason, help } => {
            format!(
                "✗  {:<32} {reason}\n   {:<32} what helps: {help}",
                finding.what, ""
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_why_and_what_would_help() {
        let shown = line(&Finding {
            what: "TUN and TAP devices",
            verdict: Verdict::missing("/dev/net/tun: Permission denied", "run as root"),
        });
        assert!(shown.starts_with("✗  TUN and TAP devices"));
        assert!(shown.contains("Permission denied") && shown.contains("what helps: run as root"));
    }

    #[test]
    fn scripts_find_the_verdict_by_its_name() {
        let finding = Finding {
            what: "machine",
            verdict: Verdict::works("Linux"),
        };
        let value = serde_json::to_value(&finding).expect("serialises");
        assert_eq!(
            value,
            serde_json::json!({ "what": "machine", "verdict": "works", "detail": "Linux" })
        );
    }
}
