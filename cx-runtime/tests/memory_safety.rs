//! Faults: what a program does wrong, and what its handler is told, natively and on the machine (`guest/faults.c`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the program for a word size into a tree of its own, which becomes the machine's root directory.
fn build(bits: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults{bits}"));
    fs::create_dir_all(root.join("tmp")).expect("a place for the program");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/faults.c");
    let done = Command::new("gcc")
        .args([&format!("-m{bits}"), "-O1", "-msse2", "-fno-stack-protector", "-static", "-w", "-o"])
        .arg(root.join("faults"))
        .arg(source)
        .status()
        .expect("gcc can be run");
    assert!(done.success(), "gcc -m{bits} fails: is gcc-multilib installed?");
    root
}

fn check(bits: &str) {
    let root = build(bits);
    let native = Command::new(root.join("faults")).output().expect("the program runs here");
    let guest = Command::new(env!("CARGO_BIN_EXE_cx"))
        .arg("run")
        .arg("--root")
        .arg(&root)
        .args(["--", "/faults"])
        .output()
        .expect("cx runs");
    let (native_text, guest_text) =
        (String::from_utf8_lossy(&native.stdout), String::from_utf8_lossy(&guest.stdout));
    let differ: Vec<_> = native_text.lines().zip(guest_text.lines()).filter(|(a, b)| a != b).collect();
    let log = String::from_utf8_lossy(&guest.stderr);
    assert!(differ.is_empty(), "native and guest differ: {differ:#?}\n{log}");
    assert_eq!(native_text, guest_text, "{log}");
    assert_eq!(native.status.code(), guest.status.code(), "{log}");
    assert!(native_text.lines().count() > 40, "the cases ran");
}

#[test]
fn faults_of_32_bit_programs_are_those_of_linux() {
    check("32");
}

#[test]
fn faults_of_64_bit_programs_are_those_of_linux() {
    check("64");
}
