//! The table as a whole: names, reachability, and what consumers may rely on.

use std::collections::HashSet;

use x86_decode::{Flow, Mode, Op, ROWS, decode};

#[test]
fn names_are_lower_case_and_unique() {
    let names: HashSet<_> = Op::ALL.iter().map(|op| op.name()).collect();
    assert_eq!(names.len(), Op::ALL.len());
    for (i, op) in Op::ALL.iter().enumerate() {
        assert_eq!(*op as usize, i);
        let variant = format!("{op:?}").to_lowercase();
        assert_eq!(op.name().replace(' ', ""), variant);
    }
}

#[test]
fn every_op_has_a_row() {
    let ops: HashSet<_> = ROWS.iter().map(|row| row.op).collect();
    let missing: Vec<_> = Op::ALL.iter().filter(|op| !ops.contains(op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn ids_are_positions() {
    for (i, row) in ROWS.iter().enumerate() {
        assert_eq!(usize::from(row.id), i);
    }
}

/// Some bytes lead to every row: none is hidden behind another.
#[test]
fn every_row_is_found() {
    let prefixes: &[&[u8]] =
        &[&[], &[0x66], &[0xf2], &[0xf3], &[0x48], &[0x41], &[0x66, 0x48], &[0xf2, 0x48], &[0xf3, 0x48]];
    let maps: &[&[u8]] = &[&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];
    let mut seen = vec![false; ROWS.len()];
    let mut see = |bytes: &[u8], mode| {
        if let Ok(insn) = decode(bytes, mode) {
            seen[usize::from(insn.row.id)] = true;
            assert_eq!(insn.op, insn.row.op);
        }
    };
    for mode in [Mode::Bits16, Mode::Bits32, Mode::Bits64] {
        for (prefix, map) in prefixes.iter().flat_map(|p| maps.iter().map(move |m| (p, m))) {
            for (opcode, modrm) in (0..=255).flat_map(|o| (0..=255).map(move |m| (o, m))) {
                see(&[*prefix, *map, &[opcode, modrm, 0x88], &[0; 11]].concat(), mode);
            }
        }
        for (map, fields) in (1..=3).flat_map(|map| (0..=255).map(move |fields| (map, fields))) {
            // The vvvv of two operands, and that of none.
            if matches!(fields >> 3 & 15, 14 | 15) {
                for (opcode, modrm) in (0..=255).flat_map(|o| (0..=255).map(move |m| (o, m))) {
                    see(&[0xc4, 0xe0 | map, fields, opcode, modrm, 0x88, 0, 0, 0, 0, 0, 0, 0, 0], mode);
                }
            }
        }
    }
    let missing: Vec<_> = ROWS.iter().filter(|row| !seen[usize::from(row.id)]).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What ends a basic block is told by the row alone.
#[test]
fn control_flow_is_marked() {
    let transfers = "jmp call ret loop iret int sys hlt ud0 ud1 ud2 jcxz rsm".split(' ').collect::<Vec<_>>();
    for row in ROWS {
        let name = row.op.name();
        let transfer = transfers.iter().any(|t| name.starts_with(t)) || name.starts_with('j');
        assert_eq!(row.flow != Flow::Next, transfer, "{name}");
    }
}
