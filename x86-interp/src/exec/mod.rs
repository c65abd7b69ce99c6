//! Handlers of instructions, a file per family; each file chooses its handlers too.

pub(crate) mod alu;
pub(crate) mod bits;
pub(crate) mod bmi;
pub(crate) mod branch;
pub(crate) mod far;
pub(crate) mod mov;
pub(crate) mod muldiv;
pub(crate) mod shift;
pub(crate) mod string;
pub(crate) mod system;
