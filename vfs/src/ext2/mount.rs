//! Mounting: superblock, descriptors, leftovers of the last mount.

use super::core::{Core, Dead};
use super::group::Group;
use super::inode::RawInode;
use super::superblock::{
    COMPAT_HAS_JOURNAL, Geometry, INCOMPAT_RECOVER, ROOT_INO, SUPER_BYTES, SUPER_OFFSET, Superblock,
};
use super::{Ext2, Ext2Options, MountError};
use crate::inode::FileType;
use crate::page_cache::PageCache;
use blockdev::BlockDevice;
use std::collections::BTreeSet;
use std::rc::Rc;

pub(super) async fn mount(
    device: Rc<dyn BlockDevice>,
    cache: &PageCache,
    options: Ext2Options,
) -> Result<Rc<Ext2>, MountError> {
    if device.size() < SUPER_OFFSET + SUPER_BYTES as u64 {
        return Err(MountError::NotExt2);
    }
    let mut raw = vec![0; SUPER_BYTES].into_boxed_slice();
    device.read(SUPER_OFFSET, &mut raw).await?;
    let mut sb = Superblock(raw);
    let geometry = Geometry::of(&sb, device.size())?;
    let mut writable = sb.check_features()?;
    if sb.compat() & COMPAT_HAS_JOURNAL != 0 && sb.incompat() & INCOMPAT_RECOVER != 0 {
        writable = false;
    }
    let read_only = options.read_only || device.read_only() || !writable;
    let groups = read_groups(&*device, &geometry).await?;
    let dead = if read_only { Vec::new() } else { read_orphans(&*device, &geometry, &sb, &groups).await? };
    if !read_only {
        sb.set_last_orphan(0);
    }
    let core = Rc::new(Core::new(
        device,
        cache.clone(),
        geometry,
        sb,
        groups,
        read_only,
        options.device_number,
        dead,
    ));
    let damaged = |what: &str| MountError::Damaged(what.to_string());
    let root =
        core.inode(ROOT_INO, || true).await.map_err(|_| damaged("the root directory cannot be read"))?;
    if root.file_type != FileType::Directory {
        return Err(damaged("the root is not a directory"));
    }
    Ok(Rc::new(Ext2 { core, root }))
}

async fn read_groups(device: &dyn BlockDevice, geometry: &Geometry) -> Result<Vec<Group>, MountError> {
    let bytes = geometry.groups as usize * geometry.desc_size;
    let offset = (geometry.first_data_block + 1) * geometry.block_size as u64;
    if offset + bytes as u64 > device.size() {
        return Err(MountError::Damaged("the group descriptors do not fit".to_string()));
    }
    let mut raw = vec![0; bytes];
    device.read(offset, &mut raw).await?;
    raw.chunks(geometry.desc_size).map(|raw| Group::decode(raw, geometry)).collect()
}

/// Inodes that were unlinked but open when the file system was last written. A damaged list ends where it stops to
/// make sense.
async fn read_orphans(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    sb: &Superblock,
    groups: &[Group],
) -> Result<Vec<Dead>, MountError> {
    let (mut dead, mut seen) = (Vec::new(), BTreeSet::new());
    let mut ino = sb.last_orphan();
    while ino >= geometry.first_inode && ino <= geometry.inodes && seen.insert(ino) {
        let (group, index) = geometry.group_of_inode(ino);
        let Some(group) = groups.get(group) else { break };
        let offset =
            group.inode_table * geometry.block_size as u64 + u64::from(index) * geometry.inode_size as u64;
        let mut bytes = vec![0; geometry.inode_size].into_boxed_slice();
        device.read(offset, &mut bytes).await?;
        let raw = RawInode(bytes);
        let next = raw.dtime();
        if raw.links() == 0 && raw.file_type().is_some() {
            dead.push(Dead { ino, raw });
        }
        ino = next;
    }
    Ok(dead)
}
