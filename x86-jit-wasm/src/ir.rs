//! What a block does, between x86 and WebAssembly: values, each computed once from others, and steps in their order.
//!
//! A value is pure: it can be computed wherever it is wanted, or nowhere. What must happen, and when, are steps: loads and
//! stores, which may leave the region, and changes of registers. A step that leaves does so as if its instruction had not begun.

mod simplify;
mod vector;
mod wasm;

pub use wasm::{Shape, Wasm};

use alloc::vec::Vec;
use x86_cpu::X87Op;

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// A number of single precision.
    F32,
    /// A number of double precision.
    F64,
    /// 128 bits.
    V128,
}

/// A value of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value(u32);

impl Value {
    /// The value of that number.
    pub(crate) fn at(number: usize) -> Value {
        Value(number as u32)
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Operations on two values of one type, named as in WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Shl,
    ShrU,
    ShrS,
    Rotl,
    Rotr,
    /// Of these, the steps before see to it that the divisor is not 0 and the quotient fits.
    DivU,
    DivS,
    RemU,
}

/// Comparisons of two values of one type; the result is an [`Type::I32`] of 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Compare {
    Eq,
    Ne,
    LtU,
    LeU,
    LtS,
    LeS,
}

/// Operations on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Unary {
    /// 64 to 32 bits.
    Wrap,
    /// 32 to 64 bits.
    ExtendU,
    /// 32 to 64 bits, signed.
    ExtendS,
    /// The lower 8 bits, signed, in the same type.
    Sext8,
    /// The lower 16 bits, signed, in the same type.
    Sext16,
    Popcnt,
    Clz,
    Ctz,
}

/// One part of the arithmetic flags that a region keeps between blocks; see [`PendingFlags`](crate::pending::PendingFlags).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagPart {
    /// 64 bits.
    Result,
    /// 64 bits.
    Left,
    /// 64 bits.
    Right,
    /// 32 bits.
    Shape,
}

/// How a value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A number; of 32-bit values, the lower half counts.
    Const(u64),
    /// A general register as it was before any step behind the place where the value was made.
    Reg(u8),
    /// Base of a segment, by its number; the same throughout a region.
    Segment(u8),
    /// The flags that the block began with.
    Flags(FlagPart),
    /// What a step loads.
    Loaded,
    /// See [`Binary`].
    Binary(Binary, Value, Value),
    /// See [`Compare`].
    Compare(Compare, Value, Value),
    /// See [`Unary`].
    Unary(Unary, Value),
    /// The second if the first is not 0, else the third.
    Select(Value, Value, Value),
    /// A vector that is known.
    Vector(u128),
    /// An XMM register, as [`Expr::Reg`].
    Xmm(u8),
    /// SSE control and status; the same throughout a region.
    Mxcsr,
    /// Address of the processor's state in the linear memory.
    Cpu,
    /// Whether SSE arithmetic is left to the interpreter because of MXCSR (see [`crate::layout::mxcsr`]): 0 or 1.
    Imprecise,
    /// See [`Wasm`].
    Wasm(Wasm, [Option<Value>; 3]),
    /// A lane by its number, zero-extended.
    Extract(Shape, u8, Value),
    /// A vector with another lane.
    Replace(Shape, u8, Value, Value),
    /// Bytes of two vectors, by their numbers in the first and, from 16 on, in the second.
    Shuffle([u8; 16], Value, Value),
}

/// The arithmetic flags at some point, by what they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagValues {
    /// [`Type::I64`].
    pub result: Value,
    /// [`Type::I64`].
    pub left: Value,
    /// [`Type::I64`].
    pub right: Value,
    /// [`Type::I32`].
    pub shape: Value,
}

/// The state of the guest before an instruction, for those that leave in the middle of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Address of the instruction.
    pub pc: u64,
    /// Instructions of the block before it.
    pub done: u32,
    /// Flags, where the block has changed them.
    pub flags: Option<FlagValues>,
}

/// What happens, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Loads `bytes` (1, 2, 4, 8, 16) from a guest address, zero-extended.
    Load {
        /// What it gives.
        to: Value,
        /// Of the guest.
        addr: Value,
        /// How many.
        bytes: u8,
        /// The instruction: a number in [`Body::origins`].
        origin: usize,
    },
    /// Stores the lower `bytes` of a value.
    Store {
        /// Of the guest.
        addr: Value,
        /// What.
        value: Value,
        /// How many.
        bytes: u8,
        /// As of a load.
        origin: usize,
    },
    /// As a load from where [`Step::Back`] stores to: it has to be writable.
    LoadToChange {
        /// What it gives.
        to: Value,
        /// Of the guest.
        addr: Value,
        /// How many.
        bytes: u8,
        /// As of a load.
        origin: usize,
    },
    /// Stores to where a [`Step::LoadToChange`] loaded from; cannot leave.
    Back {
        /// What that gave.
        of: Value,
        /// What to store.
        value: Value,
        /// As of the load.
        bytes: u8,
    },
    /// Copies bytes that do not overlap, or begin below what they are copied to; leaves if either side is not in one page.
    Copy {
        /// Of the guest: where to.
        to: Value,
        /// Of the guest: where from.
        from: Value,
        /// How many, [`Type::I32`], at most those of a page.
        bytes: Value,
        /// As of a load.
        origin: usize,
    },
    /// Stores one byte again and again; leaves if that is not in one page.
    Fill {
        /// Of the guest.
        to: Value,
        /// The byte, [`Type::I32`].
        byte: Value,
        /// How many, [`Type::I32`], at most those of a page.
        bytes: Value,
        /// As of a load.
        origin: usize,
    },
    /// Loads `bytes` of the processor's state, zero-extended; cannot leave.
    LoadState {
        /// What it gives.
        to: Value,
        /// Address in the linear memory, [`Type::I32`].
        addr: Value,
        /// Bytes behind it.
        offset: u32,
        /// How many.
        bytes: u8,
    },
    /// Stores the lower `bytes` of a value to the processor's state; cannot leave.
    StoreState {
        /// Address in the linear memory, [`Type::I32`].
        addr: Value,
        /// Bytes behind it.
        offset: u32,
        /// What.
        value: Value,
        /// How many.
        bytes: u8,
    },
    /// Has the host compute in extended precision; cannot leave.
    Compute {
        /// What.
        op: X87Op,
        /// Significand, [`Type::I64`], and sign and exponent, [`Type::I32`], of the operands.
        operands: [(Value, Value); 2],
        /// Significand of the result.
        sig: Value,
        /// Its sign and exponent, with [`fpu::UP`](crate::layout::fpu::UP) and [`fpu::BAD`](crate::layout::fpu::BAD).
        rest: Value,
    },
    /// Looks through bytes for the first that is another one, or that is not: see [`looks`](crate::looks). Cannot leave.
    Scan {
        /// Of the guest.
        addr: Value,
        /// How many at most, [`Type::I32`]; not 0.
        most: Value,
        /// The byte, [`Type::I32`], and above it whether it is passed over.
        what: Value,
        /// How many bytes have been looked at, [`Type::I64`], and above 32 bits the last of them; 0 where one is not there.
        found: Value,
    },
    /// So many more instructions, [`Type::I64`], have been done than the block counts.
    Spend(Value),
    /// Leaves if a value is not 0.
    Guard {
        /// [`Type::I32`].
        condition: Value,
        /// As of a load.
        origin: usize,
    },
    /// Leaves if two values are not 0. The second, which is computed where the first is not 0, tells exceptions from it.
    GuardBoth {
        /// [`Type::I32`]; mostly 0.
        first: Value,
        /// [`Type::I32`].
        second: Value,
        /// As of a load.
        origin: usize,
    },
    /// Leaves if an address is not a multiple of 16. An access of 16 bytes there is within a page.
    Aligned {
        /// The address.
        addr: Value,
        /// As of a load.
        origin: usize,
    },
    /// Leaves if an address is not canonical (SDM vol. 1 §3.3.7.1).
    Canonical {
        /// The address.
        addr: Value,
        /// As of a load.
        origin: usize,
    },
    /// Changes a general register.
    SetReg(u8, Value),
    /// Changes an XMM register.
    SetXmm(u8, Value),
    /// Changes the flags for the blocks behind.
    SetFlags(FlagValues),
}

impl Step {
    /// The instruction before which it may leave.
    pub(crate) fn origin(&self) -> Option<usize> {
        match *self {
            Step::Load { origin, .. }
            | Step::Store { origin, .. }
            | Step::LoadToChange { origin, .. }
            | Step::Copy { origin, .. }
            | Step::Fill { origin, .. }
            | Step::Guard { origin, .. }
            | Step::GuardBoth { origin, .. }
            | Step::Aligned { origin, .. }
            | Step::Canonical { origin, .. } => Some(origin),
            Step::Back { .. } | Step::Spend(_) => None,
            Step::LoadState { .. } | Step::StoreState { .. } => None,
            Step::Compute { .. } | Step::Scan { .. } => None,
            Step::SetReg(..) | Step::SetXmm(..) | Step::SetFlags(_) => None,
        }
    }

    /// The address, bytes, and whether they are to be written, of an access that is known to be so long.
    pub(crate) fn access(&self) -> Option<(Value, u8, bool)> {
        match *self {
            Step::Load { addr, bytes, .. } => Some((addr, bytes, false)),
            Step::Store { addr, bytes, .. } | Step::LoadToChange { addr, bytes, .. } => {
                Some((addr, bytes, true))
            }
            _ => None,
        }
    }

    /// Whether it looks an address up.
    pub(crate) fn accesses(&self) -> bool {
        matches!(
            self,
            Step::Load { .. }
                | Step::Store { .. }
                | Step::LoadToChange { .. }
                | Step::Copy { .. }
                | Step::Fill { .. }
        )
    }

    /// The values it wants, but for those of flags.
    pub(crate) fn values(&self) -> [Option<Value>; 4] {
        match *self {
            Step::Load { addr, .. } | Step::LoadToChange { addr, .. } => [Some(addr), None, None, None],
            Step::Compute { operands: [(a, b), (c, d)], .. } => [Some(a), Some(b), Some(c), Some(d)],
            Step::LoadState { addr, .. } => [Some(addr), None, None, None],
            Step::Store { addr, value, .. } | Step::StoreState { addr, value, .. } => {
                [Some(addr), Some(value), None, None]
            }
            Step::Copy { to, from: other, bytes, .. } | Step::Fill { to, byte: other, bytes, .. } => {
                [Some(to), Some(other), Some(bytes), None]
            }
            Step::Scan { addr, most, what, .. } => [Some(addr), Some(most), Some(what), None],
            Step::GuardBoth { first, second, .. } => [Some(first), Some(second), None, None],
            Step::Guard { condition: value, .. }
            | Step::Aligned { addr: value, .. }
            | Step::Canonical { addr: value, .. }
            | Step::Back { value, .. }
            | Step::Spend(value)
            | Step::SetReg(_, value)
            | Step::SetXmm(_, value) => [Some(value), None, None, None],
            Step::SetFlags(_) => [None; 4],
        }
    }
}

/// How a block ends, once its steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As the block says.
    Plain,
    /// Taken if the value is not 0.
    If(Value),
    /// To a guest address.
    Indirect(Value),
    /// The same, by a call.
    Call(Value),
    /// The same, by a return.
    Return(Value),
}

/// What a block does.
#[derive(Clone, Debug)]
pub struct Body {
    /// Every value, by number.
    pub values: Vec<(Type, Expr)>,
    /// In their order.
    pub steps: Vec<Step>,
    /// Instructions that may leave.
    pub origins: Vec<Origin>,
    /// How it ends.
    pub exit: Exit,
    /// Instructions it stands for.
    pub count: u32,
    /// Whether DF is set at the end.
    pub(crate) down: bool,
    /// Shape of the flags at the end, if it is known.
    pub(crate) flags_shape: Option<u32>,
    /// The bits of each value that may be set.
    possible: Vec<u64>,
    /// Values by what they are.
    known: simplify::Known,
}

impl FlagValues {
    /// Each part.
    pub(crate) fn parts(self) -> [(FlagPart, Value); 4] {
        [
            (FlagPart::Result, self.result),
            (FlagPart::Left, self.left),
            (FlagPart::Right, self.right),
            (FlagPart::Shape, self.shape),
        ]
    }
}

impl Default for Body {
    fn default() -> Body {
        Body {
            values: Vec::new(),
            steps: Vec::new(),
            origins: Vec::new(),
            exit: Exit::Plain,
            count: 0,
            down: false,
            flags_shape: None,
            possible: Vec::new(),
            known: simplify::Known::default(),
        }
    }
}

impl Body {
    /// Makes it as it was when it was new, but for the room it has.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.steps.clear();
        self.origins.clear();
        self.possible.clear();
        self.known.clear();
        (self.exit, self.count, self.down, self.flags_shape) = (Exit::Plain, 0, false, None);
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> Type {
        self.values[value.index()].0
    }

    /// How a value is computed.
    pub(crate) fn expr(&self, value: Value) -> Expr {
        self.values[value.index()].1
    }

    /// The number a value is, if it is one.
    pub fn constant(&self, value: Value) -> Option<u64> {
        match self.values[value.index()] {
            (Type::I32, Expr::Const(n)) => Some(n & u64::from(u32::MAX)),
            (Type::I64, Expr::Const(n)) => Some(n),
            _ => None,
        }
    }

    /// An address as a number from something.
    pub(crate) fn root(&self, addr: Value) -> (Value, i64) {
        match self.expr(addr) {
            Expr::Binary(Binary::Add, root, by) => match (self.constant(by), self.ty(by)) {
                (Some(n), Type::I32) => (root, i64::from(n as i32)),
                (Some(n), _) => (root, n as i64),
                _ => (addr, 0),
            },
            _ => (addr, 0),
        }
    }

    /// What a load of a whole value gives, if that has been stored before and nothing can have changed it since.
    pub(crate) fn stored_last(&self, addr: Value, bytes: u8, ty: Type) -> Option<Value> {
        let (root, offset) = self.root(addr);
        for step in self.steps.iter().rev() {
            match *step {
                Step::Store { addr: to, value, bytes: stored, .. } => {
                    let (other, at) = self.root(to);
                    if to == addr && stored == bytes {
                        let whole = self.ty(value) == ty && bytes == if ty == Type::I64 { 8 } else { 4 };
                        return whole.then_some(value);
                    }
                    // Both near each other, so that neither wraps onto the other.
                    let apart = offset.saturating_sub(at);
                    let beside = apart >= i64::from(stored) || apart <= -i64::from(bytes);
                    if other != root || !beside || apart.unsigned_abs() > 1 << 16 {
                        return None;
                    }
                }
                Step::Back { .. } | Step::Copy { .. } | Step::Fill { .. } => return None,
                _ => {}
            }
        }
        None
    }

    /// Drops changes of registers and of the state that nobody sees: another one follows, and nothing leaves in between.
    pub(crate) fn drop_unseen(&mut self) {
        let mut changes = 0_u32;
        let mut stored: Vec<(Value, u32)> = Vec::new();
        let mut seen = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter().rev() {
            let keep = match step {
                Step::SetReg(reg, _) | Step::SetXmm(reg, _) => {
                    let vector = matches!(step, Step::SetXmm(..));
                    let bit = 1 << (reg & 15) << if vector { 16 } else { 0 };
                    let first = changes & bit == 0;
                    changes |= bit;
                    first
                }
                Step::StoreState { addr, offset, .. } => {
                    let first = !stored.contains(&(*addr, *offset));
                    if first {
                        stored.push((*addr, *offset));
                    }
                    first
                }
                Step::LoadState { addr, offset, .. } => {
                    stored.retain(|other| *other != (*addr, *offset));
                    true
                }
                Step::SetFlags(_) | Step::Back { .. } | Step::Spend(_) => true,
                Step::Compute { .. } | Step::Scan { .. } => true,
                _ => {
                    changes = 0;
                    stored.clear();
                    true
                }
            };
            seen.push(keep);
        }
        let mut seen = seen.into_iter().rev();
        self.steps.retain(|_| seen.next().unwrap_or(true));
    }

    /// The values an expression is computed from.
    pub fn operands(&self, value: Value) -> impl Iterator<Item = Value> {
        let (a, b, c) = match self.values[value.index()].1 {
            Expr::Const(_) | Expr::Reg(_) | Expr::Segment(_) | Expr::Flags(_) | Expr::Loaded => {
                (None, None, None)
            }
            Expr::Vector(_) | Expr::Xmm(_) | Expr::Mxcsr | Expr::Cpu | Expr::Imprecise => (None, None, None),
            Expr::Unary(_, a) | Expr::Extract(_, _, a) => (Some(a), None, None),
            Expr::Binary(_, a, b)
            | Expr::Compare(_, a, b)
            | Expr::Replace(_, _, a, b)
            | Expr::Shuffle(_, a, b) => (Some(a), Some(b), None),
            Expr::Wasm(_, [a, b, c]) => (a, b, c),
            Expr::Select(a, b, c) => (Some(a), Some(b), Some(c)),
        };
        [a, b, c].into_iter().flatten()
    }
}

/// All bits of a type.
pub(crate) fn ones(ty: Type) -> u64 {
    match ty {
        Type::I32 => u64::from(u32::MAX),
        _ => u64::MAX,
    }
}
