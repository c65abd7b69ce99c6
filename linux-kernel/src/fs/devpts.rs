//! `/dev/pts`: a node for each open pseudo-terminal, and `ptmx` (devpts, pty(7)).

use crate::file::Result;
use crate::fs::synthetic::Entry;
use crate::kernel::Kernel;
use crate::tty::pty::{Node, Pty};
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::fs::TTYAUX_MAJOR;
use linux_abi::stat::makedev;
use linux_abi::statfs::DEVPTS_SUPER_MAGIC;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};
use vfs::{Attributes, DirEntry, FileSystem, FileType, FsStat, Inode, SetAttributes, Timestamp};

/// `st_dev` of `/dev/pts`.
const DEVICE: u64 = 0x16;
/// Inode numbers: the root, `ptmx`, then pseudo-terminals from 3 on, as in Linux.
const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
const FIRST_INO: u64 = 3;

/// The device number of `ptmx`.
pub const PTMX: u32 = makedev(TTYAUX_MAJOR, 2);

/// The node of a slave, or of `ptmx`.
pub struct PtsInode {
    /// None for `ptmx`.
    pty: Option<Weak<Pty>>,
    ino: u64,
    rdev: u32,
    /// What it shows; of a slave, the last while its master was open.
    node: Cell<Node>,
}

impl fmt::Debug for PtsInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PtsInode({})", self.ino)
    }
}

impl PtsInode {
    fn pty(&self) -> Option<Rc<Pty>> {
        self.pty.as_ref().and_then(Weak::upgrade)
    }

    fn node(&self) -> Node {
        self.pty().map_or(self.node.get(), |pty| pty.node.get())
    }
}

#[async_trait(?Send)]
impl Inode for PtsInode {
    fn attributes(&self) -> Attributes {
        let node = self.node();
        let (read, written) = self.pty().map_or((node.changed, node.changed), |pty| pty.tty.used());
        Attributes {
            ino: self.ino,
            file_type: FileType::CharDevice,
            permissions: node.permissions,
            links: 1,
            uid: node.uid,
            gid: node.gid,
            rdev: self.rdev,
            size: 0,
            block_size: 1024,
            blocks: 0,
            accessed: read,
            modified: written,
            changed: node.changed,
            created: None,
        }
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let old = self.node();
        let node = Node {
            uid: change.uid.unwrap_or(old.uid),
            gid: change.gid.unwrap_or(old.gid),
            permissions: change.permissions.unwrap_or(old.permissions),
            changed: change.now,
        };
        self.node.set(node);
        if let Some(pty) = self.pty() {
            pty.node.set(node);
        }
        Ok(())
    }
}

struct Root {
    kernel: Weak<Kernel>,
    ptmx: Rc<PtsInode>,
    time: Timestamp,
}

impl Root {
    fn slave(&self, index: u32) -> Option<Rc<PtsInode>> {
        let pty = self.kernel.upgrade()?.ptys.get(index)?;
        let known = pty.inode.borrow().upgrade();
        Some(known.unwrap_or_else(|| {
            let inode = Rc::new(PtsInode {
                pty: Some(Rc::downgrade(&pty)),
                ino: FIRST_INO + u64::from(index),
                rdev: pty.tty.device(),
                node: pty.node.clone(),
            });
            *pty.inode.borrow_mut() = Rc::downgrade(&inode);
            inode
        }))
    }

    fn list(&self) -> Vec<Entry> {
        let numbers = self.kernel.upgrade().map(|kernel| kernel.ptys.numbers()).unwrap_or_default();
        let row = |name: String, ino: u64| Entry {
            name: name.into_bytes(),
            ino,
            file_type: FileType::CharDevice,
            position: ino,
        };
        let slaves = numbers.iter().map(|index| row(index.to_string(), FIRST_INO + u64::from(*index)));
        std::iter::once(row("ptmx".into(), PTMX_INO)).chain(slaves).collect()
    }
}

/// A number as `/dev/pts` and `/proc` write it: no sign, no leading zero.
pub(crate) fn plain_number(name: &[u8]) -> Option<u32> {
    let leading_zero = name.len() > 1 && name.first() == Some(&b'0');
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(name).ok().filter(|_| digits && !leading_zero)?;
    text.parse().ok()
}

#[async_trait(?Send)]
impl Inode for Root {
    fn attributes(&self) -> Attributes {
        Attributes {
            ino: ROOT_INO,
            file_type: FileType::Directory,
            permissions: 0o755,
            links: 2,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            block_size: 1024,
            blocks: 0,
            accessed: self.time,
            modified: self.time,
            changed: self.time,
            created: None,
        }
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn names_are_stable(&self) -> bool {
        false
    }

    async fn set_attributes(&self, _change: &SetAttributes) -> Result<()> {
        Err(Errno::EPERM)
    }

    async fn lookup(&self, name: &[u8]) -> Result<Rc<dyn Inode>> {
        if name == b"ptmx" {
            return Ok(self.ptmx.clone());
        }
        let slave = plain_number(name).and_then(|index| self.slave(index)).ok_or(Errno::ENOENT)?;
        Ok(slave)
    }

    async fn readdir(&self, from: u64, sink: &mut dyn FnMut(DirEntry) -> bool) -> Result<()> {
        let own = |name: &[u8], next| DirEntry {
            name: name.into(),
            ino: ROOT_INO,
            file_type: FileType::Directory,
            next,
        };
        if from == 0 && !sink(own(b".", 1)) || from <= 1 && !sink(own(b"..", 2)) {
            return Ok(());
        }
        for entry in self.list().into_iter().filter(|entry| entry.position >= from) {
            let next = entry.position + 1;
            if !sink(DirEntry { name: entry.name, ino: entry.ino, file_type: entry.file_type, next }) {
                break;
            }
        }
        Ok(())
    }
}

/// The file system of `/dev/pts`.
pub struct DevPts(Rc<Root>);

impl fmt::Debug for DevPts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DevPts")
    }
}

impl DevPts {
    /// Shows the pseudo-terminals of a kernel.
    pub fn new(kernel: &Rc<Kernel>) -> Rc<DevPts> {
        let time = kernel.clock.timestamp();
        let node = Node { uid: 0, gid: 0, permissions: 0o666, changed: time };
        let ptmx = Rc::new(PtsInode { pty: None, ino: PTMX_INO, rdev: PTMX, node: Cell::new(node) });
        Rc::new(DevPts(Rc::new(Root { kernel: Rc::downgrade(kernel), ptmx, time })))
    }
}

#[async_trait(?Send)]
impl FileSystem for DevPts {
    fn root(&self) -> Rc<dyn Inode> {
        self.0.clone()
    }

    fn device(&self) -> u64 {
        DEVICE
    }

    fn type_name(&self) -> &'static str {
        "devpts"
    }

    fn stat(&self) -> FsStat {
        FsStat { magic: DEVPTS_SUPER_MAGIC, block_size: 4096, name_max: 255, ..FsStat::default() }
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::plain_number;

    #[test]
    fn numbers_have_one_spelling() {
        let cases: [(&[u8], Option<u32>); 7] = [
            (b"0", Some(0)),
            (b"17", Some(17)),
            (b"017", None),
            (b"", None),
            (b"+1", None),
            (b"1x", None),
            (b"99999999999", None),
        ];
        for (name, number) in cases {
            assert_eq!(plain_number(name), number, "{}", String::from_utf8_lossy(name));
        }
    }
}
