//! `BlockStore` over the stores of `js/worker` (IndexedDB; memory where there is none).

use crate::error::device_error;
use async_trait::async_trait;
use blockdev::{BlockStore, DeviceError};
use js_sys::{Array, Float64Array, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `IdbStore` or `MemoryStore`.
    #[derive(Clone, Debug)]
    pub type JsStore;
    #[wasm_bindgen(method, catch)]
    async fn get(this: &JsStore, index: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn indices(this: &JsStore) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = putMany)]
    async fn put_many(this: &JsStore, indices: Array, blocks: Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getMeta)]
    async fn get_meta(this: &JsStore, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = putMeta)]
    async fn put_meta(this: &JsStore, key: &str, value: Uint8Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn flush(this: &JsStore) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn clear(this: &JsStore) -> Result<JsValue, JsValue>;
}

/// A store of JavaScript.
#[derive(Clone, Debug)]
pub(crate) struct Store(pub JsStore);

fn failed(thrown: JsValue) -> DeviceError {
    device_error(&thrown)
}

/// Bytes, or none for `undefined`.
fn bytes(value: JsValue) -> Result<Option<Vec<u8>>, DeviceError> {
    if value.is_undefined() {
        return Ok(None);
    }
    let bytes: Uint8Array = value
        .dyn_into()
        .map_err(|_| DeviceError::Corrupt("the store holds something that is not bytes".into()))?;
    Ok(Some(bytes.to_vec()))
}

#[async_trait(?Send)]
impl BlockStore for Store {
    async fn get(&self, index: u64) -> Result<Option<Vec<u8>>, DeviceError> {
        bytes(self.0.get(index as f64).await.map_err(failed)?)
    }

    async fn indices(&self) -> Result<Vec<u64>, DeviceError> {
        let indices = self.0.indices().await.map_err(failed)?;
        let indices: Float64Array = indices
            .dyn_into()
            .map_err(|_| DeviceError::Corrupt("the store's keys are not numbers".into()))?;
        Ok(indices.to_vec().into_iter().map(|index| index as u64).collect())
    }

    async fn put_many(&self, blocks: &[(u64, Rc<Vec<u8>>)]) -> Result<(), DeviceError> {
        // Copies: a view of the engine's memory would make the store clone all of it.
        let indices = blocks.iter().map(|(index, _)| JsValue::from_f64(*index as f64)).collect();
        let bytes =
            blocks.iter().map(|(_, block)| JsValue::from(Uint8Array::from(block.as_slice()))).collect();
        self.0.put_many(indices, bytes).await.map_err(failed)?;
        Ok(())
    }

    async fn get_meta(&self, key: &str) -> Result<Option<Vec<u8>>, DeviceError> {
        bytes(self.0.get_meta(key).await.map_err(failed)?)
    }

    async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DeviceError> {
        self.0.put_meta(key, Uint8Array::from(value)).await.map_err(failed)?;
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        self.0.flush().await.map_err(failed)?;
        Ok(())
    }

    async fn clear(&self) -> Result<(), DeviceError> {
        self.0.clear().await.map_err(failed)?;
        Ok(())
    }
}
