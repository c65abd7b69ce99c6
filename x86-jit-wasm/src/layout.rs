//! What generated code finds where in the linear memory it runs in.

/// The state that generated code and the engine hand each other, at an address that the code gets as its parameter. Offsets
/// in bytes; numbers are little-endian.
pub mod context {
    /// Sixteen general registers of 8 bytes.
    pub const GPR: u64 = 0;
    /// The address to go on at.
    pub const RIP: u64 = 128;
    /// [`x86_cpu::LazyFlags`]: result, 8 bytes.
    pub const RESULT: u64 = 136;
    /// Carries, 8 bytes.
    pub const CARRIES: u64 = 144;
    /// Shape, 4 bytes.
    pub const SHAPE: u64 = 152;
    /// Instructions that may still be done, 8 bytes, signed: code leaves at the next loop once it is not positive.
    pub const BUDGET: u64 = 160;
    /// Bases of the six segments, 8 bytes each.
    pub const SEGMENTS: u64 = 168;
    /// SSE control and status, 4 bytes.
    pub const MXCSR: u64 = 216;
    /// XMM registers, 16 of 16 bytes.
    pub const XMM: u64 = 256;
    /// All of it.
    pub const SIZE: u64 = 512;
}

/// Where the translation lookaside buffer of the running address space is, and what an entry looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlb {
    /// Address of the first entry, or where in the context it stands.
    pub base: u32,
    /// log2 of the number of entries.
    pub bits: u32,
    /// Bytes of an entry, a power of two.
    pub stride: u32,
    /// Offset of the tag of readable pages: a page number, 8 bytes.
    pub read: u32,
    /// Offset of the tag of writable pages.
    pub write: u32,
    /// Offset of the address of the page in linear memory, 4 bytes.
    pub host: u32,
}
