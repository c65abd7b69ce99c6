//! Speed of the decoder beside iced's, over the code of ELF files: time of a whole sweep, told in nanoseconds per
//! instruction that iced counts, and the ratio (above 1: ours is faster).
//!
//! `cargo bench -p x86-decode --bench speed -- FILE...`; without files, this program itself. Both decode the same bytes
//! in turn, a linear sweep each, the best of several rounds.
//!
//! Like with like: each decodes into an instruction that is reused, and neither makes text or asks for flags and access,
//! which iced looks up later and our row holds. We do more in one thing: memory operands get their size and default
//! segment here, and the CPU's features are asked for, which iced looks up later or not at all. EVEX is not ours: where
//! a file has it, our sweep goes through those bytes one by one and pays for it. Our instruction is larger, too: the
//! first line printed says by how much.

use std::hint::black_box;
use std::time::Instant;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use x86_decode::{FeatureSet, Insn, Mode, decode_into};

#[path = "../tests/support/elf.rs"]
mod elf;

const ROUNDS: usize = 40;

/// Sweeps with our decoder; instructions met, a byte that begins none counts as one.
fn ours(code: &[u8], mode: Mode) -> u64 {
    let (mut at, mut count) = (0, 0);
    let mut insn = Insn::NONE;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        at += match decode_into(rest, mode, FeatureSet::ALL, &mut insn) {
            Ok(()) => usize::from(black_box(&insn).len),
            Err(_) => 1,
        };
        count += 1;
    }
    count
}

fn iced(code: &[u8], bits: u32) -> u64 {
    let mut decoder = Decoder::with_ip(bits, code, 0, DecoderOptions::NONE);
    let mut insn = Instruction::default();
    let mut count = 0;
    while decoder.can_decode() {
        let start = decoder.position();
        decoder.decode_out(&mut insn);
        if black_box(&insn).is_invalid() {
            let _ = decoder.set_position(start + 1);
        }
        count += 1;
    }
    count
}

fn main() {
    let mut files: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if files.is_empty() {
        files.extend(std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()));
    }
    println!("bytes of an instruction: {}, iced {}", size_of::<Insn>(), size_of::<Instruction>());
    for path in files {
        let file = std::fs::read(&path).unwrap_or_default();
        let Some((mode, sections)) = elf::code(&file) else {
            eprintln!("{path}: not an x86 ELF file");
            continue;
        };
        let Some(text) = sections.iter().find(|section| section.name == ".text") else { continue };
        let bits = if mode == Mode::Bits64 { 64 } else { 32 };
        let mut best = [f64::MAX; 2];
        let count = iced(text.bytes, bits) as f64;
        for _ in 0..ROUNDS {
            let runs: [&dyn Fn() -> u64; 2] = [&|| ours(text.bytes, mode), &|| iced(text.bytes, bits)];
            for (run, best) in runs.iter().zip(&mut best) {
                let start = Instant::now();
                black_box(run());
                *best = best.min(start.elapsed().as_nanos() as f64 / count);
            }
        }
        let [ours, iced] = best;
        println!("{path}: {ours:.1} ns, iced {iced:.1} ns, ratio {:.2}", iced / ours);
    }
}
