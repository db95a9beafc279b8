//! Where packets travel.

mod cable;
pub(crate) mod host;
pub(crate) mod lab;
pub(crate) mod namespace;
