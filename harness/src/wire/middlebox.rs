//! The thread that passes frames between two devices.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::emulator::Emulator;
use super::frame;
use super::settings::Links;
use super::truth::Truths;
use crate::measure::cpu;
use crate::stack::Nanos;

/// Frames of one direction between two looks at the other one.
const BATCH: usize = 64;
/// The largest frame: a maximum IP packet with its Ethernet header.
const LARGEST_FRAME: usize = 65_535 + 14;
/// Distinguishes the decisions of the way back from those of the way there.
const BACK: u64 = 0x6261_636b_0000_0000;

type Directions = [Emulator<Vec<u8>>; 2];

/// A middlebox at work. Its thread ends with the process.
#[derive(Debug)]
pub(crate) struct Middlebox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// From the client, and from the server.
    directions: Mutex<Directions>,
    in_flight: AtomicUsize,
}

impl Middlebox {
    pub(super) fn start(client: OwnedFd, server: OwnedFd, links: &Links, seed: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            directions: Mutex::new([
                Emulator::new(links.forward.clone(), seed, links.log),
                Emulator::new(links.back.clone(), seed ^ BACK, links.log),
            ]),
            in_flight: AtomicUsize::new(0),
        });
        let thread = Thread {
            devices: [client, server],
            shared: Arc::clone(&shared),
            buffer: vec![0; LARGEST_FRAME],
        };
        thread::Builder::new()
            .name("wire".to_owned())
            .spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    pub(super) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn truths(&self) -> Truths {
        self.shared.with(|[forward, back]| Truths {
            forward: forward.truth.report(),
            back: back.truth.report(),
        })
    }

    pub(super) fn write_log(&self, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "direction,number,sent_ns,bytes,verdict,due_ns")?;
        self.shared.with(|[forward, back]| {
            forward.truth.write("forward", to)?;
            back.truth.write("back", to)
        })
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Directions) -> T) -> T {
        work(&mut self.directions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Thread {
    /// Of the client and of the server.
    devices: [OwnedFd; 2],
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

impl Thread {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let (more, next) = shared.with(|directions| {
                let more = self.turn(directions);
                let in_flight = directions.iter().map(Emulator::in_flight).sum();
                shared.in_flight.store(in_flight, Ordering::Release);
                (more, directions.iter().filter_map(Emulator::next_time).min())
            });
            if !more && self.wait(next).is_err() {
                return;
            }
        }
    }

    /// Takes what has come and delivers what is due. Whether there may be more already.
    fn turn(&mut self, directions: &mut Directions) -> bool {
        let mut more = false;
        for (from, emulator) in directions.iter_mut().enumerate() {
            more |= self.take(from, emulator) == BATCH;
            let to = &self.devices[1 - from];
            while let Some(delivery) = emulator.due(cpu::now()) {
                let mut frame = delivery.packet;
                if let Some(choice) = delivery.corrupted {
                    frame::corrupt(&mut frame, choice);
                }
                for _ in 0..1 + u32::from(delivery.duplicated) {
                    if rustix::io::write(to, &frame).is_err() {
                        emulator.truth.refused();
                    }
                }
            }
        }
        more
    }

    fn take(&mut self, from: usize, emulator: &mut Emulator<Vec<u8>>) -> usize {
        for taken in 0..BATCH {
            let Ok(length) = rustix::io::read(&self.devices[from], &mut self.buffer) else {
                return taken;
            };
            let frame = &self.buffer[..length];
            if frame::impaired(frame).is_some() {
                emulator.offer(cpu::now(), length as u32, frame.to_vec());
            } else {
                emulator.truth.bypassed();
                // A frame that is refused is asked for again by whoever keeps in touch.
                let _ = rustix::io::write(&self.devices[1 - from], frame);
            }
        }
        BATCH
    }

    /// Sleeps until a frame comes or `next`.
    fn wait(&self, next: Option<Nanos>) -> io::Result<()> {
        let [client, server] = &self.devices;
        let mut watched =
            [client, server].map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN));
        let span = next.map(|next| Duration::from_nanos(next.saturating_sub(cpu::now())));
        let timeout = span.and_then(|span| Timespec::try_from(span).ok());
        match poll(&mut watched, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
