//! The fetch seams of `blockdev` and `vfs`, over objects of `js/worker`.

use crate::error::{device_error, number, property, text};
use async_trait::async_trait;
use blockdev::{DeviceError, Fetched, FileFetcher, RangeFetcher, RemoteInfo, Sleep};
use js_sys::Uint8Array;
use vfs::webfs::{HttpTree, WebInfo};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `HttpFetcher` or `FileFetcher`.
    #[derive(Clone, Debug)]
    pub type JsRanges;
    #[wasm_bindgen(method, catch)]
    async fn head(this: &JsRanges) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn fetch(this: &JsRanges, offset: f64, length: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    async fn sleep(this: &JsRanges, milliseconds: u32) -> Result<JsValue, JsValue>;

    /// `SplitFetcher`.
    #[derive(Clone, Debug)]
    pub type JsParts;
    #[wasm_bindgen(method, catch, js_name = get)]
    async fn get_part(this: &JsParts, suffix: &str) -> Result<JsValue, JsValue>;

    /// `WebTree`.
    #[derive(Clone, Debug)]
    pub type JsTree;
    #[wasm_bindgen(method, catch, js_name = head)]
    async fn head_path(this: &JsTree, path: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = get)]
    async fn get_path(this: &JsTree, path: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = getRange)]
    async fn get_range(this: &JsTree, path: &str, offset: f64, length: u32) -> Result<JsValue, JsValue>;
}

/// Range requests for one file.
#[derive(Clone, Debug)]
pub(crate) struct Ranges(pub JsRanges);

#[async_trait(?Send)]
impl RangeFetcher for Ranges {
    async fn head(&self) -> Result<RemoteInfo, DeviceError> {
        let info = self.0.head().await.map_err(|thrown| device_error(&thrown))?;
        let size = number(&info, "size").filter(|size| *size >= 0.0);
        let size =
            size.ok_or_else(|| DeviceError::Unsupported("the server does not tell the file's size".into()))?;
        Ok(RemoteInfo { size: size as u64, validator: text(&info, "validator") })
    }

    async fn fetch(&self, offset: u64, len: usize) -> Result<Fetched, DeviceError> {
        let answer = self.0.fetch(offset as f64, len as u32).await.map_err(|thrown| device_error(&thrown))?;
        let bytes: Uint8Array = property(&answer, "bytes")?;
        Ok(Fetched { bytes: bytes.to_vec(), validator: text(&answer, "validator") })
    }
}

#[async_trait(?Send)]
impl Sleep for Ranges {
    async fn sleep(&self, milliseconds: u32) {
        // It can only fail by coming back too soon.
        let _ = self.0.sleep(milliseconds).await;
    }
}

/// The files of a split image.
#[derive(Clone, Debug)]
pub(crate) struct Parts(pub JsParts);

#[async_trait(?Send)]
impl FileFetcher for Parts {
    async fn fetch(&self, suffix: &str) -> Result<Vec<u8>, DeviceError> {
        let answer = self.0.get_part(suffix).await.map_err(|thrown| device_error(&thrown))?;
        bytes_of(answer)
    }
}

/// A tree of files on a server.
#[derive(Clone, Debug)]
pub(crate) struct Tree(pub JsTree);

#[async_trait(?Send)]
impl HttpTree for Tree {
    async fn head(&self, path: &str) -> Result<Option<WebInfo>, DeviceError> {
        let Some(info) = there(self.0.head_path(path).await)? else { return Ok(None) };
        let modified = number(&info, "modified").map(crate::clock::timestamp);
        let directory = property::<js_sys::Boolean>(&info, "directory").is_ok_and(|value| value.value_of());
        Ok(Some(WebInfo { size: number(&info, "size").map(|size| size as u64), directory, modified }))
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, DeviceError> {
        there(self.0.get_path(path).await)?.map(bytes_of).transpose()
    }

    async fn get_range(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, DeviceError> {
        let answer = self.0.get_range(path, offset as f64, len as u32).await;
        bytes_of(answer.map_err(|thrown| device_error(&thrown))?)
    }
}

/// An answer, or none where the server has nothing of that name.
fn there(answer: Result<JsValue, JsValue>) -> Result<Option<JsValue>, DeviceError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(thrown) => match device_error(&thrown) {
            DeviceError::NotFound(_) => Ok(None),
            other => Err(other),
        },
    }
}

fn bytes_of(value: JsValue) -> Result<Vec<u8>, DeviceError> {
    let bytes: Uint8Array =
        value.dyn_into().map_err(|_| DeviceError::Io("an answer holds no bytes".into()))?;
    Ok(bytes.to_vec())
}
