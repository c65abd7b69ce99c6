//! Registers.

use crate::{Descriptor, Fpu};
use alloc::sync::Arc;

/// General register numbers.
#[allow(missing_docs)]
pub mod gpr {
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
    pub const R8: usize = 8;
    pub const R9: usize = 9;
    pub const R10: usize = 10;
    pub const R11: usize = 11;
}

/// RFLAGS bits (SDM vol. 1 §3.4.3).
#[allow(missing_docs)]
pub mod flags {
    pub const CF: u32 = 1 << 0;
    /// Always one.
    pub const FIXED: u32 = 1 << 1;
    pub const PF: u32 = 1 << 2;
    pub const AF: u32 = 1 << 4;
    pub const ZF: u32 = 1 << 6;
    pub const SF: u32 = 1 << 7;
    pub const TF: u32 = 1 << 8;
    pub const IF: u32 = 1 << 9;
    pub const DF: u32 = 1 << 10;
    pub const OF: u32 = 1 << 11;
    pub const NT: u32 = 1 << 14;
    pub const RF: u32 = 1 << 16;
    pub const AC: u32 = 1 << 18;
    pub const ID: u32 = 1 << 21;
    /// The arithmetic flags.
    pub const OSZAPC: u32 = OF | SF | ZF | AF | PF | CF;
    /// What POPF changes in user mode with IOPL 0.
    pub const USER_WRITABLE: u32 = OSZAPC | TF | DF | NT | AC | ID;
}

/// MXCSR (SDM vol. 1 §10.2.3).
pub mod mxcsr {
    /// At the start of a program: all exceptions masked, round to nearest.
    pub const DEFAULT: u32 = 0x1f80;
    /// The bits there are, DAZ among them; setting another is #GP.
    pub const MASK: u32 = 0xffff;
}

/// Selectors of the flat user segments, as an x86-64 kernel lays them out (arch/x86/include/asm/segment.h).
pub mod selector {
    /// 32-bit user code.
    pub const USER32_CS: u16 = 0x23;
    /// User data and stack.
    pub const USER_DS: u16 = 0x2b;
    /// 64-bit user code.
    pub const USER_CS: u16 = 0x33;
    /// First GDT entry of `set_thread_area`.
    pub const TLS_ENTRY_MIN: usize = 12;
    /// Number of such entries.
    pub const TLS_ENTRIES: usize = 3;
}

/// Width of the running code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum CodeMode {
    /// 32-bit code: a 32-bit process, or compatibility mode.
    #[default]
    Bits32,
    /// 64-bit mode.
    Bits64,
}

/// A segment register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Segment {
    /// Visible part.
    pub selector: u16,
    /// Hidden base. In 64-bit mode only those of FS and GS count.
    pub base: u64,
}

/// The six segment registers, in encoding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Segments {
    pub es: Segment,
    pub cs: Segment,
    pub ss: Segment,
    pub ds: Segment,
    pub fs: Segment,
    pub gs: Segment,
}

/// Everything a user program can see of its processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuState {
    /// General registers by hardware number. In 32-bit mode the upper halves of the first eight are zero.
    pub gpr: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// RFLAGS; bit 1 set.
    pub rflags: u32,
    /// Width of the running code.
    pub mode: CodeMode,
    /// Segment registers.
    pub segments: Segments,
    /// GDT entries 12–14: this thread's `set_thread_area` slots.
    pub tls: [Descriptor; selector::TLS_ENTRIES],
    /// The local descriptor table, which the threads of a process share.
    pub ldt: Option<Arc<[Descriptor]>>,
    /// x87 and MMX.
    pub fpu: Fpu,
    /// XMM0–15.
    pub xmm: [u128; 16],
    /// Upper halves of YMM0–15.
    pub ymm_high: [u128; 16],
    /// SSE control and status.
    pub mxcsr: u32,
    /// What RDTSC reads. The kernel sets it before a run; engines add retired instructions.
    pub tsc: u64,
}

impl CpuState {
    /// A processor as Linux hands it to a fresh program of the given width; RIP and RSP are the caller's to set.
    pub fn new(mode: CodeMode) -> CpuState {
        let data = |selector| Segment { selector, base: 0 };
        let (cs, user_data) = match mode {
            CodeMode::Bits32 => (selector::USER32_CS, selector::USER_DS),
            CodeMode::Bits64 => (selector::USER_CS, 0),
        };
        CpuState {
            gpr: [0; 16],
            rip: 0,
            rflags: flags::FIXED | flags::IF,
            mode,
            segments: Segments {
                es: data(user_data),
                cs: data(cs),
                ss: data(selector::USER_DS),
                ds: data(user_data),
                fs: data(0),
                gs: data(0),
            },
            tls: [Descriptor::default(); selector::TLS_ENTRIES],
            ldt: None,
            fpu: Fpu::default(),
            xmm: [0; 16],
            ymm_high: [0; 16],
            mxcsr: mxcsr::DEFAULT,
            tsc: 0,
        }
    }
}
