//! Random programs over a wire that loses and reorders, from seeds. Whatever two programs do to a connection, the bytes that arrive are those that
//! were sent, in order; after an orderly end they are all of them; and nothing is left behind.

use std::io::ErrorKind;

use handfast::application::asynchronous::{Chunk, TcpStream};
use handfast::frame::{FramePool, PoolConfig, PoolUsage};
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::Duration;

use super::world::{World, poll_once};
use crate::support::Family;
use crate::support::random::Random;

const SEEDS: u64 = 150;
const ACTIONS: usize = 120;

fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// One program: its end of the connection, and what has gone over it.
struct Program {
    stream: Option<TcpStream>,
    sent: usize,
    received: usize,
    shut: bool,
    ended: bool,
    failed: bool,
    held: Vec<Chunk>,
}

impl Program {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream: Some(stream),
            sent: 0,
            received: 0,
            shut: false,
            ended: false,
            failed: false,
            held: Vec::new(),
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(100) {
            0..40 => self.write(random.below(60_000)),
            40..70 => self.read(random.below(60_000) + 1),
            70..88 => self.take_chunk(),
            88..94 => self.held.clear(),
            94..97 => self.shut_down(),
            97 => self.stream = None,
            _ => {}
        }
    }

    fn write(&mut self, count: usize) {
        let Some(stream) = &self.stream else { return };
        let bytes: Vec<u8> = (self.sent..self.sent + count).map(byte_at).collect();
        match stream.try_write(&bytes) {
            Ok(taken) => self.sent += taken,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => {}
                ErrorKind::BrokenPipe => assert!(self.shut, "nobody shut it down"),
                ErrorKind::ConnectionReset => self.failed = true,
                kind => panic!("{kind:?}"),
            },
        }
    }

    fn read(&mut self, limit: usize) {
        let Some(stream) = &self.stream else { return };
        let mut bytes = vec![0; limit];
        let read = stream.try_read(&mut bytes);
        match read {
            Ok(0) => self.ended = true,
            Ok(count) => self.check(&bytes[..count]),
            Err(error) => self.note(error.kind()),
        }
    }

    fn take_chunk(&mut self) {
        let Some(stream) = &self.stream else { return };
        let std::task::Poll::Ready(chunk) = poll_once(std::pin::pin!(stream.chunk())) else {
            return;
        };
        match chunk {
            Ok(Some(chunk)) => {
                self.check(&chunk);
                self.held.push(chunk);
            }
            Ok(None) => self.ended = true,
            Err(error) => self.note(error.kind()),
        }
    }

    fn note(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::WouldBlock => {}
            ErrorKind::ConnectionReset => self.failed = true,
            kind => panic!("{kind:?}"),
        }
    }

    fn check(&mut self, bytes: &[u8]) {
        assert!(!self.ended, "bytes behind the end");
        let wrong = bytes
            .iter()
            .zip(self.received..)
            .find(|&(&byte, place)| byte != byte_at(place));
        assert_eq!(wrong, None, "the first wrong byte and its place");
        self.received += bytes.len();
    }

    fn is_done(&self) -> bool {
        self.stream.is_none() || self.ended || self.failed
    }

    fn shut_down(&mut self) {
        if let Some(stream) = &mut self.stream {
            self.shut = true;
            let shutdown = std::pin::pin!(tokio::io::AsyncWriteExt::shutdown(stream));
            if let std::task::Poll::Ready(Err(error)) = poll_once(shutdown) {
                self.note(error.kind());
            }
        }
    }
}

fn impaired(device: LocalEnd, seed: u64) -> Impair<LocalEnd> {
    let config = ImpairConfig {
        seed,
        loss: 0.03,
        reordering: 0.05,
        places: 4,
        ..ImpairConfig::default()
    };
    Impair::new(device, config, FramePool::new(PoolConfig::default())).expect("probabilities")
}

/// Whether both programs have read everything up to an orderly end.
fn run(seed: u64) -> bool {
    let mut random = Random(seed);
    let (near, far) = pair(WireConfig::default());
    let devices = (impaired(near, random.next()), impaired(far, random.next()));
    let mut world = World::over(Family::BOTH[random.below(2)], devices);
    let (near, far, listener) = world.connect();
    let mut programs = [Program::new(near), Program::new(far)];
    for _ in 0..ACTIONS {
        programs[random.below(2)].act(&mut random);
        match random.below(3) {
            0 => world.settle(),
            1 => world.pass(Duration::from_millis(random.next() % 300)),
            _ => {}
        }
    }
    // Whoever is left reads to the end.
    for program in &mut programs {
        program.shut_down();
        program.held.clear();
    }
    for _ in 0..400 {
        programs.iter_mut().for_each(|program| program.read(1 << 20));
        if programs.iter().all(Program::is_done) {
            break;
        }
        world.pass(Duration::from_millis(200));
    }
    for (one, other) in [(0, 1), (1, 0)] {
        let (one, other) = (&programs[one], &programs[other]);
        assert!(one.received <= other.sent);
        if one.stream.is_some() && !one.failed {
            assert!(one.ended, "the end is missing");
            assert_eq!(
                one.received, other.sent,
                "bytes are missing before an orderly end"
            );
        }
    }
    let is_whole = programs.iter().all(|program| program.ended && !program.failed);
    drop((programs, listener));
    world.pass(Duration::from_secs(300));
    for end in [&world.client.driver, &world.server.driver] {
        assert_eq!(end.engine().tcp_memory().connections, 0);
        let PoolUsage { lent, borrowed, .. } = end.engine().pool().usage();
        assert_eq!((lent, borrowed), (0, 0), "frames are still out");
    }
    is_whole
}

#[test]
fn random_programs_get_the_bytes_that_were_sent_and_leave_nothing_behind() {
    let whole = (0..SEEDS).filter(|&seed| {
        std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| panic!("seed {seed} fails"))
    });
    let whole = whole.count() as u64;
    assert!(
        whole > SEEDS / 4 && whole < SEEDS,
        "{whole} of {SEEDS} ended in good order"
    );
}
