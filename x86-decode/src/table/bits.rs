//! Bit manipulation (BMI1, BMI2), ADX, MOVBE and CRC32: opcodes 0F 38 xx and 0F 3A xx on general registers (SDM vol. 2 tables ).

use super::build::*;
use crate::Feature::{self, Adx, Bmi1, Bmi2, Sse42};
use crate::Op::*;

#[rustfmt::skip] // One instruction a line, in the manual's order.
pub(super) const ROWS: &[Row] = &[
    row(Movbe, of38(0xf0).mem().np(), &[w(Gv), r(Mv)], NONE).feature(Feature::Movbe),
    row(Movbe, of38(0xf0).mem().p66(), &[w(Gv), r(Mv)], NONE).feature(Feature::Movbe),
    row(Crc32, of38(0xf0).r().f2().b(), &[rw(Gy), r(Eb)], NONE).feature(Sse42),
    row(Movbe, of38(0xf1).mem().np(), &[w(Mv), r(Gv)], NONE).feature(Feature::Movbe),
    row(Movbe, of38(0xf1).mem().p66(), &[w(Mv), r(Gv)], NONE).feature(Feature::Movbe),
    row(Crc32, of38(0xf1).r().f2(), &[rw(Gy), r(Ev)], NONE).feature(Sse42),
    row(Adcx, of38(0xf6).r().p66().y(), &[rw(Gy), r(Ey)], flags().reads(C).writes(C)).feature(Adx),
    row(Adox, of38(0xf6).r().f3().y(), &[rw(Gy), r(Ey)], flags().reads(O).writes(O)).feature(Adx),

    // VEX.
    row(Andn, vex38(0xf2).r().np().l(false), &[w(Gy), r(By), r(Ey)], BLS).feature(Bmi1),
    row(Blsr, vex38(0xf3).n(1).np().l(false), &[w(By), r(Ey)], BLS).feature(Bmi1),
    row(Blsmsk, vex38(0xf3).n(2).np().l(false), &[w(By), r(Ey)], BLS).feature(Bmi1),
    row(Blsi, vex38(0xf3).n(3).np().l(false), &[w(By), r(Ey)], BLS).feature(Bmi1),
    row(Bextr, vex38(0xf7).r().np().l(false), &[w(Gy), r(Ey), r(By)], flags().writes(Z.or(C).or(O)).undefined(A.or(S).or(P))).feature(Bmi1),
    row(Bzhi, vex38(0xf5).r().np().l(false), &[w(Gy), r(Ey), r(By)], BLS).feature(Bmi2),
    row(Pext, vex38(0xf5).r().f3().l(false), &[w(Gy), r(By), r(Ey)], NONE).feature(Bmi2),
    row(Pdep, vex38(0xf5).r().f2().l(false), &[w(Gy), r(By), r(Ey)], NONE).feature(Bmi2),
    row(Mulx, vex38(0xf6).r().f2().l(false), &[w(Gy), w(By), r(Ey)], NONE).regs(DX, NO_REGS).feature(Bmi2),
    row(Shlx, vex38(0xf7).r().p66().l(false), &[w(Gy), r(Ey), r(By)], NONE).feature(Bmi2),
    row(Sarx, vex38(0xf7).r().f3().l(false), &[w(Gy), r(Ey), r(By)], NONE).feature(Bmi2),
    row(Shrx, vex38(0xf7).r().f2().l(false), &[w(Gy), r(Ey), r(By)], NONE).feature(Bmi2),
    row(Rorx, vex3a(0xf0).r().f2().l(false), &[w(Gy), r(Ey), r(Ib)], NONE).feature(Bmi2),
];
