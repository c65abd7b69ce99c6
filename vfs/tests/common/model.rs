//! A file system as simple as can be, and random operations done on it and on a real one alike.

use super::{Random, at, node};
use blockdev::testing::run;
use guest_mem::{Lookup, PAGE_BYTES};
use linux_abi::errno::Errno;
use std::collections::BTreeMap;
use std::rc::Rc;
use vfs::inode::SeekTarget;
use vfs::{FileType, Inode, NewNode, RenameMode, SetAttributes, XattrMode};

type Id = usize;

#[derive(Clone, Debug)]
pub enum Kind {
    File(Vec<u8>),
    Dir { entries: BTreeMap<Vec<u8>, Id>, parent: Id },
    Link(Vec<u8>),
    Other(FileType, u32),
}

#[derive(Clone, Debug)]
pub struct Node {
    kind: Kind,
    links: u32,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The model, and files that are held open in the real file system.
pub struct Model {
    nodes: BTreeMap<Id, Node>,
    next: Id,
    open: Vec<(Id, Rc<dyn Inode>)>,
    time: i64,
    pub random: Random,
    /// Longest a file gets, about.
    pub reach: usize,
    /// "No space" may happen; it must then have changed nothing.
    pub may_fill: bool,
    pub filled: usize,
    pub has_xattrs: bool,
}

impl Model {
    pub fn new(seed: u64) -> Model {
        let root = Node {
            kind: Kind::Dir { entries: BTreeMap::new(), parent: 0 },
            links: 2,
            xattrs: BTreeMap::new(),
        };
        Model {
            nodes: BTreeMap::from([(0, root)]),
            next: 1,
            open: Vec::new(),
            time: 0,
            random: Random(seed.wrapping_mul(77)),
            reach: 150_000,
            may_fill: false,
            filled: 0,
            has_xattrs: true,
        }
    }

    /// Records what is already there.
    pub fn adopt_dir(&mut self, name: &str) {
        let id = self.add(Kind::Dir { entries: BTreeMap::new(), parent: 0 }, 2);
        self.link(0, name.as_bytes(), id);
    }

    fn add(&mut self, kind: Kind, links: u32) -> Id {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, Node { kind, links, xattrs: BTreeMap::new() });
        id
    }

    fn node(&mut self, id: Id) -> &mut Node {
        self.nodes.get_mut(&id).unwrap()
    }

    fn entries(&mut self, dir: Id) -> &mut BTreeMap<Vec<u8>, Id> {
        match &mut self.node(dir).kind {
            Kind::Dir { entries, .. } => entries,
            _ => panic!("not a directory"),
        }
    }

    fn find(&self, dir: Id, name: &[u8]) -> Option<Id> {
        match &self.nodes[&dir].kind {
            Kind::Dir { entries, .. } => entries.get(name).copied(),
            _ => None,
        }
    }

    fn is_dir(&self, id: Id) -> bool {
        matches!(self.nodes[&id].kind, Kind::Dir { .. })
    }

    fn is_empty(&self, id: Id) -> bool {
        matches!(&self.nodes[&id].kind, Kind::Dir { entries, .. } if entries.is_empty())
    }

    fn link(&mut self, dir: Id, name: &[u8], id: Id) {
        self.entries(dir).insert(name.to_vec(), id);
        if let Kind::Dir { parent, .. } = &mut self.node(id).kind {
            *parent = dir;
            self.node(dir).links += 1;
        }
    }

    fn take(&mut self, dir: Id, name: &[u8]) -> Id {
        let id = self.entries(dir).remove(name).unwrap();
        if self.is_dir(id) {
            self.node(dir).links -= 1;
        }
        id
    }

    /// A link of a node went; without links it stays while it is open.
    fn drop_link(&mut self, id: Id) {
        let by = if self.is_dir(id) { 2 } else { 1 };
        self.node(id).links -= by;
        self.forget_if_gone(id);
    }

    fn forget_if_gone(&mut self, id: Id) {
        if self.nodes[&id].links == 0 && !self.open.iter().any(|(open, _)| *open == id) {
            self.nodes.remove(&id);
        }
    }

    fn is_inside(&self, mut dir: Id, ancestor: Id) -> bool {
        loop {
            if dir == ancestor {
                return true;
            }
            match self.nodes[&dir].kind {
                Kind::Dir { parent, .. } if parent != dir => dir = parent,
                _ => return false,
            }
        }
    }

    /// Path of a linked directory.
    fn path(&self, dir: Id) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = dir;
        while at != 0 {
            let Kind::Dir { parent, .. } = self.nodes[&at].kind else { panic!() };
            let Kind::Dir { entries, .. } = &self.nodes[&parent].kind else { panic!() };
            names.push(entries.iter().find(|(_, id)| **id == at).unwrap().0.clone());
            at = parent;
        }
        names.reverse();
        names
    }

    fn real(&self, root: &Rc<dyn Inode>, dir: Id) -> Rc<dyn Inode> {
        self.path(dir).iter().fold(root.clone(), |at, name| run(at.lookup(name)).unwrap())
    }

    fn any_dir(&mut self) -> Id {
        let dirs: Vec<Id> = self.nodes.iter().filter(|(_, n)| n.links > 0).map(|(id, _)| *id).collect();
        let dirs: Vec<Id> = dirs.into_iter().filter(|id| self.is_dir(*id)).collect();
        dirs[self.random.below(dirs.len())]
    }

    /// A directory with its real counterpart, and a name that is taken about as often as not.
    fn any_place(&mut self, root: &Rc<dyn Inode>) -> (Id, Rc<dyn Inode>, Vec<u8>) {
        let dir = self.any_dir();
        let number = self.random.below(14);
        let long = [b'n'; 255];
        let name = match number {
            12 => long[..200 + self.random.below(56)].to_vec(),
            13 => "ü ∆".as_bytes().to_vec(),
            _ => format!("f{number}").into_bytes(),
        };
        (dir, self.real(root, dir), name)
    }

    /// A file to read or write: an open one, or one found by name.
    fn any_file(&mut self, root: &Rc<dyn Inode>) -> Option<(Id, Rc<dyn Inode>)> {
        if !self.open.is_empty() && self.random.below(3) == 0 {
            let (id, inode) = &self.open[self.random.below(self.open.len())];
            return Some((*id, inode.clone()));
        }
        for _ in 0..10 {
            let (dir, real, name) = self.any_place(root);
            if let Some(id) = self.find(dir, &name)
                && matches!(self.nodes[&id].kind, Kind::File(_))
            {
                return Some((id, run(real.lookup(&name)).unwrap()));
            }
        }
        None
    }

    fn content(&mut self, id: Id) -> &mut Vec<u8> {
        match &mut self.node(id).kind {
            Kind::File(content) => content,
            _ => panic!("not a file"),
        }
    }

    /// A length or offset, often at an edge.
    fn any_offset(&mut self) -> usize {
        let reach = self.reach;
        let edge = [1024, 2048, 4096, 12 * 1024, 12 * 4096, 65536][self.random.below(6)];
        match self.random.below(4) {
            0 => self.random.below(reach),
            1 => (self.random.below(reach) / edge * edge).saturating_sub(1) + self.random.below(3),
            _ => self.random.below(20_000.min(reach)),
        }
    }

    /// Whether an operation ran out of space, which is fine where the test is about that.
    fn full<T>(&mut self, result: &Result<T, Errno>) -> bool {
        let full = self.may_fill && matches!(result, Err(Errno::ENOSPC));
        self.filled += usize::from(full);
        full
    }

    /// One random operation on both.
    pub fn step(&mut self, root: &Rc<dyn Inode>) {
        self.time += 1;
        match self.random.below(20) {
            0..4 => self.create(root),
            4 | 5 => self.unlink(root),
            6 => self.rmdir(root),
            7 | 8 => self.rename(root),
            9 => self.hard_link(root),
            10..13 => self.write(root),
            13 => self.truncate(root),
            14 => self.fallocate(root),
            15 => self.write_mapped(root),
            16 => self.read(root),
            17 => self.open_or_close(root),
            18 if self.has_xattrs => self.xattr(root),
            _ => self.unnamed(root),
        }
    }

    fn create(&mut self, root: &Rc<dyn Inode>) {
        let (dir, real, name) = self.any_place(root);
        let target = vec![b't'; 1 + self.random.below(90)];
        let kinds = [
            FileType::Regular,
            FileType::Directory,
            FileType::Symlink,
            FileType::Fifo,
            FileType::CharDevice,
            FileType::Socket,
        ];
        let file_type = kinds[[0, 0, 0, 1, 1, 2, 2, 3, 4, 5][self.random.below(10)]];
        let rdev =
            if file_type == FileType::CharDevice { [0x103, 0x1234_5678][self.random.below(2)] } else { 0 };
        let new = NewNode { rdev, now: at(self.time), ..node(file_type) };
        let new = if file_type == FileType::Symlink { NewNode { target: &target, ..new } } else { new };
        let made = run(real.create(&name, &new));
        if self.find(dir, &name).is_some() {
            assert_eq!(made.err(), Some(Errno::EEXIST));
        } else if !self.full(&made) {
            made.unwrap();
            let (kind, links) = match file_type {
                FileType::Regular => (Kind::File(Vec::new()), 1),
                FileType::Directory => (Kind::Dir { entries: BTreeMap::new(), parent: dir }, 2),
                FileType::Symlink => (Kind::Link(target), 1),
                other => (Kind::Other(other, rdev), 1),
            };
            let id = self.add(kind, links);
            self.link(dir, &name, id);
        }
    }

    fn unlink(&mut self, root: &Rc<dyn Inode>) {
        let (dir, real, name) = self.any_place(root);
        let done = run(real.unlink(&name, at(self.time)));
        match self.find(dir, &name) {
            None => assert_eq!(done, Err(Errno::ENOENT)),
            Some(id) if self.is_dir(id) => assert_eq!(done, Err(Errno::EISDIR)),
            Some(id) => {
                done.unwrap();
                self.take(dir, &name);
                self.drop_link(id);
            }
        }
    }

    fn rmdir(&mut self, root: &Rc<dyn Inode>) {
        let (dir, real, name) = self.any_place(root);
        let done = run(real.rmdir(&name, at(self.time)));
        match self.find(dir, &name) {
            None => assert_eq!(done, Err(Errno::ENOENT)),
            Some(id) if !self.is_dir(id) => assert_eq!(done, Err(Errno::ENOTDIR)),
            Some(id) if !self.is_empty(id) => assert_eq!(done, Err(Errno::ENOTEMPTY)),
            Some(id) => {
                done.unwrap();
                self.take(dir, &name);
                self.drop_link(id);
            }
        }
    }

    fn rename(&mut self, root: &Rc<dyn Inode>) {
        let (from, real_from, name) = self.any_place(root);
        let (to, real_to, new_name) = self.any_place(root);
        let mode = [RenameMode::Replace, RenameMode::Replace, RenameMode::NoReplace, RenameMode::Exchange]
            [self.random.below(4)];
        let (old, existing) = (self.find(from, &name), self.find(to, &new_name));
        // Keeping a directory out of its own subtree is the caller's part of the contract.
        if old.is_some_and(|id| self.is_dir(id) && self.is_inside(to, id)) {
            return;
        }
        if mode == RenameMode::Exchange
            && existing.is_some_and(|id| self.is_dir(id) && self.is_inside(from, id))
        {
            return;
        }
        let done = run(real_from.rename(&name, &real_to, &new_name, mode, at(self.time)));
        if self.full(&done) {
            return;
        }
        let Some(old) = old else { return assert_eq!(done, Err(Errno::ENOENT)) };
        match (mode, existing) {
            (RenameMode::NoReplace, Some(_)) => assert_eq!(done, Err(Errno::EEXIST)),
            (RenameMode::Exchange, None) => assert_eq!(done, Err(Errno::ENOENT)),
            (RenameMode::Exchange, Some(other)) => {
                done.unwrap();
                if old != other || (from, &name) != (to, &new_name) {
                    self.take(from, &name);
                    if (from, &name) != (to, &new_name) {
                        self.take(to, &new_name);
                        self.link(from, &name, other);
                    }
                    self.link(to, &new_name, old);
                }
            }
            (RenameMode::Replace, Some(other)) if other == old => assert_eq!(done, Ok(())),
            (_, Some(other)) => match (self.is_dir(old), self.is_dir(other)) {
                (true, false) => assert_eq!(done, Err(Errno::ENOTDIR)),
                (false, true) => assert_eq!(done, Err(Errno::EISDIR)),
                (true, true) if !self.is_empty(other) => assert_eq!(done, Err(Errno::ENOTEMPTY)),
                _ => {
                    done.unwrap();
                    self.take(to, &new_name);
                    self.drop_link(other);
                    self.take(from, &name);
                    self.link(to, &new_name, old);
                }
            },
            (_, None) => {
                done.unwrap();
                self.take(from, &name);
                self.link(to, &new_name, old);
            }
        }
    }

    fn hard_link(&mut self, root: &Rc<dyn Inode>) {
        let (from, real_from, name) = self.any_place(root);
        let (to, real_to, new_name) = self.any_place(root);
        let Some(id) = self.find(from, &name) else { return };
        let target = run(real_from.lookup(&name)).unwrap();
        let done = run(real_to.link(&new_name, &target, at(self.time)));
        if self.is_dir(id) {
            assert_eq!(done, Err(Errno::EPERM));
        } else if self.find(to, &new_name).is_some() {
            assert_eq!(done, Err(Errno::EEXIST));
        } else if !self.full(&done) {
            done.unwrap();
            self.node(id).links += 1;
            self.link(to, &new_name, id);
        }
    }

    fn write(&mut self, root: &Rc<dyn Inode>) {
        let Some((id, file)) = self.any_file(root) else { return };
        let (offset, len) = (self.any_offset(), self.any_offset() % 70_000 + 1);
        let data = if self.random.below(8) == 0 { vec![0; len] } else { self.random.bytes(len) };
        let done = run(file.write_at(offset as u64, &data, at(self.time)));
        if self.full(&done) {
            return;
        }
        let count = done.unwrap();
        assert!(count == len || self.may_fill && count < len && count > 0);
        self.filled += usize::from(count < len);
        let content = self.content(id);
        content.resize(content.len().max(offset + count), 0);
        content[offset..offset + count].copy_from_slice(&data[..count]);
        // Small inodes have no place for nanoseconds.
        assert_eq!(file.attributes().modified.seconds, at(self.time).seconds);
    }

    fn truncate(&mut self, root: &Rc<dyn Inode>) {
        let Some((id, file)) = self.any_file(root) else { return };
        let size = if self.random.below(3) == 0 { 0 } else { self.any_offset() };
        let change =
            SetAttributes { size: Some(size as u64), now: at(self.time), ..SetAttributes::default() };
        run(file.set_attributes(&change)).unwrap();
        self.content(id).resize(size, 0);
    }

    fn fallocate(&mut self, root: &Rc<dyn Inode>) {
        let Some((id, file)) = self.any_file(root) else { return };
        let (offset, len) = (self.any_offset(), self.any_offset() % 40_000 + 1);
        let mode = [0, 1, 3, 3, 0x10, 0x11][self.random.below(6)];
        let done = run(file.fallocate(mode, offset as u64, len as u64, at(self.time)));
        let end = offset + len;
        let full = self.full(&done);
        let size = file.attributes().size as usize;
        let content = self.content(id);
        if full {
            // It may have got somewhere; what it added is zero.
            assert!(size >= content.len() && size <= end.max(content.len()));
            content.resize(size, 0);
            return;
        }
        done.unwrap();
        if mode & 1 == 0 && end > content.len() {
            content.resize(end, 0);
        }
        if mode & !1 != 0 {
            let stop = end.min(content.len());
            content[offset.min(stop)..stop].fill(0);
        }
    }

    /// Writes through the pages, as a shared mapping does; also past the end in the last page, which must not show.
    fn write_mapped(&mut self, root: &Rc<dyn Inode>) {
        let Some((id, file)) = self.any_file(root) else { return };
        let size = self.content(id).len();
        if size == 0 || self.may_fill {
            return;
        }
        let pages = file.mappable().unwrap();
        let offset = self.random.below(size);
        let page = offset as u64 / PAGE_BYTES;
        assert!(matches!(pages.lookup((size as u64).div_ceil(PAGE_BYTES)), Lookup::BeyondEnd));
        run(pages.load(page)).unwrap();
        let Lookup::Resident(frame) = pages.lookup(page) else {
            panic!("page {page} is not there after load")
        };
        let within = offset % PAGE_BYTES as usize;
        let data = self.random.bytes(1 + offset % 300);
        let room = (PAGE_BYTES as usize - within).min(data.len());
        frame.write(within, &data[..room]);
        pages.mark_dirty(page);
        let content = self.content(id);
        let count = room.min(size - offset);
        content[offset..offset + count].copy_from_slice(&data[..count]);
    }

    fn read(&mut self, root: &Rc<dyn Inode>) {
        let Some((id, file)) = self.any_file(root) else { return };
        let (offset, len) = (self.any_offset(), self.any_offset());
        let mut found = vec![0xee; len];
        let count = run(file.read_at(offset as u64, &mut found)).unwrap();
        let content = self.content(id);
        let expected = &content[offset.min(content.len())..(offset + len).min(content.len())];
        assert!(found[..count] == *expected, "read of {len} at {offset} differs");
        check_holes(&*file, content);
    }

    fn open_or_close(&mut self, root: &Rc<dyn Inode>) {
        if self.open.len() > 3 || (!self.open.is_empty() && self.random.below(2) == 0) {
            let number = self.random.below(self.open.len());
            let (id, _) = self.open.swap_remove(number);
            self.forget_if_gone(id);
        } else if let Some((id, file)) = self.any_file(root) {
            self.open.push((id, file));
        }
    }

    fn unnamed(&mut self, root: &Rc<dyn Inode>) {
        let (dir, real, name) = self.any_place(root);
        let made = run(real.create_unnamed(&NewNode { now: at(self.time), ..node(FileType::Regular) }));
        if self.full(&made) {
            return;
        }
        let file = made.unwrap();
        assert_eq!(file.attributes().links, 0);
        let data = self.random.bytes(3000);
        if self.full(&run(file.write_at(0, &data, at(self.time)))) {
            return;
        }
        let data = super::read_all(&*file);
        let id = self.add(Kind::File(data), 0);
        self.open.push((id, file.clone()));
        if self.find(dir, &name).is_none() && self.random.below(2) == 0 {
            let done = run(real.link(&name, &file, at(self.time)));
            if !self.full(&done) {
                done.unwrap();
                self.node(id).links = 1;
                self.link(dir, &name, id);
            }
        }
    }

    fn xattr(&mut self, root: &Rc<dyn Inode>) {
        let (dir, real, name) = self.any_place(root);
        let Some(id) = self.find(dir, &name) else { return };
        let file = run(real.lookup(&name)).unwrap();
        let key =
            [&b"user.a"[..], b"user.longer-name", b"trusted.x", b"security.capability"][self.random.below(4)];
        let known = self.nodes[&id].xattrs.get(key).cloned();
        assert_eq!(run(file.get_xattr(key)).ok(), known);
        if self.random.below(3) == 0 {
            let done = run(file.remove_xattr(key, at(self.time)));
            assert_eq!(done.err(), known.is_none().then_some(Errno::ENODATA));
            self.node(id).xattrs.remove(key);
            return;
        }
        let len = [0, 1, 3, 4, 20, 60, 150][self.random.below(7)];
        let value = self.random.bytes(len);
        let mode = [XattrMode::Set, XattrMode::Create, XattrMode::Replace][self.random.below(3)];
        let done = run(file.set_xattr(key, &value, mode, at(self.time)));
        match (mode, known.is_some()) {
            (XattrMode::Create, true) => assert_eq!(done, Err(Errno::EEXIST)),
            (XattrMode::Replace, false) => assert_eq!(done, Err(Errno::ENODATA)),
            _ if self.full(&done) => {}
            _ => {
                done.unwrap();
                self.node(id).xattrs.insert(key.to_vec(), value);
            }
        }
    }

    /// Whether files without names are held open.
    pub fn holds_unlinked(&self) -> bool {
        self.open.iter().any(|(id, _)| self.nodes[id].links == 0)
    }

    /// Closes everything; the real file system is about to be unmounted.
    pub fn close_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.open) {
            if self.nodes.contains_key(&id) {
                self.forget_if_gone(id);
            }
        }
    }

    /// Compares everything.
    pub fn check(&self, root: &Rc<dyn Inode>) {
        self.check_dir(root, 0, 0);
        for (id, file) in &self.open {
            self.check_node(file, *id);
        }
    }

    fn check_dir(&self, real: &Rc<dyn Inode>, id: Id, depth: usize) {
        let Kind::Dir { entries, .. } = &self.nodes[&id].kind else { panic!() };
        let mut listed = BTreeMap::new();
        let mut sink = |entry: vfs::DirEntry| {
            assert!(
                listed.insert(entry.name.clone(), (entry.ino, entry.file_type)).is_none(),
                "listed twice"
            );
            true
        };
        run(real.readdir(0, &mut sink)).unwrap();
        assert_eq!(listed.remove(&b"."[..]).map(|(ino, _)| ino), Some(real.attributes().ino));
        assert!(listed.remove(&b".."[..]).is_some());
        if depth == 0 {
            listed.remove(&b"lost+found"[..]);
        }
        assert_eq!(listed.keys().collect::<Vec<_>>(), entries.keys().collect::<Vec<_>>());
        for (name, child) in entries {
            let node = run(real.lookup(name)).unwrap();
            let attributes = node.attributes();
            assert_eq!(listed[name], (attributes.ino, attributes.file_type));
            self.check_node(&node, *child);
            if self.is_dir(*child) {
                self.check_dir(&node, *child, depth + 1);
            }
        }
    }

    fn check_node(&self, real: &Rc<dyn Inode>, id: Id) {
        let (node, attributes) = (&self.nodes[&id], real.attributes());
        assert_eq!(attributes.links, node.links, "links of {real:?}");
        let file_type = match &node.kind {
            Kind::File(content) => {
                assert_eq!(attributes.size, content.len() as u64);
                assert!(super::read_all(&**real) == *content, "content of {real:?} differs");
                check_holes(&**real, content);
                FileType::Regular
            }
            Kind::Dir { .. } => FileType::Directory,
            Kind::Link(target) => {
                assert_eq!(run(real.read_link()).unwrap(), *target);
                assert_eq!(attributes.size, target.len() as u64);
                FileType::Symlink
            }
            Kind::Other(file_type, rdev) => {
                assert_eq!(attributes.rdev, *rdev);
                *file_type
            }
        };
        assert_eq!(attributes.file_type, file_type);
        let mut names = run(real.list_xattr()).unwrap();
        names.sort();
        assert_eq!(names, node.xattrs.keys().cloned().collect::<Vec<_>>());
        for (name, value) in &node.xattrs {
            assert_eq!(run(real.get_xattr(name)).unwrap(), *value);
        }
    }
}

/// Data and holes must cover the file, and holes must be zero.
fn check_holes(file: &dyn Inode, content: &[u8]) {
    let mut at = 0;
    while at < content.len() {
        let data = match run(file.seek_hole(at as u64, SeekTarget::Data)) {
            Ok(data) => data as usize,
            Err(Errno::ENXIO) => content.len(),
            Err(error) => panic!("{error:?}"),
        };
        assert!(content[at..data].iter().all(|byte| *byte == 0), "a hole at {at} holds data");
        if data == content.len() {
            break;
        }
        let hole = run(file.seek_hole(data as u64, SeekTarget::Hole)).unwrap() as usize;
        assert!(hole > data && hole <= content.len());
        at = hole;
    }
    assert_eq!(run(file.seek_hole(content.len() as u64, SeekTarget::Data)), Err(Errno::ENXIO));
}
