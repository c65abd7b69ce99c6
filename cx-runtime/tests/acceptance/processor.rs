//! What exercises the processor most: Node.js, OpenSSL, a program of Go, Python's own tests of numbers.
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
