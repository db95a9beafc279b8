//! What libraries ask of the types that they are given: hyper and russh `Send + 'static`, lettre `Send + Sync + Debug`, hickory futures-io and
//! `Sync`. Whatever runs over a socket of tokio runs over these.

use std::fmt::Debug;

use handfast::application::asynchronous::{
    Chunk, Network, OwnedReadHalf, OwnedWriteHalf, Station, TcpListener, TcpStream, UdpSocket,
};

fn ssh_and_http<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static>() {}
fn mail<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Debug + Send + Sync + Unpin + 'static>() {}
fn names<T: futures_util::io::AsyncRead + futures_util::io::AsyncWrite + Unpin + Send + Sync + 'static>() {}
fn reads<T: tokio::io::AsyncRead + futures_util::io::AsyncRead + Unpin + Send + Sync + 'static>() {}
fn writes<T: tokio::io::AsyncWrite + futures_util::io::AsyncWrite + Unpin + Send + Sync + 'static>() {}
fn shared<T: Debug + Send + Sync + 'static>() {}
fn owns_bytes<T: AsRef<[u8]> + Debug + Send + 'static>() {}

#[test]
fn sockets_meet_the_bounds_of_the_libraries_that_will_use_them() {
    ssh_and_http::<TcpStream>();
    mail::<TcpStream>();
    names::<TcpStream>();
    reads::<OwnedReadHalf>();
    writes::<OwnedWriteHalf>();
    shared::<TcpListener>();
    shared::<UdpSocket>();
    shared::<Network>();
    shared::<Station>();
    owns_bytes::<Chunk>();
    fn is_send<T: Send>(_: &T) {}
    let (network, _station) = handfast::application::asynchronous::network();
    let at = "10.0.0.1:7".parse().expect("an address");
    is_send(&TcpStream::connect(&network, at));
    is_send(&TcpListener::bind(&network, at));
    is_send(&UdpSocket::bind(&network, at));
}
