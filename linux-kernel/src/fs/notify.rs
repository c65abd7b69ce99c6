//! Which inotify events the changes of a file give, and whom they are told to.
//!
//! A change is told to the watches of the directory, with the file's name in it, and to those of the file. Everything
//! here does nothing while nobody watches anything.

use crate::file::OpenFile;
use crate::kernel::Kernel;
use linux_abi::inotify::InotifyMask;
use std::rc::Rc;
use vfs::namespace::Path;
use vfs::{FileType, Inode, SetAttributes};

fn key(inode: &Rc<dyn Inode>) -> (u64, u64) {
    (inode.device(), inode.attributes().ino)
}

/// Tells of an event at a file.
pub(crate) fn tell(kernel: &Kernel, path: &Path, mask: InotifyMask) {
    if kernel.inotify.is_empty() {
        return;
    }
    let inode = path.inode();
    let is_dir = inode.attributes().file_type == FileType::Directory;
    let mask = if is_dir { mask | InotifyMask::ISDIR } else { mask }.bits();
    if let Some(parent) = path.parent_inode() {
        let (device, ino) = key(&parent);
        kernel.inotify.notify(device, ino, mask, &path.name());
    }
    let (device, ino) = key(&inode);
    kernel.inotify.notify(device, ino, mask, b"");
}

/// The event that a change of attributes is: of the times, one alone means that the file was read or written.
pub(crate) fn attributes_changed(kernel: &Kernel, path: &Path, change: &SetAttributes) {
    let ids_or_mode = change.uid.is_some() || change.gid.is_some() || change.permissions.is_some();
    let mut mask = if ids_or_mode { InotifyMask::ATTRIB } else { InotifyMask::empty() };
    if change.size.is_some() {
        mask |= InotifyMask::MODIFY;
    } else {
        mask |= match (change.accessed.is_some(), change.modified.is_some()) {
            (true, true) => InotifyMask::ATTRIB,
            (true, false) => InotifyMask::ACCESS,
            (false, true) => InotifyMask::MODIFY,
            (false, false) => InotifyMask::empty(),
        };
    }
    if !mask.is_empty() {
        tell(kernel, path, mask);
    }
}

/// A name of the file was made or removed: its watches see the count of links change, and the end where it was the
/// last and nobody has the file open.
pub(crate) fn links_changed(kernel: &Kernel, inode: &Rc<dyn Inode>) {
    if kernel.inotify.is_empty() {
        return;
    }
    let (device, ino) = key(inode);
    if inode.attributes().file_type != FileType::Directory {
        kernel.inotify.notify(device, ino, InotifyMask::ATTRIB.bits(), b"");
    }
    end_if_gone(kernel, inode);
}

/// A description was opened.
pub(crate) fn opened(kernel: &Kernel, path: &Path) {
    tell(kernel, path, InotifyMask::OPEN);
}

/// The last descriptor of a description was closed.
pub(crate) fn closed(kernel: &Kernel, file: &OpenFile) {
    if kernel.inotify.is_empty() {
        return;
    }
    let mask = if file.writable() { InotifyMask::CLOSE_WRITE } else { InotifyMask::CLOSE_NOWRITE };
    tell(kernel, &file.path, mask);
    end_if_gone(kernel, &file.path.inode());
}

/// `IN_DELETE_SELF` once a file has neither name nor user.
fn end_if_gone(kernel: &Kernel, inode: &Rc<dyn Inode>) {
    let attributes = inode.attributes();
    let directory = attributes.file_type == FileType::Directory;
    // A removed directory may keep its own link in the count.
    let nameless = attributes.links == 0 || directory && attributes.links <= 1;
    let (device, ino) = (inode.device(), attributes.ino);
    if !nameless || !kernel.inotify.watches(device, ino) {
        return;
    }
    let same = |file: &OpenFile| key(&file.path.inode()) == (device, ino);
    let open = kernel.processes().iter().filter_map(|process| process.any_thread()).any(|task| {
        let files = task.files();
        files.numbers().into_iter().filter_map(|fd| files.get(fd).ok()).any(|file| same(&file))
    });
    if !open {
        kernel.inotify.notify(device, ino, InotifyMask::DELETE_SELF.bits(), b"");
    }
}
