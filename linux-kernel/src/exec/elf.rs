//! The ELF loader: static, PIE and dynamic programs of both classes (elf(5), fs/binfmt_elf.c for behaviour).

use crate::cred::Want;
use crate::file::Result;
use crate::mm::{Mm, from_prefix};
use crate::task::{Arch, Task};
use guest_mem::{Backing, PAGE_BYTES, Prot, Sharing, Vma, page_ceil, page_floor};
use linux_abi::Errno;
use linux_abi::elf::{
    ELFCLASS32, ELFCLASS64, EM_386, EM_X86_64, ET_DYN, ET_EXEC, Elf32Ehdr, Elf32Phdr, Elf64Ehdr, Elf64Phdr,
    PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR,
};
use std::rc::Rc;
use vfs::Inode;
use vfs::namespace::Path;
use x86_cpu::CodeMode;

/// `PF_X`, `PF_W`, `PF_R`.
const EXECUTE: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 4;
/// Most program headers looked at: 64 KiB of them, as the kernel allows.
const MAX_HEADERS: usize = 1024;

/// The code width of an architecture.
pub fn mode(arch: Arch) -> CodeMode {
    match arch {
        Arch::I386 => CodeMode::Bits32,
        Arch::X86_64 => CodeMode::Bits64,
    }
}

/// A program in memory, not yet running.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) mm: Mm,
    /// First instruction: of the interpreter where there is one.
    pub(crate) entry: u64,
    /// `AT_ENTRY`.
    pub(crate) program_entry: u64,
    /// `AT_BASE`.
    pub(crate) interpreter_base: u64,
    /// `AT_PHDR`, `AT_PHENT`, `AT_PHNUM`.
    pub(crate) headers: (u64, u64, u64),
    /// The stack is executable.
    pub(crate) executable_stack: bool,
}

/// One program header, of either class.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    file_size: u64,
    mem_size: u64,
}

#[derive(Debug)]
struct Image {
    arch: Arch,
    position_independent: bool,
    entry: u64,
    header_offset: u64,
    header_size: u64,
    segments: Vec<Segment>,
    inode: Rc<dyn Inode>,
    name: Rc<[u8]>,
}

async fn read_exact(inode: &Rc<dyn Inode>, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let got = inode.read_at(offset, &mut bytes).await?;
    bytes.truncate(got);
    Ok(bytes)
}

async fn parse(task: &Task, file: &Path) -> Result<Image> {
    let inode = file.inode();
    let head = read_exact(&inode, 0, 64).await?;
    if head.len() < 52 || !head.starts_with(b"\x7fELF") || head[5] != 1 {
        return Err(Errno::ENOEXEC);
    }
    let (arch, kind, entry, phoff, phentsize, phnum) = match head[4] {
        ELFCLASS32 => {
            let h: Elf32Ehdr = from_prefix(&head);
            if h.e_machine != EM_386 {
                return Err(Errno::ENOEXEC);
            }
            (Arch::I386, h.e_type, u64::from(h.e_entry), u64::from(h.e_phoff), h.e_phentsize, h.e_phnum)
        }
        ELFCLASS64 => {
            let h: Elf64Ehdr = from_prefix(&head);
            if h.e_machine != EM_X86_64 {
                return Err(Errno::ENOEXEC);
            }
            (Arch::X86_64, h.e_type, h.e_entry, h.e_phoff, h.e_phentsize, h.e_phnum)
        }
        _ => return Err(Errno::ENOEXEC),
    };
    let header_size = match arch {
        Arch::I386 => size_of::<Elf32Phdr>(),
        Arch::X86_64 => size_of::<Elf64Phdr>(),
    };
    let count = usize::from(phnum);
    let sound = matches!(kind, ET_EXEC | ET_DYN) && usize::from(phentsize) == header_size;
    if !sound || count == 0 || count > MAX_HEADERS {
        return Err(Errno::ENOEXEC);
    }
    let table = read_exact(&inode, phoff, count * header_size).await?;
    if table.len() < count * header_size {
        return Err(Errno::ENOEXEC);
    }
    let segment = |bytes: &[u8]| match arch {
        Arch::I386 => {
            let p: Elf32Phdr = from_prefix(bytes);
            Segment {
                kind: p.p_type,
                flags: p.p_flags,
                offset: u64::from(p.p_offset),
                vaddr: u64::from(p.p_vaddr),
                file_size: u64::from(p.p_filesz),
                mem_size: u64::from(p.p_memsz),
            }
        }
        Arch::X86_64 => {
            let p: Elf64Phdr = from_prefix(bytes);
            Segment {
                kind: p.p_type,
                flags: p.p_flags,
                offset: p.p_offset,
                vaddr: p.p_vaddr,
                file_size: p.p_filesz,
                mem_size: p.p_memsz,
            }
        }
    };
    let fs = task.fs();
    Ok(Image {
        arch,
        position_independent: kind == ET_DYN,
        entry,
        header_offset: phoff,
        header_size: header_size as u64,
        segments: table.chunks_exact(header_size).map(segment).collect(),
        inode,
        name: task.kernel.namespace.text_of(file, &fs.root).into(),
    })
}

impl Image {
    fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.kind == PT_LOAD && segment.mem_size > 0)
    }

    /// First and one-past-last page-aligned address as linked.
    fn span(&self) -> Result<(u64, u64)> {
        let first = self.loads().map(|s| page_floor(s.vaddr)).min().ok_or(Errno::ENOEXEC)?;
        let mut last = first;
        for segment in self.loads() {
            let end = segment.vaddr.checked_add(segment.mem_size).ok_or(Errno::ENOEXEC)?;
            if segment.file_size > segment.mem_size || end >= 1 << 47 {
                return Err(Errno::ENOEXEC);
            }
            last = last.max(page_ceil(end));
        }
        Ok((first, last))
    }

    /// Address of the program headers once loaded with this bias.
    fn headers_at(&self, bias: u64) -> u64 {
        if let Some(own) = self.segments.iter().find(|s| s.kind == PT_PHDR) {
            return own.vaddr.wrapping_add(bias);
        }
        let holder = self
            .loads()
            .find(|s| (s.offset..s.offset.saturating_add(s.file_size)).contains(&self.header_offset));
        holder.map_or(0, |s| (s.vaddr + (self.header_offset - s.offset)).wrapping_add(bias))
    }
}

/// Maps every segment; gives the end of the highest one (where the heap starts).
async fn map_image(mm: &Mm, image: &Image, bias: u64) -> Result<u64> {
    let mappable = image.inode.mappable().map_err(|_| Errno::ENOEXEC)?;
    let mut end_of_all = 0;
    for segment in image.loads() {
        let start = segment.vaddr.wrapping_add(bias);
        let (first, file_end) = (page_floor(start), start.wrapping_add(segment.file_size));
        let end = start.wrapping_add(segment.mem_size);
        if end > mm.user_end || end < start {
            return Err(Errno::ENOMEM);
        }
        let misaligned = (segment.vaddr ^ segment.offset) & (PAGE_BYTES - 1) != 0;
        if misaligned && segment.file_size > 0 {
            return Err(Errno::ENOEXEC);
        }
        let pick = |bit, prot| if segment.flags & bit != 0 { prot } else { Prot::NONE };
        let prot = pick(READ, Prot::READ) | pick(WRITE, Prot::WRITE) | pick(EXECUTE, Prot::EXEC);
        let area = |start, end, backing, name| Vma {
            start,
            end,
            prot,
            sharing: Sharing::Private,
            backing,
            grows_down_to: None,
            max_prot: Prot::ALL,
            skip_fork: false,
            name,
        };
        let file_top = if segment.file_size > 0 { page_ceil(file_end) } else { first };
        if file_top > first {
            let backing = Backing::Object {
                object: mappable.clone(),
                first_page: page_floor(segment.offset) / PAGE_BYTES,
            };
            let file = area(first, file_top, backing, Some(image.name.clone()));
            mm.space.map(file).map_err(|_| Errno::EINVAL)?;
        }
        if page_ceil(end) > file_top {
            let zeros = area(file_top, page_ceil(end), Backing::Anonymous, None);
            mm.space.map(zeros).map_err(|_| Errno::EINVAL)?;
        }
        // The rest of the last file page belongs to .bss, all of it: the dynamic linker allocates from what lies
        // behind its own .bss and counts on zeros. A read-only page cannot be cleared, nor needs to be.
        if segment.flags & WRITE != 0 && end > file_end && segment.file_size > 0 {
            mm.zero(file_end, (file_top - file_end) as usize).await?;
        }
        if segment.flags & EXECUTE != 0 {
            mm.code.set((first, file_end));
        }
        end_of_all = end_of_all.max(end);
    }
    Ok(end_of_all)
}

/// Where position-independent programs go: the same place every time, as with randomisation off.
fn pie_base(arch: Arch) -> u64 {
    match arch {
        Arch::I386 => 0x5655_5000,
        Arch::X86_64 => 0x5555_5555_4000,
    }
}

/// Loads a program and its interpreter into fresh memory.
pub(crate) async fn load(task: &Rc<Task>, file: &Path) -> Result<Program> {
    let image = parse(task, file).await?;
    let mm = super::new_memory(task, image.arch);
    let (first, _) = image.span()?;
    let bias = if image.position_independent { pie_base(image.arch).wrapping_sub(first) } else { 0 };
    let interpreter = interpreter_of(task, &image).await?;
    let heap = map_image(&mm, &image, bias).await?;
    let code = mm.code.get();
    mm.brk_start.set(page_ceil(heap));
    mm.brk.set(page_ceil(heap));
    let program_entry = image.entry.wrapping_add(bias);
    let (entry, interpreter_base) = match interpreter {
        None => (program_entry, 0),
        Some(interpreter) => {
            let (first, last) = interpreter.span()?;
            let base = if interpreter.position_independent {
                let room = mm.space.find_free_below(last - first, PAGE_BYTES, mm.mmap_top);
                room.ok_or(Errno::ENOMEM)?.wrapping_sub(first)
            } else {
                0
            };
            map_image(&mm, &interpreter, base).await?;
            (interpreter.entry.wrapping_add(base), base)
        }
    };
    mm.code.set(code);
    super::vdso::map(&mm)?;
    let stack_flags = image.segments.iter().find(|s| s.kind == PT_GNU_STACK).map(|s| s.flags);
    Ok(Program {
        entry,
        program_entry,
        interpreter_base,
        headers: (image.headers_at(bias), image.header_size, image.segments.len() as u64),
        // Without the header an i386 program predates it and expects an executable stack.
        executable_stack: stack_flags.map_or(image.arch == Arch::I386, |flags| flags & EXECUTE != 0),
        mm,
    })
}

async fn interpreter_of(task: &Rc<Task>, image: &Image) -> Result<Option<Image>> {
    let Some(segment) = image.segments.iter().find(|s| s.kind == PT_INTERP) else { return Ok(None) };
    if segment.file_size < 2 || segment.file_size > 4096 {
        return Err(Errno::ENOEXEC);
    }
    let mut name = read_exact(&image.inode, segment.offset, segment.file_size as usize).await?;
    if name.pop() != Some(0) {
        return Err(Errno::ENOEXEC);
    }
    let file = super::find(task, &name).await?;
    let attributes = file.inode().attributes();
    if attributes.file_type != vfs::FileType::Regular || !task.cred().may(&attributes, Want::EXEC) {
        return Err(Errno::EACCES);
    }
    let interpreter = parse(task, &file).await.map_err(|error| match error {
        Errno::ENOEXEC => Errno::ELIBBAD,
        other => other,
    })?;
    if interpreter.arch != image.arch {
        return Err(Errno::ELIBBAD);
    }
    Ok(Some(interpreter))
}
