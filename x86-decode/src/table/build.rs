//! What rows are written with: `row(Add, op(0x01).r(), &[rw(Ev), r(Gv)], ALU).lock()`.

pub(super) use crate::Form::*;
pub(super) use crate::Row;
use crate::{
    Access, Arg, Feature, FlagSet, Flags, Flow, Form, Map, ModRm, Modes, Op, Prefix, RegSet, Size, Width,
};

/// The encoding part of a row.
#[derive(Clone, Copy)]
pub(super) struct Encoding {
    map: Map,
    opcode: u8,
    plus_reg: bool,
    prefix: Prefix,
    modrm: ModRm,
    digit: Option<u8>,
    operand_size: Option<Width>,
    vex_l: Option<bool>,
    rex_w: Option<bool>,
    rex_b: Option<bool>,
    size: Size,
}

const fn encoding(map: Map, opcode: u8) -> Encoding {
    Encoding {
        map,
        opcode,
        plus_reg: false,
        prefix: Prefix::Any,
        modrm: ModRm::None,
        digit: Option::None,
        operand_size: Option::None,
        vex_l: Option::None,
        rex_w: Option::None,
        rex_b: Option::None,
        size: if map.is_vex() { Size::RexW } else { Size::Osz },
    }
}

/// One-byte opcode.
pub(super) const fn op(opcode: u8) -> Encoding {
    encoding(Map::OneByte, opcode)
}

/// Opcode `0F xx`.
pub(super) const fn of(opcode: u8) -> Encoding {
    encoding(Map::Of, opcode)
}

/// Opcode `0F 38 xx`.
pub(super) const fn of38(opcode: u8) -> Encoding {
    encoding(Map::Of38, opcode)
}

/// Opcode `0F 3A xx`.
pub(super) const fn of3a(opcode: u8) -> Encoding {
    encoding(Map::Of3a, opcode)
}

/// Opcode `VEX.0F xx`. VEX.W and VEX.L are ignored unless the row says otherwise.
pub(super) const fn vex0f(opcode: u8) -> Encoding {
    encoding(Map::Vex0f, opcode)
}

/// Opcode `VEX.0F38 xx`.
pub(super) const fn vex38(opcode: u8) -> Encoding {
    encoding(Map::Vex0f38, opcode)
}

/// Opcode `VEX.0F3A xx`.
pub(super) const fn vex3a(opcode: u8) -> Encoding {
    encoding(Map::Vex0f3a, opcode)
}

/// Setters of one field each, named after the manual's notation.
macro_rules! setters {
    ($ty:ident: $($(#[$doc:meta])* $name:ident($($arg:ident: $argty:ty)?) $($field:ident = $value:expr),+;)*) => {
        impl $ty {
            $($(#[$doc])* pub(super) const fn $name(mut self $(, $arg: $argty)?) -> $ty {
                $(self.$field = $value;)+
                self
            })*
        }
    };
}

setters! { Encoding:
    /// `/r`.
    r() modrm = ModRm::Any;
    /// `/r` or a digit before it, memory only.
    mem() modrm = ModRm::Mem;
    /// `/r` or a digit before it, register only.
    reg() modrm = ModRm::Reg;
    /// A digit before it, and register `rm` only.
    rm(rm: u8) modrm = ModRm::Rm(rm);
    /// A register, whatever `mod` is.
    any_mod() modrm = ModRm::AnyMod;
    /// `/digit`.
    n(digit: u8) digit = Some(digit), modrm = ModRm::Any;
    /// `+rb`, `+rd`: the low three bits of the opcode are a register.
    plus() plus_reg = true;
    np() prefix = Prefix::Np;
    p66() prefix = Prefix::P66;
    f3() prefix = Prefix::F3;
    f2() prefix = Prefix::F2;
    b() size = Size::Byte;
    d64() size = Size::D64;
    f64() size = Size::F64;
    no_w() size = Size::OszNoW;
    native() size = Size::Native;
    o16() operand_size = Some(Width::W16);
    o32() operand_size = Some(Width::W32);
    o64() operand_size = Some(Width::W64);
    y() size = Size::RexW;
    /// Vector length: 128 or 256 bits.
    l(set: bool) vex_l = Some(set);
    w(set: bool) rex_w = Some(set);
    rex_b(set: bool) rex_b = Some(set);
}

pub(super) const fn r(form: Form) -> Arg {
    Arg { form, access: Access::Read }
}

pub(super) const fn w(form: Form) -> Arg {
    Arg { form, access: Access::Write }
}

pub(super) const fn rw(form: Form) -> Arg {
    Arg { form, access: Access::ReadWrite }
}

/// An operand that is named and not accessed.
pub(super) const fn none(form: Form) -> Arg {
    Arg { form, access: Access::None }
}

/// A row of feature `Base` (x87 escapes: `Fpu`) that falls through to the next instruction.
pub(super) const fn row(op: Op, e: Encoding, args: &[Arg], flags: Flags) -> Row {
    let mut all = [none(Form::None); 4];
    let mut i = 0;
    while i < args.len() {
        all[i] = args[i];
        i += 1;
    }
    let escape = matches!(e.map, Map::OneByte) && e.opcode & 0xf8 == 0xd8;
    Row {
        op,
        id: 0,
        map: e.map,
        opcode: e.opcode,
        plus_reg: e.plus_reg,
        prefix: e.prefix,
        modrm: e.modrm,
        digit: e.digit,
        modes: Modes::All,
        operand_size: e.operand_size,
        vex_l: e.vex_l,
        rex_w: e.rex_w,
        rex_b: e.rex_b,
        size: e.size,
        args: all,
        reads: RegSet::NONE,
        writes: RegSet::NONE,
        memory: Access::None,
        fpu_depth: 0,
        flags,
        feature: if escape { Feature::Fpu } else { Feature::Base },
        flow: Flow::Next,
        lockable: false,
        repeatable: false,
        privileged: false,
    }
}

setters! { Row:
    /// Not in 64-bit mode.
    legacy() modes = Modes::Legacy;
    /// In 64-bit mode only.
    long() modes = Modes::Long;
    lock() lockable = true;
    repeats() repeatable = true;
    privileged() privileged = true;
    feature(feature: Feature) feature = feature;
    flow(flow: Flow) flow = flow;
    depth(depth: i8) fpu_depth = depth;
    memory(access: Access) memory = access;
}

impl Row {
    /// Writes below the stack pointer and moves it.
    pub(super) const fn push(self) -> Row {
        self.memory(Access::Write).regs(SP, SP)
    }

    /// Reads at the stack pointer and moves it.
    pub(super) const fn pop(self) -> Row {
        self.memory(Access::Read).regs(SP, SP)
    }

    /// Registers used without being named: read, then written.
    pub(super) const fn regs(mut self, reads: RegSet, writes: RegSet) -> Row {
        self.reads = self.reads.or(reads);
        self.writes = self.writes.or(writes);
        self
    }
}

pub(super) const NO_REGS: RegSet = RegSet::NONE;
pub(super) const AX: RegSet = RegSet::AX;
pub(super) const CX: RegSet = RegSet::CX;
pub(super) const DX: RegSet = RegSet::DX;
pub(super) const BX: RegSet = RegSet::BX;
pub(super) const SP: RegSet = RegSet::SP;
pub(super) const BP: RegSet = RegSet::BP;
pub(super) const SI: RegSet = RegSet::SI;
pub(super) const DI: RegSet = RegSet::DI;
pub(super) const R11: RegSet = RegSet::R11;
pub(super) const ST0: RegSet = RegSet::ST0;
pub(super) const ST1: RegSet = RegSet::ST1;
pub(super) const ST_ALL: RegSet = RegSet::ST_ALL;
pub(super) const XMM0: RegSet = RegSet::XMM0;
pub(super) const XMM_ALL: RegSet = RegSet::XMM_ALL;
/// What `pusha` stores and `popa` loads.
pub(super) const PUSHA: RegSet = RegSet(0xff);
/// What `xsave` reads: the mask, and all it may store.
pub(super) const STATE: RegSet = AX.or(DX).or(ST_ALL).or(XMM_ALL);
/// `cmpxchg8b` compares and exchanges DX:AX and CX:BX.
pub(super) const PAIRS: RegSet = AX.or(BX).or(CX).or(DX);

pub(super) const C: FlagSet = FlagSet::CF;
pub(super) const P: FlagSet = FlagSet::PF;
pub(super) const A: FlagSet = FlagSet::AF;
pub(super) const Z: FlagSet = FlagSet::ZF;
pub(super) const S: FlagSet = FlagSet::SF;
pub(super) const O: FlagSet = FlagSet::OF;
pub(super) const D: FlagSet = FlagSet::DF;
pub(super) const FPU: FlagSet = FlagSet::FPU;
pub(super) const STATUS: FlagSet = FlagSet::STATUS;
pub(super) const SZAPC: FlagSet = STATUS.without(O);
pub(super) const OSZP: FlagSet = O.or(S).or(Z).or(P);
pub(super) const SZP: FlagSet = S.or(Z).or(P);
pub(super) const OAC: FlagSet = O.or(A).or(C);

/// No use of flags; refine with the methods below.
pub(super) const fn flags() -> Flags {
    let none = FlagSet::NONE;
    Flags { read: none, written: none, undefined: none, kept: none }
}

setters! { Flags:
    reads(set: FlagSet) read = set;
    writes(set: FlagSet) written = set;
    undefined(set: FlagSet) undefined = set;
    /// The flags keep their value in some executions.
    keeps(set: FlagSet) kept = set;
}

pub(super) const NONE: Flags = flags();
pub(super) const ALU: Flags = flags().writes(STATUS);
pub(super) const ALU_CARRY: Flags = ALU.reads(C);
pub(super) const LOGIC: Flags = flags().writes(OSZP.or(C)).undefined(A);
pub(super) const INCDEC: Flags = flags().writes(STATUS.without(C));
/// `imul` and `mul`.
pub(super) const IMUL: Flags = flags().writes(O.or(C)).undefined(SZP.or(A));
/// Shift by one.
pub(super) const SHIFT_1: Flags = LOGIC;
/// Shift by a count that may be zero; [`crate::Insn::flags`] knows more when it is an immediate.
pub(super) const SHIFT_N: Flags = flags().writes(SZP.or(C)).undefined(O.or(A)).keeps(STATUS);
pub(super) const ROT_1: Flags = flags().writes(O.or(C));
pub(super) const ROT_N: Flags = flags().writes(C).undefined(O).keeps(O.or(C));
/// Rotate through carry.
pub(super) const RCROT_1: Flags = ROT_1.reads(C);
pub(super) const RCROT_N: Flags = ROT_N.reads(C);
/// `bt` and its kin.
pub(super) const BIT: Flags = flags().writes(C).undefined(O.or(S).or(A).or(P));
/// `bsf`, `bsr`.
pub(super) const SCAN: Flags = flags().writes(Z).undefined(STATUS.without(Z));
/// `lzcnt`, `tzcnt`.
pub(super) const COUNT: Flags = flags().writes(Z.or(C)).undefined(STATUS.without(Z.or(C)));
/// `andn`, `blsr` and their kin.
pub(super) const BLS: Flags = flags().writes(S.or(Z).or(O).or(C)).undefined(A.or(P));
/// String instructions that compare nothing.
pub(super) const STRING: Flags = flags().reads(D);
/// `cmps`, `scas`.
pub(super) const COMPARE: Flags = ALU.reads(D);
/// `comiss` and its kin.
pub(super) const COMIS: Flags = ALU;
/// `fcomi` and its kin.
pub(super) const FCOMI: Flags = flags().writes(STATUS.or(FPU));
/// At least one x87 condition code gets a value, the others are undefined.
pub(super) const FPU_SET: Flags = flags().writes(FPU);
/// The manual leaves the condition codes undefined; CPUs leave them alone, and code may rely on it.
pub(super) const FPU_UNDEF: Flags = flags().undefined(FPU).keeps(FPU);
/// `fnstsw` and its kin: the same, and they read the codes.
pub(super) const FPU_STORE: Flags = FPU_UNDEF.reads(FPU);
