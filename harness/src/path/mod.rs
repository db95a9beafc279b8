//! Where packets travel.

pub(crate) mod cable;
pub(crate) mod detour;
pub(crate) mod host;
pub(crate) mod lab;
pub(crate) mod namespace;
pub(crate) mod sockets;
pub(crate) mod switch;
