//! Bit tests, scans and counts, byte order, and the extensions BMI1, BMI2, ADX and MOVBE.

use super::flags::{Flags, Status};
use super::{Done, Lifter, Unsupported, bits, mask, ty};
use crate::ir::{Binary, Compare, Type, Unary, Value};
use x86_decode::{Insn, Mem, Op, Operand, Reg, Width};

const RDX: u8 = 2;

impl Lifter {
    /// `bt`, `bts`, `btr`, `btc`.
    pub(super) fn bit_test(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, at, ..] = &insn.operands;
        let position = self.read(at, width)?;
        let keeps = insn.op != Op::Bt;
        let (a, place) = match to {
            Operand::Mem(mem) => {
                let mut addr = self.address(mem)?;
                if let Operand::Reg(_) = at {
                    addr = self.beyond(mem, position, width)?;
                }
                if keeps {
                    let a = self.load_to_change(addr, width);
                    (a, Some(a))
                } else {
                    (self.load(addr, width), None)
                }
            }
            _ => (self.read(to, width)?, None),
        };
        let limit = u64::from(bits(width)) - 1;
        let position = self.body.with(Binary::And, position, limit);
        let by = if width == Width::W16 { position } else { self.body.on(position, limit) };
        let bit = self.body.binary(Binary::ShrU, a, by);
        let low = self.low(bit);
        let cf = self.body.with(Binary::And, low, 1);
        let flags = self.with_carry(cf);
        if keeps {
            let one = self.body.number(ty(width), 1);
            let (op, one) = match insn.op {
                Op::Bts => (Binary::Or, self.body.binary(Binary::Shl, one, by)),
                Op::Btc => (Binary::Xor, self.body.binary(Binary::Shl, one, by)),
                _ => {
                    let others = self.body.number(ty(width), !1);
                    (Binary::And, self.body.binary(Binary::Rotl, others, by))
                }
            };
            let r = self.body.binary(op, a, one);
            self.change(to, place, r, width)?;
        }
        self.flags = flags;
        Ok(())
    }

    /// Where the bit is: an offset in a register reaches beyond the operand, to either side (SDM vol. 2 §3.1.1.9).
    fn beyond(&mut self, mem: &Mem, position: Value, width: Width) -> Result<Value, Unsupported> {
        let signed = self.signed(bits(width), position);
        let signed = if self.long() { self.wide(signed, true) } else { signed };
        if self.body.ty(signed) != self.word() {
            return Err(Unsupported);
        }
        let units = self.body.with(Binary::ShrS, signed, bits(width).trailing_zeros().into());
        let by = self.body.with(Binary::Shl, units, width.bytes().trailing_zeros().into());
        let offset = self.offset(mem)?;
        let offset = self.body.binary(Binary::Add, offset, by);
        let offset = self.wrapped(mem.addr, offset);
        self.in_segment(mem.seg, offset)
    }

    pub(super) fn scan(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [Operand::Reg(to), from, ..] = &insn.operands else { return Err(Unsupported) };
        let value = self.read(from, width)?;
        let found = if insn.op == Op::Bsf {
            self.body.unary(Unary::Ctz, value)
        } else {
            let zeros = self.body.unary(Unary::Clz, value);
            let last = if width == Width::W64 { 63 } else { 31 };
            // 31 less a number below 32.
            self.body.with(Binary::Xor, zeros, last)
        };
        // With no bit set the destination keeps its value on every processor (the manual: undefined).
        let zero = self.body.is_zero(value);
        let any = self.body.not(zero);
        self.write_reg_if(any, *to, found)?;
        self.flags = Flags::Logic { bits: bits(width), r: value };
        Ok(())
    }

    /// `popcnt`, `lzcnt`, `tzcnt`.
    pub(super) fn count_bits(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, ..] = &insn.operands;
        let value = self.read(from, width)?;
        let zero = self.body.is_zero(value);
        let (r, flags) = match insn.op {
            Op::Popcnt => {
                let clear = self.body.number(Type::I32, 0);
                let set = Status { cf: clear, pf: clear, af: clear, zf: zero, sf: clear, of: clear };
                (self.body.unary(Unary::Popcnt, value), Flags::Pending(self.flags_from(set)))
            }
            op => {
                let r = match (op, width) {
                    (Op::Tzcnt, Width::W16) => {
                        let stop = self.body.with(Binary::Or, value, 1 << 16);
                        self.body.unary(Unary::Ctz, stop)
                    }
                    (Op::Tzcnt, _) => self.body.unary(Unary::Ctz, value),
                    _ => {
                        let zeros = self.body.unary(Unary::Clz, value);
                        let above = u64::from(ty(width).bits() - bits(width));
                        self.body.with(Binary::Sub, zeros, above)
                    }
                };
                (r, self.given(width, r, zero))
            }
        };
        self.write(to, r, width)?;
        self.flags = flags;
        Ok(())
    }

    /// A result with CF; OF and AF clear.
    fn given(&mut self, width: Width, r: Value, cf: Value) -> Flags {
        Flags::Given { bits: bits(width), r, cf, of: self.body.number(Type::I32, 0) }
    }

    /// The bytes in the other order.
    fn swapped(&mut self, value: Value, width: Width) -> Value {
        let mut pairs = |value: Value, by: u64, low: u64| {
            let down = self.body.with(Binary::ShrU, value, by);
            let down = self.body.with(Binary::And, down, low);
            let up = self.body.with(Binary::And, value, low);
            let up = self.body.with(Binary::Shl, up, by);
            self.body.binary(Binary::Or, down, up)
        };
        match width {
            Width::W64 => {
                let bytes = pairs(value, 8, 0x00ff_00ff_00ff_00ff);
                let words = pairs(bytes, 16, 0x0000_ffff_0000_ffff);
                self.body.with(Binary::Rotl, words, 32)
            }
            Width::W16 => pairs(value, 8, 0xff),
            _ => {
                // Bytes 3 and 1 by a rotation to the left, 2 and 0 by one to the right.
                let left = self.body.with(Binary::Rotl, value, 8);
                let left = self.body.with(Binary::And, left, 0x00ff_00ff);
                let right = self.body.with(Binary::Rotr, value, 8);
                let right = self.body.with(Binary::And, right, 0xff00_ff00);
                self.body.binary(Binary::Or, left, right)
            }
        }
    }

    pub(super) fn bswap(&mut self, insn: &Insn) -> Done {
        let [Operand::Reg(reg), ..] = insn.operands else { return Err(Unsupported) };
        let value = match insn.width {
            // Undefined by the manual; processors give zero.
            Width::W16 => self.body.number(Type::I32, 0),
            width => {
                let value = self.read_reg(reg)?;
                self.swapped(value, width)
            }
        };
        self.write_reg(reg, value)
    }

    pub(super) fn movbe(&mut self, insn: &Insn) -> Done {
        let [to, from, ..] = &insn.operands;
        let value = self.read(from, insn.width)?;
        let value = self.swapped(value, insn.width);
        self.write(to, value, insn.width)
    }

    /// `andn`, `blsr`, `blsmsk`, `blsi`.
    pub(super) fn low_bits(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let ones = mask(width);
        if let (Op::Andn, [to, mask, from, _]) = (insn.op, &insn.operands) {
            let value = self.read(from, width)?;
            let clear = self.read(mask, width)?;
            let keep = self.body.with(Binary::Xor, clear, ones);
            let r = self.body.binary(Binary::And, value, keep);
            self.write(to, r, width)?;
            self.flags = Flags::Logic { bits: bits(width), r };
            return Ok(());
        }
        let [to, from, ..] = &insn.operands;
        let value = self.read(from, width)?;
        let zero = self.body.is_zero(value);
        let less = self.body.with(Binary::Sub, value, 1);
        let (r, cf) = match insn.op {
            Op::Blsr => (self.body.binary(Binary::And, value, less), zero),
            Op::Blsmsk => (self.body.binary(Binary::Xor, value, less), zero),
            _ => {
                let nothing = self.body.number(ty(width), 0);
                let negative = self.body.binary(Binary::Sub, nothing, value);
                (self.body.binary(Binary::And, value, negative), self.body.not(zero))
            }
        };
        self.write(to, r, width)?;
        self.flags = self.given(width, r, cf);
        Ok(())
    }

    /// `bzhi` and `bextr`: so many of the lower bits.
    pub(super) fn bit_field(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, by, ..] = &insn.operands;
        let value = self.read(from, width)?;
        let by = self.read(by, width)?;
        let bits = u64::from(bits(width));
        let first = self.body.with(Binary::And, by, 0xff);
        let (value, count) = if insn.op == Op::Bextr {
            let shifted = self.body.binary(Binary::ShrU, value, first);
            let none = self.body.number(ty(width), 0);
            let inside = self.body.with(Binary::And, by, 0xff & !(bits - 1));
            let inside = self.body.is_zero(inside);
            let shifted = self.body.select(inside, shifted, none);
            let count = self.body.with(Binary::ShrU, by, 8);
            (shifted, self.body.with(Binary::And, count, 0xff))
        } else {
            (value, first)
        };
        let one = self.body.number(ty(width), 1);
        let low = self.body.binary(Binary::Shl, one, count);
        let low = self.body.with(Binary::Sub, low, 1);
        let cut = self.body.binary(Binary::And, value, low);
        let limit = self.body.number(ty(width), bits);
        let whole = self.body.compare(Compare::LeU, limit, count);
        let r = self.body.select(whole, value, cut);
        self.write(to, r, width)?;
        let cf = if insn.op == Op::Bzhi { whole } else { self.body.number(Type::I32, 0) };
        self.flags = self.given(width, r, cf);
        Ok(())
    }

    /// `shlx`, `shrx`, `sarx`, `rorx`.
    pub(super) fn shift_without_flags(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, by, ..] = &insn.operands;
        let value = self.read(from, width)?;
        let by = match by {
            Operand::Imm(n) => self.body.number(ty(width), *n as u64 & (u64::from(bits(width)) - 1)),
            by => self.read(by, width)?,
        };
        let op = match insn.op {
            Op::Shlx => Binary::Shl,
            Op::Shrx => Binary::ShrU,
            Op::Sarx => Binary::ShrS,
            _ => Binary::Rotr,
        };
        let r = self.body.binary(op, value, by);
        self.write(to, r, width)
    }

    /// `mulx`: the high half goes to the first operand, also where both are one register.
    pub(super) fn mulx(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [Operand::Reg(high), Operand::Reg(low), from, _] = &insn.operands else {
            return Err(Unsupported);
        };
        let a = self.read(from, width)?;
        let b = self.read_reg(super::mov::register(RDX, width))?;
        let (low_half, high_half) = self.product(a, b, width);
        self.write_reg(*low, low_half)?;
        self.write_reg(*high, high_half)
    }

    /// `adcx` and `adox`: a sum whose carry comes from CF, or OF, and goes there, and touches no other flag.
    pub(super) fn add_with_one_flag(&mut self, insn: &Insn) -> Done {
        let width = insn.width;
        let [to, from, ..] = &insn.operands;
        let b = self.read(from, width)?;
        let a = self.read(to, width)?;
        let (cf, of) = (self.cf(), self.of());
        let carry = if insn.op == Op::Adcx { cf } else { of };
        let before = self.flags;
        self.flags = Flags::Given { bits: bits(width), r: b, cf: carry, of: carry };
        let (r, flags) = self.sum(a, b, width, true);
        self.flags = flags;
        let carry = self.cf();
        self.flags = before;
        let flags = if insn.op == Op::Adcx {
            self.with_carry_and_overflow(carry, of)
        } else {
            self.with_carry_and_overflow(cf, carry)
        };
        self.write(to, r, width)?;
        self.flags = flags;
        Ok(())
    }

    /// A register by its number and the flags that are not in the lazy form: `lahf`, `sahf`, `clc`, `stc`, `cmc`, `salc`.
    pub(super) fn flag_moves(&mut self, insn: &Insn) -> Done {
        const AH: Reg = Reg::Gpr8High(0);
        match insn.op {
            Op::Clc | Op::Stc => {
                let cf = self.body.number(Type::I32, (insn.op == Op::Stc).into());
                self.flags = self.with_carry(cf);
            }
            Op::Cmc => {
                let cf = self.cf();
                let cf = self.body.not(cf);
                self.flags = self.with_carry(cf);
            }
            Op::Salc => {
                let cf = self.cf();
                let all = self.body.with(Binary::Mul, cf, 0xff);
                return self.write_reg(Reg::Gpr8(0), all);
            }
            Op::Lahf => {
                let Status { cf, pf, af, zf, sf, .. } = self.status();
                let mut all = self.body.with(Binary::Or, cf, 2);
                for (bit, at) in [(pf, 2), (af, 4), (zf, 6), (sf, 7)] {
                    let bit = self.body.with(Binary::Shl, bit, at);
                    all = self.body.binary(Binary::Or, all, bit);
                }
                return self.write_reg(AH, all);
            }
            _ => {
                let of = self.of();
                let all = self.read_reg(AH)?;
                let mut bit = |at: u64| {
                    let low = self.body.with(Binary::ShrU, all, at);
                    self.body.with(Binary::And, low, 1)
                };
                let set = Status { cf: bit(0), pf: bit(2), af: bit(4), zf: bit(6), sf: bit(7), of };
                self.flags = Flags::Pending(self.flags_from(set));
            }
        }
        Ok(())
    }
}
