//! Disassembles: `disasm FILE` the code sections of an ELF file, `disasm 16|32|64 HEX` the bytes given.

use x86_decode::{Mode, decode};

#[path = "../tests/support/elf.rs"]
mod elf;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mode, hex) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["16", hex] => (Mode::Bits16, hex),
        ["32", hex] => (Mode::Bits32, hex),
        ["64", hex] => (Mode::Bits64, hex),
        [file] => {
            let file = std::fs::read(file).unwrap_or_default();
            let (mode, sections) = elf::code(&file).expect("an x86 ELF file");
            for code in sections {
                println!("{}:", code.name);
                list(code.address, code.bytes, mode);
            }
            return;
        }
        _ => panic!("usage: disasm FILE | 16|32|64 HEX"),
    };
    let bytes: Result<Vec<u8>, _> = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect();
    list(0, &bytes.expect("bytes in hexadecimal"), mode);
}

fn list(mut at: u64, mut code: &[u8], mode: Mode) {
    while !code.is_empty() {
        let (len, text) = match decode(code, mode) {
            Ok(insn) => (usize::from(insn.len), insn.at(at).to_string()),
            Err(error) => (1, format!("({error})")),
        };
        let hex: String = code.iter().take(len).map(|byte| format!("{byte:02x} ")).collect();
        println!("{at:8x}: {hex:<30} {text}");
        (code, at) = (&code[len..], at + len as u64);
    }
}
