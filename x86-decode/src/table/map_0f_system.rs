//! Opcodes 0F xx: system instructions, hints and `ud` (SDM vol. 2 table A-3).

use super::build::*;
use crate::Feature::{self, CetIbt, Long, Msr, PrefetchW, Sep, Sse, Tsc};
use crate::Flow::{Exception, Interrupt, Ret};
use crate::Op::*;

#[rustfmt::skip] // One instruction a line, in the manual's order.
pub(super) const ROWS: &[Row] = &[
    row(Sldt, of(0x00).n(0), &[w(RvMw)], NONE),
    row(Str, of(0x00).n(1), &[w(RvMw)], NONE),
    row(Lldt, of(0x00).n(2), &[r(RvMw)], NONE).privileged(),
    row(Ltr, of(0x00).n(3), &[r(RvMw)], NONE).privileged(),
    row(Verr, of(0x00).n(4), &[r(RvMw)], flags().writes(Z)),
    row(Verw, of(0x00).n(5), &[r(RvMw)], flags().writes(Z)),
    row(Sgdt, of(0x01).n(0).mem(), &[w(Ms)], NONE),
    row(Sidt, of(0x01).n(1).mem(), &[w(Ms)], NONE),
    row(Lgdt, of(0x01).n(2).mem(), &[r(Ms)], NONE).privileged(),
    row(Lidt, of(0x01).n(3).mem(), &[r(Ms)], NONE).privileged(),
    row(Smsw, of(0x01).n(4), &[w(RvMw)], NONE),
    row(Lmsw, of(0x01).n(6), &[r(RvMw)], NONE).privileged(),
    row(Invlpg, of(0x01).n(7).mem(), &[none(M)], NONE).privileged(),
    row(Monitor, of(0x01).n(1).rm(0).np(), &[], NONE).regs(AX.or(CX).or(DX), NO_REGS).feature(Feature::Monitor).privileged(),
    row(Mwait, of(0x01).n(1).rm(1).np(), &[], NONE).regs(AX.or(CX), NO_REGS).feature(Feature::Monitor).privileged(),
    row(Swapgs, of(0x01).n(7).rm(0), &[], NONE).feature(Long).long().privileged(),
    row(Rdtscp, of(0x01).n(7).rm(1), &[], NONE).regs(NO_REGS, AX.or(CX).or(DX)).feature(Feature::Rdtscp),
    row(Lar, of(0x02).r(), &[rw(Gv), r(RvMw)], flags().writes(Z)),
    row(Lsl, of(0x03).r(), &[rw(Gv), r(RvMw)], flags().writes(Z)),
    row(Syscall, of(0x05), &[], flags().reads(STATUS.or(D)).writes(STATUS.or(D))).regs(NO_REGS, CX.or(R11)).flow(Interrupt).feature(Long).long(),
    row(Clts, of(0x06), &[], NONE).privileged(),
    row(Sysret, of(0x07), &[], flags().writes(STATUS.or(D))).regs(CX.or(R11), NO_REGS).flow(Ret).feature(Long).long().privileged(),
    row(Invd, of(0x08), &[], NONE).privileged(),
    row(Wbinvd, of(0x09), &[], NONE).privileged(),
    row(Ud2, of(0x0b), &[], NONE).flow(Exception),
    row(Prefetch, of(0x0d).n(0).mem(), &[none(M)], NONE).feature(PrefetchW),
    row(Prefetchw, of(0x0d).n(1).mem(), &[none(M)], NONE).feature(PrefetchW),
    row(Nop, of(0x0d).r(), &[none(Ev0)], NONE),

    row(Prefetchnta, of(0x18).n(0).mem(), &[none(M)], NONE).feature(Sse),
    row(Prefetcht0, of(0x18).n(1).mem(), &[none(M)], NONE).feature(Sse),
    row(Prefetcht1, of(0x18).n(2).mem(), &[none(M)], NONE).feature(Sse),
    row(Prefetcht2, of(0x18).n(3).mem(), &[none(M)], NONE).feature(Sse),
    row(Nop, of(0x18).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x19).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x1a).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x1b).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x1c).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x1d).r(), &[none(Ev0)], NONE),
    row(Endbr64, of(0x1e).n(7).rm(2).f3(), &[], NONE).feature(CetIbt),
    row(Endbr32, of(0x1e).n(7).rm(3).f3(), &[], NONE).feature(CetIbt),
    row(Nop, of(0x1e).r(), &[none(Ev0)], NONE),
    row(Nop, of(0x1f).r(), &[none(Ev0)], NONE),

    row(Mov, of(0x20).any_mod().native(), &[w(Rnative), r(Cr)], flags().undefined(STATUS)).privileged(),
    row(Mov, of(0x21).any_mod().native(), &[w(Rnative), r(Dr)], flags().undefined(STATUS)).privileged(),
    row(Mov, of(0x22).any_mod().native(), &[w(Cr), r(Rnative)], flags().undefined(STATUS)).privileged(),
    row(Mov, of(0x23).any_mod().native(), &[w(Dr), r(Rnative)], flags().undefined(STATUS)).privileged(),

    row(Wrmsr, of(0x30), &[], NONE).regs(AX.or(CX).or(DX), NO_REGS).feature(Msr).privileged(),
    row(Rdtsc, of(0x31), &[], NONE).regs(NO_REGS, AX.or(DX)).feature(Tsc),
    row(Rdmsr, of(0x32), &[], NONE).regs(CX, AX.or(DX)).feature(Msr).privileged(),
    row(Rdpmc, of(0x33), &[], NONE).regs(CX, AX.or(DX)).privileged(),
    row(Sysenter, of(0x34), &[], NONE).regs(NO_REGS, SP).flow(Interrupt).feature(Sep),
    row(Sysexit, of(0x35), &[], NONE).regs(CX.or(DX), SP).flow(Ret).feature(Sep).privileged(),
    row(Cpuid, of(0xa2), &[], NONE).regs(AX.or(CX), AX.or(BX).or(CX).or(DX)),
    row(Rsm, of(0xaa), &[], flags().writes(STATUS.or(D))).flow(Ret).privileged(),
    row(Ud1, of(0xb9).r(), &[none(Gv), none(Ev0)], NONE).flow(Exception),
    row(Ud0, of(0xff).r(), &[none(Gv), none(Ev0)], NONE).flow(Exception),
];
