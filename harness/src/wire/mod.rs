//! The path `wire`: a middlebox in user space between two hosts, which impairs every TCP and UDP packet as `--link` says and keeps a record of
//! what it did.
//!
//! The [`emulator`] is a function of time and packets alone. What is decided about a packet depends on the seed, its direction and its
//! number, so that every stack meets the same impairment.

mod emulator;
mod fate;
mod frame;
mod loss;
mod middlebox;
mod parse;
mod queue;
mod settings;
mod truth;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

pub(crate) use self::frame::GREETING_PORT;
pub(crate) use self::middlebox::Middlebox;
pub(crate) use self::settings::{Link, Links};
pub(crate) use self::truth::Truths;
#[cfg(test)]
pub(crate) use self::truth::{Report, Spread};
use crate::path::{cable, lab};
use crate::report::stream_atomically;

/// The middlebox of this process.
static MIDDLEBOX: OnceLock<Middlebox> = OnceLock::new();

/// Starts passing frames between the devices of the client and of the server, for as long as the process lasts. Call it once.
///
/// # Errors
/// When no thread can be had.
pub(crate) fn start(client: OwnedFd, server: OwnedFd, links: &Links, seed: u64) -> io::Result<()> {
    let started = Middlebox::start(client, server, links, seed)?;
    MIDDLEBOX.get_or_init(|| started);
    Ok(())
}

/// Packets that are on the wire now: 0 where there is none.
pub(crate) fn in_flight() -> usize {
    MIDDLEBOX.get().map_or(0, Middlebox::in_flight)
}

/// What was done to the packets of this process; `None` when they took another path.
pub(crate) fn truths() -> Option<Truths> {
    let mut truths = MIDDLEBOX.get()?.truths();
    if let Some(lab) = lab::built() {
        truths.forward.overrun = cable::overrun(&lab.client);
        truths.back.overrun = cable::overrun(lab.host_of_server());
    }
    Some(truths)
}

/// Writes what was done to each packet.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_log(file: &Path) -> io::Result<()> {
    let Some(middlebox) = MIDDLEBOX.get() else {
        return Ok(());
    };
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    stream_atomically(file, |to| middlebox.write_log(to))
}
