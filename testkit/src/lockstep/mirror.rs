//! A traced program's memory, for an engine: pages are copied when they are first touched.

use crate::host::process::{Area, Traced};
use guest_mem::{AddressSpace, FramePool, PAGE_BYTES, Prot, Vma, page_floor};
use std::collections::BTreeMap;
use std::io;

/// How far below its lowest page Linux lets a stack grow at a touch (`RLIMIT_STACK`, getrlimit(2)).
const STACK_ROOM: u64 = 8 << 20;
/// Pages that a machine has.
const FRAMES: usize = 1 << 18;

/// The memory.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) mem: AddressSpace,
    areas: Vec<Area>,
    /// Pages copied so far, and how they may be accessed.
    pages: BTreeMap<u64, Prot>,
}

fn prot_of(area: &Area) -> Prot {
    let parts = [Prot::READ, Prot::WRITE, Prot::EXEC];
    let allowed = parts.into_iter().zip(area.access).filter(|(_, allowed)| *allowed);
    allowed.fold(Prot::NONE, |all, (part, _)| all | part)
}

impl Mirror {
    pub(super) fn new(program: &Traced) -> io::Result<Mirror> {
        let mem = AddressSpace::new(&FramePool::new(FRAMES));
        Ok(Mirror { mem, areas: program.areas()?, pages: BTreeMap::new() })
    }

    fn find(&self, addr: u64) -> Option<Prot> {
        let held = self.areas.iter().find(|area| (area.start..area.end).contains(&addr));
        if let Some(area) = held {
            return Some(prot_of(area));
        }
        let stack = self.areas.iter().find(|area| area.name == "[stack]")?;
        let room = stack.start.saturating_sub(STACK_ROOM)..stack.start;
        room.contains(&addr).then(|| prot_of(stack))
    }

    /// Makes the page of an address present. False where the program has none there.
    pub(super) fn fetch(&mut self, program: &Traced, addr: u64) -> bool {
        let page = page_floor(addr);
        let Some(prot) = self.find(page) else { return false };
        if self.pages.contains_key(&page) {
            return false;
        }
        let mut content = vec![0; PAGE_BYTES as usize];
        program.read(page, &mut content);
        self.pages.insert(page, prot);
        self.put(page, prot, &content);
        true
    }

    fn put(&mut self, page: u64, prot: Prot, content: &[u8]) {
        let area = Vma::anonymous(page, page + PAGE_BYTES, Prot::READ | Prot::WRITE);
        self.mem.map(area).expect("a page of the program's maps");
        self.mem.write_bytes(page, content).expect("writable for now");
        self.mem.protect(page, page + PAGE_BYTES, prot).expect("mapped just now");
    }

    /// Our copy of a page, whatever its protection.
    fn content(&self, page: u64, prot: Prot) -> Vec<u8> {
        let mut content = vec![0; PAGE_BYTES as usize];
        if !prot.contains(Prot::READ) {
            self.mem.protect(page, page + PAGE_BYTES, Prot::READ).expect("mapped");
        }
        self.mem.read_bytes(page, &mut content).expect("readable");
        if !prot.contains(Prot::READ) {
            self.mem.protect(page, page + PAGE_BYTES, prot).expect("mapped");
        }
        content
    }

    /// The first place where our copy and the program differ, with the bytes there: the program's, then ours.
    pub(super) fn difference(&self, program: &Traced) -> Option<(u64, Vec<u8>, Vec<u8>)> {
        let mut theirs = vec![0; PAGE_BYTES as usize];
        self.pages.iter().filter(|(_, prot)| prot.contains(Prot::WRITE)).find_map(|(page, prot)| {
            let got = program.read(*page, &mut theirs);
            let ours = self.content(*page, *prot);
            let at = (0..got).find(|i| theirs[*i] != ours[*i])?;
            let end = (at + 16).min(got);
            Some((page + at as u64, theirs[at..end].to_vec(), ours[at..end].to_vec()))
        })
    }

    /// Compares a few bytes.
    pub(super) fn differs_at(&self, program: &Traced, addr: u64, len: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut theirs, mut ours) = (vec![0; len], vec![0; len]);
        let there = program.read(addr, &mut theirs) == len && self.mem.read_bytes(addr, &mut ours).is_ok();
        (there && theirs != ours).then_some((theirs, ours))
    }

    /// Takes over what a system call, a signal or another thread changed.
    pub(super) fn refresh(&mut self, program: &Traced) -> io::Result<()> {
        self.areas = program.areas()?;
        let mut theirs = vec![0; PAGE_BYTES as usize];
        for (page, prot) in std::mem::take(&mut self.pages) {
            if self.find(page) == Some(prot) && program.read(page, &mut theirs) == theirs.len() {
                self.pages.insert(page, prot);
                if self.content(page, prot) != theirs {
                    self.put(page, prot, &theirs);
                }
            } else {
                self.mem
                    .unmap(page, page + PAGE_BYTES)
                    .map_err(|error| io::Error::other(format!("{error:?}")))?;
            }
        }
        Ok(())
    }
}
