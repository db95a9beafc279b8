//! Drivers that are tasks among others, on an executor in virtual time that polls who was woken.

use std::cell::Cell;
use std::future::{Future, pending};
use std::io::ErrorKind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::join;
use handfast::application::asynchronous::{TcpListener, TcpStream};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{End, Flag, kind, pattern, poll_once};
use crate::support::{Family, PORT, config};

const BYTES: usize = 300_000;

fn ends() -> [End<LocalEnd>; 2] {
    let (near, far) = pair(WireConfig::default());
    [
        End::new(&config(1, Family::V4.client()), near),
        End::new(&config(2, Family::V4.server()), far),
    ]
}

/// Two drivers and two programs are four tasks of one executor, and all of them end by themselves: the drivers when nobody needs them.
#[test]
fn drivers_are_tasks_beside_the_programs_that_they_serve() {
    let [client, server] = ends();
    let now = Rc::new(Cell::new(Instant::from_secs(1000)));
    let drive = |end: End<_>| {
        let (clock, ticks) = (now.clone(), now.clone());
        let driving = end.driver.drive(
            move || clock.get(),
            async move |_| {
                // An executor that never sleeps: time passes while it looks around.
                ticks.set(ticks.get() + Duration::from_millis(1));
                tokio::task::yield_now().await;
            },
        );
        (end.network, driving)
    };
    let (clients, near) = drive(client);
    let (servers, far) = drive(server);
    let at = (Family::V4.server(), PORT).into();
    let answering = async move {
        let listener = TcpListener::bind(&servers, at).await.expect("a free port");
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut bytes = vec![0; BYTES];
        stream.read_exact(&mut bytes).await.expect("all of it");
        stream.write_all(&bytes).await.expect("the client listens");
    };
    let asking = async move {
        let mut stream = TcpStream::connect(&clients, at).await.expect("somebody listens");
        let (sent, mut echoed) = (pattern(BYTES), Vec::new());
        stream.write_all(&sent).await.expect("the server listens");
        stream.read_to_end(&mut echoed).await.expect("the echo");
        assert!(echoed == sent);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let both = join(answering, asking);
        let driving = join(near, far);
        join(both, driving).await;
    });
}

/// While the engine has nothing to do, the driver is not polled: it is a call that wakes its task.
#[test]
fn a_driver_that_rests_is_woken_by_a_socket() {
    let [client, _server] = ends();
    let network = client.network;
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    let asked = Rc::new(Cell::new(0));
    let counted = asked.clone();
    let driving = client.driver.drive(
        || Instant::from_secs(1000),
        async move |deadline| {
            assert_eq!(deadline, None, "nothing is due");
            counted.set(counted.get() + 1);
            pending::<()>().await;
        },
    );
    let mut driving = pin!(driving);
    let mut poll = || driving.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll().is_pending());
    assert_eq!((asked.get(), flag.take()), (1, false), "it rests");
    let at = (Family::V4.client(), PORT).into();
    let mut binding = Box::pin(TcpListener::bind(&network, at));
    assert!(poll_once(binding.as_mut()).is_pending());
    assert!(flag.take(), "the socket calls");
    assert!(poll().is_pending());
    let Poll::Ready(listener) = poll_once(binding.as_mut()) else {
        panic!("the driver has answered")
    };
    drop(binding);
    drop((listener.expect("a free port"), network));
    assert!(flag.take(), "nobody needs it any more");
    assert!(poll().is_ready(), "and so it ends");
}

/// Whoever drops the task drops the engine, and nobody waits for it for ever.
#[test]
fn sockets_of_a_driver_that_is_dropped_in_the_middle_fail() {
    let [client, _server] = ends();
    let at = (Family::V4.client(), PORT).into();
    let clock = || Instant::from_secs(1000);
    let mut driving = Box::pin(client.driver.drive(clock, async |_| pending().await));
    let mut binding = pin!(TcpListener::bind(&client.network, at));
    assert!(poll_once(binding.as_mut()).is_pending());
    assert!(poll_once(driving.as_mut()).is_pending());
    let Poll::Ready(Ok(listener)) = poll_once(binding.as_mut()) else {
        panic!("the driver has answered")
    };
    assert!(poll_once(pin!(listener.accept())).is_pending());
    drop(driving);
    let Poll::Ready(accepted) = poll_once(pin!(listener.accept())) else {
        panic!("nobody will ever come")
    };
    assert_eq!(kind(accepted), ErrorKind::ConnectionAborted);
}
