//! Creating, linking, removing and renaming. Everything here runs within a change ([`super::core::Core::exclusive`]).

use super::alloc;
use super::dir;
use super::file;
use super::inode::{ATIME, CRTIME, CTIME, MTIME, RawInode};
use super::node::{Ext2Inode, writable_map};
use crate::inode::{FileType, NewNode, RenameMode, Result, Timestamp};
use linux_abi::errno::Errno;
use std::rc::Rc;

/// Most names of a file, and most subdirectories (`EXT2_LINK_MAX`).
const MAX_LINKS: u16 = 32000;

/// [`NewNode`] with its own target.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    file_type: FileType,
    permissions: u32,
    uid: u32,
    gid: u32,
    rdev: u32,
    target: Vec<u8>,
    now: Timestamp,
}

impl From<&NewNode<'_>> for Wanted {
    fn from(node: &NewNode<'_>) -> Wanted {
        Wanted {
            file_type: node.file_type,
            permissions: node.permissions,
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            target: node.target.to_vec(),
            now: node.now,
        }
    }
}

/// A directory that can take names.
fn check_alive(dir: &Ext2Inode) -> Result<()> {
    writable_map(dir)?;
    if dir.raw.borrow().links() == 0 { Err(Errno::ENOENT) } else { Ok(()) }
}

fn note_change(node: &Ext2Inode, content: bool, now: Timestamp) {
    {
        let mut raw = node.raw.borrow_mut();
        if content {
            raw.set_time(MTIME, now);
        }
        raw.set_time(CTIME, now);
    }
    node.core.now.set(now);
    node.core.structure_dirty.set(true);
    node.core.touch(node);
}

fn add_links(node: &Ext2Inode, by: i16) {
    let mut raw = node.raw.borrow_mut();
    let links = raw.links().saturating_add_signed(by);
    raw.set_links(links);
}

/// Takes a name away from a file; without any name left it lives as long as somebody holds it.
fn drop_link(node: &Ext2Inode, now: Timestamp) {
    // A directory has two links: its name and its own `.`.
    let by = if node.file_type == FileType::Directory { -2 } else { -1 };
    add_links(node, by);
    note_change(node, false, now);
    if node.raw.borrow().links() == 0 {
        node.core.orphan(node);
    }
}

/// Makes a file, by name or without one.
pub(super) async fn create(dir: &Ext2Inode, name: Option<&[u8]>, wanted: &Wanted) -> Result<Rc<Ext2Inode>> {
    check_alive(dir)?;
    let core = &dir.core;
    let directory = wanted.file_type == FileType::Directory;
    if let Some(name) = name {
        if dir::find(dir, name).await?.is_some() {
            return Err(Errno::EEXIST);
        }
        if directory && dir.raw.borrow().links() >= MAX_LINKS {
            return Err(Errno::EMLINK);
        }
    }
    let ino = alloc::alloc_inode(core, dir.ino, directory).await?;
    let node = Ext2Inode::new(core, ino, new_raw(dir, wanted))?;
    let filled = fill(&node, dir, wanted).await;
    let named = match (filled, name) {
        (Ok(()), Some(name)) => dir::insert(dir, name, ino, wanted.file_type).await,
        (filled, _) => filled,
    };
    if named.is_err() || name.is_none() {
        // Without links it is an orphan; where nobody holds it, all it has is freed before the next change.
        node.raw.borrow_mut().set_links(0);
        core.orphan(&node);
        named?;
        core.remember(&node);
        core.orphan(&node);
        core.now.set(wanted.now);
        return Ok(node);
    }
    core.remember(&node);
    note_change(&node, false, wanted.now);
    if directory {
        add_links(dir, 1);
    }
    note_change(dir, true, wanted.now);
    Ok(node)
}

fn new_raw(dir: &Ext2Inode, wanted: &Wanted) -> RawInode {
    let core = &dir.core;
    let mut raw = RawInode::zeroed(&core.geometry, core.sb.borrow().want_extra_isize());
    raw.set_mode((wanted.file_type.mode_bits() | (wanted.permissions & 0o7777)) as u16);
    raw.set_uid(wanted.uid);
    raw.set_gid(wanted.gid);
    raw.set_links(if wanted.file_type == FileType::Directory { 2 } else { 1 });
    for field in [ATIME, CTIME, MTIME, CRTIME] {
        raw.set_time(field, wanted.now);
    }
    let generation = core.next_generation.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    core.next_generation.set(generation);
    raw.set_generation(generation);
    if matches!(wanted.file_type, FileType::CharDevice | FileType::BlockDevice) {
        raw.set_rdev(wanted.rdev);
    }
    raw
}

async fn fill(node: &Ext2Inode, dir: &Ext2Inode, wanted: &Wanted) -> Result<()> {
    match wanted.file_type {
        FileType::Directory => dir::initialise(node, dir.ino).await,
        FileType::Symlink => file::write_link(node, &wanted.target).await,
        _ => Ok(()),
    }
}

/// Adds a name for a file.
pub(super) async fn link(dir: &Ext2Inode, name: &[u8], target: &Ext2Inode, now: Timestamp) -> Result<()> {
    check_alive(dir)?;
    if target.file_type == FileType::Directory {
        return Err(Errno::EPERM);
    }
    if dir::find(dir, name).await?.is_some() {
        return Err(Errno::EEXIST);
    }
    if target.raw.borrow().links() >= MAX_LINKS {
        return Err(Errno::EMLINK);
    }
    dir::insert(dir, name, target.ino, target.file_type).await?;
    add_links(target, 1);
    dir.core.adopt(target);
    note_change(target, false, now);
    note_change(dir, true, now);
    Ok(())
}

async fn child(dir: &Ext2Inode, name: &[u8]) -> Result<Rc<Ext2Inode>> {
    let slot = dir::find(dir, name).await?.ok_or(Errno::ENOENT)?;
    dir.core.inode(slot.ino, || true).await
}

/// Removes a name of something that is not a directory.
pub(super) async fn unlink(dir: &Ext2Inode, name: &[u8], now: Timestamp) -> Result<()> {
    writable_map(dir)?;
    let node = child(dir, name).await?;
    if node.file_type == FileType::Directory {
        return Err(Errno::EISDIR);
    }
    dir::remove(dir, name).await?;
    note_change(dir, true, now);
    drop_link(&node, now);
    Ok(())
}

/// Removes an empty directory.
pub(super) async fn rmdir(dir: &Ext2Inode, name: &[u8], now: Timestamp) -> Result<()> {
    writable_map(dir)?;
    let node = child(dir, name).await?;
    if node.file_type != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    if !dir::is_empty(&node).await? {
        return Err(Errno::ENOTEMPTY);
    }
    dir::remove(dir, name).await?;
    add_links(dir, -1);
    note_change(dir, true, now);
    drop_link(&node, now);
    Ok(())
}

/// `rename` in all its forms.
pub(super) async fn rename(
    (from, name): (&Ext2Inode, &[u8]),
    (to, new_name): (&Ext2Inode, &[u8]),
    mode: RenameMode,
    now: Timestamp,
) -> Result<()> {
    check_alive(from)?;
    check_alive(to)?;
    let node = child(from, name).await?;
    let existing = match child(to, new_name).await {
        Ok(existing) => Some(existing),
        Err(Errno::ENOENT) => None,
        Err(error) => return Err(error),
    };
    match (mode, existing) {
        (RenameMode::NoReplace, Some(_)) => Err(Errno::EEXIST),
        (RenameMode::Exchange, None) => Err(Errno::ENOENT),
        (RenameMode::Exchange, Some(existing)) => {
            exchange((from, name, &node), (to, new_name, &existing), now).await
        }
        (RenameMode::Replace, Some(existing)) if existing.ino == node.ino => Ok(()),
        (_, existing) => replace((from, name), (to, new_name), &node, existing.as_deref(), now).await,
    }
}

async fn replace(
    (from, name): (&Ext2Inode, &[u8]),
    (to, new_name): (&Ext2Inode, &[u8]),
    node: &Ext2Inode,
    existing: Option<&Ext2Inode>,
    now: Timestamp,
) -> Result<()> {
    let directory = node.file_type == FileType::Directory;
    if let Some(existing) = existing {
        match (directory, existing.file_type == FileType::Directory) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (true, true) if !dir::is_empty(existing).await? => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
    }
    let moves = directory && from.ino != to.ino;
    if moves && existing.is_none() && to.raw.borrow().links() >= MAX_LINKS {
        return Err(Errno::EMLINK);
    }
    match existing {
        Some(_) => dir::replace(to, new_name, node.ino, node.file_type).await?,
        None => dir::insert(to, new_name, node.ino, node.file_type).await?,
    }
    dir::remove(from, name).await?;
    if moves {
        dir::set_parent(node, to.ino).await?;
    }
    if directory {
        // The old parent loses a subdirectory; the new one gains it, unless it replaced another.
        add_links(from, -1);
        if existing.is_none() {
            add_links(to, 1);
        }
    }
    if let Some(existing) = existing {
        drop_link(existing, now);
    }
    for (changed, content) in [(from, true), (to, true), (node, false)] {
        note_change(changed, content, now);
    }
    Ok(())
}

async fn exchange(
    (from, name, node): (&Ext2Inode, &[u8], &Ext2Inode),
    (to, new_name, other): (&Ext2Inode, &[u8], &Ext2Inode),
    now: Timestamp,
) -> Result<()> {
    dir::replace(to, new_name, node.ino, node.file_type).await?;
    dir::replace(from, name, other.ino, other.file_type).await?;
    if from.ino != to.ino {
        for (moved, old, new) in [(node, from, to), (other, to, from)] {
            if moved.file_type == FileType::Directory {
                dir::set_parent(moved, new.ino).await?;
                add_links(old, -1);
                add_links(new, 1);
            }
        }
    }
    for (changed, content) in [(from, true), (to, true), (node, false), (other, false)] {
        note_change(changed, content, now);
    }
    Ok(())
}
