//! The bytes of one instruction, read without asking at each whether it is there.

use crate::MAX_LEN;

/// Reads from a window that is longer than any instruction. The caller compares [`Reader::position`] with the bytes there
/// are, at the end: what was read behind them, zeros or the next instruction, decides nothing.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    window: &'a [u8; Reader::WINDOW],
    position: usize,
}

impl<'a> Reader<'a> {
    /// An eight-byte immediate may begin at the last byte that is still an instruction's.
    pub(crate) const WINDOW: usize = 32;

    #[inline]
    pub(crate) fn new(window: &'a [u8; Reader::WINDOW]) -> Reader<'a> {
        Reader { window, position: 0 }
    }

    /// Bytes read.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.window[self.position % Reader::WINDOW]
    }

    #[inline]
    pub(crate) fn skip(&mut self, bytes: usize) {
        self.position += bytes;
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> u8 {
        let byte = self.window[self.position % Reader::WINDOW];
        self.position += 1;
        byte
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> [u8; N] {
        let chunk = self.peek_chunk();
        self.position += N;
        chunk
    }

    #[inline]
    fn peek_chunk<const N: usize>(&self) -> [u8; N] {
        // Whoever is here behind the longest instruction gets anything.
        let at = self.position & MAX_LEN;
        self.window[at..].first_chunk().copied().unwrap_or([0; N])
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.chunk())
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.chunk())
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.chunk())
    }

    #[inline]
    pub(crate) fn i8(&mut self) -> i64 {
        i64::from(self.u8() as i8)
    }

    #[inline]
    pub(crate) fn i16(&mut self) -> i64 {
        i64::from(self.u16() as i16)
    }

    /// A number of 0, 1, 2 or 4 bytes, sign-extended: no branch on how many.
    #[inline(always)]
    pub(crate) fn signed32(&mut self, length: u8) -> i64 {
        let bits = i64::from(u32::from_le_bytes(self.peek_chunk()));
        self.position += usize::from(length);
        let unused = (32 - 8 * u32::from(length)) & 63;
        bits << 32 << unused >> 32 >> unused
    }

    /// A number of 1, 2, 4 or 8 bytes: no branch on how many.
    #[inline(always)]
    pub(crate) fn literal(&mut self, length: u8, signed: bool) -> i64 {
        let bits = u64::from_le_bytes(self.peek_chunk());
        self.position += usize::from(length);
        let unused = (64 - 8 * u32::from(length)) & 63;
        let bits = bits << unused;
        if signed { bits as i64 >> unused } else { (bits >> unused) as i64 }
    }
}
