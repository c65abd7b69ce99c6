//! From instructions to values and steps: one block at a time.
//!
//! What an instruction cannot do before all its accesses have succeeded it does after them: registers and flags change last, so
//! that an access which leaves the region leaves as if the instruction had not begun.

mod alu;
mod batch;
mod bits;
mod exchange;
mod flags;
mod flow;
mod mov;
mod muldiv;
mod shift;
mod sse;
mod stack;
mod string;
mod x87;

use crate::ir::{Binary, Body, Exit, Expr, Origin, Step, Type, Unary, Value};
use crate::liveness::Wanted;
use crate::region::{Block, End, Located, Region, Setting};
use crate::structure::{Structure, successors};
use alloc::vec;
use alloc::vec::Vec;
use flags::Flags;
use x86_cpu::CodeMode;
use x86_decode::{Insn, Mem, NO_REG, Op, Operand, RIP, Reg, Rep, Seg, Width, XMM_INDEX};

/// The instruction is not one that is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsupported;

type Done = Result<(), Unsupported>;

/// Whether the instruction is translated.
pub fn takes(insn: &Insn, setting: Setting) -> bool {
    let at = Located::at(0, *insn);
    let takes = Lifter::new(setting).insn(&at).is_ok();
    debug_assert!(takes || !is_plain(insn), "{insn}");
    takes
}

/// Whether it is one of the most frequent instructions, with operands of the usual kinds: those are translated, which needs not be tried.
fn is_plain(insn: &Insn) -> bool {
    let usual = |operand: &Operand| match operand {
        Operand::Reg(reg) => {
            matches!(reg, Reg::Gpr8(_) | Reg::Gpr8High(_) | Reg::Gpr16(_) | Reg::Gpr32(_) | Reg::Gpr64(_))
        }
        Operand::Mem(mem) => {
            mem.addr != Width::W16
                && (mem.index == NO_REG || mem.index < XMM_INDEX)
                && matches!(mem.seg, Seg::Ds | Seg::Ss)
        }
        Operand::None | Operand::Imm(_) | Operand::Rel(_) => true,
        _ => false,
    };
    let frequent = match insn.op {
        Op::Mov | Op::Movzx | Op::Movsx | Op::Lea | Op::Push | Op::Pop => true,
        Op::Add | Op::Sub | Op::Cmp | Op::And | Op::Or | Op::Xor | Op::Test | Op::Inc | Op::Dec => true,
        Op::Call | Op::Jmp | Op::Ret => false,
        _ => {
            let conditional = match insn.row.map {
                x86_decode::Map::OneByte => matches!(insn.row.opcode, 0x70..=0x7f),
                x86_decode::Map::Of => matches!(insn.row.opcode, 0x80..=0x8f),
                _ => false,
            };
            conditional && insn.width != Width::W16
        }
    };
    frequent && insn.operands.iter().all(usual)
}

/// Tells of many instructions whether they are translated.
pub(crate) struct Probe(Lifter);

impl Probe {
    pub(crate) fn new(setting: Setting) -> Probe {
        Probe(Lifter::new(setting))
    }

    pub(crate) fn takes(&mut self, insn: &Insn) -> bool {
        if is_plain(insn) {
            return true;
        }
        let mut body = core::mem::take(&mut self.0.body);
        body.clear();
        self.0 = Lifter { body, ..Lifter::new(self.0.setting) };
        self.0.insn(&Located::at(0, *insn)).is_ok()
    }
}

/// Whether the translation of an instruction asks for an MXCSR with which results alone tell what is to be reported.
pub(crate) fn asks_for_precision(insn: &Insn, setting: Setting) -> bool {
    let at = Located::at(0, *insn);
    let mut lifter = Lifter::new(setting);
    lifter.insn(&at).is_ok() && lifter.body.values.iter().any(|(_, expr)| *expr == Expr::Imprecise)
}

pub(crate) use x87::{Computed, arithmetic, is_x87};

/// What a block does.
pub fn lift(block: &Block, setting: Setting) -> Body {
    lift_behind(block, setting, None, &Wanted::always(block.insns.len()))
}

/// The same, where it is known whether the flags are wanted.
pub(crate) fn lift_apart(block: &Block, setting: Setting, wanted: &Wanted) -> Body {
    lift_behind(block, setting, None, wanted)
}

/// What the blocks of a region do, where the structure tells from where control comes to them.
pub(crate) fn lift_all(region: &Region, structure: &Structure, wanted: &[Wanted]) -> Vec<Body> {
    let mut bodies: Vec<Option<Body>> = region.blocks.iter().map(|_| None).collect();
    let mut before = vec![Vec::new(); region.blocks.len()];
    for (number, block) in region.blocks.iter().enumerate() {
        // A call may change the flags in any way; and so may whoever enters the region.
        let known = !matches!(block.end, End::Call { .. });
        successors(region, number).for_each(|to| before[to].push(known.then_some(number)));
    }
    before[0].push(None);
    for &number in &structure.order {
        // Of the end of a loop, nothing is known yet.
        let shape_of = |from: &Option<usize>| bodies[(*from)?].as_ref()?.flags_shape;
        let mut shapes = before[number].iter().map(shape_of);
        let first = shapes.next().flatten();
        let shape = first.filter(|_| shapes.all(|other| other == first));
        bodies[number] = Some(lift_behind(&region.blocks[number], region.setting, shape, &wanted[number]));
    }
    let lifted = bodies.into_iter().zip(&region.blocks);
    lifted.map(|(body, block)| body.unwrap_or_else(|| lift(block, region.setting))).collect()
}

/// As [`lift`], with the shape of the flags that the block begins with, if it is known.
fn lift_behind(block: &Block, setting: Setting, shape: Option<u32>, wanted: &Wanted) -> Body {
    let mut lifter = Lifter::new(setting);
    lifter.begin_with(shape);
    lifter.down = block.down;
    for (at, wanted) in block.insns.iter().zip(&wanted.before) {
        lifter.wanted = *wanted;
        // A region holds nothing that is not taken; were it so, the block would end before it.
        if lifter.insn(at).is_err() {
            break;
        }
    }
    lifter.wanted = wanted.behind;
    lifter.finish()
}

struct Lifter {
    body: Body,
    setting: Setting,
    flags: Flags,
    /// The flags that the block begins with: their shape, if it is known.
    incoming: (Option<u32>, Flags),
    /// The values of general registers that are known.
    regs: [Option<Value>; 16],
    /// The values of XMM registers that are known.
    xmms: [Option<Value>; 16],
    /// Whether the block has left if MXCSR is not such that it computes.
    precise: bool,
    /// Instructions that leave together, if the running one is among them.
    batch: Option<batch::Batch>,
    /// The running instruction, if it has one, in [`Body::origins`].
    origin: Option<usize>,
    at: (u64, u64),
    /// See [`Located::stays`].
    stays: Option<u64>,
    /// Whether somebody may ask for the flags from before the running instruction on.
    wanted: bool,
    /// Whether DF is set.
    down: bool,
    /// Of the x87 unit.
    stack: x87::Stack,
}

fn bits(width: Width) -> u32 {
    width.bits().into()
}

/// Type of a value of that width.
fn ty(width: Width) -> Type {
    if width == Width::W64 { Type::I64 } else { Type::I32 }
}

impl Lifter {
    fn new(setting: Setting) -> Lifter {
        Lifter {
            body: Body::default(),
            setting,
            flags: Flags::Before,
            incoming: (None, Flags::Before),
            regs: [None; 16],
            xmms: [None; 16],
            precise: false,
            batch: None,
            origin: None,
            at: (0, 0),
            stays: None,
            wanted: true,
            down: false,
            stack: x87::Stack::default(),
        }
    }

    fn finish(mut self) -> Body {
        self.end_batch();
        self.body.down = self.down;
        self.body.flags_shape = self.incoming.0;
        if let Some(flags) = self.pending().filter(|_| self.wanted) {
            self.body.flags_shape = self.body.constant(flags.shape).map(|shape| shape as u32);
            self.body.steps.push(Step::SetFlags(flags));
        }
        self.body.drop_unseen();
        self.body
    }

    fn long(&self) -> bool {
        self.setting.mode == CodeMode::Bits64
    }

    /// Type of registers and addresses.
    fn word(&self) -> Type {
        if self.long() { Type::I64 } else { Type::I32 }
    }

    fn insn(&mut self, at: &Located) -> Done {
        let insn = &at.insn;
        self.origin = None;
        self.at = (at.pc, at.pc.wrapping_add(insn.len.into()) & self.setting.mask());
        self.stays = at.stays;
        // LOCK makes no difference: one thread runs at a time.
        if self.writes_code_segment(insn) {
            return Err(Unsupported);
        }
        self.dispatch(insn)?;
        self.body.count += 1;
        Ok(())
    }

    /// A code segment cannot be written through (SDM vol. 3 §3.4.5.1); in 64-bit code, it can.
    fn writes_code_segment(&self, insn: &Insn) -> bool {
        let through = |operand: &Operand| matches!(operand, Operand::Mem(mem) if mem.seg == Seg::Cs);
        !self.long()
            && insn
                .operands
                .iter()
                .zip(&insn.row.args)
                .any(|(operand, arg)| through(operand) && arg.access.writes())
    }

    fn dispatch(&mut self, insn: &Insn) -> Done {
        match insn.op {
            Op::Mov | Op::Movzx | Op::Movsx | Op::Movsxd => self.mov(insn),
            Op::Lea => self.lea(insn),
            Op::Push => self.push(insn),
            Op::Pop => self.pop(insn),
            Op::Leave => self.leave(insn),
            Op::Xchg => self.xchg(insn),
            Op::Cbw | Op::Cwde | Op::Cdqe => self.extend_accumulator(insn),
            Op::Cwd | Op::Cdq | Op::Cqo => self.sign_to_data(insn),
            Op::Bswap => self.bswap(insn),
            Op::Add | Op::Adc | Op::Sub | Op::Sbb | Op::And | Op::Or | Op::Xor | Op::Cmp | Op::Test => {
                self.two_operands(insn)
            }
            Op::Inc | Op::Dec | Op::Neg | Op::Not => self.one_operand(insn),
            Op::Shl | Op::Shr | Op::Sar | Op::Rol | Op::Ror | Op::Rcl | Op::Rcr => self.shift(insn),
            Op::Shld | Op::Shrd => self.double_shift(insn),
            Op::Bt | Op::Bts | Op::Btr | Op::Btc => self.bit_test(insn),
            Op::Bsf | Op::Bsr => self.scan(insn),
            Op::Popcnt | Op::Lzcnt | Op::Tzcnt => self.count_bits(insn),
            Op::Imul => self.imul(insn),
            Op::Mul => self.multiply(insn),
            Op::Div | Op::Idiv => self.divide(insn),
            Op::Xadd => self.xadd(insn),
            Op::Cmpxchg => self.cmpxchg(insn),
            Op::Cmpxchg8b | Op::Cmpxchg16b => self.cmpxchg_pair(insn),
            Op::Pusha => self.push_all(insn),
            Op::Popa => self.pop_all(insn),
            Op::Enter => self.enter(insn),
            Op::Clc | Op::Stc | Op::Cmc | Op::Lahf | Op::Sahf | Op::Salc => self.flag_moves(insn),
            Op::Xlat => self.translate_byte(insn),
            Op::Movs | Op::Stos if insn.rep != Rep::None => self.repeated(insn),
            Op::Scas if insn.rep != Rep::None => self.scanned(insn),
            Op::Movs | Op::Stos | Op::Lods | Op::Scas | Op::Cmps if insn.rep == Rep::None => {
                self.string(insn)
            }
            Op::Movbe => self.movbe(insn),
            Op::Andn | Op::Blsr | Op::Blsmsk | Op::Blsi => self.low_bits(insn),
            Op::Bextr | Op::Bzhi => self.bit_field(insn),
            Op::Shlx | Op::Shrx | Op::Sarx | Op::Rorx => self.shift_without_flags(insn),
            Op::Mulx => self.mulx(insn),
            Op::Adcx | Op::Adox => self.add_with_one_flag(insn),
            Op::Nop | Op::Pause | Op::Endbr32 | Op::Endbr64 => Ok(()),
            Op::Std | Op::Cld => self.direction(insn.op == Op::Std),
            Op::Prefetch | Op::Prefetchw | Op::Prefetchnta | Op::Prefetcht0 => Ok(()),
            Op::Prefetcht1 | Op::Prefetcht2 | Op::Lfence | Op::Mfence | Op::Sfence => Ok(()),
            Op::Jcxz | Op::Loop | Op::Loope | Op::Loopne => self.jump_by_count(insn),
            Op::Jmp | Op::Call | Op::Ret => self.control(insn),
            _ => match (insn.row.map, insn.row.opcode) {
                (x86_decode::Map::OneByte, 0x70..=0x7f) | (x86_decode::Map::Of, 0x80..=0x8f) => {
                    self.jump_if(insn)
                }
                (x86_decode::Map::Of, 0x40..=0x4f) => self.move_if(insn),
                (x86_decode::Map::Of, 0x90..=0x9f) => self.set_if(insn),
                _ => match self.x87(insn) {
                    Some(done) => done,
                    None => self.sse(insn),
                },
            },
        }
    }

    /// The running instruction, for steps that may leave.
    fn origin(&mut self) -> usize {
        if let Some(batch) = &self.batch {
            return batch.origin;
        }
        match self.origin {
            Some(origin) => origin,
            None => {
                let flags = if self.wanted { self.pending() } else { None };
                let origin = Origin { pc: self.at.0, done: self.body.count, flags };
                self.body.origins.push(origin);
                let number = self.body.origins.len() - 1;
                self.origin = Some(number);
                number
            }
        }
    }

    /// A whole general register.
    fn whole(&mut self, number: u8) -> Value {
        let slot = usize::from(number & 15);
        match self.regs[slot] {
            Some(value) => value,
            None => {
                let value = self.body.value(self.word(), Expr::Reg(number & 15));
                self.regs[slot] = Some(value);
                value
            }
        }
    }

    fn set_whole(&mut self, number: u8, value: Value) {
        self.regs[usize::from(number & 15)] = Some(value);
        self.change_register(Step::SetReg(number & 15, value));
    }

    /// The lower 32 bits of a word.
    fn low(&mut self, value: Value) -> Value {
        if self.body.ty(value) == Type::I64 { self.body.unary(Unary::Wrap, value) } else { value }
    }

    fn read_reg(&mut self, reg: Reg) -> Result<Value, Unsupported> {
        Ok(match reg {
            Reg::Gpr64(n) => self.whole(n),
            Reg::Gpr32(n) => {
                let whole = self.whole(n);
                self.low(whole)
            }
            Reg::Gpr16(n) => self.part(n, 0, 0xffff),
            Reg::Gpr8(n) => self.part(n, 0, 0xff),
            Reg::Gpr8High(n) => self.part(n, 8, 0xff),
            _ => return Err(Unsupported),
        })
    }

    fn part(&mut self, number: u8, shift: u64, mask: u64) -> Value {
        let whole = self.whole(number);
        let low = self.low(whole);
        let shifted = self.body.with(Binary::ShrU, low, shift);
        self.body.with(Binary::And, shifted, mask)
    }

    /// Writes a register; the value is zero-extended.
    fn write_reg(&mut self, reg: Reg, value: Value) -> Done {
        let (number, whole) = self.placed(reg, value)?;
        self.set_whole(number, whole);
        Ok(())
    }

    /// A register's number, and all of it with a value written to it.
    fn placed(&mut self, reg: Reg, value: Value) -> Result<(u8, Value), Unsupported> {
        let (number, shift, mask) = match reg {
            Reg::Gpr64(n) => return Ok((n, value)),
            Reg::Gpr32(n) => {
                let value = if self.long() { self.body.unary(Unary::ExtendU, value) } else { value };
                return Ok((n, value));
            }
            Reg::Gpr16(n) => (n, 0, 0xffff_u64),
            Reg::Gpr8(n) => (n, 0, 0xff),
            Reg::Gpr8High(n) => (n, 8, 0xff),
            _ => return Err(Unsupported),
        };
        let whole = self.whole(number);
        let rest = self.body.with(Binary::And, whole, !(mask << shift));
        let value = if self.long() { self.body.unary(Unary::ExtendU, value) } else { value };
        let placed = self.body.with(Binary::Shl, value, shift);
        Ok((number, self.body.binary(Binary::Or, rest, placed)))
    }

    /// Writes a register if a condition is not 0, and else nothing of it.
    fn write_reg_if(&mut self, condition: Value, reg: Reg, value: Value) -> Done {
        let (number, new) = self.placed(reg, value)?;
        let old = self.whole(number);
        let whole = self.body.select(condition, new, old);
        self.set_whole(number, whole);
        Ok(())
    }

    /// Offset of a memory operand in its segment, in the word's type.
    fn offset(&mut self, mem: &Mem) -> Result<Value, Unsupported> {
        let word = self.word();
        if mem.addr == Width::W16 || (mem.index != NO_REG && mem.index >= XMM_INDEX) {
            return Err(Unsupported);
        }
        let mut sum = match mem.base {
            NO_REG => None,
            // The displacement is relative to the next instruction, and the sum is a number.
            RIP => Some(self.body.number(word, self.at.1)),
            base => Some(self.whole(base)),
        };
        if mem.index != NO_REG {
            let index = self.whole(mem.index);
            let scaled = self.body.with(Binary::Shl, index, mem.scale.trailing_zeros().into());
            sum = Some(match sum {
                Some(base) => self.body.binary(Binary::Add, base, scaled),
                None => scaled,
            });
        }
        let sum = match sum {
            Some(sum) => self.body.with(Binary::Add, sum, mem.disp as u64),
            None => self.body.number(word, mem.disp as u64 & self.setting.mask()),
        };
        Ok(self.wrapped(mem.addr, sum))
    }

    /// An offset cut off at the address size.
    fn wrapped(&mut self, size: Width, offset: Value) -> Value {
        if self.long() && size == Width::W32 {
            let low = self.body.unary(Unary::Wrap, offset);
            self.body.unary(Unary::ExtendU, low)
        } else {
            offset
        }
    }

    /// Linear address of a memory operand.
    fn address(&mut self, mem: &Mem) -> Result<Value, Unsupported> {
        let offset = self.offset(mem)?;
        self.in_segment(mem.seg, offset)
    }

    /// Linear address of an offset.
    fn in_segment(&mut self, seg: Seg, offset: Value) -> Result<Value, Unsupported> {
        match seg {
            Seg::Fs if !self.setting.fs => return Err(Unsupported),
            Seg::Gs if !self.setting.gs => return Err(Unsupported),
            Seg::Fs | Seg::Gs => {}
            _ => return Ok(offset),
        }
        let base = self.body.value(self.word(), Expr::Segment(seg as u8));
        Ok(self.body.binary(Binary::Add, offset, base))
    }

    fn load(&mut self, addr: Value, width: Width) -> Value {
        if let Some(value) = self.body.stored_last(addr, width.bytes(), ty(width)) {
            return value;
        }
        let to = self.body.value(ty(width), Expr::Loaded);
        self.body.bound(to, mask(width));
        let origin = self.origin();
        self.body.steps.push(Step::Load { to, addr, bytes: width.bytes(), origin });
        to
    }

    /// Loads what is then stored [back](Lifter::change).
    fn load_to_change(&mut self, addr: Value, width: Width) -> Value {
        let to = self.body.value(ty(width), Expr::Loaded);
        self.body.bound(to, mask(width));
        self.end_batch();
        let origin = self.origin();
        self.body.steps.push(Step::LoadToChange { to, addr, bytes: width.bytes(), origin });
        to
    }

    fn back(&mut self, of: Value, value: Value, width: Width) {
        let value = self.stored(value, width);
        self.body.steps.push(Step::Back { of, value, bytes: width.bytes() });
    }

    /// What has the bits of a value that a store takes.
    fn stored(&mut self, value: Value, width: Width) -> Value {
        let value = self.body.on(value, mask(width));
        match self.body.expr(value) {
            Expr::Unary(Unary::Wrap | Unary::ExtendU | Unary::ExtendS, whole) if width != Width::W64 => whole,
            _ => value,
        }
    }

    /// An operand that is changed: its value, and that of the load if it is in memory.
    fn read_to_change(
        &mut self,
        operand: &Operand,
        width: Width,
    ) -> Result<(Value, Option<Value>), Unsupported> {
        match operand {
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                let value = self.load_to_change(addr, width);
                Ok((value, Some(value)))
            }
            _ => Ok((self.read(operand, width)?, None)),
        }
    }

    /// Writes what has been read to change it.
    fn change(&mut self, operand: &Operand, place: Option<Value>, value: Value, width: Width) -> Done {
        match place {
            Some(of) => {
                self.back(of, value, width);
                Ok(())
            }
            None => self.write(operand, value, width),
        }
    }

    /// Leaves if the value is not 0.
    fn guard(&mut self, condition: Value) {
        if self.body.constant(condition) != Some(0) {
            let origin = self.origin();
            self.body.steps.push(Step::Guard { condition, origin });
        }
    }

    fn store(&mut self, addr: Value, value: Value, width: Width) {
        let value = self.stored(value, width);
        self.end_batch();
        let origin = self.origin();
        self.body.steps.push(Step::Store { addr, value, bytes: width.bytes(), origin });
    }

    /// An operand of the instruction's width, or of its own if it is a register.
    fn read(&mut self, operand: &Operand, width: Width) -> Result<Value, Unsupported> {
        match operand {
            Operand::Reg(reg) => self.read_reg(*reg),
            Operand::Imm(n) => Ok(self.body.number(ty(width), *n as u64 & mask(width))),
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                Ok(self.load(addr, width))
            }
            _ => Err(Unsupported),
        }
    }

    fn write(&mut self, operand: &Operand, value: Value, width: Width) -> Done {
        match operand {
            Operand::Reg(reg) => self.write_reg(*reg, value),
            Operand::Mem(mem) => {
                let addr = self.address(mem)?;
                self.store(addr, value, width);
                Ok(())
            }
            _ => Err(Unsupported),
        }
    }

    /// Cuts a result off.
    fn cut(&mut self, value: Value, width: Width) -> Value {
        match width {
            Width::W8 | Width::W16 => self.body.with(Binary::And, value, mask(width)),
            _ => value,
        }
    }

    fn exit(&mut self, exit: Exit) {
        self.body.exit = exit;
    }
}

/// Width of an operand.
fn width_of(operand: &Operand, default: Width) -> Width {
    match operand {
        Operand::Reg(Reg::Gpr8(_) | Reg::Gpr8High(_)) => Width::W8,
        Operand::Reg(Reg::Gpr16(_)) => Width::W16,
        Operand::Reg(Reg::Gpr32(_)) => Width::W32,
        Operand::Reg(Reg::Gpr64(_)) => Width::W64,
        Operand::Mem(mem) => match mem.size {
            1 => Width::W8,
            2 => Width::W16,
            4 => Width::W32,
            8 => Width::W64,
            _ => default,
        },
        _ => default,
    }
}

fn mask(width: Width) -> u64 {
    u64::MAX >> (64 - bits(width))
}
