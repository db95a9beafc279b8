//! Waiting for other processes, which tell nobody.

use std::thread;
use std::time::{Duration, Instant};

/// Tries again until something is there, or patience is at an end.
pub(crate) fn wait_for<T>(patience: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        let found = attempt();
        if found.is_some() || begin.elapsed() > patience {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
