//! A process's memory as text: `maps`, `statm`, `smaps_rollup`, `cmdline` and `environ`.

use super::process::Subject;
use crate::file::Result;
use crate::mm::Mm;
use guest_mem::{Backing, Prot, Sharing, Vma};
use linux_abi::Errno;
use linux_abi::stat::{major, minor};
use std::fmt::Write;
use vfs::namespace::Path;

/// Column in which names stand in `maps`.
const NAME_COLUMN: usize = 73;
/// Longest argument or environment area shown.
const STRINGS_MAX: u64 = 8 << 20;

fn kib(bytes: u64) -> u64 {
    bytes >> 10
}

fn len(area: &Vma) -> u64 {
    area.end.saturating_sub(area.start)
}

/// `/proc/PID/exe`.
pub(super) fn exe(subject: &Subject) -> Result<Path> {
    let mm = subject.mm().ok_or(Errno::ENOENT)?;
    let exe = mm.exe.borrow().clone();
    exe.ok_or(Errno::ENOENT)
}

/// `/proc/PID/auxv`.
pub(super) fn auxv(mm: &Mm) -> Vec<u8> {
    mm.auxv.borrow().clone()
}

/// `/proc/PID/environ`: the environment strings as they stand in memory now.
pub(super) async fn environ(mm: &Mm) -> Vec<u8> {
    let (start, end) = mm.env.get();
    read(mm, start, end).await
}

/// `/proc/PID/cmdline`: the argument strings as they stand in memory now. Those that were overwritten past their end,
/// as setproctitle does, go on into the environment (proc_pid_cmdline(5)).
pub(super) async fn cmdline(subject: &Subject) -> Vec<u8> {
    let Some(mm) = subject.mm() else { return Vec::new() };
    let (start, end) = mm.args.get();
    let mut text = read(&mm, start, end).await;
    if text.last().is_some_and(|byte| *byte != 0) {
        let (env_start, env_end) = mm.env.get();
        if env_start == end {
            text.extend_from_slice(&read(&mm, env_start, env_end).await);
        }
        let first_end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(first_end);
    }
    text
}

async fn read(mm: &Mm, start: u64, end: u64) -> Vec<u8> {
    let size = end.saturating_sub(start).min(STRINGS_MAX);
    let mut text = vec![0; size as usize];
    match mm.read(start, &mut text).await {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

/// Device, inode and offset of what an area maps.
fn backing(area: &Vma) -> (u64, u64, u64) {
    match &area.backing {
        Backing::Anonymous => (0, 0, 0),
        Backing::Object { object, first_page } => {
            let id = object.id();
            (id.device, id.object, first_page.wrapping_shl(12))
        }
    }
}

/// One line of `maps` (proc_pid_maps(5)).
fn map_line(text: &mut Vec<u8>, area: &Vma) {
    let letter = |prot, letter| if area.prot.contains(prot) { letter } else { '-' };
    let (device, ino, offset) = backing(area);
    let line = format!(
        "{:08x}-{:08x} {}{}{}{} {offset:08x} {:02x}:{:02x} {ino} ",
        area.start,
        area.end,
        letter(Prot::READ, 'r'),
        letter(Prot::WRITE, 'w'),
        letter(Prot::EXEC, 'x'),
        if area.sharing == Sharing::Shared { 's' } else { 'p' },
        major(device as u32),
        minor(device as u32),
    );
    text.extend_from_slice(line.as_bytes());
    if let Some(name) = area.name.as_deref().filter(|name| !name.is_empty()) {
        text.extend(std::iter::repeat_n(b' ', NAME_COLUMN.saturating_sub(line.len())));
        // A newline in a name would start another line.
        for byte in name {
            match byte {
                b'\n' => text.extend_from_slice(b"\\012"),
                _ => text.push(*byte),
            }
        }
    }
    text.push(b'\n');
}

/// `/proc/PID/maps`.
pub(super) fn maps(mm: &Mm) -> Vec<u8> {
    let mut text = Vec::new();
    mm.space.areas().iter().for_each(|area| map_line(&mut text, area));
    text
}

/// Sizes of a memory in bytes, by what the areas are for.
#[derive(Default)]
struct Sizes {
    total: u64,
    resident: u64,
    data: u64,
    stack: u64,
    code: u64,
    libraries: u64,
}

fn sizes(mm: &Mm) -> Sizes {
    let mut sizes = Sizes { resident: (mm.space.resident_pages() as u64) << 12, ..Sizes::default() };
    let (code_start, code_end) = mm.code.get();
    sizes.code = code_end.saturating_sub(code_start);
    let stack = mm.stack_start.get();
    let mut executable = 0;
    for area in mm.space.areas() {
        let size = len(&area);
        sizes.total += size;
        if area.start <= stack && stack < area.end {
            sizes.stack += size;
        } else if area.prot.contains(Prot::WRITE) && area.sharing == Sharing::Private {
            sizes.data += size;
        } else if area.prot.contains(Prot::EXEC) {
            executable += size;
        }
    }
    sizes.libraries = executable.saturating_sub(sizes.code);
    sizes
}

/// `/proc/PID/statm`, in pages. Which resident pages are shared is not known.
pub(super) fn statm(subject: &Subject) -> Result<Vec<u8>> {
    let sizes = subject.mm().map(|mm| sizes(&mm)).unwrap_or_default();
    let pages = |bytes: u64| bytes.div_ceil(4096);
    let data = pages(sizes.data + sizes.stack);
    Ok(format!("{} {} 0 {} 0 {data} 0\n", pages(sizes.total), pages(sizes.resident), pages(sizes.code))
        .into_bytes())
}

/// The `Vm` lines of `/proc/PID/status`.
pub(super) fn status_lines(s: &mut String, mm: &Mm) {
    let sizes = sizes(mm);
    #[rustfmt::skip]
    let rows = [
        ("VmPeak", sizes.total), ("VmSize", sizes.total), ("VmLck", 0), ("VmPin", 0),
        ("VmHWM", sizes.resident), ("VmRSS", sizes.resident), ("RssAnon", sizes.resident), ("RssFile", 0),
        ("RssShmem", 0), ("VmData", sizes.data), ("VmStk", sizes.stack), ("VmExe", sizes.code),
        ("VmLib", sizes.libraries), ("VmPTE", sizes.resident >> 9), ("VmSwap", 0), ("HugetlbPages", 0),
    ];
    for (name, bytes) in rows {
        let _ = writeln!(s, "{name}:\t{:8} kB", kib(bytes));
    }
    s.push_str("CoreDumping:\t0\nTHP_enabled:\t0\n");
}

/// `/proc/PID/smaps_rollup`: all that is resident counts as its own.
pub(super) fn smaps_rollup(mm: &Mm) -> Vec<u8> {
    let areas = mm.space.areas();
    let (Some(first), Some(last)) = (areas.first(), areas.last()) else { return Vec::new() };
    let head = format!("{:08x}-{:08x} ---p 00000000 00:00 0 ", first.start, last.end);
    let mut s = format!("{head:<NAME_COLUMN$}[rollup]\n");
    let resident = sizes(mm).resident;
    #[rustfmt::skip]
    let rows = [
        ("Rss", resident), ("Pss", resident), ("Pss_Dirty", resident), ("Pss_Anon", resident), ("Pss_File", 0),
        ("Pss_Shmem", 0), ("Shared_Clean", 0), ("Shared_Dirty", 0), ("Private_Clean", 0),
        ("Private_Dirty", resident), ("Referenced", resident), ("Anonymous", resident), ("LazyFree", 0),
        ("AnonHugePages", 0), ("ShmemPmdMapped", 0), ("FilePmdMapped", 0), ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0), ("Swap", 0), ("SwapPss", 0), ("Locked", 0),
    ];
    for (name, bytes) in rows {
        let _ = writeln!(s, "{:<16}{:>8} kB", format!("{name}:"), kib(bytes));
    }
    s.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lines_look_as_in_linux() {
        let mut area = Vma::anonymous(0x0804_8000, 0x0805_0000, Prot::READ | Prot::EXEC);
        let line = |area: &Vma| {
            let mut text = Vec::new();
            map_line(&mut text, area);
            String::from_utf8(text).expect("text")
        };
        assert_eq!(line(&area), "08048000-08050000 r-xp 00000000 00:00 0 \n");
        area.name = Some(b"[heap]".as_slice().into());
        assert_eq!(
            line(&area),
            "08048000-08050000 r-xp 00000000 00:00 0                                  [heap]\n"
        );
    }
}
