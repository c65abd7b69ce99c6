//! What exercises the processor most: Node.js, OpenSSL, a program of Go, Python's own tests of numbers, the C library's
//! `long double`; and, so that one command runs all that 64-bit Debian is about, what people run most.
//!
//! A test of its own, as it takes minutes: `cargo test --release -p cx-runtime --test processor`. `CX_DEBIAN`, `CX_CPU` and
//! `CX_HOST` choose as they do for the others.

#[expect(dead_code, reason = "shared with the suite that is run always, which uses all of it")]
mod support;

use support::cases;

#[test]
fn processor() {
    cases::check("processor.txt");
}

#[test]
fn programs_of_64_bits() {
    cases::check("amd64.txt");
}
