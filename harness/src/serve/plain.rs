//! The services of the Internet's childhood: echo (RFC 862), discard (RFC 863) and the character generator (RFC 864).

use std::convert::Infallible;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::consume_budget;

use super::sockets::Datagrams;

/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;
/// Characters of a line, without its end.
const LINE: usize = 72;
/// The printing characters of ASCII.
const CHARACTERS: std::ops::RangeInclusive<u8> = b' '..=b'~';

/// Sends back what comes, up to the end.
pub(super) async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        // A peer that is fast must not keep the others waiting.
        consume_budget().await;
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

/// Takes what comes, up to the end.
pub(super) async fn discard(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while stream.read(&mut buffer).await? > 0 {
        consume_budget().await;
    }
    stream.shutdown().await
}

/// Sends characters until the peer has enough, which it says by closing.
pub(super) async fn chargen(stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let (mut receive, mut send) = tokio::io::split(stream);
    let characters = characters();
    let sending = async {
        loop {
            send.write_all(&characters).await?;
            consume_budget().await;
        }
    };
    let mut ignored = vec![0; BUFFER];
    let hearing = async {
        while receive.read(&mut ignored).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        outcome = sending => outcome,
        outcome = hearing => outcome,
    }
}

/// As many lines as there are characters to begin with: the pattern repeats after them.
fn characters() -> Vec<u8> {
    let ring = || CHARACTERS.cycle();
    CHARACTERS
        .enumerate()
        .flat_map(|(line, _)| ring().skip(line).take(LINE).chain(*b"\r\n"))
        .collect()
}

/// Sends datagrams back.
pub(super) async fn echo_datagrams(socket: &impl Datagrams) -> io::Result<Infallible> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        consume_budget().await;
        let (count, from) = socket.receive(&mut buffer).await?;
        send(socket, &buffer[..count], from).await?;
    }
}

/// Takes datagrams.
pub(super) async fn discard_datagrams(socket: &impl Datagrams) -> io::Result<Infallible> {
    loop {
        consume_budget().await;
        socket.receive(&mut []).await?;
    }
}

/// Sends a line for each datagram.
pub(super) async fn chargen_datagrams(socket: &impl Datagrams) -> io::Result<Infallible> {
    let characters = characters();
    loop {
        consume_budget().await;
        let (_, from) = socket.receive(&mut []).await?;
        send(socket, &characters[..LINE + 2], from).await?;
    }
}

/// A datagram that cannot be sent to one peer is no reason to serve no other.
async fn send(socket: &impl Datagrams, bytes: &[u8], to: std::net::SocketAddr) -> io::Result<()> {
    match socket.send(bytes, to).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_turn_by_one_for_each_line() {
        let text = String::from_utf8(characters()).expect("ASCII");
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert!(lines.iter().all(|line| line.len() == LINE));
        assert!(lines[0].starts_with(" !\"#") && lines[1].starts_with("!\"#$"));
        assert!(lines[94].starts_with("~ !\""));
    }

    #[tokio::test]
    async fn echo_and_discard_end_with_their_peer() {
        let (mut near, far) = tokio::io::duplex(100);
        let echoing = tokio::spawn(echo(far));
        near.write_all(b"once more").await.expect("open");
        near.shutdown().await.expect("open");
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.expect("open");
        assert_eq!(heard, "once more");
        echoing.await.expect("no panic").expect("an orderly end");

        let (mut near, far) = tokio::io::duplex(100);
        let discarding = tokio::spawn(discard(far));
        near.write_all(&[1; 1000]).await.expect("open");
        near.shutdown().await.expect("open");
        assert_eq!(near.read(&mut [0; 1]).await.expect("open"), 0);
        discarding.await.expect("no panic").expect("an orderly end");
    }
}
