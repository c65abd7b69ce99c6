//! asm/ldt.h: set_thread_area(2), modify_ldt(2).

layouts! {
    /// A segment descriptor, taken apart. `bits` are [`UserDescBits`].
    any "struct user_desc" UserDesc {
        entry_number: u32,
        base_addr: u32,
        limit: u32,
        bits: u32,
    }
}

bitflags::bitflags! {
    /// The bit fields of [`UserDesc`], in the order of the header.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct UserDescBits: u32 {
        /// A 32-bit segment.
        const SEG_32BIT = 1;
        /// Two bits: 0 data, 1 data growing down, 2 code, 3 conforming code.
        const CONTENTS = 3 << 1;
        /// Not writable (data) or not readable (code).
        const READ_EXEC_ONLY = 1 << 3;
        /// The limit counts pages.
        const LIMIT_IN_PAGES = 1 << 4;
        /// Not present. Together with `READ_EXEC_ONLY` and everything else zero: clear the entry.
        const SEG_NOT_PRESENT = 1 << 5;
        /// Free for software.
        const USEABLE = 1 << 6;
        /// A 64-bit code segment.
        const LM = 1 << 7;
        const _ = !0;
    }
}

impl UserDesc {
    /// `entry_number` with which set_thread_area(2) picks a free entry.
    pub const ANY_ENTRY: u32 = !0;

    /// The bit fields.
    pub const fn flags(&self) -> UserDescBits {
        UserDescBits::from_bits_retain(self.bits)
    }

    /// The descriptor by which set_thread_area(2) and modify_ldt(2) clear an entry: READ_EXEC_ONLY and
    /// SEG_NOT_PRESENT, and everything else zero.
    pub const fn is_empty(&self) -> bool {
        let clear = UserDescBits::READ_EXEC_ONLY.union(UserDescBits::SEG_NOT_PRESENT).bits();
        self.base_addr == 0 && self.limit == 0 && self.known_bits() == clear
    }

    /// A descriptor of nothing but zeros, which set_thread_area(2) (not modify_ldt(2)) also takes as "clear".
    pub const fn is_zero(&self) -> bool {
        self.base_addr == 0 && self.limit == 0 && self.known_bits() == 0
    }

    /// 32-bit programs have no `lm`, and leave rubbish above the seven bits they know.
    const fn known_bits(&self) -> u32 {
        self.bits & 0x7f
    }
}

constants! {
    /// Entries of a local descriptor table, and their size.
    LDT: u32 {
        LDT_ENTRIES = 8192,
        LDT_ENTRY_SIZE = 8,
    }

    /// `contents` of a [`UserDesc`].
    MODIFY_LDT_CONTENTS: u32 {
        MODIFY_LDT_CONTENTS_DATA = 0,
        MODIFY_LDT_CONTENTS_STACK = 1,
        MODIFY_LDT_CONTENTS_CODE = 2,
    }
}

/// First and last entry of the global descriptor table that set_thread_area(2) hands out to i386 programs.
pub const GDT_TLS_I386: core::ops::RangeInclusive<u32> = 6..=8;

/// The same as seen by i386 programs on an x86-64 kernel. (asm/segment.h of the kernel.)
pub const GDT_TLS_X86_64: core::ops::RangeInclusive<u32> = 12..=14;
