//! What is behind the paths.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderValue,
    LAST_MODIFIED, LOCATION, SERVER,
};
use hyper::http::response::Builder;
use hyper::{Method, Request, Response, StatusCode};
use rustix::io::Errno;

use super::body::Body;
use super::conditions::{self, Verdict};
use super::file::{Found, OpenFile, Root};
use super::parts::Contents;
use super::path::Wanted;
use super::range::Asked;
use super::{host, media, range};

const NAME: &str = concat!("handfast/", env!("CARGO_PKG_VERSION"));
const GREETING: &str = "hello\n";
const TEXT: &str = "text/plain; charset=utf-8";

/// The answers to all requests.
#[derive(Debug)]
pub(in crate::serve) struct Site {
    root: Option<Arc<Root>>,
}

impl Site {
    /// The files of `root`, or a greeting when there is none.
    ///
    /// # Errors
    /// What is wrong with the folder, and the way out.
    pub(in crate::serve) fn new(root: Option<&Path>) -> Result<Self, String> {
        let root = root.map(Root::open).transpose()?;
        Ok(Self {
            root: root.map(Arc::new),
        })
    }

    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Infallible>
    where
        B: hyper::body::Body<Error: std::error::Error> + Unpin,
    {
        if !host::is_named(&request) {
            return Ok(text(
                status(StatusCode::BAD_REQUEST),
                "the request has to name one host: write Host: NAME once\n".to_owned(),
            ));
        }
        let response = match *request.method() {
            Method::GET | Method::HEAD => self.show(&request).await,
            Method::POST | Method::PUT => take(request.into_body()).await,
            _ => text(
                status(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, "GET, HEAD, POST, PUT"),
                "this server knows GET, HEAD, POST and PUT\n".to_owned(),
            ),
        };
        Ok(response)
    }

    async fn show<B>(&self, request: &Request<B>) -> Response<Body> {
        let Some(root) = self.root.clone() else {
            return text(status(StatusCode::OK), GREETING.to_owned());
        };
        let uri_path = request.uri().path();
        let Some(wanted) = Wanted::parse(uri_path) else {
            return text(
                status(StatusCode::BAD_REQUEST),
                format!("{uri_path} is no path\n"),
            );
        };
        let name = wanted.clone();
        // Opening a file may wait for a disk, and must not keep all other connections waiting.
        let found = tokio::task::spawn_blocking(move || root.find(&name)).await;
        match found {
            Ok(Ok(Found::File(file))) => send(request, &wanted, file),
            Ok(Ok(Found::Folder)) => moved(request),
            Ok(Err(error)) => refuse(uri_path, &error),
            Err(_) => refuse(uri_path, &io::ErrorKind::Other.into()),
        }
    }
}

/// Counts what is uploaded.
async fn take<B>(mut body: B) -> Response<Body>
where
    B: hyper::body::Body<Error: std::error::Error> + Unpin,
{
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // A client that is fast must not keep the others waiting.
        tokio::task::consume_budget().await;
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, hyper::body::Buf::remaining),
            Err(error) => return text(status(StatusCode::BAD_REQUEST), format!("{error}\n")),
        }
    }
    text(status(StatusCode::OK), format!("{bytes} bytes received\n"))
}

fn send<B>(request: &Request<B>, wanted: &Wanted, file: OpenFile) -> Response<Body> {
    let headers = request.headers();
    let described = |code: StatusCode| {
        status(code)
            .header(ETAG, file.tag())
            .header(LAST_MODIFIED, httpdate::fmt_http_date(file.modified()))
            .header(ACCEPT_RANGES, "bytes")
    };
    match conditions::judge(headers, &file.tag(), file.modified()) {
        Verdict::Holds => {}
        Verdict::Known => return built(described(StatusCode::NOT_MODIFIED), Body::empty()),
        Verdict::Fails => {
            let response = described(StatusCode::PRECONDITION_FAILED);
            return text(response, "the file is not as the request demands\n".to_owned());
        }
    }
    let (length, media_type) = (file.length(), media::type_of(wanted.file_name()));
    let (response, contents) = match asked(request, &file) {
        Asked::All => (
            described(StatusCode::OK),
            Contents::one(file, 0..length, media_type),
        ),
        Asked::Part(part) => {
            let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            let response = described(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, place);
            (response, Contents::one(file, part, media_type))
        }
        Asked::Parts(parts) => (
            described(StatusCode::PARTIAL_CONTENT),
            Contents::several(file, parts, media_type),
        ),
        Asked::Beyond => {
            let response = described(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(CONTENT_RANGE, format!("bytes */{length}"));
            return text(response, format!("the file has {length} bytes\n"));
        }
    };
    let response = response
        .header(CONTENT_TYPE, contents.media_type)
        .header(CONTENT_LENGTH, contents.length);
    let is_head = request.method() == Method::HEAD;
    built(response, if is_head { Body::empty() } else { contents.body })
}

/// Parts are for GET alone (RFC 9110 section 14.2), and for who has the rest of this very file.
fn asked<B>(request: &Request<B>, file: &OpenFile) -> Asked {
    let headers = request.headers();
    let may_be_part = request.method() == Method::GET
        && conditions::applies_to_range(headers, &file.tag(), file.modified());
    if may_be_part {
        range::of(headers, file.length())
    } else {
        Asked::All
    }
}

/// A folder's address ends with a slash, or the links of its page would lead astray.
fn moved<B>(request: &Request<B>) -> Response<Body> {
    // Two slashes at the start would name another host.
    let to = format!("/{}/", request.uri().path().trim_matches('/'));
    let response = status(StatusCode::MOVED_PERMANENTLY).header(LOCATION, &to);
    text(response, format!("see {to}\n"))
}

fn refuse(path: &str, error: &io::Error) -> Response<Body> {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
            text(status(StatusCode::NOT_FOUND), format!("there is no {path}\n"))
        }
        // A link out of the folder counts as a file that may not be read, and so does what is neither a file nor a folder.
        Some(Errno::ACCESS | Errno::PERM | Errno::XDEV | Errno::LOOP | Errno::NXIO) => text(
            status(StatusCode::FORBIDDEN),
            format!("{path} is not for everybody\n"),
        ),
        _ => text(
            status(StatusCode::INTERNAL_SERVER_ERROR),
            format!("{path} cannot be read\n"),
        ),
    }
}

fn status(code: StatusCode) -> Builder {
    Response::builder()
        .status(code)
        .header(SERVER, HeaderValue::from_static(NAME))
        .header(DATE, httpdate::fmt_http_date(SystemTime::now()))
}

fn text(response: Builder, text: String) -> Response<Body> {
    let response = response
        .header(CONTENT_TYPE, HeaderValue::from_static(TEXT))
        .header(CONTENT_LENGTH, text.len());
    built(response, Body::from(text))
}

fn built(response: Builder, body: Body) -> Response<Body> {
    response.body(body).unwrap_or_else(|_| {
        // Only a path with characters that no header has leads here.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    })
}
