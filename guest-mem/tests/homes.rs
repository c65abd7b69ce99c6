//! Homes: what generated code finds there is what the page table says, whatever is done to an address space.

use guest_mem::{Access, AddressSpace, FramePool, HomeLayout, PAGE_BYTES, Prot, Vma, Width};
use std::rc::Rc;

const RW: Prot = Prot::READ.union(Prot::WRITE);
/// Pages that the tests use: some, half of them in the last places of a home, half in the first, and some that have the same places.
const FIRST: u64 = 0x8_0000 - PAGES / 2;
const PAGES: u64 = 24;
const FIRST_PLACE: u64 = FIRST + PAGES / 2;
const SAME_PLACES: u64 = (HomeLayout::OWN.mask as u64 + 1) / PAGE_BYTES;
const GRANULE: u64 = 1 << HomeLayout::OWN.granule_shift;

fn anonymous(start: u64, end: u64, prot: Prot) -> Vma {
    Vma::anonymous(start, end, prot)
}

const WIDTHS: [Width; 2] = [Width::Bits32, Width::Bits64];

fn settled_or_not(pool: &FramePool, width: Width) -> Rc<AddressSpace> {
    let space = Rc::new(AddressSpace::new(pool));
    space.settle(width);
    space
}

fn settled(pool: &FramePool, width: Width) -> Rc<AddressSpace> {
    let space = settled_or_not(pool, width);
    assert!(has_home(&space));
    space
}

fn has_home(space: &AddressSpace) -> bool {
    WIDTHS.iter().any(|width| space.home_address(*width).is_some())
}

/// Numbers that look random (Knuth, MMIX).
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// Everything that may be done at home may be done there, in one piece. Gives how many granules may be read.
fn check(space: &AddressSpace) -> usize {
    let mut found = 0;
    let pages = (FIRST - 1..=FIRST + PAGES).flat_map(|page| [page, page + SAME_PLACES]);
    for addr in pages.flat_map(|page| (0..PAGE_BYTES / GRANULE).map(move |n| page * PAGE_BYTES + n * GRANULE))
    {
        for access in [Access::Read, Access::Write] {
            // From the last byte of a granule, as far as an area may reach.
            for (at, len) in [(addr, 1), (addr, GRANULE), (addr + GRANULE - 1, GRANULE)] {
                if let Some(host) = space.at_home(at, access) {
                    assert_eq!(
                        space.present(at, len as usize, access),
                        Some(host),
                        "{at:x} {len} {access:?}"
                    );
                    found += usize::from(access == Access::Read && len == 1);
                }
            }
        }
    }
    found
}

#[test]
fn memory_is_at_home_and_in_one_piece() {
    WIDTHS.into_iter().for_each(in_one_piece);
}

fn in_one_piece(width: Width) {
    let pool = FramePool::new(1 << 12);
    pool.set_homes(1);
    let space = settled(&pool, width);
    space.map(anonymous(FIRST_PLACE * PAGE_BYTES, (FIRST_PLACE + PAGES / 2) * PAGE_BYTES, RW)).unwrap();
    // Not in their order.
    for n in 0..PAGES / 2 {
        space.write((FIRST_PLACE + n * 7 % (PAGES / 2)) * PAGE_BYTES + n, 1_u8).unwrap();
    }
    let mut found = check(&space);
    assert_eq!(found as u64, 0, "written, and not read yet");
    (0..PAGES / 2).for_each(|n| assert!(space.read::<u8>((FIRST_PLACE + n) * PAGE_BYTES).is_ok()));
    found = check(&space);
    assert_eq!(
        found as u64,
        PAGES / 2 * PAGE_BYTES / GRANULE - 1,
        "but for the last granule of the last page"
    );
    let (low, high) = (FIRST_PLACE * PAGE_BYTES, (FIRST_PLACE + PAGES / 2 - 1) * PAGE_BYTES);
    let [low, high] = [low, high].map(|addr| space.at_home(addr, Access::Write).unwrap());
    assert_eq!((high - low) as u64, (PAGES / 2 - 1) * PAGE_BYTES);
}

/// Some processes, whatever they do, with little memory and homes that are given back with pages in them.
#[test]
fn homes_say_what_page_tables_say() {
    WIDTHS.into_iter().for_each(as_page_tables_say);
}

fn as_page_tables_say(width: Width) {
    let pool = FramePool::new(200);
    pool.set_homes(3);
    let mut rng = Rng(1);
    let mut spaces = vec![settled(&pool, width)];
    let mut at_home = 0;
    for round in 0..10_000_u32 {
        let space = &spaces[rng.below(spaces.len() as u64) as usize];
        let page = FIRST + rng.below(PAGES) + rng.below(2) * SAME_PLACES;
        let (start, end) = (page * PAGE_BYTES, (page + 1 + rng.below(4)) * PAGE_BYTES);
        match rng.below(40) {
            0 => {
                let prot = [RW, RW, Prot::READ, Prot::NONE][rng.below(4) as usize];
                space.map(anonymous(start, end, prot)).unwrap();
            }
            1 => {
                let _ = space.unmap(start, end);
            }
            2 => {
                let _ = space.protect(start, end, [RW, Prot::READ, RW][rng.below(3) as usize]);
            }
            3 => {
                let _ = space.discard(start, end);
            }
            4 => {
                let to = (FIRST + rng.below(PAGES)) * PAGE_BYTES;
                if to + PAGE_BYTES <= start || to >= end {
                    let _ = space.relocate(start, PAGE_BYTES, to, PAGE_BYTES);
                }
            }
            5 => {
                let child = Rc::new(space.fork());
                child.settle(width);
                if spaces.len() < 4 {
                    spaces.push(child);
                }
            }
            6 if spaces.len() > 1 => {
                spaces.swap_remove(rng.below(spaces.len() as u64) as usize);
            }
            7 | 8 => space.bring_home(start),
            9 => space.gather(start + rng.below(PAGE_BYTES)),
            14 => space.miss_home(1 << 40),
            10 => {
                let _ = space.protect(start, end, Prot::ALL);
                let _ = space.code_page(start);
            }
            n => {
                let addr = start + rng.below(PAGE_BYTES);
                let _ = space.read::<u32>(addr);
                let _ = (n % 2 == 0).then(|| space.write(addr, round));
            }
        }
        // What homes had is used again, whatever they are.
        let used = pool.stats().allocated;
        assert!(used <= 200 + 32, "{used}");
        if round % 8 == 0 {
            at_home += spaces.iter().map(|space| check(space)).sum::<usize>();
        }
    }
    assert!(at_home > 15_000, "{at_home}");
    drop(spaces);
    assert_eq!(pool.stats().in_use, 0);
}

/// A page that was somebody else's is brought home, with what it holds; what others see stays.
#[test]
fn pages_come_home() {
    WIDTHS.into_iter().for_each(come_home);
}

fn come_home(width: Width) {
    let pool = FramePool::new(1 << 12);
    pool.set_homes(2);
    let parent = settled(&pool, width);
    parent.map(anonymous(FIRST * PAGE_BYTES, (FIRST + PAGES) * PAGE_BYTES, RW)).unwrap();
    let addr = FIRST * PAGE_BYTES + 8;
    parent.write(addr, 7_u32).unwrap();
    let child = Rc::new(parent.fork());
    child.settle(width);
    assert_eq!(child.read(addr), Ok(7_u32));
    assert_eq!(child.at_home(addr, Access::Read), None, "it is the parent's");
    child.bring_home(addr);
    assert!(child.at_home(addr, Access::Read).is_some());
    assert_eq!(child.at_home(addr, Access::Write), None, "as long as nobody has written it");
    parent.write(addr, 8_u32).unwrap();
    assert!(parent.at_home(addr, Access::Write).is_some());
    assert_eq!(child.read(addr), Ok(7_u32));
    child.write(addr, 9_u32).unwrap();
    assert!(child.at_home(addr, Access::Write).is_some());
    assert_eq!(parent.read(addr), Ok(8_u32));
    // A third has none, and does without; until one that is no more has left it one.
    let third = Rc::new(AddressSpace::new(&pool));
    third.settle(width);
    assert!(!has_home(&third));
    drop(child);
    third.settle(width);
    assert!(has_home(&third));
}

/// Who sleeps gives its home to who runs: at once to a new one, and after a while to one that misses it.
#[test]
fn homes_are_for_those_that_run() {
    WIDTHS.into_iter().for_each(for_those_that_run);
}

fn for_those_that_run(width: Width) {
    let pool = FramePool::new(1 << 12);
    pool.set_homes(2);
    let addr = FIRST * PAGE_BYTES + 8;
    let spaces = [0, 1, 2].map(|number: u32| {
        let space = settled_or_not(&pool, width);
        space.map(anonymous(FIRST * PAGE_BYTES, (FIRST + PAGES) * PAGE_BYTES, RW)).unwrap();
        space.write(addr, number).unwrap();
        assert_eq!(space.read(addr), Ok(number));
        space.note_turn();
        space
    });
    let at_home = || spaces.each_ref().map(|space| space.at_home(addr, Access::Write).is_some());
    assert_eq!(at_home(), [true, true, false]);
    spaces[0].note_turn();
    spaces[2].note_turn();
    spaces[2].miss_home(1000);
    assert_eq!(at_home(), [true, true, false], "not for that");
    spaces[2].miss_home(1 << 20);
    spaces[2].bring_home(addr);
    assert_eq!(at_home(), [true, false, true], "the second has not run for longest");
    (0..100).for_each(|_| spaces[2].note_turn());
    let fourth = settled_or_not(&pool, width);
    assert!(has_home(&fourth));
    assert_eq!(at_home(), [false, false, true]);
    // It is one that runs now, so its home is for nobody else.
    fourth.note_turn();
    assert!(!has_home(&settled_or_not(&pool, width)));
    for (number, space) in (0_u32..).zip(&spaces) {
        assert_eq!(space.read(addr), Ok(number));
        check(space);
    }
}
