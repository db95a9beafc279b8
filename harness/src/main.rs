//! `handfast`: measures TCP and UDP stacks side by side.

mod calibration;
mod cli;
mod config;
mod describe;
mod doctor;
mod load;
mod measure;
mod nearest;
mod observe;
mod path;
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
