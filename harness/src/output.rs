//! Standard output and standard error, either of which may be full or gone.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Says something on standard error, a line. What cannot be said there is lost: a run is worth more than what is told of it.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

/// Writes the result to standard output. Whoever has closed it, as `head` does, has read enough.
///
/// # Errors
/// When it takes no more for another reason, which the error tells with its place.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write(&mut io::stdout().lock(), text)
}

pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn write(output: &mut impl Write, text: &str) -> io::Result<()> {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let text = format!("standard output cannot be written: {error}");
            Err(io::Error::new(error.kind(), text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_left_is_no_error_and_a_full_disk_is() {
        assert!(write(&mut Refusing(ErrorKind::BrokenPipe), "figures").is_ok());
        let full = write(&mut Refusing(ErrorKind::StorageFull), "figures").expect_err("it takes nothing");
        assert!(
            full.to_string()
                .starts_with("standard output cannot be written: "),
            "{full}"
        );
    }
}
