//! Lengths against objdump, over real programs: `OBJDUMP_ROOT=DIRECTORY cargo test -p x86-decode --test objdump` sweeps the
//! code of every x86 ELF file below the directory. Without it, the code of this test itself.
//!
//! objdump sweeps a section from one symbol to the next; we decode at every address it prints.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use x86_decode::{Insn, Mode, decode};

#[path = "support/elf.rs"]
mod elf;

#[derive(Default)]
struct Tally {
    files: u64,
    compared: u64,
    /// Lines that say nothing of a length, by reason.
    passed_over: BTreeMap<&'static str, u64>,
    /// By mnemonic: how many, and the first.
    wrong: BTreeMap<String, (u64, String)>,
}

/// Words that objdump prints for prefixes alone.
const PREFIXES: &[&str] =
    &["data16", "addr16", "addr32", "repz", "repnz", "lock", "cs", "ss", "ds", "es", "fs", "gs"];

/// Why a line of objdump tells no length.
fn no_length(text: &str, mode: Mode) -> Option<&'static str> {
    let mut words = text.split_whitespace();
    if text.contains("(bad)") || text.starts_with(".byte") {
        Some("data between functions: objdump gives up too")
    } else if mode == Mode::Bits64 && (text.starts_with("jmpw ") || text.starts_with("callw ")) {
        Some("66 before a near branch: AMD's length, Intel ignores it in 64-bit code")
    } else if words.all(|word| word.starts_with("rex") || PREFIXES.contains(&word)) {
        Some("prefixes that objdump prints alone, where the whole is no instruction to it")
    } else {
        None
    }
}

/// Transactions, enclaves, protection keys, shadow stacks, by mnemonic.
const UNKNOWN: &[&str] =
    &["encls", "enclu", "xbegin", "xabort", "xend", "xtest", "rdpkru", "wrpkru", "incsspd", "incsspq"];

/// Why we refuse what objdump takes for an instruction.
fn refused(text: &str, code: &[u8]) -> Option<&'static str> {
    let word = text.split(' ').next().unwrap_or_default();
    let opcode: Vec<u8> =
        code.iter().copied().skip_while(|byte| matches!(byte, 0x66 | 0xf2 | 0xf3)).take(2).collect();
    match opcode[..] {
        [0x0f, 0xa6 | 0xa7] => Some("VIA PadLock"),
        [0x0f, 0x0e | 0x0f] => Some("3DNow!"),
        [0x8f, _] => Some("XOP"),
        [0x62, _] => Some("AVX-512"),
        [0xc4 | 0xc5, _] if word.starts_with('k') => Some("AVX-512"),
        // `vfmaddsd` and its like, without the order of operands that FMA3 has in their names.
        [0xc4, _] if word.starts_with("vf") && !word.bytes().any(|byte| byte.is_ascii_digit()) => {
            Some("AMD only: FMA4")
        }
        [0x40..=0x4f, 0xc4 | 0xc5] => Some("data: REX before VEX"),
        _ if word.starts_with("vm") => Some("virtual machine extensions"),
        _ if UNKNOWN.contains(&word) => Some("extensions that the table does not know"),
        _ if text.contains("(287 only)") => Some("80287 only"),
        _ if text.contains("%tr") => Some("test registers of the i486"),
        _ if word == "sysret" || word == "syscall" => Some("AMD only outside 64-bit mode"),
        _ if text.contains("lock ") => Some("data: LOCK before what cannot be locked"),
        _ if text.contains("%?") => Some("data: a segment, control or debug register that does not exist"),
        _ if text.contains(",%cs") => Some("data: a move to CS"),
        _ => None,
    }
}

/// Our length of what objdump prints as one: `fwait` and what follows count as one there.
fn our_length(code: &[u8], mode: Mode, theirs: usize) -> Option<usize> {
    let len = |insn: Insn| usize::from(insn.len);
    let first = decode(code, mode).map(len).ok()?;
    match code.first() {
        Some(0x9b) if theirs > 1 => Some(first + decode(&code[first..], mode).map(len).ok()?),
        _ => Some(first),
    }
}

fn sweep(path: &Path, tally: &mut Tally) -> Option<()> {
    let file = std::fs::read(path).ok()?;
    let (mode, sections) = elf::code(&file)?;
    tally.files += 1;
    let mut child = Command::new("objdump")
        .args(["-d", "-z", "-w", "--insn-width=16"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut section = None;
    for line in BufReader::new(child.stdout.take()?).lines() {
        let line = line.ok()?;
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            section = sections.iter().find(|section| section.name == name.trim_end_matches(':'));
            continue;
        }
        let mut fields = line.splitn(3, '\t');
        let (Some(address), Some(bytes)) = (fields.next(), fields.next()) else { continue };
        let Ok(address) = u64::from_str_radix(address.trim().trim_end_matches(':'), 16) else { continue };
        let text = fields.next().unwrap_or_default();
        let theirs = bytes.split_whitespace().count();
        let code = section.and_then(|section| section.bytes.get((address - section.address) as usize..))?;
        if let Some(reason) = no_length(text, mode) {
            *tally.passed_over.entry(reason).or_default() += 1;
            continue;
        }
        let ours = our_length(code, mode, theirs);
        if let Some(reason) = refused(text, code).filter(|_| ours.is_none()) {
            *tally.passed_over.entry(reason).or_default() += 1;
            continue;
        }
        tally.compared += 1;
        if ours != Some(theirs) {
            let mnemonic = text.split(' ').next().unwrap_or_default().to_owned();
            let first = format!("{} {line}: ours {ours:?}", path.display());
            tally.wrong.entry(mnemonic).or_insert((0, first)).0 += 1;
        }
    }
    child.wait().ok()?;
    Some(())
}

fn files_below(path: PathBuf, all: &mut Vec<PathBuf>) {
    let Ok(kind) = path.symlink_metadata() else { return };
    if kind.is_dir() {
        for entry in path.read_dir().into_iter().flatten().flatten() {
            files_below(entry.path(), all);
        }
    } else if kind.is_file() {
        all.push(path);
    }
}

#[test]
fn lengths_in_real_programs() {
    if Command::new("objdump").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no objdump");
        return;
    }
    let root = std::env::var_os("OBJDUMP_ROOT").map(PathBuf::from);
    let mut files = Vec::new();
    files_below(root.unwrap_or_else(|| std::env::current_exe().expect("a path")), &mut files);
    let mut tally = Tally::default();
    for file in files {
        sweep(&file, &mut tally);
    }
    println!(
        "{} files, {} instructions compared, not compared: {:#?}",
        tally.files, tally.compared, tally.passed_over
    );
    assert!(tally.files > 0 && tally.compared > 0);
    assert!(tally.wrong.is_empty(), "{:#?}", tally.wrong);
}
