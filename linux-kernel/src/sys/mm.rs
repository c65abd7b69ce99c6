//! Calls on memory: mmap and its family, brk.

use crate::file::Result;
use crate::fs::memfd;
use crate::mm::Mm;
use crate::sys::Args;
use crate::task::{Arch, Task};
use guest_mem::{Backing, MapError, PAGE_BYTES, Prot, Sharing, Vma, page_ceil, page_floor};
use linux_abi::Errno;
use linux_abi::mman::{self, MapFlags, MremapFlags};
use linux_abi::resource::RLIMIT_AS;
use std::rc::Rc;
use vfs::FileType;

/// Lowest address a program may map (`vm.mmap_min_addr`).
const MIN_ADDR: u64 = 0x10000;

fn map_error(error: MapError) -> Errno {
    match error {
        MapError::Hole => Errno::ENOMEM,
        MapError::BadRange => Errno::EINVAL,
    }
}

fn prot_of(bits: u32) -> Prot {
    let prot = mman::Prot::from_bits_retain(bits);
    let pick = |flag, value| if prot.contains(flag) { value } else { Prot::NONE };
    pick(mman::Prot::READ, Prot::READ)
        | pick(mman::Prot::WRITE, Prot::WRITE)
        | pick(mman::Prot::EXEC, Prot::EXEC)
}

fn check_address_limit(task: &Task, mm: &Mm, more: u64) -> Result<()> {
    let limit = task.process.limit(RLIMIT_AS as usize);
    if mm.space.mapped_bytes().saturating_add(more) > limit { Err(Errno::ENOMEM) } else { Ok(()) }
}

/// The end of where mappings are placed from the top down, and of where any may be. i386 calls of 64-bit programs get
/// addresses that they can name, as far up as those of 32-bit programs on a 64-bit kernel (`IA32_PAGE_OFFSET`).
fn reach(task: &Task, mm: &Mm) -> (u64, u64) {
    match task.arch() {
        Arch::I386 => (mm.mmap_top.min(0xf7ff_f000), mm.user_end.min(0xffff_e000)),
        Arch::X86_64 => (mm.mmap_top, mm.user_end),
    }
}

fn place(task: &Task, mm: &Mm, hint: u64, len: u64, flags: MapFlags) -> Result<u64> {
    let (mmap_top, user_end) = reach(task, mm);
    if flags.contains(MapFlags::FIXED) || flags.contains(MapFlags::FIXED_NOREPLACE) {
        if !hint.is_multiple_of(PAGE_BYTES) {
            return Err(Errno::EINVAL);
        }
        if hint.checked_add(len).is_none_or(|end| end > user_end) {
            return Err(Errno::ENOMEM);
        }
        if hint < MIN_ADDR {
            return Err(Errno::EPERM);
        }
        if flags.contains(MapFlags::FIXED_NOREPLACE) && mm.space.any_mapped(hint, hint + len) {
            return Err(Errno::EEXIST);
        }
        return Ok(hint);
    }
    let hint = page_floor(hint);
    if hint >= MIN_ADDR
        && hint.checked_add(len).is_some_and(|end| end <= user_end && !mm.space.any_mapped(hint, end))
    {
        return Ok(hint);
    }
    let top =
        if flags.contains(MapFlags::LOW_2G) && mm.arch == Arch::X86_64 { 0x8000_0000 } else { mmap_top };
    let below = mm.space.find_free_below(len, MIN_ADDR, top);
    below.or_else(|| mm.space.find_free_below(len, MIN_ADDR, user_end)).ok_or(Errno::ENOMEM)
}

async fn map(
    task: &Rc<Task>,
    hint: u64,
    len: u64,
    prot: u32,
    flags: u32,
    fd: i32,
    first_page: u64,
) -> Result<u64> {
    let flags = MapFlags::from_bits_retain(flags);
    let mm = task.mm();
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let len = page_ceil(len);
    if len > mm.user_end {
        return Err(Errno::ENOMEM);
    }
    let sharing = match flags & MapFlags::TYPE {
        kind if kind == MapFlags::PRIVATE => Sharing::Private,
        kind if kind == MapFlags::SHARED || kind == MapFlags::SHARED_VALIDATE => Sharing::Shared,
        _ => return Err(Errno::EINVAL),
    };
    let prot = prot_of(prot);
    let mut max_prot = Prot::ALL;
    let fs = task.fs();
    let (backing, name) = if flags.contains(MapFlags::ANONYMOUS) {
        match sharing {
            Sharing::Private => (Backing::Anonymous, None),
            Sharing::Shared => {
                let object = crate::fs::memfd::anonymous_shared(&task.kernel, len).await?;
                (Backing::Object { object, first_page: 0 }, Some(Rc::from(&b"/dev/zero (deleted)"[..])))
            }
        }
    } else {
        let file = task.file(fd)?;
        if !file.readable() {
            return Err(Errno::EACCES);
        }
        if sharing == Sharing::Shared {
            let sealed = memfd::is_sealed(&file.path.inode(), memfd::SEAL_WRITE | memfd::SEAL_FUTURE_WRITE);
            if !file.writable() || sealed {
                max_prot = Prot::READ | Prot::EXEC;
            }
            if !max_prot.contains(prot) {
                return Err(if file.writable() { Errno::EPERM } else { Errno::EACCES });
            }
        }
        if file.path.inode().attributes().file_type == FileType::Directory {
            return Err(Errno::ENODEV);
        }
        let object = file.ops.mappable()?;
        let name = task.kernel.namespace.text_of(&file.path, &fs.root);
        (Backing::Object { object, first_page }, Some(Rc::from(name)))
    };
    check_address_limit(task, &mm, len)?;
    let start = place(task, &mm, hint, len, flags)?;
    let grows_down_to = flags.contains(MapFlags::GROWSDOWN).then_some(MIN_ADDR);
    let end = start + len;
    let area = Vma { start, end, prot, max_prot, sharing, backing, grows_down_to, skip_fork: false, name };
    mm.space.map(area).map_err(map_error)?;
    Ok(start)
}

/// `mmap2`: the offset counts pages of 4096 bytes.
pub async fn mmap2(task: &Rc<Task>, a: &Args) -> Result<u64> {
    map(task, a.word(0), a.word(1), a.uint(2), a.uint(3), a.int(4), a.word(5)).await
}

/// `mmap` of x86-64: the offset counts bytes.
pub async fn mmap(task: &Rc<Task>, a: &Args) -> Result<u64> {
    if !a.word(5).is_multiple_of(PAGE_BYTES) {
        return Err(Errno::EINVAL);
    }
    map(task, a.word(0), a.word(1), a.uint(2), a.uint(3), a.int(4), a.word(5) / PAGE_BYTES).await
}

/// `mmap` of i386 number 90: six words in memory.
pub async fn old_mmap(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let words: [u32; 6] = task.get(a.word(0)).await?;
    mmap(task, &Args(words.map(u64::from))).await
}

fn range(addr: u64, len: u64) -> Result<(u64, u64)> {
    if !addr.is_multiple_of(PAGE_BYTES) {
        return Err(Errno::EINVAL);
    }
    let end = addr.checked_add(len).filter(|end| *end <= page_floor(u64::MAX)).ok_or(Errno::EINVAL)?;
    Ok((addr, page_ceil(end)))
}

pub async fn munmap(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (start, end) = range(a.word(0), a.word(1))?;
    let mm = task.mm();
    if start == end || end > mm.user_end {
        return Err(Errno::EINVAL);
    }
    mm.space.unmap(start, end).map_err(map_error)?;
    Ok(0)
}

pub async fn mprotect(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (start, end) = range(a.word(0), a.word(1))
        .map_err(|e| if !a.word(0).is_multiple_of(PAGE_BYTES) { e } else { Errno::ENOMEM })?;
    if start == end {
        return Ok(0);
    }
    // PROT_GROWSDOWN and PROT_GROWSUP are taken and mean nothing to areas that do not grow.
    const KNOWN: u32 = 0xf | 0x0100_0000 | 0x0200_0000;
    if a.uint(2) & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let prot = prot_of(a.uint(2));
    let mm = task.mm();
    let areas = mm.space.areas();
    let mut touched = areas.iter().filter(|area| area.start < end && start < area.end);
    if touched.any(|area| !area.max_prot.contains(prot)) {
        return Err(Errno::EACCES);
    }
    mm.space.protect(start, end, prot).map_err(map_error)?;
    Ok(0)
}

pub async fn brk(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mm = task.mm();
    let (old, wanted) = (mm.brk.get(), a.word(0));
    if wanted < mm.brk_start.get() {
        return Ok(old);
    }
    let (old_end, new_end) = (page_ceil(old), page_ceil(wanted));
    if new_end < old_end {
        if mm.space.unmap(new_end, old_end).is_err() {
            return Ok(old);
        }
    } else if new_end > old_end {
        let data_limit = task.process.limit(linux_abi::resource::RLIMIT_DATA as usize);
        let fits = new_end - mm.brk_start.get() <= data_limit
            && new_end < mm.mmap_top
            && check_address_limit(task, &mm, new_end - old_end).is_ok()
            && !mm.space.any_mapped(old_end, new_end + PAGE_BYTES);
        let area = Vma {
            name: Some(Rc::from(&b"[heap]"[..])),
            ..Vma::anonymous(old_end, new_end, Prot::READ | Prot::WRITE)
        };
        if !fits || mm.space.map(area).is_err() {
            return Ok(old);
        }
    }
    mm.brk.set(wanted);
    Ok(wanted)
}

pub async fn mremap(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (old, old_len, new_len) = (a.word(0), page_ceil(a.word(1)), page_ceil(a.word(2)));
    let flags = MremapFlags::from_bits_retain(a.uint(3));
    let (may_move, fixed) = (flags.contains(MremapFlags::MAYMOVE), flags.contains(MremapFlags::FIXED));
    let known = MremapFlags::MAYMOVE | MremapFlags::FIXED;
    if !known.contains(flags) || !old.is_multiple_of(PAGE_BYTES) || new_len == 0 || (fixed && !may_move) {
        return Err(Errno::EINVAL);
    }
    let mm = task.mm();
    let space = &mm.space;
    let area = space.area(old).ok_or(Errno::EFAULT)?;
    if old_len == 0 {
        // A second view of a shared mapping; private ones are refused (mremap(2), BUGS).
        if area.sharing != Sharing::Shared || !may_move || fixed {
            return Err(Errno::EINVAL);
        }
        check_address_limit(task, &mm, new_len)?;
        let target = place(task, &mm, 0, new_len, MapFlags::empty())?;
        let mut view = extension(&area, old, old + new_len);
        (view.start, view.end) = (target, target + new_len);
        space.map(view).map_err(map_error)?;
        return Ok(target);
    }
    let old_end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
    if area.end < old_end {
        return Err(Errno::EFAULT);
    }
    if fixed {
        let target = a.word(4);
        let overlaps = target < old_end && old < target.saturating_add(new_len);
        if !target.is_multiple_of(PAGE_BYTES) || overlaps || target.saturating_add(new_len) > mm.user_end {
            return Err(Errno::EINVAL);
        }
        return relocate(&mm, &area, old, old_len, target, new_len);
    }
    if new_len <= old_len {
        if new_len < old_len {
            space.unmap(old + new_len, old_end).map_err(map_error)?;
        }
        return Ok(old);
    }
    check_address_limit(task, &mm, new_len - old_len)?;
    let grown_end = old.checked_add(new_len).ok_or(Errno::ENOMEM)?;
    if area.end == old_end && grown_end <= mm.user_end && !space.any_mapped(old_end, grown_end) {
        space.map(extension(&area, old_end, grown_end)).map_err(map_error)?;
        return Ok(old);
    }
    if !may_move {
        return Err(Errno::ENOMEM);
    }
    let target = place(task, &mm, 0, new_len, MapFlags::empty())?;
    relocate(&mm, &area, old, old_len, target, new_len)
}

/// What `area` would be if it went on over `start..end`.
fn extension(area: &Vma, start: u64, end: u64) -> Vma {
    let mut more = area.clone();
    if let Backing::Object { first_page, .. } = &mut more.backing {
        *first_page += (start - area.start) / PAGE_BYTES;
    }
    (more.start, more.end, more.grows_down_to) = (start, end, None);
    more
}

fn relocate(mm: &Mm, _area: &Vma, old: u64, old_len: u64, target: u64, new_len: u64) -> Result<u64> {
    mm.space.relocate(old, old_len, target, new_len).map_err(map_error)?;
    Ok(target)
}

pub async fn madvise(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (start, end) = range(a.word(0), a.word(1))?;
    let space = task.mm().space.clone();
    if start == end {
        return Ok(0);
    }
    match a.uint(2) {
        mman::MADV_DONTNEED | mman::MADV_DONTNEED_LOCKED => space.discard(start, end).map_err(map_error)?,
        mman::MADV_FREE => {
            // Freeing at once is one of the outcomes that madvise(2) allows. Private anonymous memory only.
            let private = |area: &Vma| {
                matches!(area.backing, Backing::Anonymous) || area.end <= start || area.start >= end
            };
            if !space.areas().iter().all(private) {
                return Err(Errno::EINVAL);
            }
            space.discard(start, end).map_err(map_error)?;
        }
        mman::MADV_DONTFORK => space.edit(start, end, |area| area.skip_fork = true).map_err(map_error)?,
        mman::MADV_DOFORK => space.edit(start, end, |area| area.skip_fork = false).map_err(map_error)?,
        mman::MADV_REMOVE | mman::MADV_WIPEONFORK | mman::MADV_KEEPONFORK => return Err(Errno::EINVAL),
        mman::MADV_POPULATE_READ | mman::MADV_POPULATE_WRITE => {}
        0..=3 | 12..=17 | 20 | 21 => {}
        _ => return Err(Errno::EINVAL),
    }
    if space.all_mapped(start, end) { Ok(0) } else { Err(Errno::ENOMEM) }
}

pub async fn msync(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (start, end) = range(a.word(0), a.word(1)).map_err(|_| Errno::EINVAL)?;
    let flags = a.uint(2);
    let (asynchronous, synchronous) = (flags & 1 != 0, flags & 4 != 0);
    if flags & !7 != 0 || (asynchronous && synchronous) {
        return Err(Errno::EINVAL);
    }
    let mm = task.mm();
    if !mm.space.all_mapped(start, end) {
        return Err(Errno::ENOMEM);
    }
    mm.space.harvest_dirty(start, end);
    if synchronous {
        // The areas know their object but not its inode: writing everything is correct, if more than asked.
        task.kernel.sync_all().await?;
    }
    Ok(0)
}

/// `mincore`: a page is in core if it could be read without waiting; we answer that all mapped ones are.
pub async fn mincore(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (start, end) = range(a.word(0), a.word(1))?;
    let mm = task.mm();
    if !mm.space.all_mapped(start, end) {
        return Err(Errno::ENOMEM);
    }
    let pages = ((end - start) / PAGE_BYTES) as usize;
    task.write_bytes(a.word(2), &vec![1; pages]).await?;
    Ok(0)
}

/// `mlockall`: nothing is ever swapped out.
pub fn mlockall(a: &Args) -> Result<u64> {
    let (current, future, on_fault) = (1, 2, 4);
    let flags = a.uint(0);
    if flags & !(current | future | on_fault) != 0 || flags & (current | future) == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// `process_vm_readv` and `process_vm_writev`: what crosses a bad page is cut short there.
pub async fn process_vm(task: &Rc<Task>, a: &Args, to_remote: bool) -> Result<u64> {
    if a.word(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let local = task.get_iovecs(a.word(1), a.word(2)).await?;
    let remote = task.get_iovecs(a.word(3), a.word(4)).await?;
    let target = task.kernel.task(a.int(0)).ok_or(Errno::ESRCH)?;
    let (own, other) = (task.cred(), target.cred());
    let same = [other.uid, other.euid, other.suid].iter().all(|uid| *uid == own.uid);
    if !same && !own.privileged() {
        return Err(Errno::EPERM);
    }
    let (ours, theirs) = (task.mm(), target.mm());
    let mut remote = remote.into_iter();
    let (mut there, mut left) = remote.next().unwrap_or((0, 0));
    let mut done = 0;
    for (mut here, mut len) in local {
        while len > 0 {
            while left == 0 {
                let Some(next) = remote.next() else { return Ok(done) };
                (there, left) = next;
            }
            let in_pages = |addr: u64| PAGE_BYTES - addr % PAGE_BYTES;
            let part = len.min(left).min(in_pages(here)).min(in_pages(there));
            let mut bytes = vec![0; part as usize];
            let moved = if to_remote {
                ours.read(here, &mut bytes).await?;
                theirs.write(there, &bytes).await
            } else {
                match theirs.read(there, &mut bytes).await {
                    Ok(()) => {
                        ours.write(here, &bytes).await?;
                        Ok(())
                    }
                    failed => failed,
                }
            };
            match moved {
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
                Ok(()) => {}
            }
            (here, there) = (here.wrapping_add(part), there.wrapping_add(part));
            (len, left, done) = (len - part, left - part, done + part);
        }
    }
    Ok(done)
}

/// `mlock` and relatives: nothing is ever swapped out.
pub async fn mlock(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let start = page_floor(a.word(0));
    let end = page_ceil(a.word(0).saturating_add(a.word(1)));
    if start < end && !task.mm().space.all_mapped(start, end) { Err(Errno::ENOMEM) } else { Ok(0) }
}
