//! System calls: C programs (`tests/guest`), natively and on the engine.

use crate::support::guest::{Bits, check};

/// One test for each word size of a program.
macro_rules! programs {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn bits_32() {
                super::check(stringify!($name), super::Bits::B32);
            }

            #[test]
            fn bits_64() {
                super::check(stringify!($name), super::Bits::B64);
            }
        }
    )+};
}

programs!(
    calls, compat, events, files, machine, memory, numbers, processes, segments, signals, sockets, terminals,
    threads, traps, vectors
);
