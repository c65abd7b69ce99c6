//! The instruction table's row: everything the manual says about one encoding, as data.
//!
//! Rows are written with the small `const` builders of `table/build.rs`, one instruction a line, in the other files
//! of `table`; `table/index.rs` finds them by opcode.

use crate::{Feature, FeatureSet, Op, Width};

/// Opcode map (SDM vol. 2 appendix A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Map {
    /// One-byte opcodes.
    OneByte,
    /// Two-byte opcodes, `0F xx`.
    Of,
    /// Three-byte opcodes, `0F 38 xx`.
    Of38,
    /// Three-byte opcodes with an immediate byte, `0F 3A xx`.
    Of3a,
    /// `VEX.0F xx`.
    Vex0f,
    /// `VEX.0F38 xx`.
    Vex0f38,
    /// `VEX.0F3A xx`.
    Vex0f3a,
}

impl Map {
    /// Whether the opcode stands behind a VEX prefix (C4 or C5).
    pub const fn is_vex(self) -> bool {
        matches!(self, Map::Vex0f | Map::Vex0f38 | Map::Vex0f3a)
    }
}

/// What a row demands of the 66, F3 and F2 prefixes, or of the `pp` field of VEX, which stands for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// Any: 66 is the operand size, F2 and F3 are repeat prefixes or ignored.
    Any,
    /// The manual's `NP`: none of the three.
    Np,
    /// 66, and neither F2 nor F3.
    P66,
    /// F3 is the last of F2 and F3; 66 may stand too.
    F3,
    /// F2 is the last of F2 and F3; 66 may stand too.
    F2,
}

/// Form of the ModRM byte a row demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModRm {
    /// The instruction has none.
    None,
    /// `/r` or `/digit`, register or memory.
    Any,
    /// `mod != 3`.
    Mem,
    /// `mod == 3`.
    Reg,
    /// `mod == 3` and this `rm` field: an opcode extended by the whole byte.
    Rm(u8),
    /// A register whatever `mod` says (moves to and from control and debug registers).
    AnyMod,
}

/// Code-segment modes an encoding exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Modes {
    /// 16-, 32- and 64-bit code.
    All,
    /// 16- and 32-bit code (`i64` of the manual's opcode maps).
    Legacy,
    /// 64-bit code (`o64`).
    Long,
}

/// How [`crate::Insn::width`] follows from mode and prefixes (SDM vol. 2 §2.2.1.2, vol. 1 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// Byte operation.
    Byte,
    /// 16, 32 or 64 bits: code-segment default, 66, REX.W.
    Osz,
    /// As `Osz`, but 32 bits where that is 64 (`in`, `out`, `ins`, `outs`).
    OszNoW,
    /// In 64-bit mode 64 bits, or 16 with 66 (`d64`: stack instructions).
    D64,
    /// In 64-bit mode always 64 bits (`f64`: near branches).
    F64,
    /// 64 bits in 64-bit mode and 32 bits elsewhere (control registers).
    Native,
    /// 64 bits with REX.W or VEX.W in 64-bit mode, else 32: where 66 is not the operand size.
    RexW,
}

/// What an instruction does to an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Neither reads nor writes it (`nop`, the address of `lea`, an absent operand).
    None,
    Read,
    Write,
    ReadWrite,
}

impl Access {
    /// Whether the old value is used.
    pub const fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    /// Whether a new value is stored, in some executions at least.
    pub const fn writes(self) -> bool {
        matches!(self, Access::Write | Access::ReadWrite)
    }
}

/// Where an operand comes from and how large it is; letters follow SDM vol. 2 appendix A.2.
///
/// `E` general register or memory by ModRM.rm, `G` general register by ModRM.reg, `R` register only by rm, `M` memory only,
/// `P`/`Q`/`N` MMX by reg / by rm or memory / by rm only, `V`/`W`/`U` the same for XMM and YMM, `H` XMM or YMM by VEX.vvvv, `L`
/// by the upper half of an immediate byte, `B` general register by VEX.vvvv, `Z` register in the opcode, `O` absolute offset,
/// `I` immediate, `Rel` branch displacement, `St` x87 register.
///
/// Sizes: `b` 8, `w` 16, `d` 32, `q` 64, `dq` 128 bits, `x` 128 bits or 256 with VEX.L, `v` the operation's width, `y` 32 or 64
/// by REX.W or VEX.W. Of vectors, sizes up to `q` are those of memory, with an XMM register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[rustfmt::skip] // A family a line.
pub enum Form {
    None,
    Eb, Ew, Ed, Eq, Ev, Ey,
    /// As `Ev`, memory not accessed (long `nop`, `prefetch`).
    Ev0,
    /// Register of the operation's width, or 16-bit memory (segment and descriptor moves).
    RvMw,
    /// 32-bit register (64 with REX.W), or smaller memory (`pinsrb`, `pinsrw`, `extractps`).
    RyMb, RyMw, RyMd,
    Gb, Gw, Gd, Gv, Gy,
    By,
    /// General register by rm, 32 bits, or 64 in 64-bit mode (control registers).
    Rnative,
    Rd, Rv, Ry,
    /// General register by rm of the address size (`umonitor`).
    Ra,
    /// Memory whose address alone matters.
    M,
    Mb, Mw, Md, Mq, Mdq, Mx,
    /// `m80`.
    Mt,
    /// Memory of the operation's width.
    Mv,
    /// 32 bits, or 64 by REX.W.
    My,
    /// Pair of the operation's width (`bound`).
    Ma,
    /// `m16:16`, `m16:32`, `m16:64`.
    Mp,
    /// Descriptor-table register image: 6 bytes, 10 in 64-bit mode.
    Ms,
    /// x87 environment, 14 or 28 bytes.
    Menv,
    /// x87 state, 94 or 108 bytes.
    Mstate,
    /// FXSAVE area, 512 bytes.
    Mfx,
    Pq, Qq, Qd, Nq,
    Vx, Wx, Ux, Hx, Lx,
    Vdq, Wdq, Udq, Hdq,
    Wq, Wd, Ww, Wb,
    /// XMM register, or memory of a half, a quarter, an eighth of the vector length.
    Wh, Wf, We,
    /// Elements of 32 bits (64 with VEX.W) at a vector of addresses, whose index register is an XMM register, or has the
    /// vector length (VSIB, SDM vol. 2 §2.3.12).
    Vmdq, Vmx,
    /// Segment register by ModRM.reg.
    Sw,
    /// Control and debug register by ModRM.reg.
    Cr, Dr,
    /// Register in the low three bits of the opcode.
    Zb, Zv,
    /// Memory at an absolute offset in the instruction.
    Ob, Ov,
    /// Fixed registers; `Rax` has the operation's width.
    Al, Cl, Ax, Dx, Rax,
    Es, Cs, Ss, Ds, Fs, Gs,
    St0, StI,
    /// Immediate byte, zero-extended.
    Ib,
    /// Immediate byte, sign-extended.
    Ibs,
    Iw,
    /// Immediate of the operation's width, 32 bits sign-extended if that is 64.
    Iz,
    /// Immediate of the operation's width, 64 bits included.
    Iv,
    /// The constant 1 (shifts).
    One,
    Rel8, Relv,
    /// Far pointer in the instruction.
    Ap,
}

/// One explicit operand of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    pub form: Form,
    pub access: Access,
}

/// A set of flags: the status flags, DF, and the x87 condition codes C0–C3 as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlagSet(pub u8);

impl FlagSet {
    pub const NONE: FlagSet = FlagSet(0);
    pub const CF: FlagSet = FlagSet(1 << 0);
    pub const PF: FlagSet = FlagSet(1 << 1);
    pub const AF: FlagSet = FlagSet(1 << 2);
    pub const ZF: FlagSet = FlagSet(1 << 3);
    pub const SF: FlagSet = FlagSet(1 << 4);
    pub const OF: FlagSet = FlagSet(1 << 5);
    pub const DF: FlagSet = FlagSet(1 << 6);
    /// C0, C1, C2 and C3 of the x87 status word.
    pub const FPU: FlagSet = FlagSet(1 << 7);
    /// OF, SF, ZF, AF, PF and CF.
    pub const STATUS: FlagSet = FlagSet(0x3f);

    /// Flags in either set.
    pub const fn or(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 | other.0)
    }

    /// Flags in both sets.
    pub const fn and(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 & other.0)
    }

    /// Flags of this set that are not in `other`.
    pub const fn without(self, other: FlagSet) -> FlagSet {
        FlagSet(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn contains(self, other: FlagSet) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Use of flags. An instruction leaves the flags in none of the sets alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flags {
    pub read: FlagSet,
    /// Given a defined value.
    pub written: FlagSet,
    /// Left undefined by the manual: may change or not.
    pub undefined: FlagSet,
    /// Those of `written` and `undefined` that keep their old value in some executions (a shift by a count of zero,
    /// `repe cmps` with CX = 0). Liveness must not take them for overwritten.
    pub kept: FlagSet,
}

/// A set of registers used without being named: bits 0–15 general registers, then x87 from the top of stack, then vectors.
///
/// Widths follow from [`crate::Insn::width`]: below 32 bits a write leaves the upper part of the register as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegSet(pub u32);

impl RegSet {
    pub const NONE: RegSet = RegSet(0);
    pub const AX: RegSet = RegSet(1 << 0);
    pub const CX: RegSet = RegSet(1 << 1);
    pub const DX: RegSet = RegSet(1 << 2);
    pub const BX: RegSet = RegSet(1 << 3);
    pub const SP: RegSet = RegSet(1 << 4);
    pub const BP: RegSet = RegSet(1 << 5);
    pub const SI: RegSet = RegSet(1 << 6);
    pub const DI: RegSet = RegSet(1 << 7);
    pub const R11: RegSet = RegSet(1 << 11);
    pub const ST0: RegSet = RegSet(1 << 16);
    pub const ST1: RegSet = RegSet(1 << 17);
    /// Every x87 and MMX register.
    pub const ST_ALL: RegSet = RegSet(0xff << 16);
    pub const XMM0: RegSet = RegSet(1 << 24);
    /// Every XMM and YMM register.
    pub const XMM_ALL: RegSet = RegSet(3 << 24);

    pub const fn or(self, other: RegSet) -> RegSet {
        RegSet(self.0 | other.0)
    }

    pub const fn contains(self, other: RegSet) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where control goes after the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// Direct jump.
    Branch,
    /// Direct jump or the next instruction: `jcc`, `loop`, `jcxz`.
    CondBranch,
    /// Jump through register or memory, near or far.
    IndirectBranch,
    /// Direct call.
    Call,
    /// Call through register or memory, near or far.
    IndirectCall,
    /// `ret`, `retf`, `iret`, `sysret`, `sysexit`, `rsm`.
    Ret,
    /// Software interrupt, `syscall`, `sysenter`: into the system, which normally comes back.
    Interrupt,
    /// `hlt`.
    Halt,
    /// Raises an exception, always: `ud2`.
    Exception,
}

/// One encoding of one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub op: Op,
    /// Position in [`crate::ROWS`]: a dense number for side tables of consumers.
    pub id: u16,
    pub map: Map,
    pub opcode: u8,
    /// The low three bits of the opcode hold a register: eight opcodes share the row.
    pub plus_reg: bool,
    pub prefix: Prefix,
    pub modrm: ModRm,
    /// `/digit`: the required ModRM.reg.
    pub digit: Option<u8>,
    pub modes: Modes,
    /// Required effective operand size (`cbw`, `cwde` and `cdqe` share an opcode).
    pub operand_size: Option<Width>,
    /// Required VEX.L, which is the vector length: clear 128, set 256 bits.
    pub vex_l: Option<bool>,
    /// Required REX.W or VEX.W.
    pub rex_w: Option<bool>,
    /// Required REX.B (`nop` is `xchg` of RAX with itself).
    pub rex_b: Option<bool>,
    pub size: Size,
    /// Explicit operands, Intel order; unused ones are [`Form::None`].
    pub args: [Arg; 4],
    /// Registers read without being named.
    pub reads: RegSet,
    /// Registers written without being named, in some executions at least.
    pub writes: RegSet,
    /// Memory accessed without being named: stack, strings, `xlat`, `maskmovq`.
    pub memory: Access,
    /// Change of the x87 stack depth as TOP shows it: 1 for a push and `fdecstp`, -1 and -2 for pops and `fincstp`.
    pub fpu_depth: i8,
    pub flags: Flags,
    pub feature: Feature,
    pub flow: Flow,
    /// LOCK is legal when the destination is memory.
    pub lockable: bool,
    /// F2 and F3 repeat it (`rep`, `repe`, `repne`).
    pub repeatable: bool,
    /// Faults with #GP outside ring 0 (ring 3 code of Linux never has IOPL 3).
    pub privileged: bool,
}

impl Row {
    /// Every feature a CPU needs to know the encoding: that of the row, and AVX where the encoding is VEX and the feature
    /// has other encodings too.
    pub const fn features(&self) -> FeatureSet {
        use Feature::*;
        let own = FeatureSet::of(&[self.feature]);
        match self.feature {
            Avx2 | Fma | F16c | Aes | Vaes | Pclmulqdq | Vpclmulqdq | Gfni if self.map.is_vex() => {
                own.or(FeatureSet::of(&[Avx]))
            }
            _ => own,
        }
    }
}
