//! What a call costs when nothing disturbs it.

use std::hint::black_box;

use crate::measure::cpu;

const CHUNKS: usize = 50;
const CALLS_PER_CHUNK: u32 = 200;

/// Nanoseconds of entering and leaving the kernel, by a call that does nothing there.
pub(super) fn syscall_ns() -> f64 {
    undisturbed_ns(|| {
        black_box(rustix::process::getppid());
    })
}

/// Nanoseconds of reading the clock.
pub(super) fn clock_ns() -> f64 {
    undisturbed_ns(|| {
        black_box(cpu::now());
    })
}

/// The fastest of many chunks: interruptions only ever add.
fn undisturbed_ns(call: impl Fn()) -> f64 {
    let chunk = |_| {
        let began = cpu::now();
        for _ in 0..CALLS_PER_CHUNK {
            call();
        }
        cpu::now() - began
    };
    let fastest = (0..CHUNKS).map(chunk).min().unwrap_or(0);
    fastest as f64 / f64::from(CALLS_PER_CHUNK)
}
