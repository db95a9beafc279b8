//! The kernel's TCP as the other end of an engine, in real time.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
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

/// Bytes that go each way.
pub(crate) const AMOUNT: usize = 10 << 20;
const PORT: u16 = 7;
/// A test that takes longer has failed; it would hang otherwise.
const PATIENCE: time::Duration = time::Duration::from_secs(60);

/// The byte of the stream at a place; the sequence does not repeat within the segments of a window.
fn byte_at(place: usize) -> u8 {
    ((place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn stretch(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(byte_at).collect()
}

/// Checks a stream as it arrives.
#[derive(Default)]
struct Checker(usize);

impl Checker {
    fn check(&mut self, bytes: &[u8]) {
        let wrong = bytes
            .iter()
            .zip(self.0..)
            .find(|&(&byte, place)| byte != byte_at(place));
        assert_eq!(wrong, None, "the first wrong byte and its place");
        self.0 += bytes.len();
    }
}

/// An engine and the clock.
pub(crate) struct Host<D: Device> {
    pub(crate) engine: Engine<D>,
    waiter: Waiter,
    start: time::Instant,
    address: IpAddr,
}

impl<D: Device> Host<D> {
    /// An engine of that address over the device.
    pub(crate) fn new(address: IpAddr, pool: FramePool, device: D) -> Self {
        let mut config = Config::new([5; 32], [AddressBlock::single(address)]);
        config.link.duplicate_address_detection = 0;
        Self {
            engine: Engine::new(&config, pool, device),
            waiter: Waiter::new(Duration::ZERO).expect("a waiter"),
            start: time::Instant::now(),
            address,
        }
    }

    /// Polls, sleeps while there is nothing to do, and gives each event to `handle` until it returns a value.
    pub(crate) fn run<T>(&mut self, mut handle: impl FnMut(&mut Engine<D>, Event) -> Option<T>) -> T {
        loop {
            let now = Instant::ZERO + self.start.elapsed().into();
            assert!(self.start.elapsed() < PATIENCE, "{:#?}", self.engine.counters());
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
        while !other.is_finished() {
            assert!(self.start.elapsed() < PATIENCE, "{:#?}", self.engine.counters());
            let now = Instant::ZERO + self.start.elapsed().into();
            let progress = self.engine.poll(now, Budget::default());
            while self.engine.poll_event().is_some() {}
            // The call may come a moment before the thread counts as finished.
            let soon = now + Duration::from_millis(10);
            let until = self.engine.next_deadline().map_or(soon, |due| due.min(soon));
            if progress.is_idle() {
                let watch = self.engine.device().descriptor().map(Watch::readable);
                self.waiter
                    .wait(now, Some(until), watch.as_slice())
                    .expect("a sleep");
            }
        }
        match other.join().expect("the thread that waits") {
            Ok(value) => value,
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }

    fn listen(&mut self) -> (ListenerHandle, SocketAddr) {
        let at = SocketAddr::new(self.address, PORT);
        (self.engine.tcp_listen(at, 16).expect("a listener"), at)
    }

    /// A connection that a kernel client makes.
    fn accept(&mut self, listener: ListenerHandle) -> TcpHandle {
        self.run(|engine, event| match event {
            Event::Acceptable(_) => engine.tcp_accept(listener),
            _ => None,
        })
    }
}

/// Sends the stream while there is room.
fn send_more<D: Device>(engine: &mut Engine<D>, connection: TcpHandle, sent: &mut usize) {
    while *sent < AMOUNT {
        let piece = stretch(*sent, (AMOUNT - *sent).min(64 << 10));
        let taken = engine
            .tcp_send(connection, &piece)
            .expect("the connection stands");
        *sent += taken;
        if taken < piece.len() {
            return;
        }
    }
    engine.tcp_shutdown(connection).expect("the connection stands");
}

/// Checks what has arrived; `true` at the end of the stream.
fn receive_more<D: Device>(engine: &mut Engine<D>, connection: TcpHandle, checker: &mut Checker) -> bool {
    loop {
        match engine.tcp_receive_chunk(connection, usize::MAX) {
            Ok(Received::Data(chunk)) => checker.check(&chunk),
            Ok(Received::End) => return true,
            Ok(Received::WouldBlock) => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The kernel's side of an exchange: sends the stream, closes that half, and reads the stream to its end.
fn exchange_by_kernel(mut stream: TcpStream) {
    let mut writer = stream.try_clone().expect("a second handle");
    let sending = thread::spawn(move || {
        for from in (0..AMOUNT).step_by(64 << 10) {
            writer
                .write_all(&stretch(from, 64 << 10))
                .expect("the peer reads");
        }
        writer.shutdown(Shutdown::Write).expect("half a close");
    });
    let (mut checker, mut buffer) = (Checker::default(), vec![0; 256 << 10]);
    loop {
        match stream.read(&mut buffer).expect("the peer writes") {
            0 => break,
            count => checker.check(&buffer[..count]),
        }
    }
    assert_eq!(checker.0, AMOUNT);
    sending.join().expect("all was sent");
}

/// The engine's side of an exchange.
fn exchange_by_engine<D: Device>(host: &mut Host<D>, connection: TcpHandle) {
    let (mut sent, mut checker) = (0, Checker::default());
    send_more(&mut host.engine, connection, &mut sent);
    let mut ended = receive_more(&mut host.engine, connection, &mut checker);
    while !ended {
        host.run(|engine, event| match event {
            Event::Tcp(_, ready) => {
                assert!(
                    !ready.contains(Readiness::FAILED),
                    "{:?}",
                    engine.tcp_error(connection)
                );
                if sent < AMOUNT {
                    send_more(engine, connection, &mut sent);
                }
                ended = receive_more(engine, connection, &mut checker);
                Some(())
            }
            _ => None,
        });
    }
    while sent < AMOUNT {
        host.run(|engine, event| {
            send_more(engine, connection, &mut sent);
            matches!(event, Event::Tcp(..)).then_some(())
        });
    }
    assert_eq!(checker.0, AMOUNT);
}

/// A client in the kernel and a server in the engine exchange 10 MiB each way at the same time; each closes its half when it has sent all.
pub(crate) fn kernel_connects_to_engine<D: Device>(host: &mut Host<D>) {
    let (listener, at) = host.listen();
    let client =
        thread::spawn(move || exchange_by_kernel(TcpStream::connect(at).expect("the engine accepts")));
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
    let server = thread::spawn(move || exchange_by_kernel(listener.accept().expect("the engine connects").0));
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
        let stream = TcpStream::connect(at).expect("the engine accepts");
        SockRef::from(&stream)
            .set_linger(Some(time::Duration::ZERO))
            .expect("a close that resets");
    });
    let connection = host.accept(listener);
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
