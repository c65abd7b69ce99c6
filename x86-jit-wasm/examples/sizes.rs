//! How much WebAssembly the code of a file comes to: `cargo run --release -p x86-jit-wasm --example sizes -- ELF-FILE [ADDRESS]`.
//! With an address, prints the operations of the region that begins there. `QUICK=1` in the environment is for the quick tier, `ONLY=1` prints the time alone.

use std::collections::BTreeMap;
use wasmparser::{Parser, Payload};
use x86_cpu::CodeMode;
use x86_decode::{FeatureSet, MAX_LEN};
use x86_jit_wasm::layout::Places;
use x86_jit_wasm::{Code, Limits, Region, Setting, translate};

struct Text {
    start: u64,
    bytes: Vec<u8>,
}

impl Code for Text {
    fn fetch(&self, pc: u64, out: &mut [u8; MAX_LEN]) -> usize {
        let rest = self.bytes.get(pc.wrapping_sub(self.start) as usize..).unwrap_or_default();
        let got = rest.len().min(MAX_LEN);
        out[..got].copy_from_slice(&rest[..got]);
        got
    }
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn main() {
    let mut args = std::env::args().skip(1);
    let file = std::fs::read(args.next().expect("a file")).expect("readable");
    let one = args.next().map(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex"));
    let long = file[4] == 2;
    let (table, size, count) = if long {
        (number(&file, 0x20, 8), 56, number(&file, 0x38, 2))
    } else {
        (number(&file, 0x1c, 4), 32, number(&file, 0x2c, 2))
    };
    let header = |n: u64| (table + n * size) as usize;
    let executable = |n: &u64| {
        let flags = number(&file, header(*n) + if long { 4 } else { 24 }, 4);
        number(&file, header(*n), 4) == 1 && flags & 1 != 0
    };
    let at = header((0..count).find(executable).expect("a segment of code"));
    let field = |long_at, at32| {
        if long { number(&file, at + long_at, 8) } else { number(&file, at + at32, 4) }
    };
    let (offset, start, len) = (field(8, 4) as usize, field(16, 8), field(32, 16) as usize);
    let text = Text { start, bytes: file[offset..offset + len].to_vec() };
    let mode = if long { CodeMode::Bits64 } else { CodeMode::Bits32 };
    let setting = Setting { mode, fs: true, gs: true };
    let (tlb, home) = (guest_mem::TlbLayout::OWN, guest_mem::HomeLayout::OWN);
    let places =
        Places { shared: 0x10000, jumps: 0x20000, calls: 0x30000, better: 0x60000, tlb, home, hints: true };
    // Targets of calls, as far as bytes look like one.
    let mut entries: Vec<u64> = (0..len.saturating_sub(5))
        .filter(|at| text.bytes[*at] == 0xe8)
        .map(|at| (start + at as u64 + 5).wrapping_add(number(&text.bytes, at + 1, 4) as i32 as u64))
        .filter(|to| *to >= start && *to < start + len as u64)
        .collect();
    entries.sort_unstable();
    entries.dedup();
    if let Some(one) = one {
        entries = vec![one];
    }
    let (mut regions, mut insns, mut bytes, mut blocks) = (0, 0, 0, 0);
    let mut operators: BTreeMap<String, u64> = BTreeMap::new();
    let quick = std::env::var_os("QUICK").is_some();
    let began = std::time::Instant::now();
    let mut modules = Vec::new();
    for entry in entries.iter().take(3000) {
        let region = if quick {
            Region::discover_quick(&text, *entry, setting, FeatureSet::ALL, Limits::default().instructions)
        } else {
            Region::discover(&text, *entry, setting, FeatureSet::ALL, Limits::default())
        };
        let count: usize = region.blocks.iter().map(|block| block.insns.len()).sum();
        if count == 0 {
            continue;
        }
        regions += 1;
        insns += count;
        blocks += region.blocks.len();
        let module = translate(&[region], &places, 0);
        bytes += module.len();
        modules.push(module);
    }
    let seconds = began.elapsed().as_secs_f64();
    // Profiles are of the translator alone.
    if std::env::var_os("ONLY").is_some() {
        println!("{:.2} µs an instruction", seconds * 1e6 / insns as f64);
        return;
    }
    for module in &modules {
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::CodeSectionEntry(body) = payload.expect("a module") {
                for operator in body.get_operators_reader().expect("operators") {
                    let text = format!("{:?}", operator.expect("an operator"));
                    if one.is_some() {
                        println!("{text}");
                    }
                    let name = text.split(' ').next().unwrap_or_default();
                    *operators.entry(name.to_string()).or_default() += 1;
                }
            }
        }
    }
    let mut common: Vec<_> = operators.into_iter().collect();
    common.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let total: u64 = common.iter().map(|(_, count)| count).sum();
    println!("{regions} regions, {blocks} blocks, {insns} instructions, {bytes} bytes, {total} operations");
    println!(
        "an instruction: {:.1} bytes, {:.1} operations, {:.2} µs",
        bytes as f64 / insns as f64,
        total as f64 / insns as f64,
        seconds * 1e6 / insns as f64
    );
    for (name, count) in common.iter().take(24) {
        println!("{name:20} {:5.1} %", *count as f64 * 100.0 / total as f64);
    }
}
