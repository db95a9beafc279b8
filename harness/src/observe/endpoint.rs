//! An HTTP endpoint for Prometheus, beside long runs.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::exposition::Exposition;
use super::{Interval, Observer, Standing};

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// What is exposed; the thread that answers has the same.
#[derive(Debug)]
pub(crate) struct Endpoint {
    seen: Arc<Mutex<Exposition>>,
    /// Where it is, with the port that the system chose where 0 was asked for.
    pub(crate) address: SocketAddr,
}

impl Endpoint {
    /// Listens at `address`, and answers from a thread of its own for as long as the process lives.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let seen = Arc::<Mutex<Exposition>>::default();
        let shown = seen.clone();
        thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, answer_all(listener, shown))
        })?;
        Ok(Self { seen, address })
    }
}

impl Observer for Endpoint {
    fn interval(&mut self, standing: &Standing, interval: &Interval) -> io::Result<()> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.add(standing, interval);
        Ok(())
    }
}

async fn answer_all(listener: TcpListener, seen: Arc<Mutex<Exposition>>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some of them come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let seen = seen.clone();
        tokio::task::spawn_local(async move {
            let answer = service_fn(|request| {
                let answer = answer(&request, &seen);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), answer);
            // A client that went away needs no answer.
            let _ = connection.await;
        });
    }
}

fn answer(request: &Request<Incoming>, seen: &Mutex<Exposition>) -> Response<String> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            (StatusCode::OK, seen.text())
        }
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::super::fixtures;
    use super::*;

    fn ask(at: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(at).expect("it listens");
        stream.write_all(request.as_bytes()).expect("open");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("it closes after the answer");
        answer
    }

    fn get(at: SocketAddr, path: &str) -> String {
        ask(
            at,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        )
    }

    #[test]
    fn a_scrape_sees_what_was_told_so_far() {
        let mut endpoint = Endpoint::open("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let at = endpoint.address;
        let before = get(at, "/metrics");
        assert!(
            before.starts_with("HTTP/1.1 200 ") && before.contains("version=0.0.4"),
            "{before}"
        );
        assert!(!before.contains("handfast_operations_total{"), "{before}");
        endpoint
            .interval(&fixtures::standing(), &fixtures::interval())
            .expect("memory takes it");
        let after = get(at, "/metrics");
        assert!(after.contains("operation=\"connections\"} 1001\n"), "{after}");
        assert!(get(at, "/").starts_with("HTTP/1.1 404 "));
        let posted = ask(
            at,
            "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    }

    #[test]
    fn an_address_that_is_taken_is_an_error() {
        let endpoint = Endpoint::open("127.0.0.1:0".parse().expect("an address")).expect("a port");
        assert!(Endpoint::open(endpoint.address).is_err());
    }
}
