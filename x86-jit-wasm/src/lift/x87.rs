//! x87 instructions: the register stack, the status word, and what goes between registers and memory.
//!
//! Within a block, registers are numbered from what TOP was at its beginning, so that the stack is known. Instructions leave together
//! ([batch](super::batch)): what they change is written to where it is kept behind the last of them, ahead of the next store at the latest. Code computes where
//! the control word is the usual one and PE is set in the status word (ADR 10); everything else is left to the interpreter.

mod arithmetic;
mod real;

use super::flags::Flags;
use super::{Done, Lifter, Unsupported};
use crate::ir::{Binary, Expr, Step, Type, Unary, Value};
use crate::layout::{context, fpu};
pub(crate) use arithmetic::{Computed, arithmetic};
use real::{BIAS, Real, SIGN};
use x86_cpu::X87Op;
use x86_decode::{Insn, Op, Operand, Reg, Width};

/// What a block knows of the unit.
#[derive(Default)]
pub(super) struct Stack {
    /// Of the beginning of the block.
    known: Option<Known>,
    /// TOP less that of the beginning of the block.
    delta: u32,
    registers: [Option<Real>; 8],
    /// Whether results are cut off, as the control word now says, and not rounded to nearest.
    cut: bool,
    /// Whether a register is in use.
    used: [Option<bool>; 8],
    /// What has changed and is not written yet: registers, as a set, which of them are in use, and that together with the status word and the address of
    /// the last instruction.
    changed: u8,
    used_changed: bool,
    last_ip: Option<u64>,
}

#[derive(Clone, Copy)]
struct Known {
    top: Value,
    /// The status word but for TOP.
    status: Value,
    /// Which registers were in use at the beginning: the bit of the one that TOP names is the lowest.
    in_use: Value,
}

const C0: u64 = 1 << 8;
const C1: u64 = 1 << 9;
const C2: u64 = 1 << 10;
const C3: u64 = 1 << 14;
const TOP_AT: u64 = 11;
const TOP: u64 = 7 << TOP_AT;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arith {
    Add,
    Sub,
    SubR,
    Mul,
    Div,
    DivR,
}

/// Whether an instruction is one of the unit's.
pub(crate) fn is_x87(insn: &Insn) -> bool {
    insn.row.opcode & 0xf8 == 0xd8 && insn.row.map == x86_decode::Map::OneByte
}

impl Lifter {
    /// An x87 instruction; none where it is none or not translated.
    pub(super) fn x87(&mut self, insn: &Insn) -> Option<Done> {
        let arith = match insn.op {
            Op::Fadd | Op::Faddp | Op::Fiadd => Some(Arith::Add),
            Op::Fsub | Op::Fsubp | Op::Fisub => Some(Arith::Sub),
            Op::Fsubr | Op::Fsubrp | Op::Fisubr => Some(Arith::SubR),
            Op::Fmul | Op::Fmulp | Op::Fimul => Some(Arith::Mul),
            Op::Fdiv | Op::Fdivp | Op::Fidiv => Some(Arith::Div),
            Op::Fdivr | Op::Fdivrp | Op::Fidivr => Some(Arith::DivR),
            _ => None,
        };
        if let Some(arith) = arith {
            return Some(self.arithmetic(insn, arith));
        }
        Some(match insn.op {
            Op::Fld => self.fld(insn),
            Op::Fild => self.fild(insn),
            Op::Fst | Op::Fstp => self.fst(insn),
            Op::Fist | Op::Fistp | Op::Fisttp => self.fist(insn),
            Op::Fld1 => self.constant(1 << 63, BIAS),
            Op::Fldz => self.constant(0, 0),
            Op::Fldpi => self.rounded_constant(0xc90f_daa2_2168_c235, 0x4000),
            Op::Fldl2e => self.rounded_constant(0xb8aa_3b29_5c17_f0bc, 0x3fff),
            Op::Fldln2 => self.rounded_constant(0xb172_17f7_d1cf_79ac, 0x3ffe),
            Op::Fldl2t => self.rounded_constant(0xd49a_784b_cd1b_8afe, 0x4000),
            Op::Fldlg2 => self.rounded_constant(0x9a20_9a84_fbcf_f799, 0x3ffd),
            Op::Fchs => self.change_sign(|lifter, se| lifter.body.with(Binary::Xor, se, SIGN)),
            Op::Fabs => self.change_sign(|lifter, se| lifter.body.with(Binary::And, se, SIGN - 1)),
            Op::Fxch => self.fxch(insn),
            Op::Fcom | Op::Fcomp | Op::Fcompp | Op::Fucom | Op::Fucomp | Op::Fucompp => self.fcom(insn),
            Op::Ficom | Op::Ficomp | Op::Ftst => self.fcom(insn),
            Op::Fcomi | Op::Fcomip | Op::Fucomi | Op::Fucomip => self.fcomi(insn),
            Op::Fcmovb | Op::Fcmovnb | Op::Fcmove | Op::Fcmovne => self.fcmov(insn),
            Op::Fcmovbe | Op::Fcmovnbe | Op::Fcmovu | Op::Fcmovnu => self.fcmov(insn),
            Op::Fnstsw => self.fnstsw(insn),
            Op::Fnstcw => self.fnstcw(insn),
            Op::Fldcw => self.fldcw(insn),
            Op::Fsqrt => self.in_place(X87Op::SquareRoot),
            Op::Frndint => self.in_place(X87Op::RoundToInteger),
            _ => return None,
        })
    }

    fn load_state(&mut self, ty: Type, addr: Value, offset: u64, bytes: u8) -> Value {
        let to = self.body.value(ty, Expr::Loaded);
        self.body.bound(to, if bytes == 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 });
        self.body.steps.push(Step::LoadState { to, addr, offset: offset as u32, bytes });
        to
    }

    fn store_state(&mut self, addr: Value, offset: u64, value: Value, bytes: u8) {
        self.body.steps.push(Step::StoreState { addr, offset: offset as u32, value, bytes });
    }

    fn cpu(&mut self) -> Value {
        self.body.value(Type::I32, Expr::Cpu)
    }

    /// What the unit was like at the beginning of the block: leaves if it is not as usual.
    fn unit(&mut self) -> Known {
        self.begin_batch();
        if let Some(known) = self.stack.known {
            return known;
        }
        let cpu = self.cpu();
        let control = self.load_state(Type::I32, cpu, context::FPU_CONTROL, 2);
        let word = self.load_state(Type::I32, cpu, fpu::STATUS, 2);
        let in_use = self.load_state(Type::I32, cpu, fpu::IN_USE, 1);
        let control = self.body.with(Binary::And, control, fpu::CONTROL_MASK);
        let control = self.body.with(Binary::Xor, control, fpu::CONTROL);
        let pending = self.body.with(Binary::And, word, fpu::STATUS_MASK);
        let pending = self.body.with(Binary::Xor, pending, fpu::PE);
        let unusual = self.body.binary(Binary::Or, control, pending);
        self.guard(unusual);
        let top = self.body.with(Binary::ShrU, word, TOP_AT);
        let top = self.body.with(Binary::And, top, 7);
        let status = self.body.with(Binary::And, word, !TOP & 0xffff);
        let twice = self.body.with(Binary::Mul, in_use, 0x101);
        let turned = self.body.binary(Binary::ShrU, twice, top);
        let in_use = self.body.with(Binary::And, turned, 0xff);
        let known = Known { top, status, in_use };
        self.stack.known = Some(known);
        known
    }

    /// Of ST(i), the number from the beginning of the block.
    fn number_of(&self, i: u8) -> u32 {
        self.stack.delta.wrapping_add(i.into()) & 7
    }

    /// The physical number of a register.
    fn physical(&mut self, top: Value, number: u32) -> Value {
        let sum = self.body.with(Binary::Add, top, number.into());
        self.body.with(Binary::And, sum, 7)
    }

    /// Where a register is kept.
    fn place(&mut self, top: Value, number: u32) -> Value {
        let physical = self.physical(top, number);
        let offset = self.body.with(Binary::Shl, physical, fpu::REGISTER_SHIFT.into());
        let cpu = self.cpu();
        self.body.binary(Binary::Add, cpu, offset)
    }

    /// Leaves, in any case: a stack fault.
    fn fault(&mut self) {
        let always = self.body.number(Type::I32, 1);
        self.guard(always);
    }

    fn used_bit(&mut self, number: u32) -> Value {
        let Known { in_use, .. } = self.unit();
        self.body.with(Binary::And, in_use, 1 << number)
    }

    /// ST(i); leaves if it is empty.
    fn st(&mut self, i: u8) -> Real {
        let known = self.unit();
        let number = self.number_of(i);
        match self.stack.used[number as usize] {
            Some(true) => {}
            Some(false) => self.fault(),
            None => {
                let bit = self.used_bit(number);
                let empty = self.body.is_zero(bit);
                self.guard(empty);
                self.stack.used[number as usize] = Some(true);
            }
        }
        if let Some(real) = self.stack.registers[number as usize] {
            return real;
        }
        let place = self.place(known.top, number);
        let sig = self.load_state(Type::I64, place, fpu::MANTISSA, 8);
        let se = self.load_state(Type::I32, place, fpu::SIGN_EXPONENT, 2);
        let real = Real { sig, se, ordinary: false };
        self.stack.registers[number as usize] = Some(real);
        real
    }

    /// ST(i) as an operand: leaves if it is not normal or zero.
    fn ordinary(&mut self, i: u8) -> Real {
        let real = self.st(i);
        if real.ordinary {
            return real;
        }
        let odd = self.body.odd(real);
        self.guard(odd);
        let real = Real { ordinary: true, ..real };
        let number = self.number_of(i);
        self.stack.registers[number as usize] = Some(real);
        real
    }

    /// Leaves unless a push finds room.
    fn room(&mut self) {
        self.unit();
        let number = self.number_of(7);
        match self.stack.used[number as usize] {
            Some(false) => {}
            Some(true) => self.fault(),
            None => {
                let bit = self.used_bit(number);
                self.guard(bit);
                self.stack.used[number as usize] = Some(false);
            }
        }
    }

    fn set_in_use(&mut self, number: u32, used: bool) {
        self.stack.used_changed = true;
        self.stack.used[number as usize] = Some(used);
    }

    /// Writes ST(i).
    fn set_st(&mut self, i: u8, real: Real) {
        let number = self.number_of(i);
        self.stack.changed |= 1 << number;
        self.stack.registers[number as usize] = Some(real);
        if self.stack.used[number as usize] != Some(true) {
            self.set_in_use(number, true);
        }
    }

    /// Writes what has changed to where it is kept.
    pub(super) fn write_unit(&mut self) {
        let Some(Known { top, status, in_use }) = self.stack.known else { return };
        let cpu = self.cpu();
        let changed = self.stack.changed;
        let registers = (0..).zip(self.stack.registers).filter(|(number, _)| changed >> number & 1 != 0);
        // Popped registers keep what is in them.
        for (number, real) in registers.filter_map(|(number, real)| Some((number, real?))) {
            let place = self.place(top, number);
            self.store_state(place, fpu::MANTISSA, real.sig, 8);
            self.store_state(place, fpu::SIGN_EXPONENT, real.se, 2);
        }
        if self.stack.used_changed {
            let bits = |state: Option<bool>| {
                let numbers = self.stack.used.iter().enumerate().filter(|(_, used)| **used == state);
                numbers.fold(0, |bits, (number, _)| bits | 1 << number)
            };
            let (set, cleared) = (bits(Some(true)), bits(Some(false)));
            let rest = self.body.with(Binary::And, in_use, !cleared & 0xff);
            let now = self.body.with(Binary::Or, rest, set);
            let twice = self.body.with(Binary::Mul, now, 0x101);
            let turned = self.body.binary(Binary::Shl, twice, top);
            let physical = self.body.with(Binary::ShrU, turned, 8);
            self.store_state(cpu, fpu::IN_USE, physical, 1);
        }
        if let Some(at) = self.stack.last_ip {
            let word = self.status_word(top, status);
            self.store_state(cpu, fpu::STATUS, word, 2);
            let pc = self.body.number(Type::I64, at);
            self.store_state(cpu, fpu::LAST_IP, pc, 8);
        }
        (self.stack.changed, self.stack.used_changed, self.stack.last_ip) = (0, false, None);
    }

    /// The status word, with TOP as it is now.
    fn status_word(&mut self, top: Value, status: Value) -> Value {
        let top = self.physical(top, self.stack.delta);
        let top = self.body.with(Binary::Shl, top, TOP_AT);
        self.body.binary(Binary::Or, status, top)
    }

    fn push_real(&mut self, real: Real) {
        self.stack.delta = self.stack.delta.wrapping_sub(1) & 7;
        self.set_st(0, real);
    }

    fn pop_reals(&mut self, times: u8) {
        for _ in 0..times {
            let number = self.number_of(0);
            self.set_in_use(number, false);
            self.stack.delta = self.stack.delta.wrapping_add(1) & 7;
        }
    }

    /// Ends an instruction: some bits of the status word, TOP, and its address.
    fn done(&mut self, cleared: u64, set: Option<Value>) -> Done {
        let known = self.unit();
        let mut status = self.body.with(Binary::And, known.status, !cleared & 0xffff);
        if let Some(set) = set {
            status = self.body.binary(Binary::Or, status, set);
        }
        self.stack.known = Some(Known { status, ..known });
        self.stack.last_ip = Some(self.at.0);
        Ok(())
    }

    fn done_rounded(&mut self, up: Value) -> Done {
        let c1 = self.body.with(Binary::Shl, up, 9);
        self.done(C1, Some(c1))
    }

    fn register(operand: &Operand) -> Option<u8> {
        match operand {
            Operand::Reg(Reg::St(n)) => Some(*n & 7),
            _ => None,
        }
    }

    /// A number in memory, by its size, which leaves if it is not ordinary.
    fn real_in_memory(&mut self, operand: &Operand, integer: bool) -> Result<Real, Unsupported> {
        let Operand::Mem(mem) = operand else { return Err(Unsupported) };
        let addr = self.address(mem)?;
        if integer {
            return Ok(self.integer_at(addr, mem.size.into()));
        }
        let double = match mem.size {
            4 => false,
            8 => true,
            _ => return Err(Unsupported),
        };
        let bits = self.load(addr, if double { Width::W64 } else { Width::W32 });
        let (real, bad) = self.body.widened(bits, double);
        self.guard(bad);
        Ok(real)
    }

    fn integer_at(&mut self, addr: Value, size: u32) -> Real {
        let value = match size {
            2 => {
                let value = self.load(addr, Width::W16);
                let value = self.body.unary(Unary::Sext16, value);
                self.body.unary(Unary::ExtendS, value)
            }
            4 => {
                let value = self.load(addr, Width::W32);
                self.body.unary(Unary::ExtendS, value)
            }
            _ => self.load(addr, Width::W64),
        };
        self.body.of_integer(value)
    }

    fn fld(&mut self, insn: &Insn) -> Done {
        self.unit();
        let real = match &insn.operands[0] {
            Operand::Mem(mem) if mem.size == 10 => {
                let addr = self.address(mem)?;
                let sig = self.load(addr, Width::W64);
                let behind = self.body.with(Binary::Add, addr, 8);
                let se = self.load(behind, Width::W16);
                Real { sig, se, ordinary: false }
            }
            operand => match Self::register(operand) {
                Some(i) => self.st(i),
                None => self.real_in_memory(operand, false)?,
            },
        };
        self.room();
        self.push_real(real);
        self.done(C1, None)
    }

    fn fild(&mut self, insn: &Insn) -> Done {
        self.unit();
        let real = self.real_in_memory(&insn.operands[0], true)?;
        self.room();
        self.push_real(real);
        self.done(C1, None)
    }

    fn constant(&mut self, sig: u64, se: u64) -> Done {
        self.unit();
        self.room();
        let real = Real {
            sig: self.body.number(Type::I64, sig),
            se: self.body.number(Type::I32, se),
            ordinary: true,
        };
        self.push_real(real);
        self.done(C1, None)
    }

    /// One that is not exact: it is rounded as results are (SDM vol. 1 §8.3.8).
    fn rounded_constant(&mut self, sig: u64, se: u64) -> Done {
        self.unit();
        self.rounds();
        self.constant(sig, se)
    }

    fn fst(&mut self, insn: &Insn) -> Done {
        self.unit();
        let pops = u8::from(insn.op == Op::Fstp);
        let mut rounded_up = self.body.number(Type::I32, 0);
        match &insn.operands[0] {
            Operand::Mem(mem) if mem.size == 10 => {
                let real = self.st(0);
                let addr = self.address(mem)?;
                let behind = self.body.with(Binary::Add, addr, 8);
                // Both parts have to be writable before either is written.
                let parts = [(addr, real.sig, Width::W64), (behind, real.se, Width::W16)]
                    .map(|(addr, value, width)| (self.load_to_change(addr, width), value, width));
                parts.into_iter().for_each(|(of, value, width)| self.back(of, value, width));
            }
            Operand::Mem(mem) => {
                let double = mem.size == 8;
                self.rounds();
                let real = self.ordinary(0);
                let (bits, up, bad) = self.body.narrowed(real, double);
                self.guard(bad);
                let addr = self.address(mem)?;
                self.store(addr, bits, if double { Width::W64 } else { Width::W32 });
                rounded_up = up;
            }
            operand => {
                let Some(i) = Self::register(operand) else { return Err(Unsupported) };
                // The alias D9 /3 is not like the others.
                if insn.row.opcode == 0xd9 && insn.op == Op::Fstp {
                    return Err(Unsupported);
                }
                let real = self.st(0);
                self.set_st(i, real);
            }
        }
        self.pop_reals(pops);
        self.done_rounded(rounded_up)?;
        self.stored_to(&insn.operands[0])
    }

    /// What has been stored cannot be undone: what follows leaves by itself.
    fn stored_to(&mut self, operand: &Operand) -> Done {
        if let Operand::Mem(_) = operand {
            self.end_batch();
        }
        Ok(())
    }

    fn fist(&mut self, insn: &Insn) -> Done {
        self.unit();
        let Operand::Mem(mem) = &insn.operands[0] else { return Err(Unsupported) };
        let (bits, width) = match mem.size {
            2 => (16, Width::W16),
            4 => (32, Width::W32),
            _ => (64, Width::W64),
        };
        let real = self.ordinary(0);
        let cut = self.stack.cut || insn.op == Op::Fisttp;
        let (value, up, bad) = self.body.rounded_to_integer(real, bits, cut);
        self.guard(bad);
        let addr = self.address(mem)?;
        let value = if bits == 64 { value } else { self.body.unary(Unary::Wrap, value) };
        self.store(addr, value, width);
        self.pop_reals(u8::from(insn.op != Op::Fist));
        self.done_rounded(up)?;
        self.stored_to(&insn.operands[0])
    }

    fn change_sign(&mut self, change: impl Fn(&mut Lifter, Value) -> Value) -> Done {
        let real = self.st(0);
        let se = change(self, real.se);
        self.set_st(0, Real { se, ..real });
        self.done(C1, None)
    }

    fn fxch(&mut self, insn: &Insn) -> Done {
        let mut registers = insn.operands.iter().filter_map(Self::register);
        let i = registers.find(|i| *i != 0).unwrap_or(0);
        let (a, b) = (self.st(0), self.st(i));
        self.set_st(0, b);
        self.set_st(i, a);
        self.done(C1, None)
    }

    fn arithmetic(&mut self, insn: &Insn, arith: Arith) -> Done {
        self.unit();
        let pops = matches!(insn.op, Op::Faddp | Op::Fsubp | Op::Fsubrp | Op::Fmulp | Op::Fdivp | Op::Fdivrp);
        let integer =
            matches!(insn.op, Op::Fiadd | Op::Fisub | Op::Fisubr | Op::Fimul | Op::Fidiv | Op::Fidivr);
        let (to, a, b) = match (Self::register(&insn.operands[0]), Self::register(&insn.operands[1])) {
            (Some(to), Some(from)) => (to, self.st(to), self.st(from)),
            (None, None) => {
                let b = self.real_in_memory(&insn.operands[0], integer)?;
                (0, self.st(0), b)
            }
            _ => return Err(Unsupported),
        };
        let (op, a, b) = match arith {
            Arith::Add => (X87Op::Add, a, b),
            Arith::Mul => (X87Op::Multiply, a, b),
            Arith::Sub => (X87Op::Subtract, a, b),
            Arith::SubR => (X87Op::Subtract, b, a),
            Arith::Div => (X87Op::Divide, a, b),
            Arith::DivR => (X87Op::Divide, b, a),
        };
        let (real, up) = self.computed(op, a, b);
        self.set_st(to, real);
        self.pop_reals(pops.into());
        self.done_rounded(up)
    }

    /// `fsqrt`, `frndint`.
    fn in_place(&mut self, op: X87Op) -> Done {
        let a = self.st(0);
        let (real, up) = self.computed(op, a, a);
        self.set_st(0, real);
        self.done_rounded(up)
    }

    /// A result, and whether it was rounded up; leaves where there is more to report.
    fn computed(&mut self, op: X87Op, a: Real, b: Real) -> (Real, Value) {
        self.rounds();
        let sig = self.body.value(Type::I64, Expr::Loaded);
        let rest = self.body.value(Type::I32, Expr::Loaded);
        self.body.bound(rest, u64::from(fpu::BAD | fpu::UP) | 0xffff);
        self.body.steps.push(Step::Compute { op, operands: [(a.sig, a.se), (b.sig, b.se)], sig, rest });
        let bad = self.body.with(Binary::And, rest, fpu::BAD.into());
        self.guard(bad);
        let se = self.body.with(Binary::And, rest, 0xffff);
        let up = self.body.with(Binary::ShrU, rest, fpu::UP.trailing_zeros().into());
        (Real { sig, se, ordinary: true }, up)
    }

    /// The second operand of a comparison.
    fn compared_with(&mut self, insn: &Insn) -> Result<Real, Unsupported> {
        if insn.op == Op::Ftst {
            let (sig, se) = (self.body.number(Type::I64, 0), self.body.number(Type::I32, 0));
            return Ok(Real { sig, se, ordinary: true });
        }
        if matches!(insn.op, Op::Fcompp | Op::Fucompp) {
            return Ok(self.ordinary(1));
        }
        let integer = matches!(insn.op, Op::Ficom | Op::Ficomp);
        if let Operand::Mem(_) = insn.operands[0] {
            return self.real_in_memory(&insn.operands[0], integer);
        }
        let mut registers = insn.operands.iter().filter_map(Self::register);
        let i = registers.next_back().ok_or(Unsupported)?;
        Ok(self.ordinary(i))
    }

    fn fcom(&mut self, insn: &Insn) -> Done {
        let a = self.ordinary(0);
        let b = self.compared_with(insn)?;
        let (less, equal) = self.body.order_reals(a, b);
        let c0 = self.body.with(Binary::Shl, less, 8);
        let c3 = self.body.with(Binary::Shl, equal, 14);
        let codes = self.body.binary(Binary::Or, c0, c3);
        self.pop_reals(match insn.op {
            Op::Fcompp | Op::Fucompp => 2,
            Op::Fcomp | Op::Fucomp | Op::Ficomp => 1,
            _ => 0,
        });
        self.done(C0 | C1 | C2 | C3, Some(codes))
    }

    fn fcomi(&mut self, insn: &Insn) -> Done {
        let a = self.ordinary(0);
        let b = self.compared_with(insn)?;
        let (cf, zf) = self.body.order_reals(a, b);
        let below_or_equal = self.body.binary(Binary::Or, cf, zf);
        let above = self.body.not(below_or_equal);
        let not_below = self.body.not(cf);
        self.pop_reals(u8::from(matches!(insn.op, Op::Fcomip | Op::Fucomip)));
        self.done(0, None)?;
        self.flags = Flags::Order { zf, cf, below_or_equal, above, not_below };
        Ok(())
    }

    fn fcmov(&mut self, insn: &Insn) -> Done {
        let code = match insn.op {
            Op::Fcmovb => 2,
            Op::Fcmovnb => 3,
            Op::Fcmove => 4,
            Op::Fcmovne => 5,
            Op::Fcmovbe => 6,
            Op::Fcmovnbe => 7,
            Op::Fcmovu => 10,
            _ => 11,
        };
        let i = insn.operands.iter().filter_map(Self::register).next_back().ok_or(Unsupported)?;
        let (old, new) = (self.st(0), self.st(i));
        let met = self.condition(code);
        let sig = self.body.select(met, new.sig, old.sig);
        let se = self.body.select(met, new.se, old.se);
        self.set_st(0, Real { sig, se, ordinary: old.ordinary && new.ordinary });
        self.done(0, None)
    }

    /// Leaves where a result would not be rounded to nearest.
    fn rounds(&mut self) {
        if self.stack.cut {
            self.fault();
        }
    }

    fn fnstcw(&mut self, insn: &Insn) -> Done {
        let cpu = self.cpu();
        let control = self.load_state(Type::I32, cpu, context::FPU_CONTROL, 2);
        self.write(&insn.operands[0], control, Width::W16)
    }

    /// Of control words, C's conversions to integers have two by turns: the usual one, and the same but that results are cut off.
    fn fldcw(&mut self, insn: &Insn) -> Done {
        self.unit();
        let Operand::Mem(mem) = &insn.operands[0] else { return Err(Unsupported) };
        let addr = self.address(mem)?;
        let word = self.load(addr, Width::W16);
        let expected = if self.stack.cut { fpu::CONTROL } else { fpu::CUT_OFF };
        let bits = self.body.with(Binary::And, word, fpu::CONTROL_MASK);
        let other = self.body.with(Binary::Xor, bits, expected);
        self.guard(other);
        let word = self.body.with(Binary::And, word, fpu::CONTROL_KEPT);
        let word = self.body.with(Binary::Or, word, fpu::CONTROL_FIXED);
        // What follows cannot be undone.
        self.end_batch();
        let cpu = self.cpu();
        self.store_state(cpu, context::FPU_CONTROL, word, 2);
        self.stack.cut = !self.stack.cut;
        Ok(())
    }

    fn fnstsw(&mut self, insn: &Insn) -> Done {
        let known = self.unit();
        let word = self.status_word(known.top, known.status);
        match &insn.operands[0] {
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                self.store(addr, word, Width::W16);
                Ok(())
            }
            operand => self.write(operand, word, Width::W16),
        }
    }
}
