//! Handfast: a zero-copy, poll-driven TCP/UDP/IP stack in user space.
//!
//! ```text
//!   application   handles, readiness events, streams            (layer 4)
//!   transport     flow table, ports, timers; udp, tcp           (layer 3)
//!   internet      IPv4, IPv6, ICMP, routes, neighbours          (layer 2)
//!   link          Ethernet; Device: memory, socket, tun,        (layer 1)
//!                 packet, raw, xdp; around them Impair, Capture
//!   ─────────────────────────────────────────────────────────────────────
//!   frame         memory that the layers hand to each other     (common ground)
//!   arch          what needs the processor                      (common ground)
//!   time, config  the engine's clock values and every knob      (common ground)
//! ```
//!
//! Imports point down only, and no layer reaches past its neighbour; `tests/engine/project/layers.rs` enforces it.
//! The engine has no clock, no thread, no global and no hidden randomness: time and seeds are arguments.
//!
//! # Two engines on one wire
//!
//! ```
#![doc = include_str!("../examples/two_engines.rs")]
//! ```
//!
//! # An engine that sleeps until something happens
//!
//! ```
#![doc = include_str!("../examples/echo.rs")]
//! ```
//!
//! # Streams for asynchronous programs
//!
//! With the feature `async`, `application::asynchronous` has sockets with the traits of tokio and of futures-io, which are `Send` and `Sync`
//! although the engine stays on its thread. `examples/async_echo.rs` shows them.

// So that the helpers of the tests in `tests/` serve the tests in here as well.
#[cfg(test)]
extern crate self as handfast;

pub mod application;
pub mod arch;
pub mod config;
pub mod engine;
pub mod frame;
pub mod internet;
pub mod link;
pub mod time;
pub mod transport;
