//! The root device, by the options.

use crate::device::{FileDevice, Scratch};
use crate::host::block_on;
use crate::http::{BlockingSleep, HttpFile};
use crate::options::{Options, RootOption};
use crate::pack::{self, TemporaryImage};
use crate::store::FileStore;
use blockdev::{BlockDevice, CacheOptions, Cached, HttpBlocks, HttpOptions, Overlay, OverlayOptions};
use cx_runtime::Root;
use std::path::Path;
use std::rc::Rc;

/// The root, and what must live as long as it.
#[derive(Debug)]
pub(crate) struct RootDevice {
    pub(crate) root: Root,
    /// Writes outlive the run: they must be synced at its end.
    pub(crate) durable: bool,
    _temporary: Option<TemporaryImage>,
}

pub(crate) fn open(options: &Options) -> Result<RootDevice, String> {
    let mut temporary = None;
    let base: Rc<dyn BlockDevice> = match &options.root {
        RootOption::Nothing if options.write || options.overlay.is_some() => {
            return Err("--write and --overlay need an --image".into());
        }
        RootOption::Nothing => return Ok(RootDevice { root: Root::Tmpfs, durable: false, _temporary: None }),
        RootOption::Image(name) if name.starts_with("http://") => remote(name, options)?,
        RootOption::Image(name) if name.starts_with("https://") => {
            return Err("https is not spoken here; download the image, or use http".into());
        }
        RootOption::Image(name) => file(Path::new(name), options.write)?,
        RootOption::Directory(folder) => {
            let image = pack::pack(folder)?;
            let device = file(image.path(), false)?;
            temporary = Some(image);
            device
        }
    };
    let durable = options.write || options.overlay.is_some();
    let device: Rc<dyn BlockDevice> = match &options.overlay {
        _ if options.write => base,
        None => Rc::new(Scratch::new(base)),
        Some(path) => {
            let told = |error| format!("{}: {error}", path.display());
            let store = Rc::new(FileStore::open(path).map_err(told)?);
            let settings = OverlayOptions { keep_reads: false, ..OverlayOptions::default() };
            let overlay = block_on(Overlay::open(base, store, settings)).map_err(told)?;
            Rc::new(Cached::new(Rc::new(overlay), CacheOptions::default()))
        }
    };
    Ok(RootDevice { root: Root::Ext2 { device, read_only: false }, durable, _temporary: temporary })
}

fn file(path: &Path, write: bool) -> Result<Rc<dyn BlockDevice>, String> {
    let device = FileDevice::open(path, write).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Rc::new(device))
}

fn remote(url: &str, options: &Options) -> Result<Rc<dyn BlockDevice>, String> {
    if options.write {
        return Err("an image on a server cannot be written; use --overlay".into());
    }
    let fetcher = HttpFile::new(url).ok_or("not an http address")?;
    let opened = block_on(HttpBlocks::open(fetcher, BlockingSleep, HttpOptions::default()));
    let blocks = opened.map_err(|error| format!("{url}: {error}"))?;
    Ok(Rc::new(Cached::new(Rc::new(blocks), CacheOptions::default())))
}
