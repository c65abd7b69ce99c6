//! Writes over a read-only image, kept in a store, and found again by the next overlay on that store.

use blockdev::testing::run;
use blockdev::{BlockDevice, DeviceError, MemoryDevice, MemoryStore, Overlay, OverlayOptions};
use std::rc::Rc;

fn main() -> Result<(), DeviceError> {
    let store = Rc::new(MemoryStore::new());
    let image = |validator| Rc::new(MemoryDevice::zeroed(1 << 20).into_read_only().with_validator(validator));
    run(async {
        let first = Overlay::open(image("v1"), store.clone(), OverlayOptions::default()).await?;
        first.write(300_000, b"kept").await?;
        first.flush().await?;

        let second = Overlay::open(image("v1"), store.clone(), OverlayOptions::default()).await?;
        let mut found = [0; 4];
        second.read(300_000, &mut found).await?;
        println!("found again: {}", String::from_utf8_lossy(&found));

        match Overlay::open(image("v2"), store.clone(), OverlayOptions::default()).await {
            Err(error) => println!("on another image: {error}"),
            Ok(_) => println!("on another image: accepted, which is wrong"),
        }
        Ok(())
    })
}
