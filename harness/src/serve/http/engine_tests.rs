//! hyper on both sides of a wire between two engines, whose drivers are tasks beside it.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time;

use handfast::application::asynchronous::{Network, TcpListener, TcpStream, network};
use handfast::config::{AddressBlock, Config};
use handfast::engine::Engine;
use handfast::engine::driver::Driver;
use handfast::frame::{FramePool, PoolConfig};
use handfast::link::memory::{LocalEnd, WireConfig, pair};
use handfast::time::Instant;
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::super::tally::Tally;
use super::body::Body;
use super::{Site, serve};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// An engine of that address, run by the local set that this is called in.
fn start(address: IpAddr, device: LocalEnd) -> Network {
    let (network, station) = network();
    let config = Config::new([7; 32], [AddressBlock::single(address)]);
    let engine = Engine::new(&config, FramePool::new(PoolConfig::default()), device);
    let driver = Driver::new(engine, station, [7; 16]);
    let begin = time::Instant::now();
    let clock = move || Instant::ZERO + begin.elapsed().into();
    spawn_local(driver.drive(clock, async |_| yield_now().await));
    network
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.expect("the connection stands");
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    String::from_utf8(bytes).expect("a text")
}

/// The client asks several times over one connection, and the server ends when the client has gone.
#[test]
fn hypers_client_and_hypers_server_understand_each_other_over_two_engines() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let run = async {
        let (near, far) = pair(WireConfig::default());
        let (clients, servers) = (start(CLIENT, near), start(SERVER.ip(), far));
        let listener = TcpListener::bind(&servers, SERVER).await.expect("a free port");
        let serving = spawn_local(async move {
            let (stream, from) = listener.accept().await.expect("a client");
            assert_eq!(from.ip(), CLIENT);
            let site = Arc::new(Site::new(None).expect("no folder"));
            serve(stream, site, &Tally::default()).await
        });
        let stream = TcpStream::connect(&clients, SERVER).await;
        let stream = TokioIo::new(stream.expect("somebody listens"));
        let (mut sender, connection) = http1::handshake(stream).await.expect("a connection");
        let talking = spawn_local(connection);
        for _ in 0..3 {
            let request = Request::get("/").header(HOST, "server").body(Body::empty());
            let answer = sender.send_request(request.expect("a request")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(text(answer).await, "hello\n");
        }
        let upload = Body::from("x".repeat(1 << 20));
        let request = Request::post("/").header(HOST, "server").body(upload);
        let answer = sender.send_request(request.expect("a request")).await;
        assert_eq!(text(answer.expect("an answer")).await, "1048576 bytes received\n");
        drop(sender);
        talking.await.expect("no panic").expect("an orderly end");
        serving.await.expect("no panic").expect("an orderly end");
    };
    LocalSet::new().block_on(&runtime.expect("a runtime"), run);
}
