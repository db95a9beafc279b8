//! What of a file goes into an answer: one part, or several as `multipart/byteranges` (RFC 9110 section 14.6).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::body::Body;
use super::file::OpenFile;

/// A body, and what the header says of it.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) media_type: String,
    pub(super) length: u64,
    pub(super) body: Body,
}

impl Contents {
    /// One part of a file whose media type is that.
    pub(super) fn one(file: OpenFile, part: Range<u64>, media_type: &str) -> Self {
        Self {
            media_type: media_type.to_owned(),
            length: part.end - part.start,
            body: Body::part(Arc::new(file), part),
        }
    }

    /// Several parts.
    pub(super) fn several(file: OpenFile, parts: Vec<Range<u64>>, media_type: &str) -> Self {
        let boundary = boundary();
        let whole = file.length();
        let file = Arc::new(file);
        let (mut pieces, mut length) = (Vec::new(), 0);
        let mut lead = String::new();
        for part in parts {
            lead.push_str(&format!(
                "--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {}-{}/{whole}\r\n\r\n",
                part.start,
                part.end - 1
            ));
            length += lead.len() as u64 + part.end - part.start;
            pieces.push(Body::from(lead));
            pieces.push(Body::part(file.clone(), part));
            lead = "\r\n".to_owned();
        }
        lead.push_str(&format!("--{boundary}--\r\n"));
        length += lead.len() as u64;
        pieces.push(Body::from(lead));
        Self {
            media_type: format!("multipart/byteranges; boundary={boundary}"),
            length,
            body: Body::Several(pieces.into()),
        }
    }
}

/// What no file has in it but by a chance of one in 2^128: nobody knows it beforehand.
fn boundary() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", random(), random())
}
