//! What the engine wants of the place it runs in.

use crate::layout::Shared;
use core::fmt;
use guest_mem::AddressSpace;
use x86_cpu::CpuState;

/// Why a module was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeError {
    /// The host has no room: for the module, or for so many functions. Fewer of them would do.
    Full,
    /// The host does not compile the module, which is a fault of the translator's or a feature that the host has not.
    Refused,
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CodeError::Full => "the host has no room for more translated code",
            CodeError::Refused => "the host refuses a module of translated code",
        })
    }
}

impl core::error::Error for CodeError {}

/// What a call in translated code asks for when it has not come back to where it was to: to go on, in whatever way, until it does. Its
/// parameters are the state, what is shared, where the call was to come back to, and how much room for calls there is. It says
/// whether translated code is to be left.
pub type Resume<'a> = dyn FnMut(&mut CpuState, &mut Shared, u64, u32) -> bool + 'a;

/// Compiles modules, and calls the functions in them. Everything is in one linear memory: the states that functions work on, and the
/// frames of the guest.
///
/// Methods take it shared, since calls are within each other.
pub trait CodeHost {
    /// Makes room for that many functions in the table of functions, and gives the place of the first.
    fn reserve(&self, functions: u32) -> Result<u32, CodeError>;

    /// Compiles and instantiates a module, which puts its functions where room was made for them.
    fn install(&self, module: &[u8]) -> Result<(), CodeError>;

    /// Where in the linear memory something is that the program has at an address of its own.
    fn address(&self, pointer: usize) -> u32;

    /// Calls a function that was installed, with `depth` as its parameter of that name (see [`translate`](crate::translate())), for code that runs in `mem`: what modules import for areas asks that. What they import for calls that did not come
    /// back asks `resume`.
    fn call(
        &self,
        slot: u32,
        mem: &AddressSpace,
        cpu: &mut CpuState,
        shared: &mut Shared,
        depth: u32,
        resume: &mut Resume<'_>,
    );

    /// Whether each module has a copy of the table, of some twenty bytes a place, as in V8 11: then fewer modules are kept.
    fn copies_table(&self) -> bool;

    /// Whether registers are given to what is done rather than to what is said to be [hardly ever
    /// done](https://github.com/WebAssembly/branch-hinting): then that may have calls.
    fn heeds_hints(&self) -> bool;

    /// Begins anew with an empty table, so that nothing holds what was installed before, nor its memory. No call is under way, and
    /// none of it is called any more.
    fn clear(&self) -> Result<(), CodeError>;
}
