//! Making values: the same value is made once, what is known is folded, and bits that nobody looks at are not cut off.

use super::{Binary, Body, Compare, Expr, Type, Unary, Value, ones};
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// A word at a time: the keys are a few small numbers.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix((*byte).into()));
    }

    fn write_u32(&mut self, n: u32) {
        self.mix(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.mix(n);
    }

    fn write_u128(&mut self, n: u128) {
        self.mix(n as u64);
        self.mix((n >> 64) as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.mix(n as u64);
    }
}

/// Values by what they are: a table with open addressing, of which at most half is taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    slots: Vec<Slot>,
    taken: usize,
}

/// A place of the table.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// Number of a value, plus one.
    number: u32,
}

/// Places of a table that is not empty, at least.
const LEAST: usize = 128;

impl Known {
    /// Where the value is that `is` knows by its number, or where it would be.
    fn place(&self, hash: u32, is: impl Fn(u32) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.number == 0 || slot.hash == hash && is(slot.number - 1) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// The value that is made like that; where there is none, the next one will be.
    fn find_or_enter(&mut self, values: &[(Type, Expr)], made: &(Type, Expr)) -> Option<Value> {
        if 2 * self.taken >= self.slots.len() {
            self.grow();
        }
        let mut hasher = Mix::default();
        made.hash(&mut hasher);
        let hash = hasher.finish() as u32;
        let at = self.place(hash, |number| values[number as usize] == *made);
        if let Some(number) = self.slots[at].number.checked_sub(1) {
            return Some(Value(number));
        }
        self.slots[at] = Slot { hash, number: values.len() as u32 + 1 };
        self.taken += 1;
        None
    }

    #[cold]
    fn grow(&mut self) {
        let old = core::mem::take(&mut self.slots);
        self.slots = vec![Slot::default(); (2 * old.len()).max(LEAST)];
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let at = self.place(slot.hash, |_| false);
            self.slots[at] = slot;
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.taken = 0;
    }
}

/// Ones up to the highest of a number.
fn below(n: u64) -> u64 {
    u64::MAX.checked_shr(n.leading_zeros()).unwrap_or(0)
}

impl Body {
    /// A new value, or the one that is the same.
    pub fn value(&mut self, ty: Type, expr: Expr) -> Value {
        let shared = !matches!(expr, Expr::Loaded);
        if shared && let Some(known) = self.known.find_or_enter(&self.values, &(ty, expr)) {
            return known;
        }
        let possible = self.possible_of(ty, expr) & ones(ty);
        let value = Value(self.values.len() as u32);
        self.values.push((ty, expr));
        self.possible.push(possible);
        value
    }

    /// The bits of a value that may be set.
    pub(crate) fn possible(&self, value: Value) -> u64 {
        self.possible[value.index()]
    }

    /// Says that no other bits of a value can be set.
    pub(crate) fn bound(&mut self, value: Value, possible: u64) {
        self.possible[value.index()] &= possible;
    }

    fn possible_of(&self, ty: Type, expr: Expr) -> u64 {
        match expr {
            Expr::Const(n) => n,
            Expr::Compare(..) | Expr::Imprecise => 1,
            Expr::Select(_, a, b) => self.possible(a) | self.possible(b),
            Expr::Unary(op, a) => match op {
                Unary::Wrap | Unary::ExtendU => self.possible(a),
                Unary::Popcnt | Unary::Clz | Unary::Ctz => 0x7f,
                _ => u64::MAX,
            },
            Expr::Binary(op, a, b) => {
                let by = self.constant(b).filter(|by| *by < u64::from(ty.bits()));
                let (a, b) = (self.possible(a), self.possible(b));
                match (op, by) {
                    (Binary::And, _) => a & b,
                    (Binary::Or | Binary::Xor, _) => a | b,
                    (Binary::Add, _) => a.checked_add(b).map_or(u64::MAX, below),
                    (Binary::Mul, _) => a.checked_mul(b).map_or(u64::MAX, below),
                    (Binary::Shl, Some(by)) => a << by,
                    (Binary::ShrU, Some(by)) => a >> by,
                    (Binary::ShrU | Binary::DivU, _) => below(a),
                    (Binary::RemU, _) => below(b),
                    _ => u64::MAX,
                }
            }
            _ => u64::MAX,
        }
    }

    /// A number.
    pub fn number(&mut self, ty: Type, n: u64) -> Value {
        self.value(ty, Expr::Const(n & ones(ty)))
    }

    /// An operation, or what it comes to if it is known.
    pub fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        if let (Some(a), Some(b)) = (self.constant(a), self.constant(b))
            && let Some(known) = fold(op, ty, a, b)
        {
            return self.number(ty, known);
        }
        let commutes = matches!(op, Binary::Add | Binary::Mul | Binary::And | Binary::Or | Binary::Xor);
        let (a, b) = if commutes && self.constant(a).is_some() { (b, a) } else { (a, b) };
        if a == b {
            match op {
                Binary::And | Binary::Or => return a,
                Binary::Xor | Binary::Sub => return self.number(ty, 0),
                _ => {}
            }
        }
        match self.constant(b) {
            Some(n) => self.binary_with(op, a, b, n),
            None => self.value(ty, Expr::Binary(op, a, b)),
        }
    }

    /// The second operand is a number.
    fn binary_with(&mut self, op: Binary, a: Value, b: Value, n: u64) -> Value {
        let ty = self.ty(a);
        let all = ones(ty);
        let inner = match self.expr(a) {
            Expr::Binary(inner, x, y) => self.constant(y).map(|y| (inner, x, y)),
            _ => None,
        };
        match (op, n, inner) {
            (Binary::Add | Binary::Sub | Binary::Or | Binary::Xor, 0, _) => a,
            (Binary::And | Binary::Mul, 0, _) => b,
            (Binary::Mul, 1, _) => a,
            (Binary::Or, n, _) if n == all => b,
            (Binary::And, n, _) => self.masked(a, n),
            (Binary::Sub, n, _) => self.with(Binary::Add, a, n.wrapping_neg()),
            (Binary::Add, n, Some((Binary::Add, x, m))) => self.with(Binary::Add, x, m.wrapping_add(n)),
            (Binary::Xor, n, Some((Binary::Xor, x, m))) => self.with(Binary::Xor, x, m ^ n),
            (Binary::Shl | Binary::ShrU | Binary::ShrS | Binary::Rotl | Binary::Rotr, n, _)
                if n % u64::from(ty.bits()) == 0 =>
            {
                a
            }
            (Binary::ShrU, n, _) if n < u64::from(ty.bits()) && self.possible(a) >> n == 0 => {
                self.number(ty, 0)
            }
            _ => self.value(ty, Expr::Binary(op, a, b)),
        }
    }

    fn masked(&mut self, a: Value, mask: u64) -> Value {
        let ty = self.ty(a);
        let a = self.on(a, mask);
        if self.possible(a) & !mask == 0 {
            return a;
        }
        if self.possible(a) & mask == 0 {
            return self.number(ty, 0);
        }
        let b = self.number(ty, mask);
        self.value(ty, Expr::Binary(Binary::And, a, b))
    }

    /// What has the bits of a value that are in a mask; the others are any.
    pub(crate) fn on(&mut self, value: Value, mask: u64) -> Value {
        let ty = self.ty(value);
        let mask = mask & ones(ty);
        match self.expr(value) {
            Expr::Binary(Binary::Or | Binary::Xor, a, b) if self.possible(b) & mask == 0 => self.on(a, mask),
            Expr::Binary(Binary::Or | Binary::Xor, a, b) if self.possible(a) & mask == 0 => self.on(b, mask),
            Expr::Binary(Binary::And, a, b) => match self.constant(b) {
                Some(n) if self.possible(a) & mask & !n == 0 => self.on(a, mask),
                _ => value,
            },
            Expr::Binary(Binary::ShrU, a, b) => match self.constant(b) {
                Some(by) if by < u64::from(ty.bits()) => {
                    let reached = ones(ty) >> by;
                    let inner = self.on(a, (mask & reached) << by);
                    match self.expr(inner) {
                        Expr::Binary(Binary::Shl, x, y) if y == b && mask <= reached => self.on(x, mask),
                        _ if inner == a => value,
                        _ => self.value(ty, Expr::Binary(Binary::ShrU, inner, b)),
                    }
                }
                _ => value,
            },
            Expr::Unary(Unary::Wrap, a) => {
                let inner = self.on(a, mask);
                if inner == a { value } else { self.unary(Unary::Wrap, inner) }
            }
            Expr::Unary(Unary::ExtendU, a) => {
                let inner = self.on(a, mask);
                if inner == a { value } else { self.unary(Unary::ExtendU, inner) }
            }
            Expr::Unary(Unary::Sext8, a) if mask <= 0xff => self.on(a, mask),
            Expr::Unary(Unary::Sext16, a) if mask <= 0xffff => self.on(a, mask),
            _ => value,
        }
    }

    /// As [`Body::binary`], with a number.
    pub fn with(&mut self, op: Binary, a: Value, n: u64) -> Value {
        let b = self.number(self.ty(a), n);
        self.binary(op, a, b)
    }

    /// A comparison.
    pub fn compare(&mut self, op: Compare, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        if a == b {
            let holds = matches!(op, Compare::Eq | Compare::LeU | Compare::LeS);
            return self.number(Type::I32, holds.into());
        }
        if let (Some(a), Some(b)) = (self.constant(a), self.constant(b)) {
            let signed = |n: u64| if ty == Type::I32 { i64::from(n as i32) } else { n as i64 };
            let holds = match op {
                Compare::Eq => a == b,
                Compare::Ne => a != b,
                Compare::LtU => a < b,
                Compare::LeU => a <= b,
                Compare::LtS => signed(a) < signed(b),
                Compare::LeS => signed(a) <= signed(b),
            };
            return self.number(Type::I32, holds.into());
        }
        match (op, self.constant(a), self.constant(b)) {
            (Compare::Eq | Compare::Ne, Some(_), _) => self.compare(op, b, a),
            (Compare::LtU, _, Some(0)) => self.number(Type::I32, 0),
            (Compare::LtU, _, Some(1)) => self.is_zero(a),
            (Compare::LtU, Some(0), _) => {
                let zero = self.is_zero(b);
                self.not(zero)
            }
            (Compare::LeU, Some(0), _) => self.number(Type::I32, 1),
            (Compare::LeU, _, Some(0)) => self.is_zero(a),
            (Compare::Eq, _, Some(0)) if self.possible(a) == 1 && ty == Type::I32 => self.not(a),
            (Compare::Ne, _, Some(0)) if self.possible(a) == 1 && ty == Type::I32 => a,
            _ => self.value(Type::I32, Expr::Compare(op, a, b)),
        }
    }

    /// Whether a value is 0.
    pub fn is_zero(&mut self, value: Value) -> Value {
        let zero = self.number(self.ty(value), 0);
        self.compare(Compare::Eq, value, zero)
    }

    /// Of 0 or 1, the other.
    pub fn not(&mut self, bit: Value) -> Value {
        match self.expr(bit) {
            Expr::Compare(op, a, b) => match op {
                Compare::Eq => self.compare(Compare::Ne, a, b),
                Compare::Ne => self.compare(Compare::Eq, a, b),
                Compare::LtU => self.compare(Compare::LeU, b, a),
                Compare::LeU => self.compare(Compare::LtU, b, a),
                Compare::LtS => self.compare(Compare::LeS, b, a),
                Compare::LeS => self.compare(Compare::LtS, b, a),
            },
            Expr::Binary(Binary::Xor, a, b) if self.constant(b) == Some(1) => a,
            Expr::Const(n) => self.number(Type::I32, n ^ 1),
            // Plain, as `compare` would come back here.
            _ => {
                let zero = self.number(Type::I32, 0);
                self.value(Type::I32, Expr::Compare(Compare::Eq, bit, zero))
            }
        }
    }

    /// The first if a condition, of [`Type::I32`], is not 0, else the second.
    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        match self.constant(condition) {
            Some(0) => return b,
            Some(_) => return a,
            None if a == b => return a,
            None => {}
        }
        match self.expr(condition) {
            Expr::Compare(Compare::Eq, x, y) if self.constant(y) == Some(0) && self.ty(x) == Type::I32 => {
                self.value(self.ty(a), Expr::Select(x, b, a))
            }
            Expr::Compare(Compare::Ne, x, y) if self.constant(y) == Some(0) && self.ty(x) == Type::I32 => {
                self.value(self.ty(a), Expr::Select(x, a, b))
            }
            _ => self.value(self.ty(a), Expr::Select(condition, a, b)),
        }
    }

    /// Whether the lower half of an operation is best had from those of its operands, as they are values of their own.
    fn wraps(&self, op: Binary, x: Value, y: Value) -> bool {
        let extended = |value| {
            self.constant(value).is_some()
                || matches!(self.expr(value), Expr::Unary(Unary::ExtendU | Unary::ExtendS, _))
        };
        match op {
            Binary::Add | Binary::Sub | Binary::Mul | Binary::And | Binary::Or | Binary::Xor => {
                extended(x) && extended(y)
            }
            Binary::Shl => extended(x) && self.constant(y).is_some_and(|by| by < 32),
            _ => false,
        }
    }

    /// An operation.
    pub fn unary(&mut self, op: Unary, a: Value) -> Value {
        let ty = match op {
            Unary::Wrap => Type::I32,
            Unary::ExtendU | Unary::ExtendS => Type::I64,
            _ => self.ty(a),
        };
        let low = u64::from(u32::MAX);
        match (op, self.constant(a), self.expr(a)) {
            (Unary::Wrap | Unary::ExtendU, Some(n), _) => return self.number(ty, n & low),
            (Unary::ExtendS, Some(n), _) => return self.number(ty, i64::from(n as i32) as u64),
            (Unary::Sext8, Some(n), _) => return self.number(ty, i64::from(n as i8) as u64),
            (Unary::Sext16, Some(n), _) => return self.number(ty, i64::from(n as i16) as u64),
            (Unary::Wrap, _, Expr::Unary(Unary::ExtendU | Unary::ExtendS, x)) => return x,
            (Unary::ExtendU, _, Expr::Unary(Unary::Wrap, x)) if self.possible(x) <= low => return x,
            _ => {}
        }
        let a = match op {
            Unary::Wrap => self.on(a, low),
            Unary::Sext8 => self.on(a, 0xff),
            Unary::Sext16 => self.on(a, 0xffff),
            _ => a,
        };
        match (op, self.expr(a)) {
            (Unary::Wrap, Expr::Unary(Unary::ExtendU | Unary::ExtendS, x)) => x,
            (Unary::Wrap, Expr::Binary(op, x, y)) if self.wraps(op, x, y) => {
                let (x, y) = (self.unary(Unary::Wrap, x), self.unary(Unary::Wrap, y));
                self.binary(op, x, y)
            }
            (Unary::Sext8, _) if self.possible(a) <= 0x7f => a,
            (Unary::Sext16, _) if self.possible(a) <= 0x7fff => a,
            (Unary::ExtendS, _) if self.possible(a) <= low >> 1 => self.unary(Unary::ExtendU, a),
            _ => self.value(ty, Expr::Unary(op, a)),
        }
    }
}

impl Type {
    /// Its width.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Type::I32 => 32,
            Type::I64 => 64,
            Type::F32 => 32,
            Type::F64 => 64,
            Type::V128 => 128,
        }
    }
}

/// None: of no number, or left to the code as it is.
fn fold(op: Binary, ty: Type, a: u64, b: u64) -> Option<u64> {
    let by = (b % u64::from(ty.bits())) as u32;
    let signed = if ty == Type::I32 { i64::from(a as i32) } else { a as i64 };
    Some(match op {
        Binary::Add => a.wrapping_add(b),
        Binary::Sub => a.wrapping_sub(b),
        Binary::Mul => a.wrapping_mul(b),
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::Shl => a << by,
        Binary::ShrU => a >> by,
        Binary::ShrS => (signed >> by) as u64,
        Binary::Rotl if ty == Type::I32 => (a as u32).rotate_left(by).into(),
        Binary::Rotl => a.rotate_left(by),
        Binary::Rotr if ty == Type::I32 => (a as u32).rotate_right(by).into(),
        Binary::Rotr => a.rotate_right(by),
        Binary::DivU => a.checked_div(b)?,
        Binary::RemU => a.checked_rem(b)?,
        Binary::DivS => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_was_put_into_a_register_is_found_again() {
        let mut body = Body::default();
        let whole = body.value(Type::I64, Expr::Reg(0));
        let byte = body.value(Type::I32, Expr::Loaded);
        body.bound(byte, 0xff);
        for shift in [0, 8] {
            let rest = body.with(Binary::And, whole, !(0xff << shift));
            let wide = body.unary(Unary::ExtendU, byte);
            let placed = body.with(Binary::Shl, wide, shift);
            let all = body.binary(Binary::Or, rest, placed);
            let low = body.unary(Unary::Wrap, all);
            let down = body.with(Binary::ShrU, low, shift);
            assert_eq!(body.with(Binary::And, down, 0xff), byte, "{shift}");
        }
    }

    #[test]
    fn what_is_the_same_is_made_once() {
        let mut body = Body::default();
        let a = body.value(Type::I32, Expr::Reg(0));
        let (one, two) = (body.with(Binary::Add, a, 4), body.with(Binary::Sub, a, u64::MAX - 3));
        assert_eq!(one, two);
        let (a, b) = (body.value(Type::I32, Expr::Loaded), body.value(Type::I32, Expr::Loaded));
        assert_ne!(a, b);
    }
}
