//! `connect`: how fast connections are set up. Connect, then close; no data.
//!
//! A connection counts when it has ended at the client. `setup_ns` is RFC 3511 Appendix B as a client sees it: from `connect`
//! to established.

use super::{Measurement, Run, Unsupported, cycles};

pub(super) fn measure(run: &Run<'_>) -> Result<Measurement, Unsupported> {
    cycles::measure(run, 0)
}
