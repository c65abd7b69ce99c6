//! Prints offset, bytes and text of each instruction: `disasm 16|32|64 HEX` or `disasm 16|32|64 FILE` (raw code).

use std::{env, fs, process::ExitCode};

use x86_decode::{Mode, decode};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [bits, code] = args.as_slice() else { return usage() };
    let mode = match bits.as_str() {
        "16" => Mode::Bits16,
        "32" => Mode::Bits32,
        "64" => Mode::Bits64,
        _ => return usage(),
    };
    let Some(bytes) = fs::read(code).ok().or_else(|| parse_hex(code)) else { return usage() };
    let mut offset = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let (len, text) = match decode(rest, mode) {
            Ok(insn) => (usize::from(insn.len), insn.to_string()),
            Err(error) => (1, format!("({error})")),
        };
        let hex: String = rest.iter().take(len).map(|byte| format!("{byte:02x} ")).collect();
        println!("{offset:8x}: {hex:<30} {text}");
        offset += len;
    }
    ExitCode::SUCCESS
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> =
        text.split_whitespace().flat_map(str::chars).map(|c| c.to_digit(16)).collect();
    digits.map(|digits| digits.chunks(2).map(|pair| pair.iter().fold(0, |b, d| b * 16 + *d as u8)).collect())
}

fn usage() -> ExitCode {
    eprintln!("usage: disasm 16|32|64 HEX|FILE");
    ExitCode::from(2)
}
