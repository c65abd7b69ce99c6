//! What every device must do, and a way to run futures in tests.

use crate::device::{BlockDevice, DeviceError};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future that needs no outside event to its end.
///
/// # Panics
/// If it waits for something that nobody will wake it for.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut work = pin!(work);
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(value) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
    panic!("the future waits for ever");
}

/// Offsets and lengths worth trying on a device of a size: edges of sectors, pages, blocks and of the device.
fn ranges(size: u64) -> Vec<(u64, usize)> {
    let mut ranges = Vec::new();
    for edge in [0, 1, 511, 512, 4096, 131_071, 131_072, 262_144, size / 2, size.saturating_sub(513)] {
        for len in [0, 1, 2, 511, 512, 513, 4096, 131_072, 131_073, 300_000] {
            if edge + len as u64 <= size {
                ranges.push((edge, len));
            }
        }
    }
    ranges.push((0, size as usize));
    ranges.push((size, 0));
    ranges
}

fn same(found: &[u8], expected: &[u8], what: &str) -> Result<(), String> {
    match found.iter().zip(expected).position(|(a, b)| a != b) {
        Some(at) => Err(format!("{what}: byte {at} is {:#x}, not {:#x}", found[at], expected[at])),
        None => Ok(()),
    }
}

/// Checks everything that reading promises, on a device that holds exactly `expected`.
pub async fn check_reads(device: &dyn BlockDevice, expected: &[u8]) -> Result<(), String> {
    if device.size() != expected.len() as u64 {
        return Err(format!("size is {}, not {}", device.size(), expected.len()));
    }
    if device.block_size() == 0 || !device.block_size().is_multiple_of(512) {
        return Err(format!("odd block size {}", device.block_size()));
    }
    for (offset, len) in ranges(device.size()) {
        device.prefetch(offset, len as u64);
        let mut found = vec![0xa5; len];
        let what = format!("read of {len} at {offset}");
        device.read(offset, &mut found).await.map_err(|error| format!("{what}: {error}"))?;
        same(&found, &expected[offset as usize..offset as usize + len], &what)?;
    }
    for (offset, len) in [(device.size(), 1), (device.size() + 1, 0), (u64::MAX, 1), (0, expected.len() + 1)]
    {
        match device.read(offset, &mut vec![0; len]).await {
            Err(DeviceError::OutOfRange { .. }) => {}
            other => return Err(format!("read of {len} at {offset} gave {other:?}")),
        }
    }
    Ok(())
}

/// Checks everything that writing promises, and reading before and after; `expected` is the content at the start.
/// On a read-only device: that it says so and refuses.
pub async fn check_device(device: &dyn BlockDevice, expected: &[u8]) -> Result<(), String> {
    check_reads(device, expected).await?;
    if device.read_only() {
        return match device.write(0, &[1]).await {
            Err(DeviceError::ReadOnly) => check_reads(device, expected).await,
            other => Err(format!("write to a read-only device gave {other:?}")),
        };
    }
    let mut model = expected.to_vec();
    for (round, (offset, len)) in ranges(device.size()).into_iter().enumerate() {
        let data: Vec<u8> = (0..len).map(|i| (i as u64 * 7 + round as u64 * 13 + offset) as u8).collect();
        let what = format!("write of {len} at {offset}");
        device.write(offset, &data).await.map_err(|error| format!("{what}: {error}"))?;
        let start = offset as usize;
        model[start..start + len].copy_from_slice(&data);
        let from = start.saturating_sub(700);
        let to = (start + len + 700).min(model.len());
        let mut found = vec![0; to - from];
        device.read(from as u64, &mut found).await.map_err(|error| format!("after {what}: {error}"))?;
        same(&found, &model[from..to], &what)?;
        if round % 7 == 3 {
            device.flush().await.map_err(|error| format!("flush: {error}"))?;
        }
    }
    for (offset, len) in [(device.size(), 1), (u64::MAX, 1), (1, model.len())] {
        match device.write(offset, &vec![0; len]).await {
            Err(DeviceError::OutOfRange { .. }) => {}
            other => return Err(format!("write of {len} at {offset} gave {other:?}")),
        }
    }
    device.flush().await.map_err(|error| format!("flush: {error}"))?;
    check_reads(device, &model).await
}
