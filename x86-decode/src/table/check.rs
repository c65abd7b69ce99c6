//! What every row must obey, checked when the table is compiled.

use crate::{Access, Flow, Form, ModRm, Prefix, Row, Size};

/// Where the register or memory of an operand is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// ModRM, register or memory.
    RegOrMem,
    /// ModRM.rm, memory only.
    Mem,
    /// ModRM.rm, register only.
    Reg,
    /// ModRM.reg, or an x87 register by ModRM.rm.
    Field,
    Opcode,
    /// VEX.vvvv, or an immediate of VEX instructions.
    Vex,
    Branch,
    /// Immediates, absolute offsets, fixed registers.
    Other,
}

const fn place(form: Form) -> Place {
    use Form::*;
    match form {
        Eb | Ew | Ed | Eq | Ev | Ey | Ev0 | RvMw | RyMb | RyMw | RyMd | Qq | Qd => Place::RegOrMem,
        Wx | Wdq | Wq | Wd | Ww | Wb | Wh | Wf | We => Place::RegOrMem,
        M | Mb | Mw | Md | Mq | Mdq | Mx | Vmx | Vmdq | Mt | Mv | My | Ma | Mp | Ms | Menv | Mstate | Mfx => {
            Place::Mem
        }
        Rnative | Rd | Rv | Ry | Ra | Nq | Ux | Udq | StI => Place::Reg,
        Gb | Gw | Gd | Gv | Gy | Pq | Vx | Vdq | Sw | Cr | Dr => Place::Field,
        Hx | Hdq | By | Lx => Place::Vex,
        Zb | Zv => Place::Opcode,
        Rel8 | Relv | Ap => Place::Branch,
        None | Ob | Ov | Al | Cl | Ax | Dx | Rax | Es | Cs | Ss | Ds | Fs | Gs | St0 => Place::Other,
        Ib | Ibs | Iw | Iz | Iv | One => Place::Other,
    }
}

/// Fails compilation where `row` contradicts itself.
pub(super) const fn row(row: &Row) {
    let has_modrm = !matches!(row.modrm, ModRm::None);
    match row.digit {
        Some(digit) => assert!(digit < 8 && has_modrm, "a digit is three bits of ModRM"),
        None => assert!(!matches!(row.modrm, ModRm::Rm(_)), "a whole ModRM byte needs its digit"),
    }
    if let ModRm::Rm(rm) = row.modrm {
        assert!(rm < 8);
    }
    assert!(!row.plus_reg || row.opcode & 7 == 0, "a register in the opcode starts at a multiple of eight");

    if row.map.is_vex() {
        assert!(!matches!(row.prefix, Prefix::Any), "VEX.pp is one of four");
        assert!(matches!(row.size, Size::RexW) && row.operand_size.is_none() && row.rex_b.is_none());
        assert!(!row.lockable && !row.repeatable, "prefixes before VEX are invalid");
    } else {
        assert!(row.vex_l.is_none());
    }

    let mut i = 0;
    let mut ended = false;
    let mut by_rm = false;
    while i < row.args.len() {
        let form = row.args[i].form;
        assert!(!ended || matches!(form, Form::None), "operands stand without gaps");
        ended = matches!(form, Form::None);
        by_rm |= matches!(place(form), Place::RegOrMem | Place::Mem);
        match place(form) {
            Place::RegOrMem => assert!(has_modrm && !matches!(row.modrm, ModRm::AnyMod)),
            Place::Mem => assert!(matches!(row.modrm, ModRm::Mem), "memory operand without memory form"),
            Place::Reg => {
                assert!(matches!(row.modrm, ModRm::Reg | ModRm::AnyMod), "register without register form")
            }
            Place::Field => assert!(has_modrm),
            Place::Opcode => assert!(row.plus_reg),
            Place::Vex => assert!(row.map.is_vex()),
            Place::Branch => {
                let direct = matches!(row.flow, Flow::Branch | Flow::CondBranch | Flow::Call);
                assert!(i == 0 && direct, "a branch target is the only operand of a direct branch");
            }
            Place::Other => {}
        }
        i += 1;
    }
    // The operand reads SIB and displacement.
    assert!(by_rm == matches!(row.modrm, ModRm::Any | ModRm::Mem) || matches!(row.modrm, ModRm::Reg));
    if matches!(row.flow, Flow::Branch | Flow::CondBranch | Flow::Call) {
        assert!(matches!(place(row.args[0].form), Place::Branch), "a direct branch without target");
    }

    let first = row.args[0];
    if row.lockable {
        assert!(
            matches!(place(first.form), Place::RegOrMem | Place::Mem)
                && matches!(first.access, Access::ReadWrite)
        );
    }
    if row.repeatable {
        assert!(!matches!(row.memory, Access::None), "only string instructions repeat");
    }
    let flags = row.flags;
    assert!(flags.written.and(flags.undefined).is_empty(), "a flag is written or undefined");
    assert!(
        flags.written.or(flags.undefined).contains(flags.kept),
        "only a flag that may change can be kept"
    );
}
