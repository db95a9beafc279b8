//! HTTP/1.1 by hyper, over any stream: a greeting, or the files of a folder. What is uploaded is counted and thrown away.

mod body;
mod conditions;
#[cfg(test)]
mod engine_tests;
mod file;
mod host;
mod media;
mod parts;
mod path;
mod patience;
mod range;
mod site;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) use self::site::Site;

use self::patience::Patient;
use super::tally::Tally;

/// How long a client may take for the head of a request, and how long it may be quiet between two.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may neither take anything of an answer nor give anything of what it uploads.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Answers the requests of one connection.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    site: Arc<Site>,
    tally: &Tally,
) -> io::Result<()> {
    let answer = service_fn(|request| {
        tally.request();
        let site = site.clone();
        async move { site.answer(request).await }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        // A client that has asked all may close its direction and wait for the answers.
        .half_close(true)
        .serve_connection(TokioIo::new(Patient::new(stream, STANDSTILL)), answer)
        .await
        .map_err(io::Error::other)
}
