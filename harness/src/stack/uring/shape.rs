//! What `kernel-uring` takes on, and how large its rings are for it.

use super::super::Unsupported;
use super::super::kernel::Options;
use crate::config::{RunConfig, ScenarioKind};
use crate::sys::uring::{Ring, Shape};

/// Bytes of all receive buffers together, whatever their number.
const RECEIVE_MEMORY: u32 = 8 << 20;
/// A page, for messages of a few bytes; one for each burst of arrivals on a connection.
const SMALL: u32 = 4 << 10;
/// What one write or receive moves at most: larger buffers leave the second-level cache.
const LARGE: u32 = 64 << 10;
/// Writes of one step that go to the kernel as one send.
const WRITES: u32 = 4;
/// The largest run of datagrams, with what the kernel says of it in the same buffer.
const RUN: u32 = 68 << 10;
/// Buffers for runs.
const RUNS: u16 = 64;

/// Whether the system gives such rings.
///
/// # Errors
/// [`Unsupported`] says what it takes.
pub(crate) fn check() -> Result<(), Unsupported> {
    Ring::probe().map_err(|error| {
        Unsupported(format!(
            "the kernel gives no io_uring with deferred task work and direct descriptors ({error}); it takes Linux 6.11, \
             kernel.io_uring_disabled=0, and a sandbox that lets io_uring_setup through"
        ))
    })
}

/// The ring of one end.
pub(crate) fn shape(config: &RunConfig, options: &Options) -> Shape {
    let files = u32::try_from(options.connections).unwrap_or(u32::MAX);
    if matches!(config.scenario, ScenarioKind::Udp | ScenarioKind::Reorder) {
        return Shape {
            files,
            receive_buffers: RUNS,
            receive_buffer: RUN,
            send_buffer: LARGE,
        };
    }
    let piece = config.message.next_power_of_two().clamp(SMALL, LARGE);
    Shape {
        files,
        receive_buffers: u16::try_from(RECEIVE_MEMORY / piece).expect("at most 2,048"),
        receive_buffer: piece,
        send_buffer: WRITES * piece,
    }
}
