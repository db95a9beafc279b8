//! Two engines, their drivers and the programs that hold sockets, in virtual time. A task is polled only when it was woken: whoever is not
//! told never goes on, and the test says so.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use handfast::application::asynchronous::{Network, TcpListener, TcpStream, network};
use handfast::config::Config;
use handfast::engine::driver::Driver;
use handfast::engine::{Budget, Engine};
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::Device;
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};

use crate::support::{Family, PORT, config};

/// A waker that remembers that it was called.
#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
}

impl Task {
    /// Polls the task if it was woken; whether it was.
    fn advance(&mut self, finished: &mut bool) -> bool {
        let woken = self.flag.take();
        if woken {
            let waker = Waker::from(self.flag.clone());
            *finished = self
                .future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready();
        }
        woken
    }
}

/// One end: a driver and what makes its sockets.
pub(super) struct End<D: Device> {
    pub(super) driver: Driver<D>,
    pub(super) network: Network,
}

impl<D: Device> End<D> {
    pub(super) fn new(config: &Config, device: D) -> Self {
        let (network, station) = network();
        let engine = Engine::new(config, FramePool::new(PoolConfig::default()), device);
        Self {
            driver: Driver::new(engine, station, [7; 16]),
            network,
        }
    }
}

/// Two ends and the programs.
pub(super) struct World<D: Device = LocalEnd> {
    pub(super) client: End<D>,
    pub(super) server: End<D>,
    pub(super) now: Instant,
    pub(super) family: Family,
    tasks: Vec<Task>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::over(Family::V4, pair(WireConfig::default()))
    }
}

impl<D: Device> World<D> {
    pub(super) fn over(family: Family, devices: (D, D)) -> Self {
        Self::with_configs(
            family,
            devices,
            config(1, family.client()),
            config(2, family.server()),
        )
    }

    pub(super) fn with_configs(family: Family, devices: (D, D), client: Config, server: Config) -> Self {
        Self {
            client: End::new(&client, devices.0),
            server: End::new(&server, devices.1),
            now: Instant::from_secs(1000),
            family,
            tasks: Vec::new(),
        }
    }

    pub(super) fn server_address(&self) -> SocketAddr {
        SocketAddr::new(self.family.server(), PORT)
    }

    /// Starts a task; what it gives is there when the world has run.
    pub(super) fn spawn<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> Outcome<T> {
        let outcome = Outcome(Rc::new(RefCell::new(None)));
        let slot = outcome.0.clone();
        let flag = Arc::new(Flag(true.into()));
        self.tasks.push(Task {
            future: Box::pin(async move {
                let value = future.await;
                *slot.borrow_mut() = Some(value);
            }),
            flag,
        });
        outcome
    }

    /// Lets everything happen that happens without time passing.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut busy = false;
            self.tasks.retain_mut(|task| {
                let mut finished = false;
                busy |= task.advance(&mut finished);
                !finished
            });
            for end in [&mut self.client, &mut self.server] {
                busy |= !end.driver.turn(self.now, Budget::default()).is_idle();
                busy |= !end.driver.may_sleep(Waker::noop());
                busy |= end.driver.next_deadline().is_some_and(|due| due <= self.now);
                end.driver.engine().check_invariants().expect("no broken rule");
            }
            if !busy {
                return;
            }
        }
        panic!("the world never comes to rest");
    }

    /// Lets `span` pass, stopping at every deadline on the way.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let deadlines = [
                self.client.driver.next_deadline(),
                self.server.driver.next_deadline(),
            ];
            match deadlines.into_iter().flatten().min() {
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    /// Lets a minute pass and gives what the task gave.
    pub(super) fn finish<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        let outcome = self.spawn(future);
        self.pass(Duration::from_secs(60));
        outcome.take()
    }

    /// A listener and two ends of a connection to it.
    pub(super) fn connect(&mut self) -> (TcpStream, TcpStream, TcpListener) {
        let (clients, servers, at) = (
            self.client.network.clone(),
            self.server.network.clone(),
            self.server_address(),
        );
        self.finish(async move {
            let listener = TcpListener::bind(&servers, at).await.expect("the port is free");
            let near = TcpStream::connect(&clients, at).await.expect("somebody listens");
            let (far, from) = listener.accept().await.expect("a connection");
            assert_eq!(near.local_addr().expect("an address"), from);
            (near, far, listener)
        })
    }
}

/// What a task will have given.
pub(super) struct Outcome<T>(Rc<RefCell<Option<T>>>);

impl<T> Outcome<T> {
    /// What it gave; `None` while it has not finished.
    pub(super) fn get(&self) -> Option<T> {
        self.0.borrow_mut().take()
    }

    pub(super) fn take(&self) -> T {
        self.get().expect("the task was woken and has finished")
    }
}

/// Bytes that do not repeat within a window.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// The kind of an error that must be one.
pub(super) fn kind<T: Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.expect_err("an error").kind()
}

/// Polls once, as a task that nobody wakes.
pub(super) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
