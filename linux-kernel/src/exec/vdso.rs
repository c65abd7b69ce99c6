//! The vDSO: a small ELF shared object that the kernel maps into every program (vdso(7)).
//!
//! Its functions make the system call: reading the clock without one needs a page that the host updates, which
//! comes with the translator. The image is put together here, from the table below.

use crate::file::Result;
use crate::mm::Mm;
use crate::task::Arch;
use guest_mem::{PAGE_BYTES, Prot, Vma};
use linux_abi::Errno;
use linux_abi::elf::{
    DT_HASH, DT_NULL, DT_SONAME, DT_STRSZ, DT_STRTAB, DT_SYMENT, DT_SYMTAB, DT_VERDEF, DT_VERDEFNUM,
    DT_VERSYM,
};
use std::rc::Rc;

/// An exported function: name and machine code.
struct Function {
    name: &'static str,
    code: &'static [u8],
}

/// `push ebx; mov ebx,[esp+8]; mov ecx,[esp+12]; mov eax,N; int 0x80; pop ebx; ret`
macro_rules! call32 {
    ($n:literal) => {
        &[
            0x53,
            0x8b,
            0x5c,
            0x24,
            0x08,
            0x8b,
            0x4c,
            0x24,
            0x0c,
            0xb8,
            ($n & 0xff) as u8,
            ($n >> 8) as u8,
            0,
            0,
            0xcd,
            0x80,
            0x5b,
            0xc3,
        ]
    };
}

/// `mov eax,N; syscall; ret`
macro_rules! call64 {
    ($n:literal) => {
        &[0xb8, ($n & 0xff) as u8, ($n >> 8) as u8, 0, 0, 0x0f, 0x05, 0xc3]
    };
}

#[rustfmt::skip] // One function a line.
const FUNCTIONS_32: &[Function] = &[
    Function { name: "__kernel_vsyscall",      code: &[0xcd, 0x80, 0xc3] },
    Function { name: "__kernel_sigreturn",     code: &[0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80] },
    Function { name: "__kernel_rt_sigreturn",  code: &[0xb8, 0xad, 0, 0, 0, 0xcd, 0x80] },
    Function { name: "__vdso_clock_gettime64", code: call32!(403) },
    Function { name: "__vdso_clock_gettime",   code: call32!(265) },
    Function { name: "__vdso_gettimeofday",    code: call32!(78) },
    Function { name: "__vdso_time",            code: call32!(13) },
    Function { name: "__vdso_clock_getres",    code: call32!(266) },
];

#[rustfmt::skip]
const FUNCTIONS_64: &[Function] = &[
    Function { name: "__vdso_clock_gettime",   code: call64!(228) },
    Function { name: "__vdso_gettimeofday",    code: call64!(96) },
    Function { name: "__vdso_time",            code: call64!(201) },
    Function { name: "__vdso_clock_getres",    code: call64!(229) },
    Function { name: "__vdso_getcpu",          code: call64!(309) },
];

/// Versions of its symbols: those that Linux's own has, by which some programs look them up (vdso(7)).
const VERSION: &str = "LINUX_2.6";
/// That of the functions whose names begin with `__kernel_`.
const KERNEL_VERSION: &str = "LINUX_2.5";

fn version_of(function: &Function) -> &'static str {
    if function.name.starts_with("__kernel_") { KERNEL_VERSION } else { VERSION }
}

/// The hash of symbol and version names (System V ABI, "Hash Table").
fn elf_hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0_u32, |hash, byte| {
        let next = (hash << 4).wrapping_add(u32::from(byte));
        let top = next & 0xf000_0000;
        (next ^ top >> 24) & !top
    });
    u64::from(hash)
}

fn functions(arch: Arch) -> &'static [Function] {
    match arch {
        Arch::I386 => FUNCTIONS_32,
        Arch::X86_64 => FUNCTIONS_64,
    }
}

/// Code starts here in the image, each function at a multiple of 32.
const CODE_AT: usize = 0x800;
const CODE_STEP: usize = 32;
const DYNSYM_AT: usize = 0x100;
const HASH_AT: usize = 0x300;
const DYNSTR_AT: usize = 0x400;
const DYNAMIC_AT: usize = 0x600;
const VERSYM_AT: usize = 0x700;
const VERDEF_AT: usize = 0x740;
/// `Elf_Verdef` and the `Elf_Verdaux` behind it, which are the same in both classes.
const VERDEF_BYTES: usize = 20;
const VERDEF_STEP: usize = VERDEF_BYTES + 8;
/// Entries of the dynamic section.
const DYNAMIC_ENTRIES: usize = 10;

fn offset_of(arch: Arch, name: &str) -> Option<usize> {
    functions(arch).iter().position(|f| f.name == name).map(|i| CODE_AT + i * CODE_STEP)
}

/// A page being filled at fixed places.
struct Page(Vec<u8>);

impl Page {
    fn put(&mut self, at: usize, data: &[u8]) -> usize {
        self.0[at..at + data.len()].copy_from_slice(data);
        at + data.len()
    }

    /// Writes numbers of the given byte widths one after the other.
    fn put_all(&mut self, mut at: usize, values: &[(usize, u64)]) -> usize {
        for (width, value) in values {
            at = self.put(at, &value.to_le_bytes()[..*width]);
        }
        at
    }
}

/// The shared object as bytes: one page.
fn image(arch: Arch) -> Vec<u8> {
    let mut page = Page(vec![0; PAGE_BYTES as usize]);
    let list = functions(arch);
    let word = arch.word_size();
    let class = if word == 4 { 1 } else { 2 };
    let machine = if word == 4 { 3 } else { 62 };
    let (ehdr_size, phdr_size) = if word == 4 { (52, 32) } else { (64, 56) };
    page.put(0, &[0x7f, b'E', b'L', b'F', class, 1, 1]);
    #[rustfmt::skip] // Fields of Elf_Ehdr from e_type on.
    page.put_all(16, &[
        (2, 3), (2, machine), (4, 1), (word, 0), (word, ehdr_size), (word, 0), (4, 0),
        (2, ehdr_size), (2, phdr_size), (2, 2), (2, 0), (2, 0), (2, 0),
    ]);
    let size = PAGE_BYTES;
    let dynamic_size = (word * 2 * DYNAMIC_ENTRIES) as u64;
    let mut header = |at: usize, kind: u64, flags: u64, offset: u64, len: u64| {
        let w = word;
        let fields: Vec<(usize, u64)> = if w == 4 {
            vec![(4, kind), (4, offset), (4, offset), (4, offset), (4, len), (4, len), (4, flags), (4, 4)]
        } else {
            vec![(4, kind), (4, flags), (8, offset), (8, offset), (8, offset), (8, len), (8, len), (8, 8)]
        };
        page.put_all(at, &fields);
    };
    header(ehdr_size as usize, 1, 5, 0, size);
    header((ehdr_size + phdr_size) as usize, 2, 4, DYNAMIC_AT as u64, dynamic_size);
    // Names. The first is empty, the second the object's own.
    let mut name_at = vec![];
    let soname = 1;
    let own_name: &[u8] = if word == 4 { b"linux-gate.so.1\0" } else { b"linux-vdso.so.1\0" };
    let mut at = page.put(DYNSTR_AT + soname, own_name);
    for function in list {
        name_at.push((at - DYNSTR_AT) as u64);
        at = page.put(at, function.name.as_bytes()) + 1;
    }
    // Versions, from index 1: the object's own, and those of its functions.
    let mut versions = vec![(own_name.strip_suffix(b"\0").unwrap_or(own_name), soname as u64)];
    for version in [VERSION, KERNEL_VERSION] {
        if list.iter().any(|function| version_of(function) == version) {
            versions.push((version.as_bytes(), (at - DYNSTR_AT) as u64));
            at = page.put(at, version.as_bytes()) + 1;
        }
    }
    let strings_len = at - DYNSTR_AT;
    for (i, (name, name_at)) in versions.iter().enumerate() {
        let at = VERDEF_AT + i * VERDEF_STEP;
        let next = if i + 1 < versions.len() { VERDEF_STEP as u64 } else { 0 };
        // VER_FLG_BASE for the first.
        let (flags, hash) = (u64::from(i == 0), elf_hash(std::str::from_utf8(name).unwrap_or_default()));
        let definition =
            [(2, 1), (2, flags), (2, i as u64 + 1), (2, 1), (4, hash), (4, VERDEF_BYTES as u64), (4, next)];
        let end = page.put_all(at, &definition);
        page.put_all(end, &[(4, *name_at), (4, 0)]);
    }
    for (i, function) in list.iter().enumerate() {
        let version = versions.iter().position(|(name, _)| *name == version_of(function).as_bytes());
        page.put_all(VERSYM_AT + 2 * (i + 1), &[(2, version.map_or(1, |i| i as u64 + 1))]);
    }
    // Symbols: index 0 is undefined. GLOBAL FUNC, section index anything but SHN_UNDEF.
    let symbol_size = if word == 4 { 16 } else { 24 };
    for (i, function) in list.iter().enumerate() {
        let value = (CODE_AT + i * CODE_STEP) as u64;
        let len = function.code.len() as u64;
        let at = DYNSYM_AT + (i + 1) * symbol_size;
        if word == 4 {
            page.put_all(at, &[(4, name_at[i]), (4, value), (4, len), (1, 0x12), (1, 0), (2, 1)]);
        } else {
            page.put_all(at, &[(4, name_at[i]), (1, 0x12), (1, 0), (2, 1), (8, value), (8, len)]);
        }
        page.put(value as usize, function.code);
    }
    // A hash table of one bucket: a chain through every symbol.
    let count = list.len() as u64 + 1;
    let mut hash = vec![(4, 1), (4, count), (4, 1), (4, 0)];
    hash.extend((1..count).map(|i| (4, if i + 1 < count { i + 1 } else { 0 })));
    page.put_all(HASH_AT, &hash);
    let dynamic: [(i64, usize); DYNAMIC_ENTRIES] = [
        (DT_HASH, HASH_AT),
        (DT_SYMTAB, DYNSYM_AT),
        (DT_STRTAB, DYNSTR_AT),
        (DT_STRSZ, strings_len),
        (DT_SYMENT, symbol_size),
        (DT_SONAME, soname),
        (DT_VERSYM, VERSYM_AT),
        (DT_VERDEF, VERDEF_AT),
        (DT_VERDEFNUM, versions.len()),
        (DT_NULL, 0),
    ];
    let entries: Vec<(usize, u64)> =
        dynamic.iter().flat_map(|(tag, value)| [(word, *tag as u64), (word, *value as u64)]).collect();
    page.put_all(DYNAMIC_AT, &entries);
    page.0
}

/// Maps the vDSO just below the mmap area's top.
pub(super) fn map(mm: &Mm) -> Result<()> {
    let start = mm.space.find_free_below(PAGE_BYTES, PAGE_BYTES, mm.mmap_top).ok_or(Errno::ENOMEM)?;
    let area = |prot| Vma {
        name: Some(Rc::from(&b"[vdso]"[..])),
        ..Vma::anonymous(start, start + PAGE_BYTES, prot)
    };
    mm.space.map(area(Prot::READ | Prot::WRITE)).map_err(|_| Errno::ENOMEM)?;
    mm.space.write_bytes(start, &image(mm.arch)).map_err(|_| Errno::ENOMEM)?;
    mm.space.protect(start, start + PAGE_BYTES, Prot::READ | Prot::EXEC).map_err(|_| Errno::ENOMEM)?;
    mm.vdso.set(start);
    Ok(())
}

/// `__kernel_vsyscall`, for `AT_SYSINFO`.
pub(super) fn syscall_entry(mm: &Mm) -> Option<u64> {
    offset_of(mm.arch, "__kernel_vsyscall").map(|offset| mm.vdso.get() + offset as u64)
}

/// Where a handler without `SA_RESTORER` returns to.
pub(crate) fn sigreturn_address(mm: &Mm, rt: bool) -> Option<u64> {
    let name = if rt { "__kernel_rt_sigreturn" } else { "__kernel_sigreturn" };
    let base = Some(mm.vdso.get()).filter(|base| *base != 0)?;
    offset_of(mm.arch, name).map(|offset| base + offset as u64)
}
