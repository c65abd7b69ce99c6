//! Thread-local storage: `set_thread_area` (i386) and `arch_prctl` (x86-64).

use crate::file::Result;
use crate::sys::Args;
use crate::task::Task;
use linux_abi::Errno;
use linux_abi::user_desc::{UserDesc, UserDescBits};
use std::rc::Rc;
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

/// Takes over changed bases into the segment registers that are loaded from TLS slots.
pub(crate) fn reload_segments(cpu: &mut CpuState) {
    let tls = cpu.tls;
    let reload = |segment: &mut Segment| {
        let entry = usize::from(segment.selector >> 3);
        if let Some(slot) = entry.checked_sub(selector::TLS_ENTRY_MIN).and_then(|i| tls.get(i)) {
            segment.base = u64::from(slot.base);
        }
    };
    reload(&mut cpu.segments.fs);
    reload(&mut cpu.segments.gs);
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
