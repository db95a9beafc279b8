//! `crr`: connect, request, response, close. What RFC 9411 counts as a connection: one that carried data.

use super::{Measurement, Run, Unsupported, cycles};

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    cycles::measure(run, run.config.message)
}
