//! Packet scripts in virtual time: what arrives, what the application does, and what the engine must send, when.
//!
//! The language is packetdrill's. A script passes in three steps: `lexer` and `parser` make a `tree` of it; `runner` plays its events
//! against an engine whose device is a `wire` in memory; `compare` tells what differs. The script's numbers are mapped to the engine's by
//! `flow`. Beyond what packetdrill checks, every checksum is verified, and nothing may be sent that the script does not expect before its
//! end.
//!
//! Extensions: `>!` (nothing may have been sent that is not expected), `loop N { … }`, `sport > dport` for several connections, `raw "…"`
//! for the bytes of a packet or of an option, and `[badsum]` for a wrong checksum.

mod assertion;
mod build;
mod checksum;
mod compare;
mod configuration;
mod decode;
mod flow;
mod host;
mod icmp;
mod info;
mod kernel;
mod lexer;
mod meter;
mod network;
mod packet;
mod parser;
mod runner;
mod shell;
mod sockets;
mod stopwatch;
mod subject;
#[cfg(test)]
mod tests;
mod tree;
mod verdict;
mod wire;
mod world;

pub(crate) use self::configuration::IpVersion;
pub(crate) use self::shell::MTUS;
pub(crate) use self::verdict::Verdict;

use self::configuration::Settings;
use self::kernel::Kernel;
use self::parser::Defines;
use self::runner::Runner;
use self::verdict::{Failure, Stop};
use self::world::World;

/// How strictly packets are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Profile {
    /// Every field, and times to a step of the engine's timers unless the script has a tolerance
    Exact,
    /// Options in any order, windows of at least the expected size, PSH anywhere, a FIN on the text or behind it, times as packetdrill
    /// tolerates them; and no look, as it has none, at connections before the last one and at what the last event causes
    Lenient,
}

/// Which stack scripts are played against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Against {
    /// The engine, in virtual time
    Engine,
    /// The kernel's stack behind a TUN interface in a network namespace, in real time; needs root
    Kernel,
}

/// How scripts are played.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) against: Against,
    pub(crate) profile: Profile,
    /// In place of what scripts say.
    pub(crate) version: Option<IpVersion>,
    /// Seconds of real time that a script may take.
    pub(crate) longest: u64,
    /// Options in place of those that scripts have: names and values.
    pub(crate) given: Vec<(&'static str, String)>,
    pub(crate) defines: Defines,
}

/// A name and what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Definition(String, Vec<lexer::Placed>);

impl Definition {
    pub(crate) fn into_pair(self) -> (String, Vec<lexer::Placed>) {
        (self.0, self.1)
    }
}

/// Reads `NAME=VALUE`.
pub(crate) fn definition(text: &str) -> Result<Definition, String> {
    parser::define(text).map(|(name, value)| Definition(name, value))
}

/// Plays a script.
pub(crate) fn run(text: &str, options: &Options) -> Verdict {
    match parser::parse(text, &options.defines) {
        Ok(script) => play(&script, options),
        Err(error) if error.unsupported => Verdict::Unsupported {
            at: error.at,
            construct: error.message,
        },
        Err(error) => Verdict::Failed(Failure {
            at: error.at,
            reason: error.message,
            compared: None,
            trace: Vec::new(),
        }),
    }
}

fn play(script: &tree::Script, options: &Options) -> Verdict {
    let settings = match Settings::new(script, options) {
        Ok(settings) => settings,
        Err((at, stop)) => return Verdict::stopped(at, stop, Vec::new()),
    };
    match options.against {
        Against::Engine => Runner::play(World::new(settings, script), script, options.profile),
        Against::Kernel if script.length() > options.longest.saturating_mul(1_000_000_000) => {
            let seconds = script.length().div_ceil(1_000_000_000);
            let construct = format!("{seconds} s of real time; --longest allows {}", options.longest);
            Verdict::stopped(script.start(), Stop::Unsupported(construct), Vec::new())
        }
        Against::Kernel => play_to_kernel(settings, script, options.profile),
    }
}

/// On a thread of its own, which goes with the namespace that it moves into.
fn play_to_kernel(settings: Settings, script: &tree::Script, profile: Profile) -> Verdict {
    let played = std::thread::scope(|scope| {
        let play = || Kernel::new(settings, script).map(|kernel| Runner::play(kernel, script, profile));
        scope.spawn(play).join()
    });
    match played {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(refused)) => Verdict::Impossible(refused.to_string()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
