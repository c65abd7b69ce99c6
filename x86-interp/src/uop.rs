//! The pre-decoded form that blocks are made of: a handler and its operands, packed.

use crate::cx::{Cx, Step, slot};
use crate::hot::Hot;
use crate::int::HIGH_BYTE;
use x86_decode::{Insn, Mem, NO_REG, Operand, RIP, Reg, Seg, Width, XMM_INDEX};

/// Executes one instruction.
pub(crate) type Handler = fn(&mut Cx<'_>, &Uop) -> Step;

/// One instruction of a block. Nothing in it depends on the address it runs at, so that processes which map the
/// same page share blocks.
#[derive(Clone, Copy)]
pub(crate) struct Uop {
    pub(crate) run: Handler,
    /// Immediate; a direct branch's target relative to the page; an absolute 64-bit offset.
    pub(crate) imm: u64,
    /// Displacement of the memory operand.
    pub(crate) disp: i32,
    /// Register of the first operand, if it is one.
    pub(crate) dst: u8,
    /// Register of the second.
    pub(crate) src: u8,
    /// Register of the third. Vector instructions have the first source of three operands here, see [`crate::sse`].
    pub(crate) also: u8,
    /// Slot of [`Cx::gpr`].
    pub(crate) base: u8,
    /// Slot of [`Cx::gpr`].
    pub(crate) index: u8,
    /// log2 of the scale.
    pub(crate) scale: u8,
    /// Slot of the segment base; also that of the source of string instructions.
    pub(crate) seg: u8,
    /// Bits to cut off an address: 0, 32 or 48.
    pub(crate) cut: u8,
    /// Whatever else the handler wants: repeat prefix, condition, x87 opcode.
    pub(crate) aux: u8,
    /// Length in bytes.
    pub(crate) len: u8,
    /// Instructions that it stands for.
    pub(crate) count: u8,
    /// Instructions of the block before it.
    pub(crate) before: u8,
    /// Which of the handlers that the loop knows by name `run` is.
    pub(crate) hot: Hot,
    /// Where the next instruction starts, relative to the page.
    pub(crate) next: u16,
}

/// What an instruction is lowered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LowerMode {
    pub(crate) long: bool,
    /// ES, CS, SS and DS start at 0.
    pub(crate) flat: bool,
    /// One instruction a block, for single steps.
    pub(crate) single: bool,
    /// In 32-bit code, FS is null or not flat but for its base.
    pub(crate) odd_fs: bool,
    /// The same of GS.
    pub(crate) odd_gs: bool,
}

impl LowerMode {
    /// Slot of a segment's base; that of zero where it is known to be zero.
    pub(crate) fn seg_slot(self, seg: Seg) -> u8 {
        match seg {
            Seg::Fs | Seg::Gs => slot::SEGMENT + seg as u8,
            _ if self.long || self.flat => slot::ZERO,
            _ => slot::SEGMENT + seg as u8,
        }
    }
}

/// How the address of a memory operand is computed: handlers of common instructions are generic over it.
pub(crate) trait Addr: 'static {
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64;
    /// The offset alone, for `lea`.
    fn offset(cx: &Cx<'_>, u: &Uop) -> u64;
}

/// Base and displacement, 32-bit, flat segment.
pub(crate) struct Base32;
/// Base and displacement, 64-bit, flat segment.
pub(crate) struct Base64;
/// Base, scaled index and displacement of the address size that the mode has by itself, flat segment.
pub(crate) struct Indexed;
/// Everything else.
pub(crate) struct Any;

impl Addr for Base32 {
    #[inline(always)]
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64 {
        u64::from((cx.reg(u.base) as u32).wrapping_add(u.disp as u32))
    }
    #[inline(always)]
    fn offset(cx: &Cx<'_>, u: &Uop) -> u64 {
        Self::linear(cx, u)
    }
}

impl Addr for Base64 {
    #[inline(always)]
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64 {
        cx.reg(u.base).wrapping_add(i64::from(u.disp) as u64)
    }
    #[inline(always)]
    fn offset(cx: &Cx<'_>, u: &Uop) -> u64 {
        Self::linear(cx, u)
    }
}

impl Addr for Indexed {
    #[inline(always)]
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64 {
        let sum = cx.reg(u.base).wrapping_add(cx.reg(u.index) << (u.scale & 3));
        sum.wrapping_add(i64::from(u.disp) as u64) & cx.mask
    }
    #[inline(always)]
    fn offset(cx: &Cx<'_>, u: &Uop) -> u64 {
        Self::linear(cx, u)
    }
}

impl Addr for Any {
    #[inline(always)]
    fn linear(cx: &Cx<'_>, u: &Uop) -> u64 {
        Self::offset(cx, u).wrapping_add(cx.reg(u.seg)) & cx.mask
    }
    #[inline(always)]
    fn offset(cx: &Cx<'_>, u: &Uop) -> u64 {
        let sum = cx.reg(u.base).wrapping_add(cx.reg(u.index) << (u.scale & 3));
        sum.wrapping_add(i64::from(u.disp) as u64) & u.addr_mask()
    }
}

/// Which [`Addr`] an operand needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddrKind {
    Base32,
    Base64,
    Indexed,
    Any,
}

impl Uop {
    /// Mask of the address size.
    #[inline(always)]
    pub(crate) fn addr_mask(&self) -> u64 {
        u64::MAX >> (self.cut & 63)
    }

    /// Instructions of the block up to its end.
    #[inline(always)]
    pub(crate) fn done(&self) -> u64 {
        u64::from(self.before) + u64::from(self.count)
    }

    /// Packs an instruction that starts `at` bytes into its page. The handler is still to be chosen.
    pub(crate) fn pack(insn: &Insn, at: u16, mode: LowerMode, run: Handler) -> (Uop, AddrKind) {
        let next = at + u16::from(insn.len);
        let mut u = Uop {
            run,
            imm: 0,
            disp: 0,
            dst: 0,
            src: 0,
            also: 0,
            base: slot::ZERO,
            index: slot::ZERO,
            scale: 0,
            seg: mode.seg_slot(insn.seg),
            cut: cut(insn.addr),
            aux: 0,
            len: insn.len,
            count: 1,
            before: 0,
            hot: Hot::Other,
            next,
        };
        let mut kind = AddrKind::Any;
        for (i, operand) in insn.operands.iter().enumerate() {
            match *operand {
                Operand::None => {}
                Operand::Reg(reg) => match i {
                    0 => u.dst = number(reg),
                    1 => u.src = number(reg),
                    2 => u.also = number(reg),
                    _ => u.imm = number(reg).into(),
                },
                Operand::Mem(mem) => kind = u.pack_mem(&mem, mode),
                // The second immediate of `enter`.
                Operand::Imm(value) if i == 1 && matches!(insn.operands[0], Operand::Imm(_)) => {
                    u.imm |= (value as u64) << 32;
                }
                Operand::Imm(value) => u.imm = value as u64,
                Operand::Rel(value) => u.imm = (value as u64).wrapping_add(u64::from(next)),
                Operand::Far { selector, offset } => u.imm = u64::from(offset) | u64::from(selector) << 32,
            }
        }
        (u, kind)
    }

    fn pack_mem(&mut self, mem: &Mem, mode: LowerMode) -> AddrKind {
        self.seg = mode.seg_slot(mem.seg);
        self.cut = cut(mem.addr);
        self.scale = mem.scale.trailing_zeros() as u8 & 3;
        self.base = match mem.base {
            NO_REG => slot::ZERO,
            RIP => slot::PAGE,
            base => base & 15,
        };
        // A vector of indices belongs to no slot: its instructions take it from `imm`.
        self.index = if mem.index >= XMM_INDEX { slot::ZERO } else { mem.index & 15 };
        let mut disp = mem.disp;
        if mem.base == RIP {
            disp += i64::from(self.next);
            if i32::try_from(disp).is_err() {
                // Only a displacement within a page of 2 GiB comes here.
                disp -= super::cx::BIAS_VALUE as i64;
                self.index = slot::BIAS;
            }
        }
        match i32::try_from(disp) {
            Ok(disp) => self.disp = disp,
            // An absolute 64-bit offset (`mov al, moffs`): its handlers take it from `imm`. As an unsigned 32-bit
            // displacement it also fits `disp`, whose sign is cut off with the address.
            Err(_) => {
                self.disp = disp as i32;
                self.imm = disp as u64;
                if mem.addr == Width::W64 {
                    // Not read, but not the stack's: `settle_wild` looks.
                    self.base = slot::PAGE;
                }
            }
        }
        let indexed = self.index != slot::ZERO;
        match (mem.addr, mode.long) {
            _ if self.seg != slot::ZERO => AddrKind::Any,
            (Width::W32, false) | (Width::W64, true) if indexed => AddrKind::Indexed,
            (Width::W32, false) => AddrKind::Base32,
            (Width::W64, true) => AddrKind::Base64,
            _ => AddrKind::Any,
        }
    }
}

fn cut(width: Width) -> u8 {
    64 - width.bits()
}

fn number(reg: Reg) -> u8 {
    match reg {
        Reg::Gpr8High(n) => n | HIGH_BYTE,
        Reg::Gpr8(n) | Reg::Gpr16(n) | Reg::Gpr32(n) | Reg::Gpr64(n) => n,
        Reg::Seg(seg) => seg as u8,
        Reg::St(n) | Reg::Mm(n) | Reg::Xmm(n) | Reg::Ymm(n) | Reg::Cr(n) | Reg::Dr(n) => n,
    }
}

/// Chooses a handler by operand width. `w16`: without a byte form.
macro_rules! by_width {
    ($width:expr, $f:ident $(, $g:ty)*) => {
        match $width {
            x86_decode::Width::W8 => $f::<u8 $(, $g)*> as $crate::uop::Handler,
            x86_decode::Width::W16 => $f::<u16 $(, $g)*>,
            x86_decode::Width::W32 => $f::<u32 $(, $g)*>,
            x86_decode::Width::W64 => $f::<u64 $(, $g)*>,
        }
    };
}

/// Chooses a handler by operand width and kind of address.
macro_rules! by_width_addr {
    ($width:expr, $kind:expr, $f:ident $(, $g:ty)*) => {
        match $kind {
            $crate::uop::AddrKind::Base32 => $crate::uop::by_width!($width, $f, $crate::uop::Base32 $(, $g)*),
            $crate::uop::AddrKind::Base64 => $crate::uop::by_width!($width, $f, $crate::uop::Base64 $(, $g)*),
            $crate::uop::AddrKind::Indexed => $crate::uop::by_width!($width, $f, $crate::uop::Indexed $(, $g)*),
            $crate::uop::AddrKind::Any => $crate::uop::by_width!($width, $f, $crate::uop::Any $(, $g)*),
        }
    };
}

/// Chooses a handler by kind of address.
macro_rules! by_addr {
    ($kind:expr, $f:ident $(, $g:ty)*) => {
        match $kind {
            $crate::uop::AddrKind::Base32 => $f::<$crate::uop::Base32 $(, $g)*> as $crate::uop::Handler,
            $crate::uop::AddrKind::Base64 => $f::<$crate::uop::Base64 $(, $g)*>,
            $crate::uop::AddrKind::Indexed => $f::<$crate::uop::Indexed $(, $g)*>,
            $crate::uop::AddrKind::Any => $f::<$crate::uop::Any $(, $g)*>,
        }
    };
}

/// Chooses a handler by condition code: `f::<CODE, types…>`.
macro_rules! by_condition {
    ($code:expr, $f:ident $(, $g:ty)*) => {
        match $code & 15 {
            0 => $f::<0 $(, $g)*> as $crate::uop::Handler,
            1 => $f::<1 $(, $g)*>,
            2 => $f::<2 $(, $g)*>,
            3 => $f::<3 $(, $g)*>,
            4 => $f::<4 $(, $g)*>,
            5 => $f::<5 $(, $g)*>,
            6 => $f::<6 $(, $g)*>,
            7 => $f::<7 $(, $g)*>,
            8 => $f::<8 $(, $g)*>,
            9 => $f::<9 $(, $g)*>,
            10 => $f::<10 $(, $g)*>,
            11 => $f::<11 $(, $g)*>,
            12 => $f::<12 $(, $g)*>,
            13 => $f::<13 $(, $g)*>,
            14 => $f::<14 $(, $g)*>,
            _ => $f::<15 $(, $g)*>,
        }
    };
}

pub(crate) use {by_addr, by_condition, by_width, by_width_addr};
