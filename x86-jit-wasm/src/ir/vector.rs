//! Making values that are vectors and floating-point numbers.

use super::{Binary, Body, Expr, Shape, Type, Value, Wasm};

impl Body {
    /// A vector that is known.
    pub fn vector(&mut self, bits: u128) -> Value {
        self.value(Type::V128, Expr::Vector(bits))
    }

    /// An operation on one value.
    pub fn wasm1(&mut self, op: Wasm, a: Value) -> Value {
        self.value(op.ty(), Expr::Wasm(op, [Some(a), None, None]))
    }

    /// An operation on two values.
    pub fn wasm2(&mut self, op: Wasm, a: Value, b: Value) -> Value {
        if op == Wasm::V128Xor && a == b {
            return self.vector(0);
        }
        let value = self.value(op.ty(), Expr::Wasm(op, [Some(a), Some(b), None]));
        if op.ty() == Type::I32 {
            // A comparison.
            self.bound(value, 1);
        }
        value
    }

    /// An operation on three values.
    pub fn wasm3(&mut self, op: Wasm, a: Value, b: Value, c: Value) -> Value {
        self.value(op.ty(), Expr::Wasm(op, [Some(a), Some(b), Some(c)]))
    }

    /// A lane, zero-extended.
    pub fn extract(&mut self, shape: Shape, lane: u8, vector: Value) -> Value {
        match self.expr(vector) {
            Expr::Replace(other, replaced, _, value) if other == shape && replaced == lane => {
                // What was put in may have had more bits than the lane.
                if matches!(shape, Shape::I8x16 | Shape::I16x8) {
                    let mask = u64::MAX >> (64 - shape.bits());
                    return self.with(Binary::And, value, mask);
                }
                value
            }
            Expr::Replace(other, replaced, whole, _) if !overlaps((shape, lane), (other, replaced)) => {
                self.extract(shape, lane, whole)
            }
            _ => {
                let value = self.value(shape.ty(), Expr::Extract(shape, lane, vector));
                if matches!(shape, Shape::I8x16 | Shape::I16x8) {
                    self.bound(value, u64::MAX >> (64 - shape.bits()));
                }
                value
            }
        }
    }

    /// A vector with another lane.
    pub fn replace(&mut self, shape: Shape, lane: u8, vector: Value, value: Value) -> Value {
        let vector = match self.expr(vector) {
            Expr::Replace(other, replaced, whole, _) if other == shape && replaced == lane => whole,
            _ => vector,
        };
        if self.expr(value) == Expr::Extract(shape, lane, vector) {
            return vector;
        }
        self.value(Type::V128, Expr::Replace(shape, lane, vector, value))
    }

    /// Whether two addresses are multiples of 16 if one is.
    pub(crate) fn near(&self, a: Value, b: Value) -> bool {
        let split = |value| match self.expr(value) {
            Expr::Binary(Binary::Add, root, by) => match self.constant(by) {
                Some(by) => (root, by & 15),
                None => (value, 0),
            },
            _ => (value, 0),
        };
        split(a) == split(b)
    }

    /// Bytes of two vectors, by their numbers in the first and, from 16 on, in the second.
    pub fn shuffle(&mut self, bytes: [u8; 16], a: Value, b: Value) -> Value {
        let own = |from: u8| bytes.iter().enumerate().all(|(n, byte)| *byte == from + n as u8);
        if own(0) {
            return a;
        }
        if own(16) {
            return b;
        }
        self.value(Type::V128, Expr::Shuffle(bytes, a, b))
    }
}

/// Whether two lanes have bits in common.
fn overlaps((a, first): (Shape, u8), (b, second): (Shape, u8)) -> bool {
    let range = |shape: Shape, lane: u8| {
        let from = u32::from(lane) * shape.bits();
        from..from + shape.bits()
    };
    let (a, b) = (range(a, first), range(b, second));
    a.start < b.end && b.start < a.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_put_into_a_vector_is_found_again() {
        let mut body = Body::default();
        let whole = body.value(Type::V128, Expr::Xmm(0));
        let number = body.value(Type::F64, Expr::Loaded);
        let vector = body.replace(Shape::F64x2, 0, whole, number);
        assert_eq!(body.extract(Shape::F64x2, 0, vector), number);
        let upper = body.extract(Shape::F64x2, 1, whole);
        assert_eq!(body.extract(Shape::F64x2, 1, vector), upper);
        let half = body.extract(Shape::F32x4, 1, vector);
        assert_eq!(body.expr(half), Expr::Extract(Shape::F32x4, 1, vector));
    }
}
