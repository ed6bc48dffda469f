//! The bytes of one simulated file, in chunks that copies share until one of them writes.

use std::sync::Arc;

/// Small enough that the first write after a copy is cheap, large enough that a copy is a few pointers.
const CHUNK_BYTES: usize = 16 * 1024;

type Chunk = [u8; CHUNK_BYTES];

/// A file's bytes. A clone costs one pointer a chunk.
#[derive(Clone, Default)]
pub struct Content {
    /// As many as `len` needs. What lies behind `len` in the last one is zero, so that a file grows with zeros.
    chunks: Vec<Arc<Chunk>>,
    len: usize,
}

impl Content {
    /// A file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(0, bytes);
        content
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `into` from `offset` on and says how many bytes there were.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> usize {
        let count = into.len().min(self.len.saturating_sub(offset));
        let mut done = 0;
        while done < count {
            let (chunk, start) = place(offset + done);
            let piece = (count - done).min(CHUNK_BYTES - start);
            into[done..done + piece].copy_from_slice(&self.chunks[chunk][start..start + piece]);
            done += piece;
        }
        count
    }

    /// Adds `count` bytes from `offset` on to the end of `into`. All of them must lie in the file.
    pub fn read_onto(&self, offset: usize, count: usize, into: &mut Vec<u8>) {
        let mut done = 0;
        while done < count {
            let (chunk, start) = place(offset + done);
            let piece = (count - done).min(CHUNK_BYTES - start);
            into.extend_from_slice(&self.chunks[chunk][start..start + piece]);
            done += piece;
        }
    }

    /// Puts `bytes` at `offset`; the file grows as far as it must, a gap is zeros.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if offset + bytes.len() > self.len {
            self.resize(offset + bytes.len());
        }
        let mut done = 0;
        while done < bytes.len() {
            let (chunk, start) = place(offset + done);
            let piece = (bytes.len() - done).min(CHUNK_BYTES - start);
            Arc::make_mut(&mut self.chunks[chunk])[start..start + piece]
                .copy_from_slice(&bytes[done..done + piece]);
            done += piece;
        }
    }

    /// Cuts the file to `len` bytes, or lengthens it with zeros.
    pub fn resize(&mut self, len: usize) {
        if len < self.len {
            self.chunks.truncate(len.div_ceil(CHUNK_BYTES));
            let (chunk, start) = place(len);
            if start > 0 {
                Arc::make_mut(&mut self.chunks[chunk])[start..].fill(0);
            }
        }
        while self.chunks.len() < len.div_ceil(CHUNK_BYTES) {
            self.chunks.push(Arc::new([0; CHUNK_BYTES]));
        }
        self.len = len;
    }

    /// Turns one bit over. The byte must lie in the file.
    pub fn flip(&mut self, offset: usize, bit: u8) {
        let (chunk, start) = place(offset);
        Arc::make_mut(&mut self.chunks[chunk])[start] ^= 1 << bit;
    }

    /// All bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        self.read_onto(0, self.len, &mut bytes);
        bytes
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.chunks.iter().zip(&other.chunks);
        self.len == other.len && pairs.all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
    }
}

impl Eq for Content {}

/// The chunk of a byte and its place there.
fn place(offset: usize) -> (usize, usize) {
    (offset / CHUNK_BYTES, offset % CHUNK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_across_chunks_come_back() {
        let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 5)
            .map(|at| (at % 251) as u8)
            .collect();
        let mut content = Content::of(&bytes);
        content.write(CHUNK_BYTES - 2, b"abcd");
        let mut found = [0; 6];
        assert_eq!(content.read(CHUNK_BYTES - 3, &mut found), 6);
        assert_eq!(&found[1..5], b"abcd");
        assert_eq!(found[0], bytes[CHUNK_BYTES - 3]);
        assert_eq!(found[5], bytes[CHUNK_BYTES + 2]);
        assert_eq!(content.read(bytes.len() - 2, &mut found), 2);
        assert_eq!(content.read(bytes.len() + 9, &mut found), 0);
        assert_eq!(content.to_vec().len(), bytes.len());
    }

    #[test]
    fn a_file_that_was_cut_grows_with_zeros() {
        let mut content = Content::of(&[7; CHUNK_BYTES + 100]);
        content.resize(10);
        content.write(20, &[9]);
        let mut expected = vec![7; 10];
        expected.extend([0; 10]);
        expected.push(9);
        assert_eq!(content.to_vec(), expected);
        content.resize(CHUNK_BYTES);
        content.resize(0);
        assert!(content.is_empty());
    }

    #[test]
    fn copies_part_at_the_first_write() {
        let mut first = Content::of(&[1; 2 * CHUNK_BYTES]);
        let second = first.clone();
        assert!(first == second);
        first.flip(CHUNK_BYTES + 1, 7);
        assert!(first != second);
        assert_eq!(second.to_vec(), vec![1; 2 * CHUNK_BYTES]);
        assert_eq!(first.to_vec()[CHUNK_BYTES + 1], 129);
        assert!(Arc::ptr_eq(&first.chunks[0], &second.chunks[0]));
    }
}
