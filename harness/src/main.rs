//! `handfast`: measures TCP and UDP stacks side by side.

// `note!` and `output::print` outlive a full disk and a closed pipe.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

#[macro_use]
mod output;

mod calibration;
mod capture;
mod cli;
mod config;
mod describe;
mod doctor;
mod flood;
mod input;
mod load;
mod measure;
mod nearest;
mod observe;
mod path;
mod program;
mod report;
mod run;
mod scenario;
mod script;
mod search;
mod serve;
mod session;
mod stack;
mod sys;
mod wire;

fn main() -> std::process::ExitCode {
    cli::main()
}
