//! Where packets travel.

pub(crate) mod namespace;
