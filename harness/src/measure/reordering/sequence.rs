//! The arrivals of a flow one by one, as `replay-seq` reads them.

use std::io::{self, Write};

/// Entries that are allocated at once, so that none is ever moved.
const CHUNK: usize = 1 << 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    sequence: u64,
    sent_ns: u64,
    received_ns: u64,
    bytes: u32,
}

/// Every arrival in its order, 32 bytes each.
#[derive(Default, Debug)]
pub(crate) struct Sequence {
    chunks: Vec<Vec<Entry>>,
}

impl Sequence {
    /// Adds an arrival: its number, when it was sent and when it came in nanoseconds of one clock, and the bytes of its payload.
    pub(crate) fn push(&mut self, sequence: u64, sent_ns: u64, received_ns: u64, bytes: u32) {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let entry = Entry {
            sequence,
            sent_ns,
            received_ns,
            bytes,
        };
        self.chunks.last_mut().expect("one was pushed").push(entry);
    }

    /// As CSV. `sent` is how many datagrams were sent.
    ///
    /// # Errors
    /// Those of `to`.
    pub(crate) fn write(&self, sent: u64, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "# {sent} were sent: handfast replay-seq --sent {sent}")?;
        writeln!(to, "seq,sent_ns,received_ns,bytes")?;
        for entry in self.chunks.iter().flatten() {
            let Entry {
                sequence,
                sent_ns,
                received_ns,
                bytes,
            } = entry;
            writeln!(to, "{sequence},{sent_ns},{received_ns},{bytes}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_keep_their_order_across_chunks() {
        let mut sequence = Sequence::default();
        let many = 2 * CHUNK as u64 + 3;
        (1..=many).for_each(|number| sequence.push(number ^ 1, number, number + 7, 64));
        let mut text = Vec::new();
        sequence.write(many + 1, &mut text).expect("memory takes it");
        let text = String::from_utf8(text).expect("UTF-8");
        let mut lines = text.lines();
        assert!(
            lines
                .next()
                .is_some_and(|line| line.ends_with(&format!("--sent {}", many + 1)))
        );
        assert_eq!(lines.next(), Some("seq,sent_ns,received_ns,bytes"));
        assert!(
            lines
                .zip(1..=many)
                .all(|(line, number)| line == format!("{},{number},{},64", number ^ 1, number + 7))
        );
    }
}
