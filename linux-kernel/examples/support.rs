//! Prints how much of a system call there is: `cargo run -p linux-kernel --example support -- futex clone3`.

use linux_abi::Sysno;
use linux_kernel::sys::{Support, support};

fn main() {
    for name in std::env::args().skip(1) {
        match Sysno::ALL.iter().find(|call| call.name() == name) {
            None => println!("{name}: no such call"),
            Some(call) => match support(*call) {
                Support::Full => println!("{name}: full"),
                Support::Partial(what) => println!("{name}: partial: {what}"),
                Support::Missing => println!("{name}: ENOSYS"),
            },
        }
    }
}
