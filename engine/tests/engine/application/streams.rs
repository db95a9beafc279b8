//! Bytes through streams.

use std::io::{ErrorKind, IoSlice};
use std::pin::pin;

use handfast::application::asynchronous::Setting;
use handfast::application::asynchronous::TcpStream;
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::impair::{Impair, ImpairConfig};
use handfast::link::memory::{WireConfig, pair};
use handfast::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{World, kind, pattern, poll_once};
use crate::support::{Family, wires};

const AMOUNT: usize = 1 << 20;

async fn echo(mut stream: TcpStream) -> u64 {
    let (mut from, mut to) = stream.split();
    let copied = tokio::io::copy(&mut from, &mut to)
        .await
        .expect("a whole connection");
    to.shutdown().await.expect("a whole connection");
    copied
}

async fn send_and_collect(stream: TcpStream, bytes: Vec<u8>) -> Vec<u8> {
    let (mut from, mut to) = stream.into_split();
    let sending = async move {
        to.write_all(&bytes).await.expect("a whole connection");
        to.shutdown().await.expect("a whole connection");
    };
    let mut echoed = Vec::new();
    let (_, received) = futures_util::future::join(sending, from.read_to_end(&mut echoed)).await;
    received.expect("a whole connection");
    echoed
}

#[test]
fn a_megabyte_comes_back_over_both_families_and_both_kinds_of_wire() {
    for family in Family::BOTH {
        for wire in wires(WireConfig::default()) {
            let mut world = World::over(family, wire);
            let (near, far, _listener) = world.connect();
            let echoed = world.spawn(echo(far));
            let received = world.finish(send_and_collect(near, pattern(AMOUNT)));
            assert!(
                received == pattern(AMOUNT),
                "other bytes came back than were sent"
            );
            assert_eq!(echoed.take(), AMOUNT as u64);
        }
    }
}

#[test]
fn a_megabyte_comes_back_over_a_wire_that_loses_and_reorders() {
    let (near, far) = pair(WireConfig::default());
    let impaired = |device, seed| {
        let config = ImpairConfig {
            seed,
            loss: 0.02,
            reordering: 0.05,
            places: 5,
            ..ImpairConfig::default()
        };
        Impair::new(device, config, FramePool::new(PoolConfig::default())).expect("probabilities")
    };
    let mut world = World::over(Family::V4, (impaired(near, 1), impaired(far, 2)));
    let (near, far, _listener) = world.connect();
    let echoed = world.spawn(echo(far));
    let received = world.finish(send_and_collect(near, pattern(AMOUNT)));
    assert!(
        received == pattern(AMOUNT),
        "other bytes came back than were sent"
    );
    assert_eq!(echoed.take(), AMOUNT as u64);
}

#[test]
fn the_traits_of_futures_io_carry_the_same_bytes() {
    use futures_util::io::{AsyncReadExt, AsyncWriteExt};

    let mut world = World::new();
    let (mut near, mut far, _listener) = world.connect();
    let sent = world.spawn(async move {
        let bytes = pattern(300_000);
        AsyncWriteExt::write_all(&mut near, &bytes)
            .await
            .expect("room, in time");
        AsyncWriteExt::close(&mut near).await.expect("a whole connection");
    });
    let received = world.finish(async move {
        let mut received = Vec::new();
        AsyncReadExt::read_to_end(&mut far, &mut received)
            .await
            .expect("a whole connection");
        received
    });
    sent.take();
    assert!(received == pattern(300_000));
}

#[test]
fn what_is_written_before_the_drop_arrives_and_then_the_end() {
    let mut world = World::new();
    let (mut near, mut far, _listener) = world.connect();
    let written = world.spawn(async move {
        near.write_all(&pattern(AMOUNT)).await.expect("room, in time");
        drop(near);
    });
    // The reader comes late: until then the bytes lie in the stream, the engine and the peer.
    world.pass(Duration::from_secs(5));
    let received = world.finish(async move {
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.expect("an orderly end");
        received
    });
    written.take();
    assert!(received == pattern(AMOUNT));
}

#[test]
fn bytes_that_are_left_unread_at_the_drop_reset_the_peer() {
    let mut world = World::new();
    let (mut near, far, _listener) = world.connect();
    let outcome = world.spawn(async move {
        near.write_all(b"nobody reads this").await.expect("room");
        let end = near.read(&mut [0; 16]).await;
        (kind(end), kind(near.write(b"more").await))
    });
    world.settle();
    drop(far);
    world.settle();
    assert_eq!(
        outcome.take(),
        (ErrorKind::ConnectionReset, ErrorKind::ConnectionReset)
    );
}

#[test]
fn a_reset_comes_behind_the_bytes_before_it() {
    let mut world = World::new();
    let (mut near, mut far, _listener) = world.connect();
    let sent = world.spawn(async move {
        far.write_all(b"last words").await.expect("room");
        far.set(Setting::Linger(Some(Duration::ZERO)))
            .expect("an open connection");
        far
    });
    world.settle();
    drop(sent.take());
    let (words, end) = world.finish(async move {
        let mut words = [0; 10];
        near.read_exact(&mut words).await.expect("what was sent before");
        (words, near.read(&mut [0; 1]).await)
    });
    assert_eq!(&words, b"last words");
    assert_eq!(kind(end), ErrorKind::ConnectionReset);
}

#[test]
fn a_shut_direction_ends_there_and_the_other_goes_on() {
    let mut world = World::new();
    let (mut near, mut far, _listener) = world.connect();
    let asked = world.spawn(async move {
        near.write_all(b"question").await.expect("room");
        near.shutdown().await.expect("an open connection");
        let refused = kind(near.write(b"afterthought").await);
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.expect("an answer");
        (refused, answer)
    });
    world.finish(async move {
        let mut question = String::new();
        far.read_to_string(&mut question).await.expect("a question");
        assert_eq!(question, "question");
        far.write_all(b"answer").await.expect("room");
    });
    assert_eq!(asked.take(), (ErrorKind::BrokenPipe, "answer".to_owned()));
}

#[test]
fn a_writer_waits_for_a_reader_who_does_not_read() {
    let mut world = World::new();
    let (near, far, _listener) = world.connect();
    let mut written = 0;
    // Time passes so that windows are probed; room in the engine comes back with every turn at first.
    for _ in 0..1000 {
        match near.try_write(&[0; 10_000]) {
            Ok(taken) => written += taken,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        world.settle();
    }
    let limits = (128 << 10) + (256 << 10) + (4 << 20);
    assert!(
        written < limits,
        "{written} bytes were taken although nobody reads"
    );
    let writable = world.spawn(async move { near.writable().await.map(|()| near) });
    world.settle();
    assert!(writable.get().is_none(), "a full stream is not writable");
    let mut read = 0;
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..1000 {
        read += far.try_read(&mut buffer).unwrap_or(0);
        world.pass(Duration::from_millis(10));
    }
    writable.take().expect("an open connection");
    assert_eq!(read, written);
}

#[test]
fn peeked_bytes_stay_and_vectored_writes_are_one() {
    let mut world = World::new();
    let (near, mut far, _listener) = world.connect();
    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(near.try_write_vectored(&parts).expect("room"), 7);
    let received = world.finish(async move {
        let mut peeked = [0; 5];
        let count = far.peek(&mut peeked).await.expect("bytes");
        assert_eq!(&peeked[..count], b"one t");
        let mut received = [0; 7];
        far.read_exact(&mut received).await.expect("the same bytes");
        received
    });
    assert_eq!(&received, b"one two");
}

#[test]
fn chunks_are_the_memory_of_arrival_and_keep_the_window_closed() {
    let mut world = World::new();
    let (near, far, _listener) = world.connect();
    let copied = |world: &World| {
        world
            .server
            .driver
            .engine()
            .counters()
            .tcp
            .application_bytes_copied
    };
    let sending = world.spawn(async move {
        let mut near = near;
        near.write_all(&pattern(8 << 20)).await.map(|()| near)
    });
    let mut held = Vec::new();
    let mut collect = |world: &mut World| {
        world.pass(Duration::from_secs(2));
        while let std::task::Poll::Ready(chunk) = poll_once(pin!(far.chunk())) {
            held.push(chunk.expect("an open connection").expect("no end yet"));
            world.settle();
        }
        held.iter().map(|chunk| chunk.len()).sum::<usize>()
    };
    let before = collect(&mut world);
    assert!(
        before < 5 << 20,
        "{before} bytes arrived although none was given back"
    );
    assert_eq!(collect(&mut world), before, "the window is closed");
    let mut bytes: Vec<u8> = held.iter().flat_map(|chunk| chunk.to_vec()).collect();
    drop(held);
    while bytes.len() < 8 << 20 {
        world.pass(Duration::from_secs(1));
        while let std::task::Poll::Ready(chunk) = poll_once(pin!(far.chunk())) {
            bytes.extend_from_slice(&chunk.expect("an open connection").expect("no end yet"));
        }
    }
    assert!(bytes == pattern(8 << 20));
    sending.take().expect("all of it was sent");
    assert_eq!(copied(&world), 0, "no byte is copied between engine and program");
}

#[test]
fn halves_come_together_again_only_if_they_are_of_one_stream() {
    let mut world = World::new();
    let (near, far, _listener) = world.connect();
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    let error = near_reads.reunite(far_writes).expect_err("two streams");
    let near = error.0.reunite(near_writes).expect("one stream");
    let far = far_reads.reunite(error.1).expect("one stream");
    assert_eq!(near.try_write(b"still open").expect("nothing was shut down"), 10);
    let (mut reads, writes) = far.into_split();
    drop(writes);
    world.settle();
    let mut buffer = [0; 16];
    assert_eq!(
        near.try_read(&mut buffer)
            .expect("the end of the other direction"),
        0
    );
    let read = world.finish(async move { reads.read(&mut [0; 16]).await });
    assert_eq!(read.expect("what was sent"), 10);
}

#[test]
fn a_corked_stream_gathers_and_a_deferred_one_begins_with_text() {
    let mut world = World::new();
    let (near, mut far, listener) = world.connect();
    let at = listener.local_addr().expect("it listens");
    near.set(Setting::Cork(true)).expect("an open connection");
    near.set(Setting::UnsentLowWater(Some(4096)))
        .expect("an open connection");
    near.set(Setting::WindowClamp(16 << 10))
        .expect("an open connection");
    near.set(Setting::FinWait2(Duration::from_secs(1)))
        .expect("an open connection");
    assert_eq!(near.try_write(b"corked").expect("room"), 6);
    world.settle();
    let heard = world.spawn(async move {
        let mut words = [0; 6];
        far.read_exact(&mut words).await.expect("what was written");
        words
    });
    world.settle();
    assert!(heard.get().is_none(), "it is corked");
    near.set(Setting::Cork(false)).expect("an open connection");
    world.settle();
    assert_eq!(&heard.take(), b"corked");

    listener
        .set_defer_accept(Duration::from_secs(3))
        .expect("it listens");
    world.settle();
    let clients = world.client.network.clone();
    let accepted = world.spawn(async move { listener.accept().await.map(|(stream, _)| stream) });
    let client = world.spawn(async move { TcpStream::connect(&clients, at).await });
    world.settle();
    let client = client.take().expect("the handshake is complete for a client");
    assert!(accepted.get().is_none(), "it has said nothing");
    client.try_write(b"hello").expect("room");
    world.settle();
    assert!(accepted.get().is_some());
}
