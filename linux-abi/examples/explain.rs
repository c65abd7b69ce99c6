//! Explains numbers of the system-call interface: `explain i386 195`, `explain errno 2`, `explain open 0x8242`.

use std::process::ExitCode;

use linux_abi::{Arch, Errno, fcntl::OFlags};

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn call(arch: Arch, value: u64) -> String {
    match (arch.sysno_name(value), arch.sysno(value)) {
        (Some(name), Some(call)) => format!("{name}: {call:?}"),
        _ => format!("no such call: {}", Errno::ENOSYS),
    }
}

fn explain(what: &str, value: u64) -> Option<String> {
    match what {
        "i386" => Some(call(Arch::I386, value)),
        "x86_64" => Some(call(Arch::X86_64, value)),
        "errno" => Some(Errno(u16::try_from(value).ok()?).to_string()),
        "open" => Some(format!("{:?}", OFlags::from_bits_retain(u32::try_from(value).ok()?))),
        _ => None,
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let answer = match args.as_slice() {
        [what, value] => number(value).and_then(|value| explain(what, value)),
        _ => None,
    };
    match answer {
        Some(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("usage: explain i386|x86_64|errno|open NUMBER");
            ExitCode::FAILURE
        }
    }
}
