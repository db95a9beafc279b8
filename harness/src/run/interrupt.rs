//! Being told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set once by SIGINT or SIGTERM.
static STOP: AtomicBool = AtomicBool::new(false);

/// Has SIGINT and SIGTERM set the flag instead of ending the process. Starts a thread.
///
/// # Errors
/// When the system refuses the handler.
pub(crate) fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))
}

/// Whether the process was told to stop.
pub(crate) fn interrupted() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// The flag itself, for loops that look at it.
pub(super) fn flag() -> &'static AtomicBool {
    &STOP
}
