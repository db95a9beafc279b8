//! Loss: how it is reported, found, repaired and, when it was none, forgiven.

pub(super) mod ranges;
pub(super) mod report;
