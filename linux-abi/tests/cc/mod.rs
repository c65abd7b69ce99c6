//! Asks the C compiler: the oracle of these tests is the system's headers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use linux_abi::Arch;

static SERIAL: AtomicUsize = AtomicUsize::new(0);

fn gcc(arch: Arch) -> Command {
    let mut command = Command::new("gcc");
    command.arg(match arch {
        Arch::I386 => "-m32",
        Arch::X86_64 => "-m64",
    });
    command
}

fn scratch(suffix: &str) -> PathBuf {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{}-{serial}{suffix}", std::process::id()))
}

/// Compiles and runs a program, whose lines are "key value": a map of them.
///
/// `headers` are separated by spaces; `-DNAME` among them defines a macro first.
#[allow(dead_code)] // Not every test file asks this way.
pub(crate) fn ask(arch: Arch, headers: &str, body: &str) -> BTreeMap<String, String> {
    try_ask(arch, headers, body).unwrap_or_else(|error| panic!("{error}"))
}

/// The same, with what the compiler complained about.
pub(crate) fn try_ask(arch: Arch, headers: &str, body: &str) -> Result<BTreeMap<String, String>, String> {
    let (source, program) = (scratch(".c"), scratch(""));
    let mut text = String::new();
    for word in headers.split_whitespace() {
        match word.strip_prefix("-D") {
            Some(name) => text += &format!("#define {name} 1\n"),
            None => text += &format!("#include <{word}>\n"),
        }
    }
    text += "int printf(const char *, ...);\nint main(void)\n{\n";
    text += body;
    text += "return 0;\n}\n";
    std::fs::write(&source, text).unwrap();

    let compiled = gcc(arch).args(["-w", "-o"]).arg(&program).arg(&source).output();
    let compiled = compiled.unwrap_or_else(|error| panic!("these tests need gcc: {error}"));
    if !compiled.status.success() {
        return Err(format!(
            "gcc failed for {arch:?} with <{headers}> (for i386 it needs the package gcc-multilib):\n{}",
            String::from_utf8_lossy(&compiled.stderr)
        ));
    }
    let ran =
        Command::new(&program).output().unwrap_or_else(|error| panic!("running {arch:?} code: {error}"));
    assert!(ran.status.success(), "{arch:?} <{headers}>: {}", ran.status);
    let _ = std::fs::remove_file(source);
    let _ = std::fs::remove_file(program);

    let output = String::from_utf8(ran.stdout).unwrap();
    let rows = output.lines().filter_map(|line| line.split_once(' '));
    Ok(rows.map(|(key, value)| (key.into(), value.into())).collect())
}

/// The macros a header defines, with their text.
#[allow(dead_code)] // Not every test file asks for it.
pub(crate) fn macros(arch: Arch, header: &str) -> BTreeMap<String, String> {
    let source = scratch(".h");
    std::fs::write(&source, format!("#include <{header}>\n")).unwrap();
    let output = gcc(arch).args(["-dM", "-E"]).arg(&source).output().expect("these tests need gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let _ = std::fs::remove_file(source);
    let output = String::from_utf8(output.stdout).unwrap();
    output
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split_once(' '))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}
