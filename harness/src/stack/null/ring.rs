//! A ring of bytes that are produced and consumed in place.

#[derive(Debug)]
pub(super) struct Ring {
    bytes: Box<[u8]>,
    start: usize,
    length: usize,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity].into_boxed_slice(),
            start: 0,
            length: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.length) = (0, 0);
    }

    /// Produces at most `limit` bytes in one piece; returns how many.
    pub(super) fn produce(&mut self, limit: usize, fill: &mut dyn FnMut(&mut [u8])) -> usize {
        let capacity = self.bytes.len();
        let end = (self.start + self.length) % capacity;
        let piece = (capacity - self.length).min(capacity - end).min(limit);
        if piece > 0 {
            fill(&mut self.bytes[end..end + piece]);
            self.length += piece;
        }
        piece
    }

    /// Consumes at most `limit` bytes in one piece; returns how many.
    pub(super) fn consume(&mut self, limit: usize, consume: &mut dyn FnMut(&[u8])) -> usize {
        let piece = self.length.min(self.bytes.len() - self.start).min(limit);
        if piece > 0 {
            consume(&self.bytes[self.start..self.start + piece]);
            self.start = (self.start + piece) % self.bytes.len();
            self.length -= piece;
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_around_the_end() {
        let mut ring = Ring::new(5);
        let (mut produced, mut consumed) = (0u8, 0u8);
        for step in 0..200 {
            let limit = 1 + step % 4;
            ring.produce(limit, &mut |room| {
                for byte in room {
                    *byte = produced;
                    produced += 1;
                }
            });
            ring.consume(1 + step % 3, &mut |bytes| {
                for &byte in bytes {
                    assert_eq!(byte, consumed);
                    consumed += 1;
                }
            });
            assert!(produced - consumed <= 5);
            if produced > 200 {
                break;
            }
        }
        assert!(consumed > 150);
    }
}
