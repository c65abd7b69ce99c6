//! Prints what CPUID answers programs, at the level given (default: the lowest).

use x86_cpu::{Cpuid, Level};

fn main() {
    let name = std::env::args().nth(1);
    let level = name.map_or(Some(Level::default()), |name| Level::named(&name));
    let Some(level) = level else {
        eprintln!("levels: {}", Level::ALL.map(Level::name).join(" "));
        return;
    };
    let model = Cpuid::of(level);
    for leaf in (0..=model.query(0, 0)[0]).chain(0x8000_0000..=0x8000_0008) {
        for subleaf in 0..if leaf == 0xd { 3 } else { 1 } {
            let [a, b, c, d] = model.query(leaf, subleaf);
            println!("{leaf:08x}.{subleaf}: {a:08x} {b:08x} {c:08x} {d:08x}");
        }
    }
}
