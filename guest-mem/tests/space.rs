//! Address spaces from outside: every promise of the crate's documentation that can be broken.

use guest_mem::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

fn anonymous(start: u64, end: u64, prot: Prot) -> Vma {
    Vma::anonymous(start, end, prot)
}

const RW: Prot = Prot::READ.union(Prot::WRITE);
const RX: Prot = Prot::READ.union(Prot::EXEC);

fn space(pages: usize) -> AddressSpace {
    AddressSpace::new(&FramePool::new(pages))
}

/// An object of a fixed number of pages, which are present only after `load`.
struct Object {
    pool: FramePool,
    pages: u64,
    frames: RefCell<BTreeMap<u64, Frame>>,
    dirty: RefCell<Vec<u64>>,
}

impl Object {
    fn new(pool: &FramePool, pages: u64) -> Rc<Object> {
        Rc::new(Object { pool: pool.clone(), pages, frames: RefCell::default(), dirty: RefCell::default() })
    }

    fn load_now(&self, page: u64) {
        let frame = self.pool.alloc().expect("a free frame");
        frame.write(0, &[page as u8 + 1; PAGE_SIZE]);
        self.frames.borrow_mut().insert(page, frame);
    }

    fn mapping(self: &Rc<Self>, start: u64, prot: Prot, sharing: Sharing) -> Vma {
        let backing = Backing::Object { object: self.clone(), first_page: 0 };
        Vma { sharing, backing, ..anonymous(start, start + self.pages * PAGE_BYTES, prot) }
    }
}

impl Mappable for Object {
    fn id(&self) -> MappableId {
        MappableId { device: 1, object: 2 }
    }

    fn lookup(&self, page: u64) -> Lookup {
        match self.frames.borrow().get(&page) {
            Some(frame) => Lookup::Resident(frame.clone()),
            None if page < self.pages => Lookup::Absent,
            None => Lookup::BeyondEnd,
        }
    }

    fn load<'a>(&'a self, page: u64) -> Pin<Box<dyn Future<Output = Result<(), LoadError>> + 'a>> {
        Box::pin(async move {
            self.load_now(page);
            Ok(())
        })
    }

    fn mark_dirty(&self, page: u64) {
        self.dirty.borrow_mut().push(page);
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, MemFault>) -> FaultKind {
    result.expect_err("a fault").kind
}

#[test]
fn permissions_are_per_page_and_per_kind_of_access() {
    let s = space(64);
    s.map(anonymous(0x1000, 0x2000, Prot::READ)).unwrap();
    s.map(anonymous(0x2000, 0x3000, RW)).unwrap();
    s.map(anonymous(0x3000, 0x4000, Prot::NONE)).unwrap();
    assert_eq!(s.read::<u32>(0x1ffe), Ok(0));
    assert_eq!(kind(s.write(0x1000, 1u8)), FaultKind::Permission);
    assert_eq!(kind(s.read::<u8>(0x3000)), FaultKind::Permission);
    assert_eq!(kind(s.read::<u8>(0x4000)), FaultKind::NotMapped);
    assert_eq!(kind(s.fetch(0x2000, &mut [0; 4])), FaultKind::Permission);
    s.protect(0x2000, 0x3000, RX).unwrap();
    assert_eq!(s.fetch(0x2ffe, &mut [0; 15]), Ok(2));
    assert_eq!(kind(s.write(0x2000, 1u8)), FaultKind::Permission);
}

#[test]
fn a_store_that_faults_writes_nothing() {
    let s = space(64);
    s.map(anonymous(0x1000, 0x2000, RW)).unwrap();
    s.write(0x1ff8, u64::MAX).unwrap();
    for size in [2, 4, 8, 16] {
        let addr = 0x2000 - size / 2;
        let fault = match size {
            2 => s.write(addr, 0u16),
            4 => s.write(addr, 0u32),
            8 => s.write(addr, 0u64),
            _ => s.write(addr, 0u128),
        };
        let fault = fault.expect_err("the second page is missing");
        assert_eq!((fault.addr, fault.access, fault.kind), (0x2000, Access::Write, FaultKind::NotMapped));
    }
    assert_eq!(s.read::<u64>(0x1ff8), Ok(u64::MAX));
    assert!(s.write_bytes(0x1f00, &[0; 0x101]).is_err());
    assert_eq!(s.read::<u64>(0x1ff8), Ok(u64::MAX));
}

#[test]
fn the_tlb_forgets_what_changed() {
    let s = space(64);
    s.map(anonymous(0x1000, 0x3000, RW)).unwrap();
    s.write(0x1000, 5u32).unwrap();
    s.protect(0x1000, 0x2000, Prot::READ).unwrap();
    assert_eq!(kind(s.write(0x1000, 6u32)), FaultKind::Permission);
    s.protect(0x1000, 0x2000, RW).unwrap();
    s.write(0x1000, 7u32).unwrap();
    s.unmap(0x1000, 0x2000).unwrap();
    assert_eq!(kind(s.read::<u32>(0x1000)), FaultKind::NotMapped);
    s.map(anonymous(0x1000, 0x2000, RW)).unwrap();
    assert_eq!(s.read::<u32>(0x1000), Ok(0));
    s.write(0x2000, 9u32).unwrap();
    s.discard(0x2000, 0x3000).unwrap();
    assert_eq!(s.read::<u32>(0x2000), Ok(0));
}

#[test]
fn fork_shares_until_somebody_writes() {
    let pool = FramePool::new(64);
    let parent = AddressSpace::new(&pool);
    parent.map(anonymous(0x1000, 0x5000, RW)).unwrap();
    parent.fill(0x1000, 0x4000, 3).unwrap();
    let child = parent.fork();
    assert_eq!(pool.stats().in_use, 4);
    parent.write(0x1000, 1u8).unwrap();
    child.write(0x2000, 2u8).unwrap();
    assert_eq!((child.read::<u8>(0x1000), parent.read::<u8>(0x2000)), (Ok(3), Ok(3)));
    assert_eq!(pool.stats().in_use, 6);
    drop(child);
    assert_eq!(pool.stats().in_use, 4);
    // The last holder writes in place.
    parent.write(0x3000, 4u8).unwrap();
    assert_eq!(pool.stats().in_use, 4);
}

#[test]
fn private_writes_do_not_reach_the_object_and_shared_ones_do() {
    let pool = FramePool::new(64);
    let object = Object::new(&pool, 2);
    object.load_now(0);
    let s = AddressSpace::new(&pool);
    s.map(object.mapping(0x1_0000, RW, Sharing::Private)).unwrap();
    s.map(object.mapping(0x2_0000, RW, Sharing::Shared)).unwrap();
    assert_eq!(s.read::<u8>(0x1_0000), Ok(1));
    s.write(0x1_0000, 0xaau8).unwrap();
    assert_eq!(s.read::<u8>(0x2_0000), Ok(1));
    s.write(0x2_0001, 0xbbu8).unwrap();
    assert_eq!(s.read::<u8>(0x1_0001), Ok(1), "the private copy was made before");
    let mut byte = [0];
    object.frames.borrow()[&0].read(1, &mut byte);
    assert_eq!(byte, [0xbb]);
    s.harvest_dirty(0, 0x10_0000);
    assert_eq!(*object.dirty.borrow(), [0]);
    s.harvest_dirty(0, 0x10_0000);
    assert_eq!(*object.dirty.borrow(), [0], "reported once");
    s.write(0x2_0002, 1u8).unwrap();
    drop(s);
    assert_eq!(*object.dirty.borrow(), [0, 0], "and again when written again");
}

#[test]
fn absent_pages_are_named_and_pages_past_the_end_are_told_apart() {
    let pool = FramePool::new(64);
    let object = Object::new(&pool, 1);
    let s = AddressSpace::new(&pool);
    let mut area = object.mapping(0x1_0000, Prot::READ, Sharing::Private);
    area.end += PAGE_BYTES;
    s.map(area).unwrap();
    assert_eq!(kind(s.read::<u8>(0x1_0123)), FaultKind::NotResident);
    let (_, page) = s.missing_page(0x1_0123).expect("an object page");
    object.load_now(page);
    assert_eq!(s.read::<u8>(0x1_0123), Ok(1));
    assert_eq!(kind(s.read::<u8>(0x1_1000)), FaultKind::BeyondEnd);
}

#[test]
fn writes_to_code_are_noticed_wherever_they_come_from() {
    let pool = FramePool::new(64);
    let s = AddressSpace::new(&pool);
    s.map(anonymous(0x1000, 0x2000, RW | Prot::EXEC)).unwrap();
    s.write(0x1000, 0x90u8).unwrap();
    let code = s.code_page(0x1000).unwrap();
    let (writes, generation) = (s.code_writes(), s.generation());
    s.write(0x1800, 1u8).unwrap();
    assert!(s.code_writes() > writes);
    assert_ne!(pool.code_generation(code.frame), code.generation);
    assert_eq!(s.generation(), generation, "the mapping itself did not change");
    // Decoded again, then remapped: the number of the mapping changes.
    s.code_page(0x1000).unwrap();
    s.protect(0x1000, 0x2000, RX).unwrap();
    assert_ne!(s.generation(), generation);
    // A kernel-side copy into a watched frame counts too.
    let code = s.code_page(0x1000).unwrap();
    s.protect(0x1000, 0x2000, RW).unwrap();
    s.code_page(0x1000).expect_err("not executable now");
    s.write_bytes(0x1000, &[1, 2, 3]).unwrap();
    assert_ne!(pool.code_generation(code.frame), code.generation);
}

#[test]
fn writes_to_code_are_noticed_through_each_page_that_shows_it() {
    let pool = FramePool::new(64);
    let object = Object::new(&pool, 1);
    object.load_now(0);
    let s = AddressSpace::new(&pool);
    s.map(object.mapping(0x1000, RX, Sharing::Shared)).unwrap();
    s.map(object.mapping(0x5000, RW, Sharing::Shared)).unwrap();
    let other = AddressSpace::new(&pool);
    other.map(object.mapping(0x9000, RW, Sharing::Shared)).unwrap();
    // Each of them has the page in its TLB, for writing, before code is decoded.
    s.write(0x5000, 1u8).unwrap();
    other.write(0x9000, 1u8).unwrap();
    for writer in [(&s, 0x5800), (&other, 0x9800)] {
        let code = s.code_page(0x1000).unwrap();
        writer.0.write(writer.1, 2u8).unwrap();
        assert_ne!(pool.code_generation(code.frame), code.generation);
    }
}

#[test]
fn code_that_is_written_and_run_by_turns_is_noticed_each_time() {
    let pool = FramePool::new(64);
    let s = AddressSpace::new(&pool);
    s.map(anonymous(0x1000, 0x2000, RW | Prot::EXEC)).unwrap();
    for round in 0..4u8 {
        s.write(0x1000, round).unwrap();
        let code = s.code_page(0x1000).unwrap();
        let writes = s.code_writes();
        s.write(0x1004, round).unwrap();
        assert!(s.code_writes() > writes, "round {round}");
        assert_ne!(pool.code_generation(code.frame), code.generation);
        // No more than once: nothing has been decoded since.
        let writes = s.code_writes();
        s.write(0x1008, round).unwrap();
        assert_eq!(s.code_writes(), writes);
    }
}

#[test]
fn stacks_grow_down_to_their_limit() {
    let s = space(64);
    let stack = Vma { grows_down_to: Some(0x8000), ..anonymous(0xf000, 0x1_0000, RW) };
    s.map(stack).unwrap();
    s.write(0xa010, 1u32).unwrap();
    assert_eq!(s.area(0xa000).unwrap().start, 0xa000);
    s.write(0x8000, 1u32).unwrap();
    assert_eq!(kind(s.write(0x7fff, 1u8)), FaultKind::NotMapped);
}

#[test]
fn areas_split_merge_and_leave_holes() {
    let s = space(64);
    s.map(anonymous(0x1000, 0x5000, RW)).unwrap();
    s.protect(0x2000, 0x3000, Prot::READ).unwrap();
    assert_eq!(s.areas().len(), 3);
    s.protect(0x2000, 0x3000, RW).unwrap();
    assert_eq!(s.areas().len(), 1, "equal neighbours are one area again");
    s.unmap(0x2000, 0x3000).unwrap();
    assert!(!s.all_mapped(0x1000, 0x5000) && s.all_mapped(0x3000, 0x5000));
    assert_eq!(s.protect(0x1000, 0x5000, Prot::READ), Err(MapError::Hole));
    assert_eq!(kind(s.write(0x1000, 1u8)), FaultKind::Permission, "what lies before the hole has changed");
    assert_eq!(s.write(0x3000, 1u8), Ok(()));
    assert_eq!(s.find_free_below(0x1000, 0x1000, 0x5000), Some(0x2000));
    assert_eq!(s.find_free_below(0x2000, 0x1000, 0x5000), None);
    assert_eq!(s.find_free_below(0x2000, 0x1000, 0x9000), Some(0x7000));
}

#[test]
fn relocation_moves_content_and_cuts_the_rest() {
    let pool = FramePool::new(64);
    let s = AddressSpace::new(&pool);
    s.map(anonymous(0x1000, 0x4000, RW)).unwrap();
    s.write(0x1000, 1u8).unwrap();
    s.write(0x3000, 3u8).unwrap();
    s.relocate(0x1000, 0x3000, 0x9000, 0x2000).unwrap();
    assert_eq!(s.read::<u8>(0x9000), Ok(1));
    assert!(!s.any_mapped(0x1000, 0x4000) && !s.any_mapped(0xb000, 0xc000));
    assert_eq!(pool.stats().in_use, 1);
}

#[test]
fn neighbouring_pages_lie_side_by_side() {
    let s = space(256);
    s.map(anonymous(0x10_0000, 0x14_0000, RW)).unwrap();
    s.fill(0x10_0000, 0x4_0000, 1).unwrap();
    let crossing = |page: &u64| s.present(0x10_0000 + page * PAGE_BYTES - 8, 16, Access::Write).is_some();
    let pieces = 64 - (1..64).filter(crossing).count();
    assert!(pieces <= 4, "{pieces} pieces");
}

/// Pages are in one piece as far as they follow each other in host memory and may all be accessed so.
#[test]
fn areas_of_many_pages() {
    let s = space(256);
    s.map(anonymous(0x10_0000, 0x12_0000, RW)).unwrap();
    s.fill(0x10_0000, 0x1_0000, 1).unwrap();
    let longest = |from: u64, access| {
        let pages = (1..=0x20).take_while(|n| s.present(from, n * PAGE_SIZE, access).is_some());
        pages.last().unwrap_or(0)
    };
    let pages = longest(0x10_0000, Access::Read);
    assert!(pages >= 8, "{pages} pages in one piece");
    let host = s.present(0x10_0000, pages * PAGE_SIZE, Access::Read);
    let last = 0x10_0000 + (pages as u64 - 1) * PAGE_BYTES;
    assert_eq!(s.present(last, 1, Access::Read), host.map(|host| host + (pages - 1) * PAGE_SIZE));
    s.protect(0x10_4000, 0x10_5000, Prot::READ).unwrap();
    assert_eq!((longest(0x10_0000, Access::Write), longest(0x10_0000, Access::Read)), (4, pages));
    // What has never been touched is not there.
    assert_eq!(s.present(0x11_0000, 1, Access::Read), None);
    assert_eq!(s.present(u64::MAX - 8, 16, Access::Read), None);
}

/// Stacks of many processes, one after the other, each of which grows downwards.
#[test]
fn a_stack_lies_in_one_piece() {
    let pool = FramePool::new(1 << 16);
    for _ in 0..300 {
        let s = AddressSpace::new(&pool);
        s.map(anonymous(0x10_0000, 0x12_0000, RW)).unwrap();
        for page in (0x110..0x120).rev() {
            s.write(page * PAGE_BYTES, 1_u8).unwrap();
        }
        let crossing = |page: &u64| s.present(page * PAGE_BYTES - 8, 16, Access::Write).is_some();
        let pieces = 16 - (0x111..0x120).filter(crossing).count();
        assert!(pieces <= 2, "{pieces} pieces");
    }
    assert!(pool.stats().allocated < 4096, "{:?}", pool.stats());
}

/// Pages that two processes have taken in turns are moved, what they hold with them; those that both have stay.
#[test]
fn pages_are_gathered() {
    let pool = FramePool::new(1 << 12);
    let spaces = [0, 1].map(|_| AddressSpace::new(&pool));
    for s in &spaces {
        s.map(anonymous(0x10_0000, 0x14_0000, RW)).unwrap();
    }
    let crossing =
        |s: &AddressSpace, page: u64| s.present(page * PAGE_BYTES - 8, 16, Access::Write).is_some();
    // From the middle outwards, so that few find a place beside another one.
    for page in (0..64_u64).map(|n| 0x100 + n * 37 % 64) {
        spaces.iter().for_each(|s| s.write(page * PAGE_BYTES + 8, page).unwrap());
    }
    let in_use = pool.stats().in_use;
    let apart =
        (0x101..0x140).find(|page| !crossing(&spaces[0], *page)).expect("not all of them are in one piece");
    spaces[0].gather(apart * PAGE_BYTES + 24);
    assert!(crossing(&spaces[0], apart));
    assert_eq!(pool.stats().in_use, in_use);
    for s in &spaces {
        (0x100..0x140).for_each(|page| assert_eq!(s.read(page * PAGE_BYTES + 8), Ok(page)));
    }
    let child = spaces[1].fork();
    let apart =
        (0x101..0x140).find(|page| !crossing(&spaces[1], *page)).expect("shared until they are written");
    spaces[1].gather(apart * PAGE_BYTES);
    assert!(!crossing(&spaces[1], apart));
    (0x100..0x140).for_each(|page| assert_eq!(child.read(page * PAGE_BYTES + 8), Ok(page)));
}

#[test]
fn the_pool_has_a_limit_and_takes_frames_back() {
    let pool = FramePool::new(4);
    let s = AddressSpace::new(&pool);
    s.map(anonymous(0x1000, 0x10_0000, RW)).unwrap();
    for round in 0..100 {
        for page in 0..4 {
            s.write(0x1000 + page * PAGE_BYTES, round as u8).unwrap();
        }
        assert_eq!(kind(s.write(0x9000, 1u8)), FaultKind::OutOfMemory);
        s.discard(0x1000, 0x10_0000).unwrap();
        assert_eq!(pool.stats().in_use, 0);
    }
}

#[test]
fn copies_between_pages_survive_copy_on_write() {
    let s = space(64);
    s.map(anonymous(0x1000, 0x3000, RW)).unwrap();
    s.write_bytes(0x1000, b"hello, world").unwrap();
    let child = s.fork();
    child.copy_in_pages(0x1000, 0x1006, 6).unwrap();
    child.copy_in_pages(0x1000, 0x2000, 12).unwrap();
    let mut out = [0; 12];
    child.read_bytes(0x2000, &mut out).unwrap();
    assert_eq!(&out, b"hello,hello,");
    s.read_bytes(0x1000, &mut out).unwrap();
    assert_eq!(&out, b"hello, world");
}

/// Random operations against a model that is a plain map of bytes.
#[test]
fn random_operations_match_a_model() {
    let pool = FramePool::new(512);
    let s = AddressSpace::new(&pool);
    let mut model: BTreeMap<u64, Option<[u8; PAGE_SIZE]>> = BTreeMap::new();
    let seed = Cell::new(0x1234_5678_9abc_def1_u64);
    let random = |bound: u64| {
        let mut x = seed.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        seed.set(x);
        x % bound
    };
    let rounds = if cfg!(miri) { 300 } else { 60_000 };
    for _ in 0..rounds {
        let page = random(40) + 1;
        let end = page + random(6) + 1;
        let range = (page * PAGE_BYTES, end * PAGE_BYTES);
        match random(8) {
            0 => {
                s.map(anonymous(range.0, range.1, RW)).unwrap();
                (page..end).for_each(|p| _ = model.insert(p, Some([0; PAGE_SIZE])));
            }
            1 => {
                s.unmap(range.0, range.1).unwrap();
                (page..end).for_each(|p| _ = model.remove(&p));
            }
            2 => {
                s.discard(range.0, range.1).unwrap();
                (page..end)
                    .for_each(|p| _ = model.entry(p).and_modify(|bytes| *bytes = Some([0; PAGE_SIZE])));
            }
            3..=5 => {
                let addr = range.0 + random(PAGE_BYTES);
                let value = random(u64::MAX);
                let last = (addr + 7) / PAGE_BYTES;
                let mapped = model.contains_key(&page) && model.contains_key(&last);
                assert_eq!(s.write(addr, value).is_ok(), mapped);
                if mapped {
                    for (i, byte) in value.to_le_bytes().into_iter().enumerate() {
                        let at = addr + i as u64;
                        if let Some(Some(bytes)) = model.get_mut(&(at / PAGE_BYTES)) {
                            bytes[(at % PAGE_BYTES) as usize] = byte;
                        }
                    }
                }
            }
            _ => {
                let addr = range.0 + random(PAGE_BYTES);
                let byte_at = |at: u64| model.get(&(at / PAGE_BYTES))?.map(|b| b[(at % PAGE_BYTES) as usize]);
                let expected = (byte_at(addr), byte_at(addr + 3));
                match s.read::<u32>(addr) {
                    Ok(value) => {
                        let bytes = value.to_le_bytes();
                        assert_eq!((Some(bytes[0]), Some(bytes[3])), expected);
                    }
                    Err(_) => assert!(expected.0.is_none() || expected.1.is_none()),
                }
            }
        }
    }
    drop(s);
    assert_eq!(pool.stats().in_use, 0);
}

#[test]
fn runs_of_bytes_end_where_bytes_do() {
    let s = space(8);
    s.map(anonymous(0x1000, 0x3000, RW)).unwrap();
    // Few different bytes, so that runs are of all lengths; neighbours in value, as borrows go from byte to byte.
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
        seed >> 16
    };
    let data: Vec<u8> = (0..PAGE_SIZE)
        .map(|n| if n % 700 < 600 { 0x80 } else { [0x7f, 0x80, 0x81, 0, 1, 0xff][next() as usize % 6] })
        .collect();
    s.write_bytes(0x1000, &data).unwrap();
    for _ in 0..20_000 {
        let (start, len) = (next() as usize % PAGE_SIZE, next() as usize % 1000);
        let byte = [0x7f, 0x80, 0x81, 0, 1, 0xff][next() as usize % 6];
        let page = &data[start..(start + len).min(PAGE_SIZE)];
        for run in [Run::Of, Run::Without] {
            let end = page.iter().position(|other| (*other != byte) == (run == Run::Of));
            let expected = end.unwrap_or(page.len());
            assert_eq!(
                s.run_of(0x1000 + start as u64, len, byte, run),
                Ok(expected),
                "{start} {len} {byte} {run:?}"
            );
        }
    }
    assert!(s.run_of(0x5000, 10, 0, Run::Of).is_err());
}
