//! One-byte opcodes 40–7F: register forms, pushes, `imul`, port strings, short conditional jumps.

use super::build::*;
use crate::Access::{Read, Write};
use crate::Flow::CondBranch;
use crate::Op::*;

#[rustfmt::skip] // One instruction a line, in the manual's order.
pub(super) const ROWS: &[Row] = &[
    row(Inc, op(0x40).plus(), &[rw(Zv)], INCDEC).legacy(),
    row(Dec, op(0x48).plus(), &[rw(Zv)], INCDEC).legacy(),
    row(Push, op(0x50).plus().d64(), &[r(Zv)], NONE).push(),
    row(Pop, op(0x58).plus().d64(), &[w(Zv)], NONE).pop(),

    row(Pusha, op(0x60), &[], NONE).push().regs(PUSHA, SP).legacy(),
    row(Popa, op(0x61), &[], NONE).pop().regs(SP, PUSHA).legacy(),
    row(Bound, op(0x62).mem(), &[r(Gv), r(Ma)], NONE).legacy(),
    row(Arpl, op(0x63).r(), &[rw(Ew), r(Gw)], flags().writes(Z)).legacy(),
    row(Movsxd, op(0x63).r().o16(), &[w(Gv), r(Ew)], NONE).long(),
    row(Movsxd, op(0x63).r(), &[w(Gv), r(Ed)], NONE).long(),
    row(Push, op(0x68).d64(), &[r(Iz)], NONE).push(),
    row(Imul, op(0x69).r(), &[w(Gv), r(Ev), r(Iz)], IMUL),
    row(Push, op(0x6a).d64(), &[r(Ibs)], NONE).push(),
    row(Imul, op(0x6b).r(), &[w(Gv), r(Ev), r(Ibs)], IMUL),
    row(Ins, op(0x6c).b(), &[], STRING).regs(DX.or(DI), DI).memory(Write).repeats().privileged(),
    row(Ins, op(0x6d).no_w(), &[], STRING).regs(DX.or(DI), DI).memory(Write).repeats().privileged(),
    row(Outs, op(0x6e).b(), &[], STRING).regs(DX.or(SI), SI).memory(Read).repeats().privileged(),
    row(Outs, op(0x6f).no_w(), &[], STRING).regs(DX.or(SI), SI).memory(Read).repeats().privileged(),

    row(Jo, op(0x70).f64(), &[r(Rel8)], flags().reads(O)).flow(CondBranch),
    row(Jno, op(0x71).f64(), &[r(Rel8)], flags().reads(O)).flow(CondBranch),
    row(Jb, op(0x72).f64(), &[r(Rel8)], flags().reads(C)).flow(CondBranch),
    row(Jae, op(0x73).f64(), &[r(Rel8)], flags().reads(C)).flow(CondBranch),
    row(Je, op(0x74).f64(), &[r(Rel8)], flags().reads(Z)).flow(CondBranch),
    row(Jne, op(0x75).f64(), &[r(Rel8)], flags().reads(Z)).flow(CondBranch),
    row(Jbe, op(0x76).f64(), &[r(Rel8)], flags().reads(C.or(Z))).flow(CondBranch),
    row(Ja, op(0x77).f64(), &[r(Rel8)], flags().reads(C.or(Z))).flow(CondBranch),
    row(Js, op(0x78).f64(), &[r(Rel8)], flags().reads(S)).flow(CondBranch),
    row(Jns, op(0x79).f64(), &[r(Rel8)], flags().reads(S)).flow(CondBranch),
    row(Jp, op(0x7a).f64(), &[r(Rel8)], flags().reads(P)).flow(CondBranch),
    row(Jnp, op(0x7b).f64(), &[r(Rel8)], flags().reads(P)).flow(CondBranch),
    row(Jl, op(0x7c).f64(), &[r(Rel8)], flags().reads(S.or(O))).flow(CondBranch),
    row(Jge, op(0x7d).f64(), &[r(Rel8)], flags().reads(S.or(O))).flow(CondBranch),
    row(Jle, op(0x7e).f64(), &[r(Rel8)], flags().reads(S.or(Z).or(O))).flow(CondBranch),
    row(Jg, op(0x7f).f64(), &[r(Rel8)], flags().reads(S.or(Z).or(O))).flow(CondBranch),
];
