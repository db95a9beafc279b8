//! Files that somebody names, read up to a bound: a device that never ends is an error then, and not the end of memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes of the largest file that is read. Documents of days come to a tenth.
const LARGEST: u64 = 256 << 20;

/// All that is in the file.
///
/// # Errors
/// When it cannot be read, or is larger than any document.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    up_to(LARGEST, File::open(path)?)
}

/// The same as text.
///
/// # Errors
/// As [`read`], and where it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let text = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1);
        io::Error::new(ErrorKind::InvalidData, text)
    })
}

fn up_to(largest: u64, file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        let text = format!("it is larger than the {} MiB that are read", largest >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_refused_and_what_just_fits_is_read() {
        let error = up_to(1 << 20, io::repeat(0)).expect_err("it never ends");
        assert!(error.to_string().contains("larger than the 1 MiB"), "{error}");
        let whole = up_to(1 << 20, io::repeat(7).take(1 << 20)).expect("it fits");
        assert_eq!(whole.len(), 1 << 20);
    }
}
