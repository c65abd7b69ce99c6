//! The host's clocks, and its source of randomness.

use linux_kernel::time::{Monotonic, Now};
use vfs::Timestamp;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(out: &mut [u8]);
}

/// `crypto.getRandomValues` fills at most so many bytes at once (Web Cryptography, 10.1.1).
const RANDOM_AT_ONCE: usize = 65536;

/// Milliseconds of the clock that never goes back; the same that the worker's timers use.
pub(crate) fn milliseconds() -> f64 {
    performance_now()
}

/// Both clocks; `origin` is the moment the machine was made.
pub(crate) fn now(origin: f64) -> Now {
    let monotonic = Monotonic(((performance_now() - origin).max(0.0) * 1e6) as u64);
    Now { monotonic, realtime: (date_now() * 1e6) as i64 }
}

/// Real time, for files written from outside.
pub(crate) fn today() -> Timestamp {
    timestamp(date_now())
}

/// Milliseconds since the epoch.
pub(crate) fn timestamp(milliseconds: f64) -> Timestamp {
    let seconds = (milliseconds / 1e3).floor();
    Timestamp {
        seconds: seconds as i64,
        nanoseconds: ((milliseconds - seconds * 1e3) * 1e6) as u32 % 1_000_000_000,
    }
}

/// Random bytes fit for keys.
pub(crate) fn entropy(out: &mut [u8]) {
    out.chunks_mut(RANDOM_AT_ONCE).for_each(get_random_values);
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn milliseconds_become_timestamps() {
        for (milliseconds, seconds, nanoseconds) in
            [(0.0, 0, 0), (1500.5, 1, 500_500_000), (-250.0, -1, 750_000_000), (1.7e12, 1_700_000_000, 0)]
        {
            let time = timestamp(milliseconds);
            assert_eq!((time.seconds, time.nanoseconds), (seconds, nanoseconds), "{milliseconds}");
        }
    }
}
