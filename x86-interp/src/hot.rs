//! The handlers that the loop calls by name.
//!
//! A call through a pointer costs wasm engines as much as what a simple handler does, and a loop with a call in it keeps
//! nothing in registers. The commonest handlers are therefore arms of one `match` in the loop, into which they are
//! inlined; whatever is not among them leaves the loop. Above some 250 arms V8 keeps nothing in registers either: a new arm
//! is to be measured. ADR 5 has the figures.
//!
//! A handler is known by its address: who has the same address has the same code. What is not found here is only
//! slower.

use crate::cx::{Cx, Full, Quick, Stop};
use crate::exec::{alu, branch, mov, shift};
use crate::fuse;
use crate::uop::{Any, Base32, Base64, Handler, Indexed, Uop};
use core::fmt;
use core::slice::Iter;
use hashbrown::HashMap;

macro_rules! hot {
    ($($name:ident: $handler:expr,)* ; $($pair:ident: $one:expr => $two:expr; $first:ident $second:ident,)*) => {
        /// Which of the handlers known by name an operation has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub(crate) enum Hot {
            /// None of them.
            Other,
            $($name,)*
            $($pair,)*
        }

        const PAIRS: &[(Hot, Hot, Hot)] = &[$((Hot::$first, Hot::$second, Hot::$pair),)*];

        fn handlers() -> Vec<(Hot, Handler)> {
            type P = Full;
            vec![$((Hot::$name, $handler as Handler),)*]
        }

        /// Executes operations up to one that does more than going on to the next; none if there is no such one.
        /// With [`Stop::Slow`] that one is still to be executed.
        #[inline(always)]
        pub(crate) fn run<'b>(cx: &mut Cx<'_>, ops: &mut Iter<'b, Uop>) -> Option<(&'b Uop, Stop)> {
            type P = Quick;
            // Each arm goes on by itself: a result that all arms share would be tested after each of them.
            while let Some(u) = ops.next() {
                let stop = match u.hot {
                    Hot::Other => Stop::Slow,
                    $(Hot::$name => match $handler(cx, u) {
                        Ok(()) => continue,
                        Err(stop) => stop,
                    },)*
                    $(Hot::$pair => match $one(cx, u) {
                        Ok(()) => {
                            let second = ops.next()?;
                            match $two(cx, second) {
                                Ok(()) => continue,
                                Err(stop) => return Some((second, stop)),
                            }
                        }
                        Err(stop) => stop,
                    },)*
                };
                return Some((u, stop));
            }
            None
        }
    };
}

// First single ones, then pairs: two operations, one behind the other, with one dispatch. Both are what kernels, bash
// and python execute most.
//
// M is a memory operand with base and displacement, X one with an index; B a byte and Q a quadword, where not a
// doubleword.
#[rustfmt::skip] // One handler a line.
hot! {
    AddRr: alu::rr::<u32, alu::Add>,
    AddRi: alu::ri::<u32, alu::Add>,
    SubRr: alu::rr::<u32, alu::Sub>,
    SubRi: alu::ri::<u32, alu::Sub>,
    CmpRr: alu::rr::<u32, alu::Cmp>,
    CmpRi: alu::ri::<u32, alu::Cmp>,
    AndRr: alu::rr::<u32, alu::And>,
    AndRi: alu::ri::<u32, alu::And>,
    OrRr: alu::rr::<u32, alu::Or>,
    OrRi: alu::ri::<u32, alu::Or>,
    XorRr: alu::rr::<u32, alu::Xor>,
    XorRi: alu::ri::<u32, alu::Xor>,
    TestRr: alu::rr::<u32, alu::Test>,
    TestRi: alu::ri::<u32, alu::Test>,
    AddRm: alu::rm::<u32, Base32, alu::Add, P>,
    SubRm: alu::rm::<u32, Base32, alu::Sub, P>,
    CmpRm: alu::rm::<u32, Base32, alu::Cmp, P>,
    AndRm: alu::rm::<u32, Base32, alu::And, P>,
    OrRm: alu::rm::<u32, Base32, alu::Or, P>,
    XorRm: alu::rm::<u32, Base32, alu::Xor, P>,
    AdcRr: alu::rr::<u32, alu::Adc>,
    AdcRi: alu::ri::<u32, alu::Adc>,
    SbbRr: alu::rr::<u32, alu::Sbb>,
    SbbRi: alu::ri::<u32, alu::Sbb>,
    AddRx: alu::rm::<u32, Indexed, alu::Add, P>,
    XorRx: alu::rm::<u32, Indexed, alu::Xor, P>,
    AddMi: alu::mi::<u32, Base32, alu::Add, P>,
    SubMi: alu::mi::<u32, Base32, alu::Sub, P>,
    CmpMi: alu::mi::<u32, Base32, alu::Cmp, P>,
    AddMr: alu::mr::<u32, Base32, alu::Add, P>,
    XorMr: alu::mr::<u32, Base32, alu::Xor, P>,
    AndRrB: alu::rr::<u8, alu::And>,
    AndRiB: alu::ri::<u8, alu::And>,
    Not: alu::unary_r::<u32, alu::Not>,
    Neg: alu::unary_r::<u32, alu::Neg>,
    Inc: alu::unary_r::<u32, alu::Inc>,
    Dec: alu::unary_r::<u32, alu::Dec>,
    MovRr: mov::mov_rr::<u32>,
    MovRi: mov::mov_ri::<u32>,
    MovRm: mov::mov_rm::<u32, Base32, P>,
    MovMr: mov::mov_mr::<u32, Base32, P>,
    MovRx: mov::mov_rm::<u32, Indexed, P>,
    MovXr: mov::mov_mr::<u32, Indexed, P>,
    MovMi: mov::mov_mi::<u32, Base32, P>,
    Lea: mov::lea::<u32, Base32>,
    LeaX: mov::lea::<u32, Indexed>,
    JmpM: branch::jmp_m::<u32, Base32, P>,
    JmpX: branch::jmp_m::<u32, Indexed, P>,
    JmpR: branch::jmp_r::<u32, P>,
    Call: branch::call::<u32, P>,
    CallR: branch::call_r::<u32, P>,
    CallM: branch::call_m::<u32, Base32, P>,
    CallX: branch::call_m::<u32, Indexed, P>,
    Ret: branch::ret::<u32, P>,
    PushR: branch::push_r::<u32, P>,
    PushI: branch::push_i::<u32, P>,
    PushM: branch::push_m::<u32, Base32, P>,
    PopR: branch::pop_r::<u32, P>,
    Leave: branch::leave::<u32, P>,
    ShlRi: shift::shift_ri::<u32, shift::Shl>,
    ShrRi: shift::shift_ri::<u32, shift::Shr>,
    SarRi: shift::shift_ri::<u32, shift::Sar>,
    RolRi: shift::shift_ri::<u32, shift::Rol>,
    RorRi: shift::shift_ri::<u32, shift::Ror>,
    AddRrQ: alu::rr::<u64, alu::Add>,
    AddRiQ: alu::ri::<u64, alu::Add>,
    SubRrQ: alu::rr::<u64, alu::Sub>,
    SubRiQ: alu::ri::<u64, alu::Sub>,
    CmpRrQ: alu::rr::<u64, alu::Cmp>,
    CmpRiQ: alu::ri::<u64, alu::Cmp>,
    AndRrQ: alu::rr::<u64, alu::And>,
    AndRiQ: alu::ri::<u64, alu::And>,
    OrRrQ: alu::rr::<u64, alu::Or>,
    OrRiQ: alu::ri::<u64, alu::Or>,
    XorRrQ: alu::rr::<u64, alu::Xor>,
    XorRiQ: alu::ri::<u64, alu::Xor>,
    TestRrQ: alu::rr::<u64, alu::Test>,
    TestRiQ: alu::ri::<u64, alu::Test>,
    AddRmQ: alu::rm::<u64, Base64, alu::Add, P>,
    SubRmQ: alu::rm::<u64, Base64, alu::Sub, P>,
    CmpRmQ: alu::rm::<u64, Base64, alu::Cmp, P>,
    AndRmQ: alu::rm::<u64, Base64, alu::And, P>,
    OrRmQ: alu::rm::<u64, Base64, alu::Or, P>,
    XorRmQ: alu::rm::<u64, Base64, alu::Xor, P>,
    MovRrQ: mov::mov_rr::<u64>,
    MovRiQ: mov::mov_ri::<u64>,
    MovRmQ: mov::mov_rm::<u64, Base64, P>,
    MovMrQ: mov::mov_mr::<u64, Base64, P>,
    MovRxQ: mov::mov_rm::<u64, Indexed, P>,
    MovXrQ: mov::mov_mr::<u64, Indexed, P>,
    MovMiQ: mov::mov_mi::<u64, Base64, P>,
    LeaQ: mov::lea::<u64, Base64>,
    LeaXQ: mov::lea::<u64, Indexed>,
    JmpMQ: branch::jmp_m::<u64, Base64, P>,
    JmpXQ: branch::jmp_m::<u64, Indexed, P>,
    JmpRQ: branch::jmp_r::<u64, P>,
    CallQ: branch::call::<u64, P>,
    CallRQ: branch::call_r::<u64, P>,
    CallMQ: branch::call_m::<u64, Base64, P>,
    CallXQ: branch::call_m::<u64, Indexed, P>,
    RetQ: branch::ret::<u64, P>,
    PushRQ: branch::push_r::<u64, P>,
    PushIQ: branch::push_i::<u64, P>,
    PushMQ: branch::push_m::<u64, Base64, P>,
    PopRQ: branch::pop_r::<u64, P>,
    LeaveQ: branch::leave::<u64, P>,
    ShlRiQ: shift::shift_ri::<u64, shift::Shl>,
    ShrRiQ: shift::shift_ri::<u64, shift::Shr>,
    SarRiQ: shift::shift_ri::<u64, shift::Sar>,
    Jmp: branch::jmp,
    MovBMr: mov::mov_mr::<u8, Base32, P>,
    MovBRm: mov::mov_rm::<u8, Base32, P>,
    MovzxBM: mov::zero_m::<Base32, u32, u8, P>,
    MovsxBM: mov::sign_m::<Base32, u32, u8, P>,
    MovzxWM: mov::zero_m::<Base32, u32, u16, P>,
    MovBMQr: mov::mov_mr::<u8, Base64, P>,
    MovBRmq: mov::mov_rm::<u8, Base64, P>,
    MovzxBMQ: mov::zero_m::<Base64, u32, u8, P>,
    MovsxBMQ: mov::sign_m::<Base64, u32, u8, P>,
    MovzxWMQ: mov::zero_m::<Base64, u32, u16, P>,
    MovBXr: mov::mov_mr::<u8, Indexed, P>,
    MovBRx: mov::mov_rm::<u8, Indexed, P>,
    MovzxBX: mov::zero_m::<Indexed, u32, u8, P>,
    MovsxBX: mov::sign_m::<Indexed, u32, u8, P>,
    MovzxWX: mov::zero_m::<Indexed, u32, u16, P>,
    MovBMi: mov::mov_mi::<u8, Base32, P>,
    MovBXi: mov::mov_mi::<u8, Indexed, P>,
    MovBRr: mov::mov_rr::<u8>,
    MovRmQ32: mov::mov_rm::<u32, Base64, P>,
    MovMrQ32: mov::mov_mr::<u32, Base64, P>,
    MovMiQ32: mov::mov_mi::<u32, Base64, P>,
    MovzxBR: mov::extend_r::<u32, u8, false>,
    MovsxBR: mov::extend_r::<u32, u8, true>,
    MovzxWR: mov::extend_r::<u32, u16, false>,
    JB: branch::jcc::<2>,
    JAe: branch::jcc::<3>,
    JE: branch::jcc::<4>,
    JNe: branch::jcc::<5>,
    JBe: branch::jcc::<6>,
    JA: branch::jcc::<7>,
    JS: branch::jcc::<8>,
    JNs: branch::jcc::<9>,
    JL: branch::jcc::<12>,
    JGe: branch::jcc::<13>,
    JLe: branch::jcc::<14>,
    JG: branch::jcc::<15>,
    CmpRrJE: fuse::rr::<4, u32, fuse::Cmp>,
    CmpRiJE: fuse::ri::<4, u32, fuse::Cmp>,
    CmpRrJNe: fuse::rr::<5, u32, fuse::Cmp>,
    CmpRiJNe: fuse::ri::<5, u32, fuse::Cmp>,
    CmpRrJB: fuse::rr::<2, u32, fuse::Cmp>,
    CmpRiJB: fuse::ri::<2, u32, fuse::Cmp>,
    CmpRrJAe: fuse::rr::<3, u32, fuse::Cmp>,
    CmpRiJAe: fuse::ri::<3, u32, fuse::Cmp>,
    CmpRrJBe: fuse::rr::<6, u32, fuse::Cmp>,
    CmpRiJBe: fuse::ri::<6, u32, fuse::Cmp>,
    CmpRrJA: fuse::rr::<7, u32, fuse::Cmp>,
    CmpRiJA: fuse::ri::<7, u32, fuse::Cmp>,
    CmpRrJL: fuse::rr::<12, u32, fuse::Cmp>,
    CmpRiJL: fuse::ri::<12, u32, fuse::Cmp>,
    CmpRrJGe: fuse::rr::<13, u32, fuse::Cmp>,
    CmpRiJGe: fuse::ri::<13, u32, fuse::Cmp>,
    CmpRrJLe: fuse::rr::<14, u32, fuse::Cmp>,
    CmpRiJLe: fuse::ri::<14, u32, fuse::Cmp>,
    CmpRrJG: fuse::rr::<15, u32, fuse::Cmp>,
    CmpRiJG: fuse::ri::<15, u32, fuse::Cmp>,
    TestRrJE: fuse::rr::<4, u32, fuse::Test>,
    TestRrJNe: fuse::rr::<5, u32, fuse::Test>,
    TestRrJS: fuse::rr::<8, u32, fuse::Test>,
    TestRrJNs: fuse::rr::<9, u32, fuse::Test>,
    TestRrJLe: fuse::rr::<14, u32, fuse::Test>,
    TestRrJG: fuse::rr::<15, u32, fuse::Test>,
    CmpMrJE: fuse::mr::<4, u32, fuse::Cmp, P>,
    CmpRmJE: fuse::rm::<4, u32, fuse::Cmp, P>,
    CmpMiJE: fuse::mi::<4, u32, fuse::Cmp, P>,
    CmpMiBJE: fuse::mi::<4, u8, fuse::Cmp, P>,
    TestRrBJE: fuse::rr::<4, u8, fuse::Test>,
    CmpRiBJE: fuse::ri::<4, u8, fuse::Cmp>,
    CmpRrBJE: fuse::rr::<4, u8, fuse::Cmp>,
    SubRiJE: fuse::ri::<4, u32, fuse::Sub>,
    AddRiJE: fuse::ri::<4, u32, fuse::Add>,
    TestRiBJE: fuse::ri::<4, u8, fuse::Test>,
    TestRiJE: fuse::ri::<4, u32, fuse::Test>,
    TestMiBJE: fuse::mi::<4, u8, fuse::Test, P>,
    CmpRrQJE: fuse::rr::<4, u64, fuse::Cmp>,
    TestRrQJE: fuse::rr::<4, u64, fuse::Test>,
    CmpRiQJE: fuse::ri::<4, u64, fuse::Cmp>,
    CmpMrJNe: fuse::mr::<5, u32, fuse::Cmp, P>,
    CmpRmJNe: fuse::rm::<5, u32, fuse::Cmp, P>,
    CmpMiJNe: fuse::mi::<5, u32, fuse::Cmp, P>,
    CmpMiBJNe: fuse::mi::<5, u8, fuse::Cmp, P>,
    TestRrBJNe: fuse::rr::<5, u8, fuse::Test>,
    CmpRiBJNe: fuse::ri::<5, u8, fuse::Cmp>,
    CmpRrBJNe: fuse::rr::<5, u8, fuse::Cmp>,
    SubRiJNe: fuse::ri::<5, u32, fuse::Sub>,
    AddRiJNe: fuse::ri::<5, u32, fuse::Add>,
    TestRiBJNe: fuse::ri::<5, u8, fuse::Test>,
    TestRiJNe: fuse::ri::<5, u32, fuse::Test>,
    TestMiBJNe: fuse::mi::<5, u8, fuse::Test, P>,
    CmpRrQJNe: fuse::rr::<5, u64, fuse::Cmp>,
    TestRrQJNe: fuse::rr::<5, u64, fuse::Test>,
    CmpRiQJNe: fuse::ri::<5, u64, fuse::Cmp>,
    DecRiJNe: fuse::ri::<5, u32, fuse::Dec>,
    CmpRiBJBe: fuse::ri::<6, u8, fuse::Cmp>,
    CmpRiBJA: fuse::ri::<7, u8, fuse::Cmp>,
    CmpRmJB: fuse::rm::<2, u32, fuse::Cmp, P>,
    CmpRmJAe: fuse::rm::<3, u32, fuse::Cmp, P>,
    CmpRmJBe: fuse::rm::<6, u32, fuse::Cmp, P>,
    CmpRmJA: fuse::rm::<7, u32, fuse::Cmp, P>,
    CmovE: mov::cmov_r::<4, u32>,
    SetE: mov::setcc_r::<4>,
    SetNe: mov::setcc_r::<5>,
    ShlRc: shift::shift_rc::<u32, shift::Shl>,
    ShrRc: shift::shift_rc::<u32, shift::Shr>,
    MovRAny: mov::mov_rm::<u32, Any, P>,
    CmpRx: alu::rm::<u32, Indexed, alu::Cmp, P>,
    ;
    MovRmMovRm: mov::mov_rm::<u32, Base32, P> => mov::mov_rm::<u32, Base32, P>; MovRm MovRm,
    PopRPopR: branch::pop_r::<u32, P> => branch::pop_r::<u32, P>; PopR PopR,
    PushRPushR: branch::push_r::<u32, P> => branch::push_r::<u32, P>; PushR PushR,
    PopRRet: branch::pop_r::<u32, P> => branch::ret::<u32, P>; PopR Ret,
    MovRmMovMr: mov::mov_rm::<u32, Base32, P> => mov::mov_mr::<u32, Base32, P>; MovRm MovMr,
    MovRmLea: mov::mov_rm::<u32, Base32, P> => mov::lea::<u32, Base32>; MovRm Lea,
    MovMrMovRm: mov::mov_mr::<u32, Base32, P> => mov::mov_rm::<u32, Base32, P>; MovMr MovRm,
    MovRmMovRr: mov::mov_rm::<u32, Base32, P> => mov::mov_rr::<u32>; MovRm MovRr,
    AddRiCmpRiJNe: alu::ri::<u32, alu::Add> => fuse::ri::<5, u32, fuse::Cmp>; AddRi CmpRiJNe,
    MovRxJmpR: mov::mov_rm::<u32, Indexed, P> => branch::jmp_r::<u32, P>; MovRx JmpR,
    MovRrMovRr: mov::mov_rr::<u32> => mov::mov_rr::<u32>; MovRr MovRr,
    MovRmAddRi: mov::mov_rm::<u32, Base32, P> => alu::ri::<u32, alu::Add>; MovRm AddRi,
    MovRmRet: mov::mov_rm::<u32, Base32, P> => branch::ret::<u32, P>; MovRm Ret,
    MovzxBMTestRrBJE: mov::zero_m::<Base32, u32, u8, P> => fuse::rr::<4, u8, fuse::Test>; MovzxBM TestRrBJE,
    PushRMovRr: branch::push_r::<u32, P> => mov::mov_rr::<u32>; PushR MovRr,
    MovRrMovRm: mov::mov_rr::<u32> => mov::mov_rm::<u32, Base32, P>; MovRr MovRm,
}

/// From handlers to what they are called here.
pub(crate) struct HotTable {
    single: HashMap<usize, Hot>,
    pairs: HashMap<(Hot, Hot), Hot>,
}

impl HotTable {
    pub(crate) fn new() -> HotTable {
        HotTable {
            single: handlers().into_iter().map(|(hot, handler)| (handler as usize, hot)).collect(),
            pairs: PAIRS.iter().map(|&(first, second, pair)| ((first, second), pair)).collect(),
        }
    }

    /// Names the operations of a block. The second of a pair keeps its own name: a pair may be left in between.
    pub(crate) fn name(&self, ops: &mut [Uop]) {
        for op in ops.iter_mut() {
            op.hot = self.single.get(&(op.run as usize)).copied().unwrap_or(Hot::Other);
        }
        let mut rest = ops;
        while let [first, second, ..] = rest {
            let pair = self.pairs.get(&(first.hot, second.hot)).copied();
            first.hot = pair.unwrap_or(first.hot);
            rest = &mut rest[1 + usize::from(pair.is_some())..];
        }
    }
}

impl fmt::Debug for HotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotTable({}, {} pairs)", self.single.len(), self.pairs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::lower;
    use crate::uop::LowerMode;
    use x86_decode::{Mode, decode};

    fn named(bytes: &[u8]) -> Vec<Hot> {
        let mode = LowerMode { flat: true, ..LowerMode::default() };
        let mut ops = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let insn = decode(rest, Mode::Bits32).unwrap();
            ops.push(lower(&insn, 0, 0, mode).uop);
            rest = &rest[usize::from(insn.len)..];
        }
        HotTable::new().name(&mut ops);
        ops.iter().map(|op| op.hot).collect()
    }

    #[test]
    fn handlers_are_found_by_their_address() {
        // mov eax, [ebx+4]; add eax, ecx; mov [ebx+4], eax; ret; cpuid
        let block = [0x8b, 0x43, 4, 1, 0xc8, 0x89, 0x43, 4, 0xc3, 0x0f, 0xa2];
        assert_eq!(named(&block), [Hot::MovRm, Hot::AddRr, Hot::MovMr, Hot::Ret, Hot::Other]);
    }

    #[test]
    fn the_second_of_a_pair_keeps_its_name() {
        // push ebp; push ebx; push esi
        assert_eq!(named(&[0x55, 0x53, 0x56]), [Hot::PushRPushR, Hot::PushR, Hot::PushR]);
    }
}
