//! Verbs and options.

/// Runs the verb that the command line names.
pub(crate) fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
