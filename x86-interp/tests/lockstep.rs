//! Whole programs natively and in the interpreter, instruction by instruction.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::Path;
use std::process::{Command, Stdio};
use testkit::lockstep::{Lockstep, Verdict};
use x86_interp::Interp;

/// A C program that ends by a signal after floating-point numbers, sorting, strings, a handler and a fault.
const PROGRAM: &str = r#"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static sigjmp_buf back;
static void handler(int signal) { siglongjmp(back, signal); }
static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int count, char **words) {
    int numbers[200];
    for (int i = 0; i < 200; i++) numbers[i] = i * 7919 % 1009;
    qsort(numbers, 200, sizeof *numbers, order);
    char text[300];
    long double x = count + 0.25L;
    int n = snprintf(text, sizeof text, "%d %d %.15Lg %g %s", numbers[3], numbers[199], sqrtl(x) * x, sin(count), words[0]);
    char *copy = malloc(1000);
    memset(copy, 'x', 1000);
    memcpy(copy + 17, text, n);
    volatile int found = strchr(copy, ' ') - copy + strlen(strstr(copy, "xxx"));
    signal(SIGSEGV, handler);
    signal(SIGFPE, handler);
    volatile int zero = found - found;
    if (!sigsetjmp(back, 1)) *(volatile int *)(long)zero = 1;
    if (!sigsetjmp(back, 1)) __asm__ volatile("xor %%edx, %%edx; divl %0" ::"r"(zero) : "eax", "edx", "cc");
    free(copy);
    abort();
}
"#;

fn compare(bits: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("lockstep{bits}.c"));
    let program = folder.join(format!("lockstep{bits}"));
    std::fs::write(&source, PROGRAM).expect("the folder is writable");
    let mut gcc = Command::new("gcc");
    gcc.args([bits, "-O1", "-static", "-msse2", "-o"]).arg(&program).arg(&source).arg("-lm");
    assert!(gcc.status().expect("gcc runs; `cargo xtask setup` installs it").success());
    let mut command = Command::new(&program);
    command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    let mut both = match Lockstep::start(&mut command, None, Interp::new()) {
        Ok(both) => both,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("left out, programs cannot be traced here: {error}");
            return;
        }
        Err(error) => panic!("{}: {error}", program.display()),
    };
    let verdict = both.run(u64::MAX).expect("the program can be traced");
    let counts = both.counts();
    eprintln!("{bits}: {counts:?}");
    match verdict {
        Verdict::Ended(stop) => assert_eq!(stop, testkit::host::process::Stop::Killed(6), "{counts:?}"),
        Verdict::Differs(difference) => panic!("{difference}"),
        Verdict::Enough => unreachable!("no limit was given"),
    }
    assert!(counts.instructions > 20_000, "{counts:?}");
    assert!(counts.signals >= 3, "{counts:?}");
}

#[test]
fn a_32_bit_program_agrees() {
    compare("-m32");
}

#[test]
fn a_64_bit_program_agrees() {
    compare("-m64");
}
