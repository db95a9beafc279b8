//! The verb `script`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::script::{self, IpVersion, Options, Profile, Verdict};
use crate::session::Exit;

/// What `handfast script` takes.
#[derive(Debug, Args)]
pub(super) struct ScriptArguments {
    /// How strictly what the engine sends is compared
    #[arg(long, value_enum, default_value = "exact")]
    profile: Profile,
    /// The IP version of all scripts, in place of their own
    #[arg(long = "ip_version", value_enum, value_name = "VERSION")]
    ip_version: Option<IpVersion>,
    /// Let NAME stand for VALUE in all scripts
    #[arg(long, short = 'D', value_name = "NAME=VALUE", value_parser = script::definition)]
    define: Vec<script::Definition>,
    /// Packet scripts
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Plays the scripts, one after another.
pub(super) fn main(arguments: ScriptArguments) -> ExitCode {
    let options = Options {
        profile: arguments.profile,
        version: arguments.ip_version,
        defines: arguments
            .define
            .into_iter()
            .map(script::Definition::into_pair)
            .collect(),
    };
    let (mut passed, mut failed, mut unsupported) = (0, 0, 0);
    let mut out = std::io::stdout().lock();
    for file in &arguments.files {
        // Whatever is not UTF-8 can stand in comments only, or is an error of the script.
        let verdict = match std::fs::read(file) {
            Ok(bytes) => script::run(&String::from_utf8_lossy(&bytes), &options),
            Err(error) => {
                eprintln!("error: {}: {error}", file.display());
                return Exit::Usage.into();
            }
        };
        match &verdict {
            Verdict::Passed | Verdict::PassedWith(_) => passed += 1,
            Verdict::Failed(_) => failed += 1,
            Verdict::Unsupported { .. } => unsupported += 1,
        }
        // Whoever has closed the pipe wants to hear no more.
        if writeln!(out, "{}", verdict.about(file)).is_err() {
            break;
        }
    }
    let _ = writeln!(out, "{passed} passed, {failed} failed, {unsupported} unsupported");
    if failed > 0 { Exit::Failed } else { Exit::Ok }.into()
}
