//! What is mounted where.

use crate::machine::MachineError;
use crate::meter::Metered;
use blockdev::BlockDevice;
use linux_abi::Errno;
use linux_kernel::Kernel;
use linux_kernel::fs::dev::DevFs;
use linux_kernel::fs::devpts::DevPts;
use linux_kernel::fs::proc;
use linux_kernel::fs::sys;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use vfs::FileSystem;
use vfs::ext2::{Ext2, Ext2Options};
use vfs::page_cache::PageCache;
use vfs::tmpfs::{Tmpfs, TmpfsOptions};

/// The root directory's file system.
#[derive(Clone)]
pub enum Root {
    /// An ext2 image. An ext4 image is mounted read-only.
    Ext2 {
        /// The image.
        device: Rc<dyn BlockDevice>,
        /// Refuse changes even where the device takes them.
        read_only: bool,
    },
    /// An empty file system in memory.
    Tmpfs,
    /// A file system of the host's.
    Files(Rc<dyn FileSystem>),
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Root::Ext2 { .. } => "Root::Ext2",
            Root::Tmpfs => "Root::Tmpfs",
            Root::Files(_) => "Root::Files",
        })
    }
}

/// What to mount.
#[derive(Clone)]
pub enum MountSource {
    /// An ext2 image.
    Ext2 {
        /// The image.
        device: Rc<dyn BlockDevice>,
        /// Refuse changes.
        read_only: bool,
    },
    /// A file system of the host's (files from the page, a web directory).
    Files(Rc<dyn FileSystem>),
    /// Memory.
    Tmpfs,
    /// Device nodes.
    Devices,
    /// Slaves of pseudo-terminals.
    DevPts,
    /// proc(5).
    Proc,
    /// sysfs(5).
    Sys,
}

impl fmt::Debug for MountSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl MountSource {
    /// The source column of `/proc/mounts`.
    fn name(&self) -> &'static str {
        match self {
            MountSource::Ext2 { .. } => "/dev/vdb",
            MountSource::Files(_) => "host",
            MountSource::Tmpfs => "tmpfs",
            MountSource::Devices => "devtmpfs",
            MountSource::DevPts => "devpts",
            MountSource::Proc => "proc",
            MountSource::Sys => "sysfs",
        }
    }
}

/// A mount beside the root. The directory is made where it is missing and can be.
#[derive(Clone, Debug)]
pub struct MountSpec {
    /// Absolute path.
    pub path: String,
    /// What.
    pub source: MountSource,
}

impl MountSpec {
    /// A mount.
    pub fn new(path: &str, source: MountSource) -> MountSpec {
        MountSpec { path: path.into(), source }
    }

    /// What every Linux system has: `/proc`, `/sys`, `/dev`, `/dev/pts`, `/dev/shm`. `/tmp` and `/run` are on the root,
    /// as the image has them.
    pub fn standard() -> Vec<MountSpec> {
        vec![
            MountSpec::new("/proc", MountSource::Proc),
            MountSpec::new("/sys", MountSource::Sys),
            MountSpec::new("/dev", MountSource::Devices),
            MountSpec::new("/dev/pts", MountSource::DevPts),
            MountSpec::new("/dev/shm", MountSource::Tmpfs),
        ]
    }
}

/// Makes file systems, each with a device number of its own.
#[derive(Debug)]
pub(crate) struct Mounter {
    pub(crate) cache: PageCache,
    next_device: Cell<u64>,
    /// Every block device in use.
    pub(crate) meters: Vec<Rc<Metered>>,
}

impl Mounter {
    pub(crate) fn new(cache: PageCache) -> Mounter {
        // Block major 254 is what virtio disks get; the root is its first minor.
        Mounter { cache, next_device: Cell::new(254 << 8), meters: Vec::new() }
    }

    fn device_number(&self) -> u64 {
        self.next_device.replace(self.next_device.get() + 1)
    }

    pub(crate) async fn ext2(
        &mut self,
        device: &Rc<dyn BlockDevice>,
        read_only: bool,
        path: &str,
    ) -> Result<Rc<dyn FileSystem>, MachineError> {
        let meter = Metered::new(device.clone());
        self.meters.push(meter.clone());
        let options = Ext2Options { read_only, device_number: self.device_number() };
        match Ext2::mount(meter, &self.cache, options).await {
            Ok(fs) => Ok(fs),
            Err(error) => Err(MachineError::Image { path: path.into(), error }),
        }
    }

    pub(crate) fn tmpfs(&self, root_permissions: u32, kernel: Option<&Kernel>) -> Rc<Tmpfs> {
        let now = kernel.map(|kernel| kernel.clock.timestamp()).unwrap_or_default();
        // Half the memory, as Linux sizes it.
        let max_pages = Some(self.cache.pool().stats().limit / 2);
        let options = TmpfsOptions { root_permissions, device_number: self.device_number(), max_pages, now };
        Tmpfs::new(self.cache.pool(), options)
    }

    /// Mounts one on a running kernel.
    pub(crate) async fn mount(&mut self, kernel: &Rc<Kernel>, spec: &MountSpec) -> Result<(), MachineError> {
        let fs: Rc<dyn FileSystem> = match &spec.source {
            MountSource::Ext2 { device, read_only } => self.ext2(device, *read_only, &spec.path).await?,
            MountSource::Files(fs) => fs.clone(),
            MountSource::Tmpfs => self.tmpfs(0o1777, Some(kernel)),
            MountSource::Devices => DevFs::new(kernel.clock.timestamp()),
            MountSource::DevPts => DevPts::new(kernel),
            MountSource::Proc => proc::new(kernel),
            MountSource::Sys => sys::new(kernel),
        };
        let failed = |errno: Errno| MachineError::Mount { path: spec.path.clone(), errno };
        crate::files::make_directories(kernel, spec.path.as_bytes(), 0o755).await.map_err(failed)?;
        kernel.mount(spec.path.as_bytes(), fs, spec.source.name()).await.map_err(failed)?;
        Ok(())
    }
}
