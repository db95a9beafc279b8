//! What is sent: a few bytes, or parts of a file, read while they are sent.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::file::OpenFile;

/// Bytes that are read of a file at a time.
const STRETCH: u64 = 256 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Option<Bytes>),
    File(Part),
    /// One behind the other.
    Several(VecDeque<Self>),
}

/// What is left to be sent of a file.
#[derive(Debug)]
pub(super) struct Part {
    file: Arc<OpenFile>,
    rest: Range<u64>,
    /// The next stretch, while it is being read.
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Whole(None)
    }

    pub(super) fn part(file: Arc<OpenFile>, part: Range<u64>) -> Self {
        Self::File(Part {
            file,
            rest: part,
            reading: None,
        })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(Some(text.into()))
    }
}

impl Part {
    fn poll_stretch(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.rest.is_empty() && self.reading.is_none() {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let stretch = self.rest.start..self.rest.end.min(self.rest.start + STRETCH);
            self.rest.start = stretch.end;
            let file = self.file.clone();
            tokio::task::spawn_blocking(move || read(&file, stretch))
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        Poll::Ready(Some(read.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))))
    }
}

/// A file that has become shorter is an error: its length was announced.
fn read(file: &OpenFile, stretch: Range<u64>) -> io::Result<Bytes> {
    let mut bytes = vec![0; (stretch.end - stretch.start) as usize];
    file.file.read_exact_at(&mut bytes, stretch.start)?;
    Ok(bytes.into())
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File(part) => part
                .poll_stretch(context)
                .map(|stretch| stretch.map(|bytes| bytes.map(Frame::data))),
            Self::Several(bodies) => {
                while let Some(first) = bodies.front_mut() {
                    match ready!(Pin::new(first).poll_frame(context)) {
                        Some(frame) => return Poll::Ready(Some(frame)),
                        None => bodies.pop_front(),
                    };
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::File(part) => part.rest.is_empty() && part.reading.is_none(),
            Self::Several(bodies) => bodies.iter().all(Self::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::File(part) if part.reading.is_none() => {
                SizeHint::with_exact(part.rest.end - part.rest.start)
            }
            // A stretch that is being read is no longer in the rest.
            Self::File(_) => SizeHint::default(),
            Self::Several(bodies) => {
                let lengths = bodies.iter().map(|body| body.size_hint().exact());
                lengths
                    .sum::<Option<u64>>()
                    .map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}
