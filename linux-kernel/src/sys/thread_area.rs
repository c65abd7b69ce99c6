//! Segments: `set_thread_area` (i386), `arch_prctl` (x86-64), `modify_ldt`.

use crate::file::Result;
use crate::sys::Args;
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::user_desc::{LDT_ENTRIES, LDT_ENTRY_SIZE, UserDesc, UserDescBits};
use std::rc::Rc;
use std::sync::Arc;
use x86_cpu::{CpuState, Descriptor, Segment, selector};

/// Fills a TLS slot; an entry number of -1 asks for a free one. Gives the entry used.
pub(crate) fn set(cpu: &mut CpuState, desc: &UserDesc) -> Result<u32> {
    let entry = if desc.entry_number == UserDesc::ANY_ENTRY {
        let free = cpu.tls.iter().position(|slot| !slot.present).ok_or(Errno::ESRCH)?;
        selector::TLS_ENTRY_MIN + free
    } else {
        desc.entry_number as usize
    };
    let slot =
        entry.checked_sub(selector::TLS_ENTRY_MIN).and_then(|i| cpu.tls.get_mut(i)).ok_or(Errno::EINVAL)?;
    if desc.is_empty() || desc.is_zero() {
        *slot = Descriptor::default();
        return Ok(entry as u32);
    }
    let flags = desc.flags();
    if !flags.contains(UserDescBits::SEG_32BIT) {
        // 16-bit segments could be loaded by nobody we run.
        return Err(Errno::EINVAL);
    }
    let pages = flags.contains(UserDescBits::LIMIT_IN_PAGES);
    let limit = if pages { desc.limit << 12 | 0xfff } else { desc.limit };
    *slot = Descriptor {
        base: desc.base_addr,
        limit,
        present: !flags.contains(UserDescBits::SEG_NOT_PRESENT),
        user_desc_flags: desc.bits,
    };
    Ok(entry as u32)
}

/// Takes over changed bases into the segment registers that are loaded from TLS slots or the LDT.
pub(crate) fn reload_segments(cpu: &mut CpuState) {
    let loaded = |cpu: &CpuState, old: Segment| match cpu.descriptor(old.selector) {
        Some(segment) => Segment { base: segment.base.into(), ..old },
        None => old,
    };
    cpu.segments.ds = loaded(cpu, cpu.segments.ds);
    cpu.segments.es = loaded(cpu, cpu.segments.es);
    cpu.segments.ss = loaded(cpu, cpu.segments.ss);
    cpu.segments.cs = loaded(cpu, cpu.segments.cs);
    cpu.segments.fs = loaded(cpu, cpu.segments.fs);
    cpu.segments.gs = loaded(cpu, cpu.segments.gs);
}

pub async fn set_thread_area(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mut desc: UserDesc = task.get(a.word(0)).await?;
    let entry = set(&mut task.cpu.borrow_mut(), &desc)?;
    reload_segments(&mut task.cpu.borrow_mut());
    if desc.entry_number != entry {
        desc.entry_number = entry;
        task.put(a.word(0), &desc).await?;
    }
    Ok(0)
}

pub async fn get_thread_area(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let mut desc: UserDesc = task.get(a.word(0)).await?;
    let index = (desc.entry_number as usize).checked_sub(selector::TLS_ENTRY_MIN).ok_or(Errno::EINVAL)?;
    let slot = *task.cpu.borrow().tls.get(index).ok_or(Errno::EINVAL)?;
    desc.base_addr = slot.base;
    let pages = UserDescBits::from_bits_retain(slot.user_desc_flags).contains(UserDescBits::LIMIT_IN_PAGES);
    desc.limit = if pages { slot.limit >> 12 } else { slot.limit };
    desc.bits = if slot.present {
        slot.user_desc_flags
    } else {
        (UserDescBits::READ_EXEC_ONLY | UserDescBits::SEG_NOT_PRESENT).bits()
    };
    task.put(a.word(0), &desc).await?;
    Ok(0)
}

pub async fn arch_prctl(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const SET_GS: u32 = 0x1001;
    const SET_FS: u32 = 0x1002;
    const GET_FS: u32 = 0x1003;
    const GET_GS: u32 = 0x1004;
    let addr = a.word(1);
    match a.uint(0) {
        // Not for i386 calls (arch/x86/kernel/process_64.c).
        _ if task.arch() == Arch::I386 => Err(Errno::EINVAL),
        SET_FS | SET_GS if addr >= task.mm().user_end => Err(Errno::EPERM),
        SET_FS => {
            task.cpu.borrow_mut().segments.fs = Segment { selector: 0, base: addr };
            Ok(0)
        }
        SET_GS => {
            task.cpu.borrow_mut().segments.gs = Segment { selector: 0, base: addr };
            Ok(0)
        }
        GET_FS | GET_GS => {
            let segments = task.cpu.borrow().segments;
            let base = if a.uint(0) == GET_FS { segments.fs.base } else { segments.gs.base };
            task.put(addr, &base).await?;
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// modify_ldt(2): reads or writes the local descriptor table, which the threads of a process share.
pub async fn modify_ldt(task: &Rc<Task>, a: &Args) -> Result<u64> {
    const READ: i32 = 0;
    const WRITE_OLD: i32 = 1;
    const READ_DEFAULT: i32 = 2;
    const WRITE: i32 = 0x11;
    let result = match a.int(0) {
        READ => read_ldt(task, a.word(1), a.word(2)).await,
        READ_DEFAULT => {
            // The default table of an x86-64 kernel: empty.
            let size = a.word(2).min(128);
            task.mm().write(a.word(1), &vec![0; size as usize]).await?;
            Ok(size)
        }
        WRITE_OLD => write_ldt(task, a.word(1), a.word(2), Format::Old).await,
        WRITE => write_ldt(task, a.word(1), a.word(2), Format::New).await,
        _ => Err(Errno::ENOSYS),
    };
    match (task.mm().arch, result) {
        // The kernel gives back an unsigned int, errors too (arch/x86/kernel/ldt.c).
        (Arch::X86_64, Err(errno)) => Ok(Arch::X86_64.ret(Err(errno)) & 0xffff_ffff),
        (_, result) => result,
    }
}

/// What `modify_ldt` was called with: the old call knows no `useable`, and clears by zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Old,
    New,
}

async fn read_ldt(task: &Rc<Task>, addr: u64, count: u64) -> Result<u64> {
    let Some(ldt) = task.cpu.borrow().ldt.clone() else { return Ok(0) };
    let count = count.min(u64::from(LDT_ENTRIES * LDT_ENTRY_SIZE));
    let filled = |entry: &Descriptor| if *entry == Descriptor::default() { 0 } else { entry.to_bits() };
    let mut bytes: Vec<u8> = ldt.iter().flat_map(|entry| filled(entry).to_le_bytes()).collect();
    bytes.resize(count as usize, 0);
    task.mm().write(addr, &bytes).await?;
    Ok(count)
}

async fn write_ldt(task: &Rc<Task>, addr: u64, count: u64, format: Format) -> Result<u64> {
    const CONFORMING: u32 = 3 << 1;
    if count != size_of::<UserDesc>() as u64 {
        return Err(Errno::EINVAL);
    }
    let desc: UserDesc = task.get(addr).await?;
    let flags = desc.flags();
    let conforming = desc.bits & Descriptor::CONTENTS == CONFORMING;
    let refused = conforming && (format == Format::Old || !flags.contains(UserDescBits::SEG_NOT_PRESENT));
    if desc.entry_number >= LDT_ENTRIES || refused {
        return Err(Errno::EINVAL);
    }
    let clears = format == Format::Old && desc.base_addr == 0 && desc.limit == 0 || desc.is_empty();
    let unused = if format == Format::Old { Descriptor::USEABLE } else { 0 };
    let entry = if clears {
        Descriptor::default()
    } else {
        let pages = flags.contains(UserDescBits::LIMIT_IN_PAGES);
        let limit = desc.limit & 0xf_ffff;
        Descriptor {
            base: desc.base_addr,
            limit: if pages { limit << 12 | 0xfff } else { limit },
            present: !flags.contains(UserDescBits::SEG_NOT_PRESENT),
            user_desc_flags: desc.bits & 0x7f & !unused,
        }
    };
    let old = task.cpu.borrow().ldt.clone();
    let mut table = old.as_deref().unwrap_or_default().to_vec();
    let index = desc.entry_number as usize;
    table.resize(table.len().max(index + 1), Descriptor::default());
    if let Some(place) = table.get_mut(index) {
        *place = entry;
    }
    let table: Arc<[Descriptor]> = table.into();
    for thread in task.process.threads.borrow().iter() {
        let mut cpu = thread.cpu.borrow_mut();
        cpu.ldt = Some(table.clone());
        reload_segments(&mut cpu);
    }
    Ok(0)
}
