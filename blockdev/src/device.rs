//! The seam: what a block device is, and how it fails.

use alloc::boxed::Box;
use alloc::string::String;
use async_trait::async_trait;
use core::fmt;

/// Why a device operation failed; says whose fault it is and what to do.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// Written to a device that takes no writes. Caller's fault: put an [`crate::Overlay`] on top.
    ReadOnly,
    /// The range does not lie inside the device. Caller's fault, or the image is cut short.
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        len: u64,
        /// Bytes there are.
        size: u64,
    },
    /// The named thing does not exist. Check the address.
    NotFound(String),
    /// The data below is not the data this was made from. Reset the writes kept for it, or bring the old data back.
    Changed {
        /// Validator that was remembered.
        expected: String,
        /// Validator found now.
        found: String,
    },
    /// Somebody else (another tab) holds the store. Close it there, or open read-only.
    Locked(String),
    /// The other side lacks something that is needed (range requests, a validator). Its owner must change it.
    Unsupported(String),
    /// The store's quota is used up. Free space, or ask for more.
    NoSpace(String),
    /// What was stored makes no sense. Reset the store.
    Corrupt(String),
    /// The device or the network failed. Trying again may help.
    Io(String),
    /// A test asked for this failure ([`crate::FaultInjector`]).
    Injected,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::ReadOnly => f.write_str("the device is read-only; use an overlay to keep writes"),
            DeviceError::OutOfRange { offset, len, size } => {
                write!(
                    f,
                    "{len} bytes at {offset} are not inside the device of {size} bytes; is the image cut short?"
                )
            }
            DeviceError::NotFound(what) => write!(f, "{what} was not found; check the address"),
            DeviceError::Changed { expected, found } => write!(
                f,
                "the data changed (was {expected}, is {found}); reset what was stored for it, or restore the old data"
            ),
            DeviceError::Locked(what) => write!(f, "{what} is in use elsewhere; close it there first"),
            DeviceError::Unsupported(what) => write!(f, "not supported by the other side: {what}"),
            DeviceError::NoSpace(what) => write!(f, "no space left in {what}; free some"),
            DeviceError::Corrupt(what) => write!(f, "stored data is damaged ({what}); reset it"),
            DeviceError::Io(what) => write!(f, "input/output failed: {what}"),
            DeviceError::Injected => f.write_str("injected failure"),
        }
    }
}

impl core::error::Error for DeviceError {}

/// A range of bytes that survives.
///
/// Any offset and length inside the device is allowed; none needs alignment, [`BlockDevice::block_size`] only says
/// what is cheap. A read sees every write that returned before it. Writes become durable in the order of their calls:
/// after a crash the device holds some prefix of them, which contains at least those before the last flush that
/// returned. A read or flush whose future is dropped has no effect; a write whose future is dropped may have
/// happened in part.
#[async_trait(?Send)]
pub trait BlockDevice {
    /// Bytes in the device. Never changes.
    fn size(&self) -> u64;

    /// Preferred unit of access in bytes, a multiple of 512.
    fn block_size(&self) -> u32 {
        512
    }

    /// Whether writes fail with [`DeviceError::ReadOnly`].
    fn read_only(&self) -> bool {
        false
    }

    /// Something that changes when the content is replaced from outside (ETag, Last-Modified, a hash).
    fn validator(&self) -> Option<String> {
        None
    }

    /// Fills `buf` from `offset` on, or fails. [`DeviceError::OutOfRange`] unless the whole range is inside.
    async fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes `data` at `offset`. [`DeviceError::OutOfRange`] unless the whole range is inside.
    async fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError>;

    /// Returns when every write before it is durable.
    async fn flush(&self) -> Result<(), DeviceError>;

    /// The range will probably be read soon. Never waits; errors show at the read.
    fn prefetch(&self, _offset: u64, _len: u64) {}
}

/// Checks a range against a device's size.
pub(crate) fn check_range(offset: u64, len: usize, size: u64) -> Result<(), DeviceError> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(DeviceError::OutOfRange { offset, len: len as u64, size }),
    }
}
