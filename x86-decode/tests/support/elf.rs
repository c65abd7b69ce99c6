//! Code sections of ELF files (System V ABI, chapter 4): what the disassembler, the sweep and the benchmark read.

use x86_decode::Mode;

/// A section of code.
pub(crate) struct Code<'a> {
    #[allow(dead_code)]
    pub(crate) name: String,
    /// Address of the first byte.
    #[allow(dead_code)] // Not of interest to every user of this file.
    pub(crate) address: u64,
    pub(crate) bytes: &'a [u8],
}

const SHT_NOBITS: u64 = 8;
const SHF_EXECINSTR: u64 = 4;

/// Mode and code sections of an x86 ELF file; none of anything else or of a damaged one.
pub(crate) fn code(file: &[u8]) -> Option<(Mode, Vec<Code<'_>>)> {
    let long = match (file.get(..4)?, *file.get(4)?, number(file, 18, 2)?) {
        (b"\x7fELF", 1, 3) => false,
        (b"\x7fELF", 2, 62) => true,
        _ => return None,
    };
    let word = if long { 8 } else { 4 };
    let table = number(file, if long { 0x28 } else { 0x20 }, word)? as usize;
    let counts = if long { 0x3a } else { 0x2e };
    let (size, count, names) =
        (number(file, counts, 2)?, number(file, counts + 2, 2)?, number(file, counts + 4, 2)?);
    // Name, type, then words: flags, address, offset, size.
    let field = |section: u64, n: usize| {
        let at = table.checked_add((section * size) as usize)?;
        match n {
            0 | 1 => number(file, at + 4 * n, 4),
            _ => number(file, at + 8 + word * (n - 2), word),
        }
    };
    let names = field(names, 4)? as usize;
    let mut found = Vec::new();
    for n in 0..count {
        if field(n, 1)? == SHT_NOBITS || field(n, 2)? & SHF_EXECINSTR == 0 {
            continue;
        }
        let (start, len) = (field(n, 4)? as usize, field(n, 5)? as usize);
        let bytes = file.get(start..start.checked_add(len)?)?;
        let name = file.get(names + field(n, 0)? as usize..)?.split(|byte| *byte == 0).next()?;
        found.push(Code { name: String::from_utf8_lossy(name).into(), address: field(n, 3)?, bytes });
    }
    Some((if long { Mode::Bits64 } else { Mode::Bits32 }, found))
}

/// A little-endian number of `len` bytes.
fn number(file: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}
