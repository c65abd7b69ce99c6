//! What one instruction does beyond its row: shift counts and repeat prefixes change which flags and registers it uses.

use crate::Op;
use crate::insn::{Insn, Operand, Rep, Width};
use crate::row::{FlagSet, Flags, RegSet};

impl Insn {
    /// Use of flags. As [`crate::Row::flags`], but with the count of an immediate shift and the repeat prefix known.
    pub fn flags(&self) -> Flags {
        let row = self.row.flags;
        match (self.op, self.rep) {
            (
                Op::Shl | Op::Shr | Op::Sar | Op::Shld | Op::Shrd | Op::Rol | Op::Ror | Op::Rcl | Op::Rcr,
                _,
            ) => self.shift_flags(row),
            // With CX = 0 nothing is compared (SDM vol. 2, REP).
            (Op::Cmps | Op::Scas, Rep::Rep | Rep::Repne) => Flags { kept: row.written, ..row },
            _ => row,
        }
    }

    /// Shifts and rotates (SDM vol. 1 §7.3.6): a count of zero changes nothing, a count of one defines OF.
    fn shift_flags(&self, row: Flags) -> Flags {
        let none = FlagSet::NONE;
        let count = match self.operands {
            [_, Operand::Imm(count), Operand::None, _] | [_, _, Operand::Imm(count), _] => count,
            _ => return row,
        };
        match count & if self.width == Width::W64 { 0x3f } else { 0x1f } {
            0 => Flags { read: none, written: none, undefined: none, kept: none },
            1 => {
                let of = FlagSet::OF;
                Flags { written: row.written.or(of), undefined: row.undefined.without(of), kept: none, ..row }
            }
            _ => Flags { kept: none, ..row },
        }
    }

    /// Registers read without being named: those of the row, and the count of a repeat prefix.
    pub fn implicit_reads(&self) -> RegSet {
        self.row.reads.or(self.repeat_count())
    }

    /// Registers written without being named, in some executions at least.
    pub fn implicit_writes(&self) -> RegSet {
        self.row.writes.or(self.repeat_count())
    }

    fn repeat_count(&self) -> RegSet {
        if self.rep == Rep::None { RegSet::NONE } else { RegSet::CX }
    }
}
