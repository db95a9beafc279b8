//! The verb `replay-seq`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::quantity::count;
use crate::output;
use crate::report::one_line;
use crate::report::replay::{Replay, findings, replay};
use crate::session::Exit;

pub(super) const AFTER_HELP: &str = "A file has one sequence number a line, in the order of arrival; or it is CSV whose first line names its columns: \
     seq[,sent_ns][,received_ns][,bytes], in any order. Times are whole nanoseconds, bytes are those of the payload; a value that is not \
     known is left empty. Blank lines and lines that begin with # are skipped. The sender numbers its datagrams 1, 2, 3, … and never wraps.\n\n\
     A copy of a datagram that has come before is a duplicate and never reordering; a number more than 4096 behind the highest cannot be told \
     apart, and a leap of more than that is not believed unless the next arrival goes on from there: both are counted as such.\n\n\
     Exit status: 0 ok, 2 usage, or a line that tells no arrival";

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// List of sequence numbers as they arrived; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How many were sent [default: the highest number that arrived]
    #[arg(long, value_name = "K", value_parser = count)]
    sent: Option<u64>,
    /// RFC 5236 DT and BT: displacement, and datagrams waiting, beyond which one is given up as lost; 1 to 1024
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threshold: u16,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &ReplayArguments) -> ExitCode {
    match found(arguments) {
        Ok(found) => match print(&found, arguments.json) {
            Ok(()) => Exit::Ok.into(),
            Err(error) => {
                note!("error: {error}");
                Exit::Environment.into()
            }
        },
        Err(error) => {
            note!("error: {}: {error}", arguments.file.display());
            Exit::Usage.into()
        }
    }
}

fn found(arguments: &ReplayArguments) -> Result<Replay, String> {
    let (sent, threshold) = (arguments.sent, arguments.threshold);
    let found = if arguments.file == Path::new("-") {
        replay(io::stdin().lock(), sent, threshold)
    } else {
        let file = File::open(&arguments.file).map_err(|error| error.to_string())?;
        replay(BufReader::new(file), sent, threshold)
    };
    found.map_err(|error| error.to_string())
}

fn print(found: &Replay, json: bool) -> io::Result<()> {
    let text = if json { one_line(found)? } else { findings(found) };
    output::print(&text)
}
