//! Bytes taken as choices, one after the other; when they are used up, every further choice is the first one.

/// See the module.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

/// Numbers at which things tend to break.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    127,
    128,
    255,
    u16::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

impl<'a> Choices<'a> {
    /// Choices from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether there are any left.
    pub fn are_left(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    /// A number below `bound`, which is above 0 and at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// A number that lies at an edge, near to a known one, or anywhere.
    pub fn number(&mut self, known: u64) -> u64 {
        match self.byte() % 4 {
            0 => EDGES[self.below(EDGES.len())],
            1 => known.wrapping_add(u64::from(self.byte())),
            2 => known.wrapping_sub(u64::from(self.byte())),
            _ => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// Up to 255 bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }

    /// Spoils bytes in one of several ways: a bit turned, a piece cut out, doubled, put in, or all of it taken.
    pub fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let kind = self.byte() % 6;
        let offset = u16::from_be_bytes([self.byte(), self.byte()]);
        let at = usize::from(offset) % (bytes.len() + 1);
        match kind {
            0 if at < bytes.len() => bytes[at] ^= 1 << (self.byte() % 8),
            1 => bytes.truncate(at),
            2 => {
                let end = (at + self.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + self.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                bytes.splice(at..at, self.bytes().to_vec());
            }
            _ => *bytes = self.bytes().to_vec(),
        }
    }
}
