//! The verb `script`.

mod given;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use clap::Args;

use self::given::Given;
use crate::input;
use crate::path::namespace;
use crate::script::{self, Against, IpVersion, Options, Profile, Verdict};
use crate::session::Exit;

/// Scripts that meet the kernel at the same time. They mostly wait, but times are real: more would make each other late.
const AT_ONCE: usize = 16;

/// What `handfast script` takes.
#[derive(Debug, Args)]
pub(super) struct ScriptArguments {
    /// Which stack is played against
    #[arg(long, value_enum, default_value = "engine")]
    against: Against,
    /// How strictly what the stack sends is compared [default: exact; against the kernel lenient]
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// The IP version of all scripts, in place of their own
    #[arg(long = "ip_version", value_enum, value_name = "VERSION")]
    ip_version: Option<IpVersion>,
    #[command(flatten)]
    given: Given,
    /// Against the kernel: seconds of real time that a script may take; a longer one is unsupported
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    longest: u64,
    /// Let NAME stand for VALUE in all scripts
    #[arg(long, short = 'D', value_name = "NAME=VALUE", value_parser = script::definition)]
    define: Vec<script::Definition>,
    /// Packet scripts
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// How many scripts came to what.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    unsupported: usize,
    impossible: usize,
}

/// Plays the scripts, one after another.
pub(super) fn main(arguments: ScriptArguments) -> ExitCode {
    let default_profile = match arguments.against {
        Against::Engine => Profile::Exact,
        Against::Kernel => Profile::Lenient,
    };
    let options = Options {
        against: arguments.against,
        profile: arguments.profile.unwrap_or(default_profile),
        version: arguments.ip_version,
        longest: arguments.longest,
        given: arguments.given.into_pairs(),
        defines: arguments
            .define
            .into_iter()
            .map(script::Definition::into_pair)
            .collect(),
    };
    // While there is one thread: without root, namespaces can be made inside this one alone.
    if options.against == Against::Kernel
        && let Err(refused) = namespace::enter()
    {
        note!("error: the kernel cannot be played against: {refused}");
        return Exit::Environment.into();
    }
    let verdicts = match options.against {
        Against::Engine => None,
        Against::Kernel => Some(play_at_once(&arguments.files, &options)),
    };
    let mut tally = Tally::default();
    let mut out = io::stdout().lock();
    for (number, file) in arguments.files.iter().enumerate() {
        let verdict = match &verdicts {
            Some(verdicts) => &verdicts[number],
            None => &play(file, &options),
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => {
                note!("error: {}: {error}", file.display());
                return Exit::Usage.into();
            }
        };
        tally.count(verdict);
        // Whoever has closed the pipe wants to hear no more.
        if writeln!(out, "{}", verdict.about(file)).is_err() {
            break;
        }
    }
    tally.finish(&mut out)
}

/// Whatever is not UTF-8 can stand in comments only, or is an error of the script.
fn play(file: &Path, options: &Options) -> io::Result<Verdict> {
    let bytes = input::read(file)?;
    Ok(script::run(&String::from_utf8_lossy(&bytes), options))
}

/// Plays scripts side by side; the verdicts are in the order of the files.
fn play_at_once(files: &[PathBuf], options: &Options) -> Vec<io::Result<Verdict>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut played = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(file) = files.get(number)
        {
            played.push((number, play(file, options)));
        }
        played
    };
    let mut all: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE.min(files.len())).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, verdict)| verdict).collect()
}

impl Tally {
    fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed | Verdict::PassedWith(_) => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Unsupported { .. } => &mut self.unsupported,
            Verdict::Impossible(_) => &mut self.impossible,
        } += 1;
    }

    fn finish(&self, out: &mut impl io::Write) -> ExitCode {
        let Self {
            passed,
            failed,
            unsupported,
            impossible,
        } = self;
        let _ = writeln!(out, "{passed} passed, {failed} failed, {unsupported} unsupported");
        match (failed, impossible) {
            (0, 0) => Exit::Ok,
            (0, _) => Exit::Environment,
            _ => Exit::Failed,
        }
        .into()
    }
}
