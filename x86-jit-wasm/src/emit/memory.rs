//! Accesses, and in 64-bit code the translation lookaside buffer that they go through: the tag of the page that the last byte is in answers both whether the page
//! is there and whether the access stays in it, as a tag that selects an entry cannot be that of the page behind.

use super::body::{Function, at};
use super::state::PAGES;
use crate::ir::Type;

pub(super) const PAGE_SHIFT: u32 = 12;

impl Function {
    /// Address of the entry of a guest address.
    pub(super) fn entry(&mut self, addr: u32) {
        // The page number's lower bits, times the size of an entry: one shift and one mask.
        let stride = self.places.tlb.stride.trailing_zeros();
        let mask = ((1_u64 << self.places.tlb.bits) - 1) << stride;
        let shift = i64::from(PAGE_SHIFT - stride);
        let tlb = self.locals.reg(PAGES);
        let mut sink = self.sink();
        sink.local_get(addr).i64_const(shift).i64_shr_u().i32_wrap_i64();
        sink.i32_const(mask as i32).i32_and().local_get(tlb).i32_add();
    }

    /// A tag of an entry.
    pub(super) fn tag(&mut self, entry: u32, tag: u32) {
        self.sink().local_get(entry).i64_load(at(tag.into(), 3));
    }

    /// The page that so many bytes behind an address are in.
    pub(super) fn page(&mut self, addr: u32, behind: u32) {
        let mut sink = self.sink();
        sink.local_get(addr);
        if behind > 0 {
            sink.i64_const(behind.into()).i64_add();
        }
        sink.i64_const(PAGE_SHIFT.into()).i64_shr_u();
    }

    /// Loads from so far behind the address in linear memory that is on the stack, zero-extended.
    pub(super) fn load(&mut self, ty: Type, behind: u64, bytes: u8) {
        let mut sink = self.sink();
        match (ty, bytes) {
            (Type::F32, _) => sink.f32_load(at(behind, 0)),
            (Type::F64, _) => sink.f64_load(at(behind, 0)),
            (Type::V128, 4) => sink.v128_load32_zero(at(behind, 0)),
            (Type::V128, 8) => sink.v128_load64_zero(at(behind, 0)),
            (Type::V128, _) => sink.v128_load(at(behind, 0)),
            (_, 1) => sink.i32_load8_u(at(behind, 0)),
            (_, 2) => sink.i32_load16_u(at(behind, 0)),
            (_, 4) => sink.i32_load(at(behind, 0)),
            _ => sink.i64_load(at(behind, 0)),
        };
    }

    /// Stores what is on the stack, behind an address.
    pub(super) fn store(&mut self, ty: Type, behind: u64, bytes: u8) {
        let mut sink = self.sink();
        match (ty, bytes) {
            (Type::F32, _) => sink.f32_store(at(behind, 0)),
            (Type::F64, _) => sink.f64_store(at(behind, 0)),
            (Type::V128, _) => sink.v128_store(at(behind, 0)),
            (Type::I64, 1) => sink.i64_store8(at(behind, 0)),
            (Type::I64, 2) => sink.i64_store16(at(behind, 0)),
            (Type::I64, 4) => sink.i64_store32(at(behind, 0)),
            (Type::I64, _) => sink.i64_store(at(behind, 0)),
            (Type::I32, 1) => sink.i32_store8(at(behind, 0)),
            (Type::I32, 2) => sink.i32_store16(at(behind, 0)),
            (Type::I32, _) => sink.i32_store(at(behind, 0)),
        };
    }
}
