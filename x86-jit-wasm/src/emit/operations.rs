//! Operations, as WebAssembly has them.

use crate::ir::{Binary, Compare, Type, Unary};
use wasm_encoder::InstructionSink;

pub(super) fn binary(sink: &mut InstructionSink<'_>, ty: Type, op: Binary) {
    match (ty, op) {
        (Type::I32, Binary::Add) => sink.i32_add(),
        (Type::I32, Binary::Sub) => sink.i32_sub(),
        (Type::I32, Binary::Mul) => sink.i32_mul(),
        (Type::I32, Binary::And) => sink.i32_and(),
        (Type::I32, Binary::Or) => sink.i32_or(),
        (Type::I32, Binary::Xor) => sink.i32_xor(),
        (Type::I32, Binary::Shl) => sink.i32_shl(),
        (Type::I32, Binary::ShrU) => sink.i32_shr_u(),
        (Type::I32, Binary::ShrS) => sink.i32_shr_s(),
        (Type::I32, Binary::Rotl) => sink.i32_rotl(),
        (Type::I32, Binary::Rotr) => sink.i32_rotr(),
        (Type::I32, Binary::DivU) => sink.i32_div_u(),
        (Type::I32, Binary::DivS) => sink.i32_div_s(),
        (Type::I32, Binary::RemU) => sink.i32_rem_u(),
        (_, Binary::Add) => sink.i64_add(),
        (_, Binary::Sub) => sink.i64_sub(),
        (_, Binary::Mul) => sink.i64_mul(),
        (_, Binary::And) => sink.i64_and(),
        (_, Binary::Or) => sink.i64_or(),
        (_, Binary::Xor) => sink.i64_xor(),
        (_, Binary::Shl) => sink.i64_shl(),
        (_, Binary::ShrU) => sink.i64_shr_u(),
        (_, Binary::ShrS) => sink.i64_shr_s(),
        (_, Binary::Rotl) => sink.i64_rotl(),
        (_, Binary::Rotr) => sink.i64_rotr(),
        (_, Binary::DivU) => sink.i64_div_u(),
        (_, Binary::DivS) => sink.i64_div_s(),
        (_, Binary::RemU) => sink.i64_rem_u(),
    };
}

pub(super) fn compare(sink: &mut InstructionSink<'_>, ty: Type, op: Compare) {
    match (ty, op) {
        (Type::I32, Compare::Eq) => sink.i32_eq(),
        (Type::I32, Compare::Ne) => sink.i32_ne(),
        (Type::I32, Compare::LtU) => sink.i32_lt_u(),
        (Type::I32, Compare::LeU) => sink.i32_le_u(),
        (Type::I32, Compare::LtS) => sink.i32_lt_s(),
        (Type::I32, Compare::LeS) => sink.i32_le_s(),
        (_, Compare::Eq) => sink.i64_eq(),
        (_, Compare::Ne) => sink.i64_ne(),
        (_, Compare::LtU) => sink.i64_lt_u(),
        (_, Compare::LeU) => sink.i64_le_u(),
        (_, Compare::LtS) => sink.i64_lt_s(),
        (_, Compare::LeS) => sink.i64_le_s(),
    };
}

/// `ty` is that of the result.
pub(super) fn unary(sink: &mut InstructionSink<'_>, ty: Type, op: Unary) {
    match (ty, op) {
        (_, Unary::Wrap) => sink.i32_wrap_i64(),
        (_, Unary::ExtendU) => sink.i64_extend_i32_u(),
        (_, Unary::ExtendS) => sink.i64_extend_i32_s(),
        (Type::I32, Unary::Sext8) => sink.i32_extend8_s(),
        (Type::I32, Unary::Sext16) => sink.i32_extend16_s(),
        (Type::I32, Unary::Popcnt) => sink.i32_popcnt(),
        (Type::I32, Unary::Clz) => sink.i32_clz(),
        (Type::I32, Unary::Ctz) => sink.i32_ctz(),
        (_, Unary::Sext8) => sink.i64_extend8_s(),
        (_, Unary::Sext16) => sink.i64_extend16_s(),
        (_, Unary::Popcnt) => sink.i64_popcnt(),
        (_, Unary::Clz) => sink.i64_clz(),
        (_, Unary::Ctz) => sink.i64_ctz(),
    };
}
