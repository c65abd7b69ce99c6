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
    pub(crate) fn peek(&mut self) -> u8 {
        let byte = self.u8();
        self.position -= 1;
        byte
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> u8 {
        let byte = self.window[self.position % Reader::WINDOW];
        self.position += 1;
        byte
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> [u8; N] {
        // Whoever is here behind the longest instruction gets anything.
        let at = self.position & MAX_LEN;
        self.position += N;
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

    #[inline]
    pub(crate) fn i32(&mut self) -> i64 {
        i64::from(self.u32() as i32)
    }
}
