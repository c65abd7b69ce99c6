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

/// Compiles modules, and calls the functions in them. Everything is in one linear memory: the states that functions work on, and the
/// frames of the guest.
pub trait CodeHost {
    /// Makes room for that many functions in the table of functions, and gives the place of the first.
    fn reserve(&mut self, functions: u32) -> Result<u32, CodeError>;

    /// Compiles and instantiates a module, which puts its functions where room was made for them.
    fn install(&mut self, module: &[u8]) -> Result<(), CodeError>;

    /// Where in the linear memory something is that the program has at an address of its own.
    fn address(&self, pointer: usize) -> u32;

    /// Calls a function that was installed, for code that runs in `mem`: what modules import for areas asks that.
    fn call(&mut self, slot: u32, mem: &AddressSpace, cpu: &mut CpuState, shared: &mut Shared, depth: u32);

    /// Takes functions out of the table again, from a place that [`CodeHost::reserve`] gave. They are not called any more.
    fn remove(&mut self, first: u32, functions: u32);
}
