//! The initial stack: strings, auxiliary vector, `envp`, `argv` (x86-64 psABI §3.4.1, i386 psABI §2.3.1).

use super::elf::Program;
use crate::cred::Cred;
use crate::file::Result;
use crate::task::{Arch, Task};
use guest_mem::{PAGE_BYTES, Prot, Vma, page_ceil, page_floor};
use linux_abi::Errno;
use linux_abi::elf::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_HWCAP, AT_HWCAP2,
    AT_MINSIGSTKSZ, AT_NULL, AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PLATFORM, AT_RANDOM, AT_SECURE,
    AT_SYSINFO, AT_SYSINFO_EHDR, AT_UID,
};
use std::rc::Rc;
use x86_cpu::Cpuid;

/// Mapped at once below the stack pointer; the rest grows on demand.
const INITIAL_ROOM: u64 = 128 << 10;
/// `AT_HWCAP2`: the program may use RDFSBASE and its like (asm/hwcap2.h).
const HWCAP2_FSGSBASE: u64 = 1 << 1;

/// Writes downwards from the top of the stack.
struct Builder {
    bytes: Vec<u8>,
    top: u64,
}

impl Builder {
    /// Adds bytes below everything so far; gives their guest address.
    fn push(&mut self, data: &[u8]) -> u64 {
        // Kept reversed, so that growing downwards is growing at the end.
        self.bytes.extend(data.iter().rev());
        self.top - self.bytes.len() as u64
    }

    fn push_string(&mut self, text: &[u8]) -> u64 {
        self.push(&[0]);
        self.push(text)
    }

    fn align_with(&mut self, following: u64) {
        while !(self.top - self.bytes.len() as u64 - following).is_multiple_of(16) {
            self.bytes.push(0);
        }
    }
}

/// Maps the stack of a loaded program and fills it; gives the stack pointer.
pub(super) async fn build(
    task: &Rc<Task>,
    program: &Program,
    cred: &Cred,
    secure: bool,
    argv: &[Vec<u8>],
    env: &[Vec<u8>],
    name: &[u8],
) -> Result<u64> {
    let mm = &program.mm;
    let arch = mm.arch;
    let limit = task.process.limit(linux_abi::resource::RLIMIT_STACK as usize).clamp(128 << 10, 1 << 30);
    let total: usize = argv.iter().chain(env).map(|text| text.len() + 1 + arch.word_size()).sum();
    // A quarter of the stack may be arguments (execve(2)), and 6 MiB at most.
    if total as u64 > (limit / 4).clamp(128 << 10, 6 << 20) {
        return Err(Errno::E2BIG);
    }
    let top = mm.user_end - PAGE_BYTES;
    let mut b = Builder { bytes: Vec::with_capacity(total + 1024), top };
    b.push(&[0; 8]);
    let execfn = b.push_string(name);
    let env_end = execfn;
    let mut env_at: Vec<u64> = env.iter().rev().map(|text| b.push_string(text)).collect();
    let env_start = env_at.last().copied().unwrap_or(env_end);
    let mut argv_at: Vec<u64> = argv.iter().rev().map(|text| b.push_string(text)).collect();
    let arg_start = argv_at.last().copied().unwrap_or(env_start);
    env_at.reverse();
    argv_at.reverse();
    let platform = b.push_string(arch.machine().as_bytes());
    let mut random = [0; 16];
    task.kernel.entropy(&mut random);
    let random = b.push(&random);
    let auxv = auxiliary_vector(program, cred, &task.kernel.cpuid, secure, [platform, random, execfn]);
    let word = arch.word_size();
    let table_words = 1 + argv_at.len() + 1 + env_at.len() + 1 + auxv.len() * 2;
    b.align_with((table_words * word) as u64);
    let mut table = Vec::with_capacity(table_words * word);
    let mut put = |value: u64| table.extend_from_slice(&value.to_le_bytes()[..word]);
    put(argv_at.len() as u64);
    argv_at.iter().for_each(|at| put(*at));
    put(0);
    env_at.iter().for_each(|at| put(*at));
    put(0);
    auxv.iter().for_each(|(key, value)| {
        put(*key);
        put(*value);
    });
    *mm.auxv.borrow_mut() = table[table.len() - auxv.len() * 2 * word..].to_vec();
    let sp = b.push(&table);
    let exec = if program.executable_stack { Prot::EXEC } else { Prot::NONE };
    let start = page_floor(sp.saturating_sub(INITIAL_ROOM));
    let area = Vma {
        grows_down_to: Some(page_floor(top - limit)),
        name: Some(Rc::from(&b"[stack]"[..])),
        ..Vma::anonymous(start, page_ceil(top), Prot::READ | Prot::WRITE | exec)
    };
    mm.space.map(area).map_err(|_| Errno::ENOMEM)?;
    b.bytes.reverse();
    mm.write(sp, &b.bytes).await?;
    mm.args.set((arg_start, env_start));
    mm.env.set((env_start, env_end));
    mm.stack_start.set(sp);
    Ok(sp)
}

fn auxiliary_vector(
    program: &Program,
    cred: &Cred,
    cpuid: &Cpuid,
    secure: bool,
    strings: [u64; 3],
) -> Vec<(u64, u64)> {
    let [platform, random, execfn] = strings;
    let mm = &program.mm;
    let (phdr, phent, phnum) = program.headers;
    let mut vector: Vec<(u64, u64)> = Vec::new();
    let vdso = mm.vdso.get();
    if vdso != 0 {
        if mm.arch == Arch::I386
            && let Some(entry) = super::vdso::syscall_entry(mm)
        {
            vector.push((AT_SYSINFO.into(), entry));
        }
        vector.push((AT_SYSINFO_EHDR.into(), vdso));
    }
    vector.extend([
        (AT_HWCAP.into(), cpuid.features_edx.into()),
        (AT_PAGESZ.into(), PAGE_BYTES),
        (AT_CLKTCK.into(), 100),
        (AT_PHDR.into(), phdr),
        (AT_PHENT.into(), phent),
        (AT_PHNUM.into(), phnum),
        (AT_BASE.into(), program.interpreter_base),
        (AT_FLAGS.into(), 0),
        (AT_ENTRY.into(), program.program_entry),
        (AT_UID.into(), cred.uid.into()),
        (AT_EUID.into(), cred.euid.into()),
        (AT_GID.into(), cred.gid.into()),
        (AT_EGID.into(), cred.egid.into()),
        (AT_SECURE.into(), secure.into()),
        (AT_RANDOM.into(), random),
        // Bit 0 of leaf 7 EBX: FSGSBASE.
        (AT_HWCAP2.into(), if cpuid.structured_ebx & 1 != 0 { HWCAP2_FSGSBASE } else { 0 }),
        (AT_EXECFN.into(), execfn),
        (AT_PLATFORM.into(), platform),
        (AT_MINSIGSTKSZ.into(), 2048),
        (AT_NULL.into(), 0),
    ]);
    vector
}
