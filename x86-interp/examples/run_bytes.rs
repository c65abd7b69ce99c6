//! Runs 32-bit machine code given as hexadecimal bytes until it traps, and prints the registers.
//!
//! `cargo run -p x86-interp --example run_bytes -- b8 2a 00 00 00 cd 80`

use guest_mem::{AddressSpace, FramePool, Prot, Vma};
use x86_cpu::{CodeMode, CpuState, ExecEngine};
use x86_interp::Interp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let code =
        std::env::args().skip(1).map(|hex| u8::from_str_radix(&hex, 16)).collect::<Result<Vec<_>, _>>()?;
    let mem = AddressSpace::new(&FramePool::new(64));
    let area = Vma::anonymous(0x1_0000, 0x2_0000, Prot::READ | Prot::WRITE | Prot::EXEC);
    mem.map(area).map_err(|error| format!("{error:?}"))?;
    mem.write_bytes(0x1_0000, &code)?;
    let mut cpu = CpuState::new(CodeMode::Bits32);
    (cpu.rip, cpu.gpr[4]) = (0x1_0000, 0x2_0000);

    let outcome = Interp::new().run(&mut cpu, &mem, 1_000_000);
    println!(
        "{:?} after {} instructions, eip {:#x}, eflags {:#x}",
        outcome.exit, outcome.retired, cpu.rip, cpu.rflags
    );
    for (name, value) in ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"].iter().zip(cpu.gpr) {
        println!("{name} {value:#010x}");
    }
    Ok(())
}
