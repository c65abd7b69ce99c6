//! Faults as values.

use core::fmt;

/// What an access wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Data read.
    Read,
    /// Data write, including the write half of a read-modify-write.
    Write,
    /// Instruction fetch.
    Execute,
}

/// Why an access could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Nothing is mapped there (Linux: `SEGV_MAPERR`).
    NotMapped,
    /// Something is mapped there that does not allow this access (Linux: `SEGV_ACCERR`).
    Permission,
    /// The mapping's page lies wholly beyond the end of its object (Linux: `SIGBUS`, `BUS_ADRERR`).
    BeyondEnd,
    /// The page must be loaded first; await [`crate::Mappable::load`] and try again.
    NotResident,
    /// No frame is free.
    OutOfMemory,
}

/// An access that failed. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemFault {
    /// First byte of the access that lies in the failing page.
    pub addr: u64,
    /// What was attempted.
    pub access: Access,
    /// Why it failed.
    pub kind: FaultKind,
}

impl fmt::Display for MemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:#x}: {:?}", self.access, self.addr, self.kind)
    }
}

impl core::error::Error for MemFault {}
