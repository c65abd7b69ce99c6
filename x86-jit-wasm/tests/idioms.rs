//! How many operations of WebAssembly common idioms are, as a table: `UPDATE=1` writes it anew, `SHOW=` and part of an idiom's
//! name prints its code.

use guest_mem::{HomeLayout, TlbLayout};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use testkit::layout::CODE;
use wasmparser::{Operator, Parser, Payload};
use x86_cpu::CodeMode;
use x86_decode::{FeatureSet, MAX_LEN};
use x86_jit_wasm::layout::Places;
use x86_jit_wasm::{Code, Limits, Region, Setting, translate};

const PLACES: Places = Places {
    shared: 0x1000,
    jumps: 0x2000,
    calls: 0x3000,
    better: 0x4000,
    tlb: TlbLayout { bits: 10, stride: 32, read: 0, write: 8, bias: 24 },
    home: HomeLayout::OWN,
    hints: true,
};
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/idioms.txt");

struct Bytes(Vec<u8>);

impl Code for Bytes {
    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        let rest = self.0.get(pc.wrapping_sub(CODE) as usize..).unwrap_or_default();
        let got = rest.len().min(MAX_LEN);
        out[..got].copy_from_slice(&rest[..got]);
        got
    }
}

fn operators(module: &[u8]) -> Vec<Operator<'_>> {
    let body = Parser::new(0).parse_all(module).find_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    let operators = body.expect("a function").get_operators_reader().expect("operators");
    operators.into_iter().map(|operator| operator.expect("an operator")).collect()
}

/// Operations that run where no exit is taken, and all, of what is in the outermost block.
fn count(operators: &[Operator<'_>], show: bool) -> (usize, usize) {
    let (mut run, mut all) = (0, 0);
    // For each structure around, whether it is an exit.
    let mut around: Vec<bool> = Vec::new();
    for (at, operator) in operators.iter().enumerate() {
        let inside = match operator {
            Operator::End => around.len() > 1,
            _ => !around.is_empty(),
        };
        let exit = around.contains(&true);
        if inside {
            all += 1;
            run += usize::from(!exit);
            if show {
                println!("{}{operator:?}", if exit { "        " } else { "" });
            }
        }
        match operator {
            // An `if` that does not come back.
            Operator::If { .. } => around.push(leaves(&operators[at + 1..])),
            Operator::Block { .. } | Operator::Loop { .. } => around.push(false),
            Operator::End => {
                around.pop();
                if around.is_empty() {
                    break;
                }
            }
            _ => {}
        }
    }
    (run, all)
}

fn leaves(rest: &[Operator<'_>]) -> bool {
    let end = rest.iter().position(|operator| {
        matches!(operator, Operator::Else | Operator::End | Operator::If { .. } | Operator::Block { .. })
    });
    end.is_some_and(|end| {
        matches!(rest[end], Operator::End) && end > 0 && matches!(rest[end - 1], Operator::Br { .. })
    })
}

#[test]
fn as_many_operations_as_they_were() {
    let table = std::fs::read_to_string(PATH).expect("the table");
    let show = std::env::var("SHOW").ok();
    let mut now = String::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [bits, name, instructions, hex, _, _] = cells[..] else {
            writeln!(now, "{line}").expect("text");
            continue;
        };
        if line.starts_with('#') {
            writeln!(now, "{line}").expect("text");
            continue;
        }
        let bytes = (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex"));
        let mode = if bits == "32" { CodeMode::Bits32 } else { CodeMode::Bits64 };
        let setting = Setting { mode, fs: true, gs: true };
        let bytes = Bytes(bytes.collect());
        let region = Region::discover(&bytes, CODE, setting, FeatureSet::ALL, Limits::default());
        // Loops are written several times.
        let insns = region.blocks.iter().flat_map(|block| &block.insns);
        let lengths: BTreeMap<u64, usize> = insns.map(|at| (at.pc, usize::from(at.insn.len))).collect();
        assert_eq!(lengths.values().sum::<usize>(), bytes.0.len(), "{line}: all of it is translated");
        let module = translate(&[region], &PLACES, 0);
        let show = show.as_ref().is_some_and(|part| name.contains(part.as_str()));
        if show {
            println!("\n{line}");
        }
        let (run, all) = count(&operators(&module), show);
        writeln!(now, "{bits} | {name} | {instructions} | {hex} | {run} | {all}").expect("text");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, now).expect("writes the table");
    } else {
        for (before, now) in table.lines().zip(now.lines()) {
            assert_eq!(before, now);
        }
    }
}
