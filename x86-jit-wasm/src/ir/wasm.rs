//! Operations on vectors and floating-point numbers: those of WebAssembly, by their names there.

use super::Type;
use wasm_encoder::InstructionSink;

/// Each operation: its name, that of its instruction, and the type of its result.
macro_rules! operations {
    ($($name:ident $method:ident $result:ident;)*) => {
        /// An operation of WebAssembly on values of the types that its name tells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Wasm {
            $($name,)*
        }

        impl Wasm {
            /// Type of the result.
            pub fn ty(self) -> Type {
                match self {
                    $(Wasm::$name => Type::$result,)*
                }
            }

            /// Writes the instruction; its operands are on the stack.
            pub(crate) fn write(self, sink: &mut InstructionSink<'_>) {
                match self {
                    $(Wasm::$name => sink.$method(),)*
                };
            }
        }
    };
}

operations! {
    F32Abs f32_abs F32;
    F32Ceil f32_ceil F32;
    F32Floor f32_floor F32;
    F32Trunc f32_trunc F32;
    F32Nearest f32_nearest F32;
    F32Sqrt f32_sqrt F32;
    F32Add f32_add F32;
    F32Sub f32_sub F32;
    F32Mul f32_mul F32;
    F32Div f32_div F32;
    F32Eq f32_eq I32;
    F32Ne f32_ne I32;
    F32Lt f32_lt I32;
    F32Le f32_le I32;
    F32Gt f32_gt I32;
    F32Ge f32_ge I32;
    F64Abs f64_abs F64;
    F64Ceil f64_ceil F64;
    F64Floor f64_floor F64;
    F64Trunc f64_trunc F64;
    F64Nearest f64_nearest F64;
    F64Sqrt f64_sqrt F64;
    F64Add f64_add F64;
    F64Sub f64_sub F64;
    F64Mul f64_mul F64;
    F64Div f64_div F64;
    F64Eq f64_eq I32;
    F64Ne f64_ne I32;
    F64Lt f64_lt I32;
    F64Le f64_le I32;
    F64Gt f64_gt I32;
    F64Ge f64_ge I32;
    I32ReinterpretF32 i32_reinterpret_f32 I32;
    I64ReinterpretF64 i64_reinterpret_f64 I64;
    F32ConvertI32S f32_convert_i32_s F32;
    F32ConvertI64S f32_convert_i64_s F32;
    F64ConvertI32S f64_convert_i32_s F64;
    F64ConvertI64S f64_convert_i64_s F64;
    I32TruncSatF32S i32_trunc_sat_f32_s I32;
    I32TruncSatF64S i32_trunc_sat_f64_s I32;
    I64TruncSatF32S i64_trunc_sat_f32_s I64;
    I64TruncSatF64S i64_trunc_sat_f64_s I64;
    F32DemoteF64 f32_demote_f64 F32;
    F64PromoteF32 f64_promote_f32 F64;

    V128And v128_and V128;
    V128AndNot v128_andnot V128;
    V128Or v128_or V128;
    V128Xor v128_xor V128;
    V128BitSelect v128_bitselect V128;
    V128AnyTrue v128_any_true I32;
    I8x16Swizzle i8x16_swizzle V128;
    I8x16Bitmask i8x16_bitmask I32;
    I32x4Bitmask i32x4_bitmask I32;
    I64x2Bitmask i64x2_bitmask I32;

    I8x16Add i8x16_add V128;
    I16x8Add i16x8_add V128;
    I32x4Add i32x4_add V128;
    I64x2Add i64x2_add V128;
    I8x16AddSatS i8x16_add_sat_s V128;
    I16x8AddSatS i16x8_add_sat_s V128;
    I8x16AddSatU i8x16_add_sat_u V128;
    I16x8AddSatU i16x8_add_sat_u V128;
    I8x16Sub i8x16_sub V128;
    I16x8Sub i16x8_sub V128;
    I32x4Sub i32x4_sub V128;
    I64x2Sub i64x2_sub V128;
    I8x16SubSatS i8x16_sub_sat_s V128;
    I16x8SubSatS i16x8_sub_sat_s V128;
    I8x16SubSatU i8x16_sub_sat_u V128;
    I16x8SubSatU i16x8_sub_sat_u V128;
    I16x8Mul i16x8_mul V128;
    I32x4Mul i32x4_mul V128;
    I32x4DotI16x8S i32x4_dot_i16x8_s V128;
    I32x4ExtMulLowI16x8S i32x4_extmul_low_i16x8_s V128;
    I32x4ExtMulHighI16x8S i32x4_extmul_high_i16x8_s V128;
    I32x4ExtMulLowI16x8U i32x4_extmul_low_i16x8_u V128;
    I32x4ExtMulHighI16x8U i32x4_extmul_high_i16x8_u V128;
    I64x2ExtMulLowI32x4S i64x2_extmul_low_i32x4_s V128;
    I64x2ExtMulLowI32x4U i64x2_extmul_low_i32x4_u V128;
    I16x8ExtAddPairwiseI8x16U i16x8_extadd_pairwise_i8x16_u V128;
    I32x4ExtAddPairwiseI16x8U i32x4_extadd_pairwise_i16x8_u V128;
    I8x16AvgrU i8x16_avgr_u V128;
    I16x8AvgrU i16x8_avgr_u V128;
    I8x16Abs i8x16_abs V128;
    I16x8Abs i16x8_abs V128;
    I32x4Abs i32x4_abs V128;
    I8x16MinS i8x16_min_s V128;
    I8x16MinU i8x16_min_u V128;
    I8x16MaxS i8x16_max_s V128;
    I8x16MaxU i8x16_max_u V128;
    I16x8MinS i16x8_min_s V128;
    I16x8MinU i16x8_min_u V128;
    I16x8MaxS i16x8_max_s V128;
    I16x8MaxU i16x8_max_u V128;
    I32x4MinS i32x4_min_s V128;
    I32x4MinU i32x4_min_u V128;
    I32x4MaxS i32x4_max_s V128;
    I32x4MaxU i32x4_max_u V128;
    I8x16Eq i8x16_eq V128;
    I16x8Eq i16x8_eq V128;
    I32x4Eq i32x4_eq V128;
    I64x2Eq i64x2_eq V128;
    I8x16GtS i8x16_gt_s V128;
    I16x8GtS i16x8_gt_s V128;
    I32x4GtS i32x4_gt_s V128;
    I64x2GtS i64x2_gt_s V128;
    I16x8Shl i16x8_shl V128;
    I32x4Shl i32x4_shl V128;
    I64x2Shl i64x2_shl V128;
    I8x16ShrS i8x16_shr_s V128;
    I16x8ShrS i16x8_shr_s V128;
    I32x4ShrS i32x4_shr_s V128;
    I64x2ShrS i64x2_shr_s V128;
    I16x8ShrU i16x8_shr_u V128;
    I32x4ShrU i32x4_shr_u V128;
    I64x2ShrU i64x2_shr_u V128;
    I8x16NarrowI16x8S i8x16_narrow_i16x8_s V128;
    I8x16NarrowI16x8U i8x16_narrow_i16x8_u V128;
    I16x8NarrowI32x4S i16x8_narrow_i32x4_s V128;
    I16x8NarrowI32x4U i16x8_narrow_i32x4_u V128;
    I16x8ExtendLowI8x16S i16x8_extend_low_i8x16_s V128;
    I16x8ExtendLowI8x16U i16x8_extend_low_i8x16_u V128;
    I32x4ExtendLowI16x8S i32x4_extend_low_i16x8_s V128;
    I32x4ExtendLowI16x8U i32x4_extend_low_i16x8_u V128;
    I64x2ExtendLowI32x4S i64x2_extend_low_i32x4_s V128;
    I64x2ExtendLowI32x4U i64x2_extend_low_i32x4_u V128;

    F32x4Abs f32x4_abs V128;
    F32x4Ceil f32x4_ceil V128;
    F32x4Floor f32x4_floor V128;
    F32x4Trunc f32x4_trunc V128;
    F32x4Nearest f32x4_nearest V128;
    F32x4Sqrt f32x4_sqrt V128;
    F32x4Add f32x4_add V128;
    F32x4Sub f32x4_sub V128;
    F32x4Mul f32x4_mul V128;
    F32x4Div f32x4_div V128;
    F32x4Pmin f32x4_pmin V128;
    F32x4Pmax f32x4_pmax V128;
    F32x4Eq f32x4_eq V128;
    F32x4Ne f32x4_ne V128;
    F32x4Lt f32x4_lt V128;
    F32x4Le f32x4_le V128;
    F32x4Ge f32x4_ge V128;
    F32x4Gt f32x4_gt V128;
    F64x2Abs f64x2_abs V128;
    F64x2Ceil f64x2_ceil V128;
    F64x2Floor f64x2_floor V128;
    F64x2Trunc f64x2_trunc V128;
    F64x2Nearest f64x2_nearest V128;
    F64x2Sqrt f64x2_sqrt V128;
    F64x2Add f64x2_add V128;
    F64x2Sub f64x2_sub V128;
    F64x2Mul f64x2_mul V128;
    F64x2Div f64x2_div V128;
    F64x2Pmin f64x2_pmin V128;
    F64x2Pmax f64x2_pmax V128;
    F64x2Eq f64x2_eq V128;
    F64x2Ne f64x2_ne V128;
    F64x2Lt f64x2_lt V128;
    F64x2Le f64x2_le V128;
    F64x2Ge f64x2_ge V128;
    F64x2Gt f64x2_gt V128;
    I32x4TruncSatF32x4S i32x4_trunc_sat_f32x4_s V128;
    I32x4TruncSatF64x2SZero i32x4_trunc_sat_f64x2_s_zero V128;
    F32x4ConvertI32x4S f32x4_convert_i32x4_s V128;
    F64x2ConvertLowI32x4S f64x2_convert_low_i32x4_s V128;
    F32x4DemoteF64x2Zero f32x4_demote_f64x2_zero V128;
    F64x2PromoteLowF32x4 f64x2_promote_low_f32x4 V128;
}

/// How a vector is divided into lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Shape {
    I8x16,
    I16x8,
    I32x4,
    I64x2,
    F32x4,
    F64x2,
}

impl Shape {
    /// Type of a lane as a value.
    pub fn ty(self) -> Type {
        match self {
            Shape::I8x16 | Shape::I16x8 | Shape::I32x4 => Type::I32,
            Shape::I64x2 => Type::I64,
            Shape::F32x4 => Type::F32,
            Shape::F64x2 => Type::F64,
        }
    }

    /// Width of a lane.
    pub fn bits(self) -> u32 {
        match self {
            Shape::I8x16 => 8,
            Shape::I16x8 => 16,
            Shape::I32x4 | Shape::F32x4 => 32,
            Shape::I64x2 | Shape::F64x2 => 64,
        }
    }

    /// Writes the instruction that takes a lane, zero-extended.
    pub(crate) fn write_extract(self, sink: &mut InstructionSink<'_>, lane: u8) {
        match self {
            Shape::I8x16 => sink.i8x16_extract_lane_u(lane),
            Shape::I16x8 => sink.i16x8_extract_lane_u(lane),
            Shape::I32x4 => sink.i32x4_extract_lane(lane),
            Shape::I64x2 => sink.i64x2_extract_lane(lane),
            Shape::F32x4 => sink.f32x4_extract_lane(lane),
            Shape::F64x2 => sink.f64x2_extract_lane(lane),
        };
    }

    /// Writes the instruction that replaces a lane.
    pub(crate) fn write_replace(self, sink: &mut InstructionSink<'_>, lane: u8) {
        match self {
            Shape::I8x16 => sink.i8x16_replace_lane(lane),
            Shape::I16x8 => sink.i16x8_replace_lane(lane),
            Shape::I32x4 => sink.i32x4_replace_lane(lane),
            Shape::I64x2 => sink.i64x2_replace_lane(lane),
            Shape::F32x4 => sink.f32x4_replace_lane(lane),
            Shape::F64x2 => sink.f64x2_replace_lane(lane),
        };
    }
}
