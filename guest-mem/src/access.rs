//! Loads and stores: a TLB hit is one compare and one host access.

use crate::tlb::Tlb;
use crate::{Access, AddressSpace, MemFault, PAGE_BYTES, PAGE_SHIFT, PAGE_SIZE};
use alloc::rc::Rc;
use core::fmt;

mod sealed {
    pub trait Sealed {}
}

/// What a [run](AddressSpace::run_of) is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The byte.
    Of,
    /// Other bytes.
    Without,
}

/// A word of bytes that are 1.
const ONES: u64 = 0x0101_0101_0101_0101;

impl Run {
    /// Of a word that is 0 where bytes are the one: a number whose lowest bit that is set is in the byte that ends the run; 0 if none does.
    fn ends(self, differences: u64) -> u64 {
        match self {
            Run::Of => differences,
            // A byte is 0 if nothing but a borrow sets its highest bit; borrows are wrong only above the first such byte.
            Run::Without => differences.wrapping_sub(ONES) & !differences & ONES << 7,
        }
    }
}

/// A little-endian integer that guest memory can hold.
pub trait Scalar: Copy + sealed::Sealed {
    /// Bytes.
    const SIZE: usize;
    /// From the first `SIZE` bytes of a buffer.
    fn from_bytes(bytes: &[u8; 16]) -> Self;
    /// Into the first `SIZE` bytes of a buffer.
    fn into_bytes(self) -> [u8; 16];
}

macro_rules! scalar {
    ($($ty:ty),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Scalar for $ty {
            const SIZE: usize = size_of::<$ty>();
            fn from_bytes(bytes: &[u8; 16]) -> Self {
                let mut own = [0; size_of::<$ty>()];
                own.copy_from_slice(&bytes[..Self::SIZE]);
                <$ty>::from_le_bytes(own)
            }
            fn into_bytes(self) -> [u8; 16] {
                let mut bytes = [0; 16];
                bytes[..Self::SIZE].copy_from_slice(&self.to_le_bytes());
                bytes
            }
        }
    )*};
}
scalar!(u8, u16, u32, u64, u128);

const OFFSET_MASK: u64 = PAGE_BYTES - 1;

/// Loads and stores that hit the TLB, see [`AddressSpace::fast_path`].
#[derive(Clone, Copy)]
pub struct FastPath<'a> {
    tlb: &'a Tlb,
}

impl fmt::Debug for FastPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastPath")
    }
}

/// A fast path that never answers: every access goes the slow way, where an engine can look at it.
pub struct NoFastPath(Rc<Tlb>);

impl fmt::Debug for NoFastPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoFastPath")
    }
}

impl Default for NoFastPath {
    fn default() -> NoFastPath {
        NoFastPath(Tlb::new())
    }
}

impl NoFastPath {
    /// What stands in for that of an address space.
    pub fn path(&self) -> FastPath<'_> {
        FastPath { tlb: &self.0 }
    }
}

impl FastPath<'_> {
    /// Loads a value; none where the access must be looked at more closely.
    #[inline(always)]
    pub fn try_read<T: Scalar>(self, addr: u64) -> Option<T> {
        let entry = self.tlb.entry(addr >> PAGE_SHIFT);
        if entry.read.get() == last_page::<T>(addr) {
            // SAFETY: a matching tag means `bias` leads to a page frame of our pool, which is never
            // unmapped from the host while we hold the pool. An entry's tag is a page number that selects this entry:
            // it cannot be that of the page behind the one of `addr`, so the last byte is in the same page, and
            // the frame. `T` is a primitive integer, for which every bit pattern is valid.
            Some(unsafe { entry.host(addr).cast::<T>().read_unaligned() })
        } else {
            None
        }
    }

    /// Stores a value; false where nothing was written.
    #[inline(always)]
    pub fn try_write<T: Scalar>(self, addr: u64, value: T) -> bool {
        let entry = self.tlb.entry(addr >> PAGE_SHIFT);
        let hit = entry.write.get() == last_page::<T>(addr);
        if hit {
            // SAFETY: as in `try_read`; frames are plain bytes that no Rust reference points into.
            unsafe { entry.host(addr).cast::<T>().write_unaligned(value) };
        }
        hit
    }
}

/// Page of the last byte of a value: one compare with a tag answers both questions, mapped and in one page.
#[inline(always)]
fn last_page<T: Scalar>(addr: u64) -> u64 {
    addr.wrapping_add(T::SIZE as u64 - 1) >> PAGE_SHIFT
}

impl AddressSpace {
    /// Loads a value. Alignment does not matter; a value across two pages needs both.
    #[inline(always)]
    pub fn read<T: Scalar>(&self, addr: u64) -> Result<T, MemFault> {
        let page = addr >> PAGE_SHIFT;
        let offset = (addr & OFFSET_MASK) as usize;
        let entry = self.tlb.entry(page);
        if entry.read.get() == page && offset <= PAGE_SIZE - T::SIZE {
            // SAFETY: a matching tag means `bias` leads to a page frame of our pool, which is
            // never unmapped from the host while we hold the pool; `offset + SIZE` stays inside the frame.
            // `T` is a primitive integer, for which every bit pattern is valid.
            Ok(unsafe { entry.host(addr).cast::<T>().read_unaligned() })
        } else {
            self.read_slow(addr)
        }
    }

    /// The fast paths of [`AddressSpace::read`] and [`AddressSpace::write`] alone, for engines, which shape the way to
    /// the slow ones themselves.
    #[inline]
    pub fn fast_path(&self) -> FastPath<'_> {
        FastPath { tlb: &self.tlb }
    }

    #[cold]
    #[inline(never)]
    fn read_slow<T: Scalar>(&self, addr: u64) -> Result<T, MemFault> {
        let mut bytes = [0; 16];
        self.read_bytes(addr, &mut bytes[..T::SIZE])?;
        Ok(T::from_bytes(&bytes))
    }

    /// Stores a value. Where any byte of it faults, nothing is written.
    #[inline(always)]
    pub fn write<T: Scalar>(&self, addr: u64, value: T) -> Result<(), MemFault> {
        let page = addr >> PAGE_SHIFT;
        let offset = (addr & OFFSET_MASK) as usize;
        let entry = self.tlb.entry(page);
        if entry.write.get() == page && offset <= PAGE_SIZE - T::SIZE {
            // SAFETY: as in `read`; frames are plain bytes that no Rust reference points into.
            unsafe { entry.host(addr).cast::<T>().write_unaligned(value) };
            Ok(())
        } else {
            self.write_slow(addr, value)
        }
    }

    #[cold]
    #[inline(never)]
    fn write_slow<T: Scalar>(&self, addr: u64, value: T) -> Result<(), MemFault> {
        self.write_bytes(addr, &value.into_bytes()[..T::SIZE])
    }

    /// Copies bytes out of guest memory. On a fault the part of `out` before the failing page is filled.
    pub fn read_bytes(&self, addr: u64, out: &mut [u8]) -> Result<(), MemFault> {
        self.read_as(addr, out, Access::Read)
    }

    /// Copies instruction bytes out of guest memory (execute permission instead of read).
    /// Gives the number of bytes got, at least one; fewer than asked where the next page faults.
    pub fn fetch(&self, addr: u64, out: &mut [u8]) -> Result<usize, MemFault> {
        let first = ((PAGE_BYTES - (addr & OFFSET_MASK)) as usize).min(out.len());
        let (head, tail) = out.split_at_mut(first);
        self.read_as(addr, head, Access::Execute)?;
        let next = addr.wrapping_add(first as u64);
        if tail.is_empty() || self.read_as(next, tail, Access::Execute).is_err() {
            return Ok(first);
        }
        Ok(out.len())
    }

    fn read_as(&self, addr: u64, out: &mut [u8], access: Access) -> Result<(), MemFault> {
        let mut done = 0;
        while done < out.len() {
            let at = addr.wrapping_add(done as u64);
            let offset = (at & OFFSET_MASK) as usize;
            let len = (PAGE_SIZE - offset).min(out.len() - done);
            let host = self.host_page(at, access)?;
            // SAFETY: `host` is a whole frame, `offset + len <= PAGE_SIZE`, and `out` cannot overlap frames.
            unsafe { core::ptr::copy_nonoverlapping(host.add(offset), out[done..].as_mut_ptr(), len) };
            done += len;
        }
        Ok(())
    }

    /// Copies bytes into guest memory. Where any page of the range faults, nothing is written.
    pub fn write_bytes(&self, addr: u64, data: &[u8]) -> Result<(), MemFault> {
        if ((addr & OFFSET_MASK) as usize) + data.len() > PAGE_SIZE {
            self.check(addr, data.len(), Access::Write)?;
        }
        let mut done = 0;
        while done < data.len() {
            let at = addr.wrapping_add(done as u64);
            let offset = (at & OFFSET_MASK) as usize;
            let len = (PAGE_SIZE - offset).min(data.len() - done);
            let host = self.host_page(at, Access::Write)?;
            // SAFETY: as in `read_as`.
            unsafe { core::ptr::copy_nonoverlapping(data[done..].as_ptr(), host.add(offset), len) };
            done += len;
        }
        Ok(())
    }

    /// Whether an access to `len` bytes would succeed; pages are made present as the access would.
    pub fn check(&self, addr: u64, len: usize, access: Access) -> Result<(), MemFault> {
        let mut at = addr;
        let mut left = len as u64;
        while left > 0 {
            self.resolve(at, access)?;
            let step = (PAGE_BYTES - (at & OFFSET_MASK)).min(left);
            at = at.wrapping_add(step);
            left -= step;
        }
        Ok(())
    }

    /// Fills guest memory with a repeated byte. Pages before a failing one are filled.
    pub fn fill(&self, addr: u64, len: usize, byte: u8) -> Result<(), MemFault> {
        let mut done = 0;
        while done < len {
            let at = addr.wrapping_add(done as u64);
            let offset = (at & OFFSET_MASK) as usize;
            let step = (PAGE_SIZE - offset).min(len - done);
            let host = self.host_page(at, Access::Write)?;
            // SAFETY: as in `read_as`.
            unsafe { core::ptr::write_bytes(host.add(offset), byte, step) };
            done += step;
        }
        Ok(())
    }

    /// Length of the longest run of bytes at an address, of at most `len` and within its page, that are all `byte`, or that none is: what a scan for
    /// another one, or for it, passes over.
    pub fn run_of(&self, addr: u64, len: usize, byte: u8, run: Run) -> Result<usize, MemFault> {
        const WORD: usize = size_of::<u64>();
        let offset = (addr & OFFSET_MASK) as usize;
        let len = len.min(PAGE_SIZE - offset);
        let host = self.host_page(addr, Access::Read)?;
        let pattern = ONES * u64::from(byte);
        let ends = |at: usize| {
            debug_assert!(at + WORD <= len, "a word of the area");
            // SAFETY: `host` is a whole frame, and `offset + at + WORD <= offset + len <= PAGE_SIZE`; it need not be aligned.
            let word = unsafe { host.add(offset + at).cast::<u64>().read_unaligned() };
            run.ends(u64::from_le(word) ^ pattern)
        };
        let mut at = 0;
        // Some words to a jump.
        while at + 4 * WORD <= len && [0, 1, 2, 3].iter().fold(0, |all, n| all | ends(at + n * WORD)) == 0 {
            at += 4 * WORD;
        }
        while at + WORD <= len {
            let end = ends(at);
            if end != 0 {
                return Ok(at + end.trailing_zeros() as usize / 8);
            }
            at += WORD;
        }
        while at < len {
            // SAFETY: `offset + at < PAGE_SIZE`.
            let differs = unsafe { *host.add(offset + at) } != byte;
            if differs == (run == Run::Of) {
                break;
            }
            at += 1;
        }
        Ok(at)
    }

    /// Copies guest memory to guest memory within one page each (`rep movs` of one step): ranges that overlap
    /// forwards are the caller's to avoid. Both pages are checked before anything is written.
    ///
    /// # Panics
    /// If either range leaves its page.
    pub fn copy_in_pages(&self, from: u64, to: u64, len: usize) -> Result<(), MemFault> {
        assert!(
            (from & OFFSET_MASK) as usize + len <= PAGE_SIZE
                && (to & OFFSET_MASK) as usize + len <= PAGE_SIZE
        );
        let source = self.host_page(from, Access::Read)?;
        let target = self.host_page(to, Access::Write)?;
        // Resolving the target may have broken a copy-on-write page that `source` pointed into.
        let source = if from >> PAGE_SHIFT == to >> PAGE_SHIFT { target } else { source };
        // SAFETY: both ranges stay in their frames by the assertion; `copy` allows overlap.
        unsafe {
            core::ptr::copy(
                source.add((from & OFFSET_MASK) as usize),
                target.add((to & OFFSET_MASK) as usize),
                len,
            );
        }
        Ok(())
    }

    /// Host address of an area that may be accessed as it is: in one page, or in several that are neighbours in host memory too. The TLB has them
    /// then. None where more would have to be done: a page is not there yet, is shared until it is written, or holds code.
    pub fn present(&self, addr: u64, len: usize, access: Access) -> Option<usize> {
        let (first, last) = (addr >> PAGE_SHIFT, addr.checked_add(len.max(1) as u64 - 1)? >> PAGE_SHIFT);
        let host = self.found(first, access)?;
        let pages = (1..).zip(first + 1..=last);
        for (number, page) in pages {
            let next = self.found(page, access)?;
            (next.wrapping_sub(host) == number * PAGE_SIZE).then_some(())?;
        }
        Some(host + (addr % PAGE_BYTES) as usize)
    }

    /// As [`AddressSpace::admitted`], by the TLB if that has the page.
    #[inline]
    fn found(&self, page: u64, access: Access) -> Option<usize> {
        let host = self.tlb.host(page, access).map(|host| host.expose_provenance());
        host.or_else(|| self.admitted(page, access))
    }

    fn host_page(&self, addr: u64, access: Access) -> Result<*mut u8, MemFault> {
        let page = addr >> PAGE_SHIFT;
        if let Some(host) = self.tlb.host(page, access) {
            Ok(host)
        } else if access == Access::Write {
            self.resolve_for_store(addr)
        } else {
            self.resolve(addr, access)
        }
    }
}
