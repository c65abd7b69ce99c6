//! Segment descriptors that user code can load (SDM vol. 3 §3.4.5; Linux, asm/ldt.h and asm/segment.h).

use crate::{CodeMode, CpuState, Segment, selector};

/// A data or code descriptor: an entry of the TLS part of the GDT, or of the LDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Base address.
    pub base: u32,
    /// Last byte, granularity applied.
    pub limit: u32,
    /// Whether the entry is filled: its present bit.
    pub present: bool,
    /// The flags of `struct user_desc` (asm/ldt.h), which say the rest: see the constants.
    pub user_desc_flags: u32,
}

/// Flags of `struct user_desc`.
impl Descriptor {
    /// 32-bit code, a 32-bit stack pointer, an upper bound of 4 GiB.
    pub const SEG_32BIT: u32 = 1 << 0;
    /// `contents`: data, expand-down data, code, conforming code.
    pub const CONTENTS: u32 = 3 << 1;
    /// Expand-down data.
    pub const STACK: u32 = 1 << 1;
    /// Code.
    pub const CODE: u32 = 1 << 2;
    /// Data that cannot be written, code that cannot be read.
    pub const READ_EXEC_ONLY: u32 = 1 << 3;
    /// The limit counts pages.
    pub const LIMIT_IN_PAGES: u32 = 1 << 4;
    /// Not present.
    pub const SEG_NOT_PRESENT: u32 = 1 << 5;
    /// A bit for the system to use.
    pub const USEABLE: u32 = 1 << 6;

    /// Flat 32-bit data, as in the GDT.
    pub const FLAT_DATA: Descriptor = Descriptor {
        base: 0,
        limit: !0,
        present: true,
        user_desc_flags: Descriptor::SEG_32BIT | Descriptor::LIMIT_IN_PAGES,
    };
    /// Flat 32-bit code, as in the GDT.
    pub const FLAT_CODE: Descriptor = Descriptor {
        user_desc_flags: Descriptor::FLAT_DATA.user_desc_flags | Descriptor::CODE,
        ..Descriptor::FLAT_DATA
    };

    fn has(&self, flag: u32) -> bool {
        self.user_desc_flags & flag != 0
    }

    /// Code rather than data.
    pub fn is_code(&self) -> bool {
        self.has(Descriptor::CODE)
    }

    /// Data that can be written.
    pub fn is_writable(&self) -> bool {
        !self.is_code() && !self.has(Descriptor::READ_EXEC_ONLY)
    }

    /// Data, or code that can be read.
    pub fn is_readable(&self) -> bool {
        !self.is_code() || !self.has(Descriptor::READ_EXEC_ONLY)
    }

    /// The D or B bit.
    pub fn is_32bit(&self) -> bool {
        self.has(Descriptor::SEG_32BIT)
    }

    /// Whether every address of 32 bits may be read and written: such a segment needs no checks.
    pub fn is_plain_data(&self) -> bool {
        self.present
            && self.is_writable()
            && !self.has(Descriptor::STACK)
            && self.limit == !0
            && self.is_32bit()
    }

    /// Whether an access of `len` bytes at an offset is inside.
    pub fn contains(&self, offset: u64, len: u64) -> bool {
        let last = offset + len.max(1) - 1;
        if !self.is_code() && self.has(Descriptor::STACK) {
            let top = if self.is_32bit() { 0xffff_ffff } else { 0xffff };
            return offset > u64::from(self.limit) && last <= top;
        }
        // Past the end of all addresses, an access wraps, in a segment that is flat.
        last <= u64::from(self.limit) || (self.limit == !0 && self.base == 0)
    }

    /// The eight bytes of the descriptor as Linux fills them (DPL 3, accessed).
    pub fn to_bits(&self) -> u64 {
        let flags = self.user_desc_flags;
        let limit = if self.has(Descriptor::LIMIT_IN_PAGES) { self.limit >> 12 } else { self.limit };
        let bit = |flag: u32, at: u32| u64::from(flags & flag != 0) << at;
        let base = u64::from(self.base);
        let contents = u64::from((flags & Descriptor::CONTENTS) >> 1);
        let kind = 1 | (bit(Descriptor::READ_EXEC_ONLY, 1) ^ 2) | contents << 2;
        u64::from(limit & 0xffff)
            | (base & 0xff_ffff) << 16
            | kind << 40
            | 7 << 44
            | u64::from(self.present) << 47
            | u64::from(limit >> 16 & 15) << 48
            | bit(Descriptor::USEABLE, 52)
            | bit(Descriptor::SEG_32BIT, 54)
            | bit(Descriptor::LIMIT_IN_PAGES, 55)
            | (base >> 24) << 56
    }

    /// What LAR gives.
    pub fn rights(&self) -> u64 {
        self.to_bits() >> 32 & 0x00ff_ff00
    }
}

/// What a selector names, for code of privilege 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// The null selector.
    Null,
    /// A segment of 32 or 16 bits.
    Segment(Descriptor),
    /// 64-bit code.
    Code64,
}

/// Limit of the entry from which `getcpu` reads: processor 0 of node 0.
const CPU_NODE: Descriptor = Descriptor {
    base: 0,
    limit: 0,
    present: true,
    user_desc_flags: Descriptor::SEG_32BIT | Descriptor::READ_EXEC_ONLY | Descriptor::STACK,
};
/// Its place in the GDT.
const CPU_NODE_ENTRY: usize = 15;

impl CpuState {
    /// What a selector names; none where user code may load nothing.
    pub fn describe(&self, value: u16) -> Option<Described> {
        const RPL: u16 = 3;
        let index = usize::from(value >> 3);
        // Bit 2 selects the LDT.
        if value & 4 != 0 {
            let entry = self.ldt.as_ref()?.get(index)?;
            return (*entry != Descriptor::default()).then_some(Described::Segment(*entry));
        }
        match value | RPL {
            RPL => Some(Described::Null),
            selector::USER_DS => Some(Described::Segment(Descriptor::FLAT_DATA)),
            selector::USER32_CS => Some(Described::Segment(Descriptor::FLAT_CODE)),
            selector::USER_CS => Some(Described::Code64),
            _ if index == CPU_NODE_ENTRY => Some(Described::Segment(CPU_NODE)),
            _ => {
                let slot = self.tls.get(index.checked_sub(selector::TLS_ENTRY_MIN)?)?;
                (*slot != Descriptor::default()).then_some(Described::Segment(*slot))
            }
        }
    }

    /// What a segment register is that holds a selector, as a return from the system leaves it.
    pub fn segment(&self, value: u16) -> Segment {
        Segment { selector: value, base: self.descriptor(value).map_or(0, |segment| segment.base.into()) }
    }

    /// Goes on in the code segment of a selector, of user privilege.
    pub fn enter_code(&mut self, value: u16) {
        let value = value | 3;
        self.segments.cs = self.segment(value);
        let long = self.describe(value) == Some(Described::Code64);
        self.mode = if long { CodeMode::Bits64 } else { CodeMode::Bits32 };
        if !long {
            self.gpr[..8].iter_mut().for_each(|register| *register &= 0xffff_ffff);
        }
    }

    /// Whether the running code is what a flat 32-bit segment, or 64-bit mode, makes it.
    pub fn is_plain_code(&self) -> bool {
        self.mode == CodeMode::Bits64 || self.segments.cs.selector == selector::USER32_CS
    }

    /// The descriptor behind a segment register, unless it is null or gone.
    pub fn descriptor(&self, value: u16) -> Option<Descriptor> {
        match self.describe(value) {
            Some(Described::Segment(descriptor)) => Some(descriptor),
            _ => None,
        }
    }
}
