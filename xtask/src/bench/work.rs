//! What is timed: C programs of `xtask/bench` and programs of the image.

use super::text::text;
use crate::process::{Context, Result, program, run};
use crate::project;
use std::path::{Path, PathBuf};

/// What kind of work a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Counts for the geometric mean of the interpreter's targets.
    Integer,
    Floating,
    System,
    /// Code that changes, or runs a few times only.
    Code,
    /// Programs of the distribution, their start included.
    Program,
}

impl Set {
    pub(super) fn name(self) -> &'static str {
        match self {
            Set::Integer => "integer",
            Set::Floating => "floating point",
            Set::System => "system",
            Set::Code => "code",
            Set::Program => "program",
        }
    }
}

/// A C program: its name, source, and further options of the compiler.
type Kernel = (Set, &'static str, &'static str, &'static [&'static str]);

const SSE: &[&str] = &["-msse2", "-mfpmath=sse"];
const X87: &[&str] = &["-mfpmath=387"];

#[rustfmt::skip] // One kernel a line.
const KERNELS: &[Kernel] = &[
    (Set::Integer, "sieve", "sieve", &[]),
    (Set::Integer, "quicksort", "quicksort", &[]),
    (Set::Integer, "sha256", "sha256", &[]),
    (Set::Integer, "lz + crc32", "lz", &[]),
    (Set::Integer, "interpreter, indirect calls", "interpreter", &[]),
    (Set::Integer, "interpreter, computed goto", "interpreter", &["-DCOMPUTED_GOTO"]),
    (Set::Integer, "linked list", "list", &[]),
    (Set::Integer, "hash map, malloc", "hashmap", &[]),
    (Set::Integer, "fib (call/ret)", "fib", &[]),
    (Set::Integer, "libc mem/str", "memstr", &[]),
    (Set::Integer, "rep movs/stos/scas", "repstr", &[]),
    (Set::Integer, "mix: list, matrix, states", "mix", &[]),
    (Set::Floating, "nbody SSE2", "nbody", SSE),
    (Set::Floating, "nbody x87", "nbody", X87),
    (Set::Floating, "matmul SSE2", "matmul", SSE),
    (Set::Floating, "matmul packed", "matmul", &["-msse2", "-mfpmath=sse", "-DPACKED"]),
    (Set::Floating, "matmul x87", "matmul", X87),
    (Set::System, "getppid", "system", &["-DGETPPID"]),
    (Set::System, "read 512 B", "system", &["-DREAD"]),
    (Set::System, "page fault", "system", &["-DFAULT"]),
    (Set::Code, "code generated at run time", "codegen", &[]),
    (Set::Code, "patched immediate", "codegen", &["-DPATCH"]),
    (Set::Code, "4096 functions, 5 times", "functions", &["-DTIMES=5"]),
    (Set::Code, "4096 functions, 500 times", "functions", &["-DTIMES=500"]),
];

#[rustfmt::skip] // One program a line.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("bash start", &["/bin/bash", "-c", "true"]),
    ("bash loop", &["/bin/bash", "-c", "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; echo $i"]),
    ("bash forks", &["/bin/bash", "-c", "for i in {1..50}; do /bin/true; done"]),
    ("python start", &["/usr/bin/python3", "-c", "pass"]),
    ("python loop", &["/usr/bin/python3", "-c", "print(sum(i * i % 7 for i in range(200000)))"]),
    ("sort", &["/bin/bash", "-c", "seq 20000 | sort -r | md5sum"]),
    ("gzip", &["/bin/bash", "-c", "seq 60000 | gzip -6 | md5sum"]),
    ("gzip 20 MB", &["/bin/bash", "-c", "gzip -nc /bench/text | md5sum"]),
    ("xz 20 MB", &["/bin/bash", "-c", "xz -c /bench/text | md5sum"]),
    ("sha256sum 20 MB", &["/usr/bin/sha256sum", "/bench/text"]),
    ("sort 20 MB", &["/bin/bash", "-c", "sort /bench/text | md5sum"]),
    ("grep 20 MB", &["/bin/grep", "-Ec", "(ing|tion)[a-m]*ost", "/bench/text"]),
    ("python objects", &["/usr/bin/python3", "/bench/objects.py"]),
    ("python dicts", &["/usr/bin/python3", "/bench/dicts.py"]),
    ("python strings", &["/usr/bin/python3", "/bench/strings.py"]),
    ("python floats", &["/usr/bin/python3", "/bench/floats.py"]),
    ("python recursion", &["/usr/bin/python3", "/bench/recursion.py"]),
    ("perl words", &["/usr/bin/perl", "/bench/words.pl"]),
    ("lua tables", &["/usr/bin/lua5.4", "/bench/tables.lua"]),
    ("node nbody", &["/usr/bin/node", "/bench/nbody.js"]),
    ("node json", &["/usr/bin/node", "/bench/json.js"]),
    ("g++ store", &["/usr/bin/g++", "-std=c++17", "-O2", "-S", "-o", "-", "/bench/store.cpp"]),
];

/// Bytes of the file that programs of that kind read.
const TEXT: usize = 20_000_000;

/// One row.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) set: Set,
    pub(super) name: &'static str,
    /// Arguments natively, the program first.
    pub(super) native: Vec<String>,
    /// Arguments in the guest.
    pub(super) guest: Vec<String>,
}

/// Compiles what is needed into `folder`, which guests see as `/bench`. `tree` is the image's content, for running its
/// programs natively, where they see the same at the same place; without one they are left out.
pub(super) fn prepare(
    folder: &Path,
    bits: u64,
    tree: Option<&Path>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Work>> {
    std::fs::create_dir_all(folder)?;
    let mut all = Vec::new();
    for &(set, name, source, options) in KERNELS.iter().filter(|kernel| wanted(kernel.1)) {
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let binary = compile(folder, bits, source, &file, options)?;
        let guest = vec![format!("/bench/{file}"), "guest".to_string()];
        all.push(Work { set, name, native: vec![binary.to_string_lossy().into_owned()], guest });
    }
    let programs: Vec<_> = PROGRAMS.iter().filter(|(name, _)| wanted(name)).collect();
    if let Some(tree) = tree.filter(|_| !programs.is_empty()) {
        files(folder, tree)?;
        let stopwatch = compile(folder, bits, "stopwatch", "stopwatch", &[])?;
        for (name, words) in programs {
            let words = || words.iter().map(ToString::to_string);
            let native = [stopwatch.to_string_lossy().into_owned(), tree.to_string_lossy().into_owned()];
            let guest = ["/bench/stopwatch".to_string(), "-".to_string()];
            let (native, guest) = (native.into_iter().chain(words()), guest.into_iter().chain(words()));
            all.push(Work { set: Set::Program, name, native: native.collect(), guest: guest.collect() });
        }
    }
    Ok(all)
}

/// Puts what programs work on into `folder`, and into the folder of `tree` that is where guests see the former.
fn files(folder: &Path, tree: &Path) -> Result {
    let text_file = folder.join("text");
    if text_file.metadata().is_ok_and(|meta| meta.len() != TEXT as u64) || !text_file.exists() {
        std::fs::write(&text_file, text(TEXT)).context(|| text_file.display().to_string())?;
    }
    let sources = project::root().join("xtask/bench/programs");
    let there = tree.join("bench");
    std::fs::create_dir_all(&there).context(|| there.display().to_string())?;
    for source in std::fs::read_dir(&sources).context(|| sources.display().to_string())? {
        let source = source?;
        std::fs::copy(source.path(), folder.join(source.file_name()))?;
        std::fs::copy(source.path(), there.join(source.file_name()))?;
    }
    std::fs::copy(&text_file, there.join("text"))?;
    Ok(())
}

/// Compiles a source unless the binary is newer than it.
fn compile(folder: &Path, bits: u64, source: &str, name: &str, options: &[&str]) -> Result<PathBuf> {
    let sources = project::root().join("xtask/bench");
    let binary = folder.join(name);
    let modified = |file: &Path| file.metadata().and_then(|meta| meta.modified()).ok();
    let source = sources.join(format!("{source}.c"));
    let newest = modified(&source).max(modified(&sources.join("bench.h"))).max(modified(&sources));
    if modified(&binary) < newest || newest.is_none() {
        let mut gcc = program("gcc");
        gcc.arg(format!("-m{bits}")).args(["-O2", "-static", "-Wall", "-fno-math-errno", "-o"]).arg(&binary);
        run(gcc.args(options).arg(source).arg("-lm"))?;
    }
    Ok(binary)
}
