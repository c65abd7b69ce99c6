//! Block devices of the page.

use crate::error::from_device;
use crate::fetch::{JsParts, JsRanges, Parts, Ranges};
use crate::store::{JsStore, Store};
use blockdev::{
    BlockDevice, CacheOptions, Cached, HttpBlocks, HttpOptions, Overlay, OverlayOptions, SplitDevice,
};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// Chunks of a split image under way at once.
const CONCURRENT_PARTS: usize = 6;

/// A block device.
#[wasm_bindgen]
#[derive(Debug)]
pub struct BlockHandle {
    device: Device,
}

#[derive(Clone)]
struct Device {
    block: Rc<dyn BlockDevice>,
    overlay: Option<Rc<Overlay>>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({} bytes)", self.block.size())
    }
}

impl BlockHandle {
    pub(crate) fn new(block: Rc<dyn BlockDevice>) -> BlockHandle {
        BlockHandle { device: Device { block, overlay: None } }
    }

    /// The device as a file system should see it: recent blocks in memory, sequential readers served ahead.
    pub(crate) fn cached(&self) -> Rc<dyn BlockDevice> {
        Rc::new(Cached::new(self.device.block.clone(), CacheOptions::default()))
    }
}

#[wasm_bindgen]
impl BlockHandle {
    /// A file on a server, by range requests.
    pub async fn http(ranges: JsRanges) -> Result<BlockHandle, JsValue> {
        let ranges = Ranges(ranges);
        let device = HttpBlocks::open(ranges.clone(), ranges, HttpOptions::default()).await;
        Ok(BlockHandle::new(Rc::new(device.map_err(|failure| from_device(&failure))?)))
    }

    /// An image in files of one block each.
    pub async fn split(parts: JsParts) -> Result<BlockHandle, JsValue> {
        let device = SplitDevice::open(Parts(parts), CONCURRENT_PARTS).await;
        Ok(BlockHandle::new(Rc::new(device.map_err(|failure| from_device(&failure))?)))
    }

    /// Copy-on-write over a device.
    pub async fn overlay(
        base: &BlockHandle,
        store: JsStore,
        keep_reads: bool,
    ) -> Result<BlockHandle, JsValue> {
        let base = base.device.block.clone();
        let options = OverlayOptions { keep_reads, ..OverlayOptions::default() };
        let overlay = Overlay::open(base, Rc::new(Store(store)), options).await;
        let overlay = Rc::new(overlay.map_err(|failure| from_device(&failure))?);
        Ok(BlockHandle { device: Device { block: overlay.clone(), overlay: Some(overlay) } })
    }

    /// Another handle on the same device: mounting takes one.
    pub fn share(&self) -> BlockHandle {
        BlockHandle { device: self.device.clone() }
    }

    /// Bytes in the device.
    pub fn size(&self) -> f64 {
        self.device.block.size() as f64
    }

    /// Forgets what an overlay holds. Nothing may be mounted from it.
    pub async fn reset(&self) -> Result<(), JsValue> {
        match self.device.overlay.clone() {
            Some(overlay) => overlay.reset().await.map_err(|failure| from_device(&failure)),
            None => Ok(()),
        }
    }
}
