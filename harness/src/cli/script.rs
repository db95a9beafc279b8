//! The verb `script`.

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
    for file in &arguments.files {
        let verdict = match std::fs::read_to_string(file) {
            Ok(text) => script::run(&text, &options),
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
        println!("{}", verdict.about(file));
    }
    println!("{passed} passed, {failed} failed, {unsupported} unsupported");
    if failed > 0 { Exit::Failed } else { Exit::Ok }.into()
}
