//! TCP (RFC 9293).

pub mod congestion;
pub mod isn;
pub mod options;
pub mod reassembly;
pub mod rtt;
pub mod segment;
pub mod seq;
pub mod state;
pub mod time_wait;
