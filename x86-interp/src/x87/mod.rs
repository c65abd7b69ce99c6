//! The x87 unit.

/// Status word: exception summary, an unmasked exception is pending.
pub(crate) const ES: u16 = 1 << 7;
