//! One-byte opcodes 00–3F: arithmetic and logic, segment pushes, BCD adjustment (SDM vol. 2 table A-2).

use super::build::*;
use crate::Op::*;

#[rustfmt::skip] // One instruction a line, in the manual's order.
pub(super) const ROWS: &[Row] = &[
    row(Add, op(0x00).r().b(), &[rw(Eb), r(Gb)], ALU).lock(),
    row(Add, op(0x01).r(), &[rw(Ev), r(Gv)], ALU).lock(),
    row(Add, op(0x02).r().b(), &[rw(Gb), r(Eb)], ALU),
    row(Add, op(0x03).r(), &[rw(Gv), r(Ev)], ALU),
    row(Add, op(0x04).b(), &[rw(Al), r(Ib)], ALU),
    row(Add, op(0x05), &[rw(Rax), r(Iz)], ALU),
    row(Push, op(0x06).d64(), &[r(Es)], NONE).push().legacy(),
    row(Pop, op(0x07).d64(), &[w(Es)], NONE).pop().legacy(),

    row(Or, op(0x08).r().b(), &[rw(Eb), r(Gb)], LOGIC).lock(),
    row(Or, op(0x09).r(), &[rw(Ev), r(Gv)], LOGIC).lock(),
    row(Or, op(0x0a).r().b(), &[rw(Gb), r(Eb)], LOGIC),
    row(Or, op(0x0b).r(), &[rw(Gv), r(Ev)], LOGIC),
    row(Or, op(0x0c).b(), &[rw(Al), r(Ib)], LOGIC),
    row(Or, op(0x0d), &[rw(Rax), r(Iz)], LOGIC),
    row(Push, op(0x0e).d64(), &[r(Cs)], NONE).push().legacy(),

    row(Adc, op(0x10).r().b(), &[rw(Eb), r(Gb)], ALU_CARRY).lock(),
    row(Adc, op(0x11).r(), &[rw(Ev), r(Gv)], ALU_CARRY).lock(),
    row(Adc, op(0x12).r().b(), &[rw(Gb), r(Eb)], ALU_CARRY),
    row(Adc, op(0x13).r(), &[rw(Gv), r(Ev)], ALU_CARRY),
    row(Adc, op(0x14).b(), &[rw(Al), r(Ib)], ALU_CARRY),
    row(Adc, op(0x15), &[rw(Rax), r(Iz)], ALU_CARRY),
    row(Push, op(0x16).d64(), &[r(Ss)], NONE).push().legacy(),
    row(Pop, op(0x17).d64(), &[w(Ss)], NONE).pop().legacy(),

    row(Sbb, op(0x18).r().b(), &[rw(Eb), r(Gb)], ALU_CARRY).lock(),
    row(Sbb, op(0x19).r(), &[rw(Ev), r(Gv)], ALU_CARRY).lock(),
    row(Sbb, op(0x1a).r().b(), &[rw(Gb), r(Eb)], ALU_CARRY),
    row(Sbb, op(0x1b).r(), &[rw(Gv), r(Ev)], ALU_CARRY),
    row(Sbb, op(0x1c).b(), &[rw(Al), r(Ib)], ALU_CARRY),
    row(Sbb, op(0x1d), &[rw(Rax), r(Iz)], ALU_CARRY),
    row(Push, op(0x1e).d64(), &[r(Ds)], NONE).push().legacy(),
    row(Pop, op(0x1f).d64(), &[w(Ds)], NONE).pop().legacy(),

    row(And, op(0x20).r().b(), &[rw(Eb), r(Gb)], LOGIC).lock(),
    row(And, op(0x21).r(), &[rw(Ev), r(Gv)], LOGIC).lock(),
    row(And, op(0x22).r().b(), &[rw(Gb), r(Eb)], LOGIC),
    row(And, op(0x23).r(), &[rw(Gv), r(Ev)], LOGIC),
    row(And, op(0x24).b(), &[rw(Al), r(Ib)], LOGIC),
    row(And, op(0x25), &[rw(Rax), r(Iz)], LOGIC),
    row(Daa, op(0x27).b(), &[], flags().reads(A.or(C)).writes(SZAPC).undefined(O)).regs(AX, AX).legacy(),

    row(Sub, op(0x28).r().b(), &[rw(Eb), r(Gb)], ALU).lock(),
    row(Sub, op(0x29).r(), &[rw(Ev), r(Gv)], ALU).lock(),
    row(Sub, op(0x2a).r().b(), &[rw(Gb), r(Eb)], ALU),
    row(Sub, op(0x2b).r(), &[rw(Gv), r(Ev)], ALU),
    row(Sub, op(0x2c).b(), &[rw(Al), r(Ib)], ALU),
    row(Sub, op(0x2d), &[rw(Rax), r(Iz)], ALU),
    row(Das, op(0x2f).b(), &[], flags().reads(A.or(C)).writes(SZAPC).undefined(O)).regs(AX, AX).legacy(),

    row(Xor, op(0x30).r().b(), &[rw(Eb), r(Gb)], LOGIC).lock(),
    row(Xor, op(0x31).r(), &[rw(Ev), r(Gv)], LOGIC).lock(),
    row(Xor, op(0x32).r().b(), &[rw(Gb), r(Eb)], LOGIC),
    row(Xor, op(0x33).r(), &[rw(Gv), r(Ev)], LOGIC),
    row(Xor, op(0x34).b(), &[rw(Al), r(Ib)], LOGIC),
    row(Xor, op(0x35), &[rw(Rax), r(Iz)], LOGIC),
    row(Aaa, op(0x37).b(), &[], flags().reads(A).writes(A.or(C)).undefined(OSZP)).regs(AX, AX).legacy(),

    row(Cmp, op(0x38).r().b(), &[r(Eb), r(Gb)], ALU),
    row(Cmp, op(0x39).r(), &[r(Ev), r(Gv)], ALU),
    row(Cmp, op(0x3a).r().b(), &[r(Gb), r(Eb)], ALU),
    row(Cmp, op(0x3b).r(), &[r(Gv), r(Ev)], ALU),
    row(Cmp, op(0x3c).b(), &[r(Al), r(Ib)], ALU),
    row(Cmp, op(0x3d), &[r(Rax), r(Iz)], ALU),
    row(Aas, op(0x3f).b(), &[], flags().reads(A).writes(A.or(C)).undefined(OSZP)).regs(AX, AX).legacy(),
];
