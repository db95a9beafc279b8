//! The kernel's TCP as the other end of an engine, in real time.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread::{self, JoinHandle};
use std::time;

use handfast::application::{ConnectionError, Event, ListenerHandle, Read as Received, Readiness, TcpHandle};
use handfast::config::{AddressBlock, Config};
use handfast::engine::{Budget, Engine};
use handfast::frame::FramePool;
use handfast::link::Device;
use handfast::link::wait::{Waiter, Watch};
use handfast::time::{Duration, Instant};
use socket2::SockRef;

/// Bytes that go each way, unless a test says otherwise.
const AMOUNT: usize = 10 << 20;
pub(crate) const PORT: u16 = 7;
/// Who waits longer for one thing has failed, and would hang otherwise.
const PATIENCE: time::Duration = time::Duration::from_secs(60);

/// Bytes after which the stream repeats: a prime, so that no segment, window or buffer comes out even.
const PERIOD: usize = 65_521;
/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;

/// Two periods of the stream and a piece, so that each stretch of it lies in one place.
static STREAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |place: usize| ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
    (0..2 * PERIOD + PIECE)
        .map(|place| byte(place % PERIOD))
        .collect()
});

/// Up to [`PIECE`] bytes of the stream.
fn stretch(from: usize, len: usize) -> &'static [u8] {
    &STREAM[from % PERIOD..][..len]
}

/// Checks every byte of a stream as it arrives.
#[derive(Default)]
pub(crate) struct Checker(pub(crate) usize);

impl Checker {
    pub(crate) fn check(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            assert!(
                piece == stretch(self.0, piece.len()),
                "the stream is wrong behind byte {}",
                self.0
            );
            self.0 += piece.len();
        }
    }
}

/// An engine and the clock.
pub(crate) struct Host<D: Device> {
    pub(crate) engine: Engine<D>,
    waiter: Waiter,
    start: time::Instant,
    address: IpAddr,
    /// Bytes that go each way.
    pub(crate) amount: usize,
}

impl<D: Device> Host<D> {
    /// An engine of that address over the device.
    pub(crate) fn new(address: IpAddr, pool: FramePool, device: D) -> Self {
        let mut config = Config::new([5; 32], [AddressBlock::single(address)]);
        config.link.duplicate_address_detection = 0;
        Self::with_config(address, &config, pool, device)
    }

    /// As [`Host::new`], with what else there is to say.
    pub(crate) fn with_config(address: IpAddr, config: &Config, pool: FramePool, device: D) -> Self {
        Self {
            engine: Engine::new(config, pool, device),
            waiter: Waiter::new(Duration::ZERO).expect("a waiter"),
            start: time::Instant::now(),
            address,
            amount: AMOUNT,
        }
    }

    /// The engine's time.
    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed().into()
    }

    /// Polls, sleeps while there is nothing to do, and gives each event to `handle` until it returns a value.
    pub(crate) fn run<T>(&mut self, mut handle: impl FnMut(&mut Engine<D>, Event) -> Option<T>) -> T {
        let begin = time::Instant::now();
        loop {
            let now = self.now();
            assert!(begin.elapsed() < PATIENCE, "{:#?}", self.engine.counters());
            let progress = self.engine.poll(now, Budget::default());
            while let Some(event) = self.engine.poll_event() {
                if let Some(value) = handle(&mut self.engine, event) {
                    return value;
                }
            }
            self.engine
                .wait(&mut self.waiter, now, progress)
                .expect("a sleep");
        }
    }

    /// Goes on until the other end needs the engine no more.
    pub(crate) fn run_until_finished<T: Send + 'static>(&mut self, other: JoinHandle<T>) -> T {
        let waker = self.waiter.waker();
        let other = thread::spawn(move || {
            let result = other.join();
            waker.wake();
            result
        });
        let begin = time::Instant::now();
        while !other.is_finished() {
            assert!(begin.elapsed() < PATIENCE, "{:#?}", self.engine.counters());
            // The call may come a moment before the thread counts as finished, and this does not sleep for long.
            self.turn();
        }
        match other.join().expect("the thread that waits") {
            Ok(value) => value,
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }

    pub(crate) fn listen(&mut self) -> (ListenerHandle, SocketAddr) {
        self.listen_with_backlog(16)
    }

    pub(crate) fn listen_with_backlog(&mut self, backlog: usize) -> (ListenerHandle, SocketAddr) {
        let at = SocketAddr::new(self.address, PORT);
        (self.engine.tcp_listen(at, backlog).expect("a listener"), at)
    }

    /// The engine's address.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Polls once, and forgets the events.
    pub(crate) fn glance(&mut self) {
        self.engine.poll(self.now(), Budget::default());
        while self.engine.poll_event().is_some() {}
    }

    /// Polls once, forgets the events, and sleeps for some milliseconds unless there is something to do.
    pub(crate) fn turn(&mut self) {
        self.turn_with(|_, _| {});
    }

    /// As [`Host::turn`], with each event given to `handle`.
    pub(crate) fn turn_with(&mut self, mut handle: impl FnMut(&mut Engine<D>, Event)) {
        let now = self.now();
        let progress = self.engine.poll(now, Budget::default());
        while let Some(event) = self.engine.poll_event() {
            handle(&mut self.engine, event);
        }
        let soon = now + Duration::from_millis(10);
        let until = self.engine.next_deadline().map_or(soon, |due| due.min(soon));
        if progress.is_idle() {
            let watch = self.engine.device().descriptor().map(Watch::readable);
            self.waiter
                .wait(now, Some(until), watch.as_slice())
                .expect("a sleep");
        }
    }

    /// A connection that a kernel client makes.
    pub(crate) fn accept(&mut self, listener: ListenerHandle) -> TcpHandle {
        self.run(|engine, event| match event {
            Event::Acceptable(_) => engine.tcp_accept(listener),
            _ => None,
        })
    }
}

/// Sends the stream while there is room.
pub(crate) fn send_more<D: Device>(
    engine: &mut Engine<D>,
    connection: TcpHandle,
    sent: &mut usize,
    amount: usize,
) {
    while *sent < amount {
        let piece = stretch(*sent, (amount - *sent).min(PIECE));
        let taken = engine.tcp_send(connection, piece).expect("the connection stands");
        *sent += taken;
        if taken < piece.len() {
            return;
        }
    }
    engine.tcp_shutdown(connection).expect("the connection stands");
}

/// Checks what has arrived; `true` at the end of the stream.
pub(crate) fn receive_more<D: Device>(
    engine: &mut Engine<D>,
    connection: TcpHandle,
    checker: &mut Checker,
) -> bool {
    loop {
        match engine.tcp_receive_chunk(connection, usize::MAX) {
            Ok(Received::Data(chunk)) => checker.check(&chunk),
            Ok(Received::End) => return true,
            Ok(Received::WouldBlock) => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes so many bytes of the stream.
pub(crate) fn write_stream(writer: &mut impl Write, amount: usize) {
    for from in (0..amount).step_by(PIECE) {
        writer
            .write_all(stretch(from, PIECE.min(amount - from)))
            .expect("the peer reads");
    }
}

/// Reads the stream to its end, checks every byte, and says how many there were.
pub(crate) fn read_stream(mut reader: impl Read) -> usize {
    let (mut checker, mut buffer) = (Checker::default(), vec![0; 256 << 10]);
    loop {
        match reader.read(&mut buffer).expect("the peer writes") {
            0 => return checker.0,
            count => checker.check(&buffer[..count]),
        }
    }
}

/// The kernel's side of an exchange: sends the stream, closes that half, and reads the stream to its end.
fn exchange_by_kernel(stream: TcpStream, amount: usize) {
    let mut writer = stream.try_clone().expect("a second handle");
    let sending = thread::spawn(move || {
        write_stream(&mut writer, amount);
        writer.shutdown(Shutdown::Write).expect("half a close");
    });
    assert_eq!(read_stream(stream), amount);
    sending.join().expect("all was sent");
}

/// The engine's side of an exchange.
fn exchange_by_engine<D: Device>(host: &mut Host<D>, connection: TcpHandle) {
    let amount = host.amount;
    let (mut sent, mut checker) = (0, Checker::default());
    send_more(&mut host.engine, connection, &mut sent, amount);
    let mut ended = receive_more(&mut host.engine, connection, &mut checker);
    while !ended {
        host.run(|engine, event| match event {
            Event::Tcp(_, ready) => {
                assert!(
                    !ready.contains(Readiness::FAILED),
                    "{:?}",
                    engine.tcp_error(connection)
                );
                if sent < amount {
                    send_more(engine, connection, &mut sent, amount);
                }
                ended = receive_more(engine, connection, &mut checker);
                Some(())
            }
            _ => None,
        });
    }
    while sent < amount {
        host.run(|engine, event| {
            send_more(engine, connection, &mut sent, amount);
            matches!(event, Event::Tcp(..)).then_some(())
        });
    }
    assert_eq!(checker.0, amount);
}

/// A client in the kernel and a server in the engine exchange a stream each way at the same time; each closes its half when it has sent all.
pub(crate) fn kernel_connects_to_engine<D: Device>(host: &mut Host<D>) {
    let ((listener, at), amount) = (host.listen(), host.amount);
    let client = thread::spawn(move || {
        exchange_by_kernel(TcpStream::connect(at).expect("the engine accepts"), amount);
    });
    let connection = host.accept(listener);
    exchange_by_engine(host, connection);
    host.run_until_finished(client);
    host.engine.tcp_close(connection);
    host.engine.tcp_close_listener(listener);
}

/// As [`kernel_connects_to_engine`] the other way round.
pub(crate) fn engine_connects_to_kernel<D: Device>(host: &mut Host<D>, kernel: IpAddr) {
    let listener = TcpListener::bind((kernel, 0)).expect("a port of the kernel's");
    let at = listener.local_addr().expect("an address");
    let amount = host.amount;
    let server = thread::spawn(move || {
        exchange_by_kernel(listener.accept().expect("the engine connects").0, amount);
    });
    let connection = host.engine.tcp_connect(None, at).expect("a connection");
    host.run(|_, event| match event {
        Event::Tcp(_, ready) if ready.contains(Readiness::CONNECTED) => Some(()),
        _ => None,
    });
    exchange_by_engine(host, connection);
    host.run_until_finished(server);
    host.engine.tcp_close(connection);
}

/// Resets travel in both directions, and a port without a listener refuses.
pub(crate) fn resets_arrive<D: Device>(host: &mut Host<D>) {
    let (listener, at) = host.listen();
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("the engine accepts");
        SockRef::from(&stream)
            .set_linger(Some(time::Duration::ZERO))
            .expect("a close that resets");
        // The kernel may send the last ACK of the handshake from one core and the reset from another, and a reset that comes first ends a
        // connection that nobody has accepted yet.
        stream.read_exact(&mut [0]).expect("the engine has accepted");
    });
    let connection = host.accept(listener);
    assert_eq!(host.engine.tcp_send(connection, b"!"), Ok(1));
    host.run(|_, event| match event {
        Event::Tcp(_, ready) if ready.contains(Readiness::FAILED) => Some(()),
        _ => None,
    });
    assert_eq!(host.engine.tcp_error(connection), Some(ConnectionError::Reset));
    client.join().expect("the client ends");

    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(at).expect("the engine accepts");
        stream.write_all(b"?").expect("the engine listens");
        stream.read(&mut [0]).map_err(|error| error.kind())
    });
    let connection = host.accept(listener);
    // The client must have left `connect` before it is reset, and a byte is the sign of that.
    while !matches!(
        host.engine.tcp_receive(connection, &mut [0]),
        Ok(Received::Data(1))
    ) {
        host.run(|_, event| matches!(event, Event::Tcp(..)).then_some(()));
    }
    host.engine.tcp_abort(connection);
    assert_eq!(host.run_until_finished(client), Err(ErrorKind::ConnectionReset));

    host.engine.tcp_close_listener(listener);
    let client = thread::spawn(move || TcpStream::connect(at).map(drop).map_err(|error| error.kind()));
    assert_eq!(host.run_until_finished(client), Err(ErrorKind::ConnectionRefused));
}
