//! Accesses, and the translation lookaside buffer that those go through which are not at home: the tag of the page that the last byte is in answers both whether the page
//! is there and whether the access stays in it, as a tag that selects an entry cannot be that of the page behind.

use super::areas::Area;
use super::body::{Function, at};
use crate::ir::Type;
use crate::layout::shared;

pub(super) const PAGE_SHIFT: u32 = 12;

impl Function {
    /// Address of the entry of a guest address.
    pub(super) fn entry(&mut self, addr: u32) {
        // The page number's lower bits, times the size of an entry: one shift and one mask.
        let stride = self.places.tlb.stride.trailing_zeros();
        let mask = ((1_u64 << self.places.tlb.bits) - 1) << stride;
        self.narrow(addr);
        self.sink().i32_const((PAGE_SHIFT - stride) as i32).i32_shr_u().i32_const(mask as i32).i32_and();
        self.shared();
        self.sink().i32_load(at(shared::TLB, 2)).i32_add();
    }

    /// Whether an entry does not allow what is done in an area in the page that so many bytes behind an address are in.
    pub(super) fn is_not_of(&mut self, entry: u32, area: &Area, addr: u32, behind: u32) {
        let tlb = self.places.tlb;
        let tag = if area.writes { tlb.write } else { tlb.read };
        // Of 32 bits, the lower half of the tag tells: there are 2^20 pages, and the tag of none has all bits set.
        match self.locals.word {
            Type::I64 => self.sink().local_get(entry).i64_load(at(tag.into(), 3)).local_get(addr),
            _ => self.sink().local_get(entry).i32_load(at(tag.into(), 2)).local_get(addr),
        };
        self.plus(behind);
        match self.locals.word {
            Type::I64 => self.sink().i64_const(PAGE_SHIFT.into()).i64_shr_u().i64_ne(),
            _ => self.sink().i32_const(PAGE_SHIFT as i32).i32_shr_u().i32_ne(),
        };
    }

    /// Adds so much to the word on the stack.
    pub(super) fn plus(&mut self, bytes: u32) {
        if bytes > 0 {
            self.constant(self.locals.word, bytes.into());
            self.add();
        }
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
