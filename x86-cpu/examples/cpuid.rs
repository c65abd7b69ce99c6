//! Prints what CPUID answers programs.

use x86_cpu::Cpuid;

fn main() {
    let model = Cpuid::default();
    for leaf in (0..=4).chain(0x8000_0000..=0x8000_0008) {
        let [a, b, c, d] = model.query(leaf, 0);
        println!("{leaf:08x}: {a:08x} {b:08x} {c:08x} {d:08x}");
    }
}
