//! Inodes without a name: what `fstat` shows of pipes, sockets, epolls and memory files.

use crate::file::Result;
use crate::kernel::Kernel;
use async_trait::async_trait;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use vfs::namespace::{Mount, Namespace, Path};
use vfs::{Attributes, FileSystem, FileType, FsStat, Inode, SetAttributes, Timestamp};

/// `st_dev` of everything anonymous.
const DEVICE: u64 = 0x0d;

/// An anonymous inode: attributes and nothing else.
#[derive(Debug)]
pub struct AnonInode {
    attributes: RefCell<Attributes>,
}

impl AnonInode {
    fn new(ino: u64, file_type: FileType, now: Timestamp) -> AnonInode {
        AnonInode {
            attributes: RefCell::new(Attributes {
                ino,
                file_type,
                permissions: if file_type == FileType::Socket { 0o777 } else { 0o600 },
                links: 1,
                uid: 0,
                gid: 0,
                rdev: 0,
                size: 0,
                block_size: 4096,
                blocks: 0,
                accessed: now,
                modified: now,
                changed: now,
                created: None,
            }),
        }
    }
}

#[async_trait(?Send)]
impl Inode for AnonInode {
    fn attributes(&self) -> Attributes {
        *self.attributes.borrow()
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let mut attributes = self.attributes.borrow_mut();
        attributes.permissions = change.permissions.unwrap_or(attributes.permissions);
        attributes.uid = change.uid.unwrap_or(attributes.uid);
        attributes.gid = change.gid.unwrap_or(attributes.gid);
        attributes.accessed = change.accessed.unwrap_or(attributes.accessed);
        attributes.modified = change.modified.unwrap_or(attributes.modified);
        attributes.changed = change.now;
        Ok(())
    }
}

struct HiddenFs(Rc<AnonInode>);

#[async_trait(?Send)]
impl FileSystem for HiddenFs {
    fn root(&self) -> Rc<dyn Inode> {
        self.0.clone()
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn type_name(&self) -> &'static str {
        "anon_inodefs"
    }

    fn stat(&self) -> FsStat {
        FsStat { magic: 0x0904_1934, block_size: 4096, name_max: 255, ..FsStat::default() }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// Where anonymous inodes live.
#[derive(Debug)]
pub struct AnonFs {
    mount: Rc<Mount>,
    next_ino: Cell<u64>,
}

impl AnonFs {
    pub(crate) fn new(namespace: &Namespace) -> AnonFs {
        let root = Rc::new(AnonInode::new(1, FileType::Directory, Timestamp::default()));
        AnonFs { mount: namespace.hidden_mount(Rc::new(HiddenFs(root))), next_ino: Cell::new(2) }
    }

    pub(crate) fn path(&self, kernel: &Kernel, name: &str, file_type: FileType) -> Path {
        let ino = self.next_ino.replace(self.next_ino.get() + 1);
        let name = name.replace("INO", &ino.to_string());
        let inode = Rc::new(AnonInode::new(ino, file_type, kernel.clock.timestamp()));
        Path::detached(&self.mount, name.as_bytes(), inode)
    }

    /// The mount, for objects that bring an inode of their own (memory files).
    pub fn mount(&self) -> &Rc<Mount> {
        &self.mount
    }
}
