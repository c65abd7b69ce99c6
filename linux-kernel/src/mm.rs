//! A program's memory as the kernel uses it: layout, and copies to and from guest addresses.

use crate::file::Result;
use crate::task::{Arch, Task};
use bytemuck::{Pod, Zeroable};
use guest_mem::{AddressSpace, FaultKind, MemFault, Width};
use linux_abi::Errno;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use vfs::namespace::Path;

/// Memory of a program (shared with `CLONE_VM`).
pub struct Mm {
    /// The pages.
    pub space: Rc<AddressSpace>,
    /// Layouts and table.
    pub arch: Arch,
    /// Start of the heap.
    pub brk_start: Cell<u64>,
    /// End of the heap.
    pub brk: Cell<u64>,
    /// Top of the mmap area.
    pub mmap_top: u64,
    /// First address past user space.
    pub user_end: u64,
    /// Program file, for `/proc/PID/exe`.
    pub exe: RefCell<Option<Path>>,
    /// Guest range of the argument strings.
    pub args: Cell<(u64, u64)>,
    /// Guest range of the environment strings.
    pub env: Cell<(u64, u64)>,
    /// Initial stack pointer.
    pub stack_start: Cell<u64>,
    /// Auxiliary vector as given, for `/proc/PID/auxv`.
    pub auxv: RefCell<Vec<u8>>,
    /// Base of the vDSO, 0 for none.
    pub vdso: Cell<u64>,
    /// Start and end of code, for `/proc/PID/stat`.
    pub code: Cell<(u64, u64)>,
}

impl fmt::Debug for Mm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mm({:?}, {} pages)", self.arch, self.space.resident_pages())
    }
}

/// With a place in host memory where translated code finds pages fast, if there is one left.
fn settled(space: AddressSpace, arch: Arch) -> Rc<AddressSpace> {
    let space = Rc::new(space);
    space.settle(match arch {
        Arch::I386 => Width::Bits32,
        Arch::X86_64 => Width::Bits64,
    });
    space
}

impl Mm {
    /// An empty memory for a program of the given architecture.
    pub fn new(pool: &guest_mem::FramePool, arch: Arch) -> Mm {
        // A 32-bit program on a 64-bit kernel has all but the last page of 4 GiB (arch/x86 IA32_PAGE_OFFSET); we keep
        // the 3 GiB of a 32-bit kernel, which is what such programs were tested with.
        // Mappings begin where they share no entry of the TLB with the stack; the lower 28 bits, by which pages have places in a home, are
        // below those of the stack and far above those of programs.
        let (user_end, mmap_top) = match arch {
            Arch::I386 => (0xc000_0000, 0xb7f0_0000),
            Arch::X86_64 => (0x7fff_ffff_f000, 0x7fff_ef7f_f000),
        };
        Mm {
            space: settled(AddressSpace::new(pool), arch),
            arch,
            brk_start: Cell::new(0),
            brk: Cell::new(0),
            mmap_top,
            user_end,
            exe: RefCell::new(None),
            args: Cell::new((0, 0)),
            env: Cell::new((0, 0)),
            stack_start: Cell::new(0),
            auxv: RefCell::default(),
            vdso: Cell::new(0),
            code: Cell::new((0, 0)),
        }
    }

    /// The memory of a forked child.
    pub fn fork(&self) -> Mm {
        Mm {
            space: settled(self.space.fork(), self.arch),
            arch: self.arch,
            brk_start: self.brk_start.clone(),
            brk: self.brk.clone(),
            mmap_top: self.mmap_top,
            user_end: self.user_end,
            exe: self.exe.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            stack_start: self.stack_start.clone(),
            auxv: self.auxv.clone(),
            vdso: self.vdso.clone(),
            code: self.code.clone(),
        }
    }

    /// Loads the page that an access missed. `Err` is the fault that remains: one for the program.
    pub async fn load_missing(&self, fault: MemFault) -> core::result::Result<(), MemFault> {
        if fault.kind != FaultKind::NotResident {
            return Err(fault);
        }
        let (object, page) = self.space.missing_page(fault.addr).ok_or(fault)?;
        // The device below failed: the access ends in SIGBUS, as past the end of a file.
        object.load(page).await.map_err(|_| MemFault { kind: FaultKind::BeyondEnd, ..fault })
    }

    /// Copies from guest memory.
    pub async fn read(&self, addr: u64, out: &mut [u8]) -> Result<()> {
        self.check_user(addr, out.len())?;
        while let Err(fault) = self.space.read_bytes(addr, out) {
            self.load_missing(fault).await.map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Copies to guest memory; nothing is written where any of it faults.
    pub async fn write(&self, addr: u64, data: &[u8]) -> Result<()> {
        self.check_user(addr, data.len())?;
        while let Err(fault) = self.space.write_bytes(addr, data) {
            self.load_missing(fault).await.map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Zeroes guest memory.
    pub async fn zero(&self, addr: u64, len: usize) -> Result<()> {
        self.check_user(addr, len)?;
        while let Err(fault) = self.space.fill(addr, len, 0) {
            self.load_missing(fault).await.map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    fn check_user(&self, addr: u64, len: usize) -> Result<()> {
        match addr.checked_add(len as u64) {
            Some(end) if end <= self.user_end => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }
}

impl Task {
    /// Copies bytes from the program.
    pub async fn read_bytes(&self, addr: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.mm().read(addr, &mut bytes).await?;
        Ok(bytes)
    }

    /// Copies bytes to the program.
    pub async fn write_bytes(&self, addr: u64, data: &[u8]) -> Result<()> {
        self.mm().write(addr, data).await
    }

    /// Reads a structure.
    pub async fn get<T: Pod>(&self, addr: u64) -> Result<T> {
        let mut value = T::zeroed();
        self.mm().read(addr, bytemuck::bytes_of_mut(&mut value)).await?;
        Ok(value)
    }

    /// Writes a structure.
    pub async fn put<T: Pod>(&self, addr: u64, value: &T) -> Result<()> {
        self.mm().write(addr, bytemuck::bytes_of(value)).await
    }

    /// Writes a structure where the address is not null.
    pub async fn put_if<T: Pod>(&self, addr: u64, value: &T) -> Result<()> {
        if addr == 0 { Ok(()) } else { self.put(addr, value).await }
    }

    /// Reads a pointer, `long` or `size_t` of the call's width.
    pub async fn get_word(&self, addr: u64) -> Result<u64> {
        self.get_word_as(self.arch(), addr).await
    }

    /// The same of a width.
    pub(crate) async fn get_word_as(&self, arch: Arch, addr: u64) -> Result<u64> {
        match arch {
            Arch::I386 => self.get::<u32>(addr).await.map(u64::from),
            Arch::X86_64 => self.get::<u64>(addr).await,
        }
    }

    /// Writes a pointer, `long` or `size_t` of the call's width.
    pub async fn put_word(&self, addr: u64, value: u64) -> Result<()> {
        match self.arch() {
            Arch::I386 => self.put(addr, &(value as u32)).await,
            Arch::X86_64 => self.put(addr, &value).await,
        }
    }

    /// Reads a NUL-terminated string of at most `max` bytes without the NUL; `ENAMETOOLONG` where it is longer.
    pub async fn get_string(&self, addr: u64, max: usize) -> Result<Vec<u8>> {
        let mm = self.mm();
        let mut text = Vec::new();
        let mut at = addr;
        let mut chunk = [0; 256];
        loop {
            // Never past the page in hand: the string may end just before an unmapped one.
            let left = (4096 - (at & 4095)) as usize;
            let part = &mut chunk[..left.min(256)];
            mm.read(at, part).await?;
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&part[..end]);
                return if text.len() > max { Err(Errno::ENAMETOOLONG) } else { Ok(text) };
            }
            text.extend_from_slice(part);
            if text.len() > max {
                return Err(Errno::ENAMETOOLONG);
            }
            at = at.wrapping_add(part.len() as u64);
        }
    }

    /// Reads a path argument (`PATH_MAX`).
    pub async fn get_path(&self, addr: u64) -> Result<Vec<u8>> {
        self.get_string(addr, 4095).await
    }

    /// Reads a null-terminated array of strings (`argv`, `envp`); null means empty.
    pub async fn get_strings(&self, addr: u64, max_total: usize) -> Result<Vec<Vec<u8>>> {
        let mut strings = Vec::new();
        let mut total = 0;
        if addr == 0 {
            return Ok(strings);
        }
        let word = self.arch().word_size() as u64;
        for i in 0.. {
            let pointer = self.get_word(addr.wrapping_add(i * word)).await?;
            if pointer == 0 {
                break;
            }
            let text = self.get_string(pointer, 131_071).await.map_err(|error| match error {
                Errno::ENAMETOOLONG => Errno::E2BIG,
                other => other,
            })?;
            total += text.len() + 1 + word as usize;
            if total > max_total {
                return Err(Errno::E2BIG);
            }
            strings.push(text);
        }
        Ok(strings)
    }

    /// Reads an iovec array as (address, length) pairs.
    pub async fn get_iovecs(&self, addr: u64, count: u64) -> Result<Vec<(u64, u64)>> {
        if count > 1024 {
            return Err(Errno::EINVAL);
        }
        let word = self.arch().word_size() as u64;
        let mut vectors = Vec::with_capacity(count as usize);
        let mut total: u64 = 0;
        for i in 0..count {
            let base = self.get_word(addr.wrapping_add(i * 2 * word)).await?;
            let len = self.get_word(addr.wrapping_add((i * 2 + 1) * word)).await?;
            // A negative `ssize_t` of the call's width.
            if word == 4 && len > i32::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            total = total.checked_add(len).filter(|sum| *sum <= i64::MAX as u64).ok_or(Errno::EINVAL)?;
            vectors.push((base, len));
        }
        let _ = total;
        Ok(vectors)
    }
}

/// A structure from the first bytes of a buffer; zeros where the buffer is shorter.
pub fn from_prefix<T: Pod>(bytes: &[u8]) -> T {
    let mut value = T::zeroed();
    let len = bytes.len().min(size_of::<T>());
    bytemuck::bytes_of_mut(&mut value)[..len].copy_from_slice(&bytes[..len]);
    value
}

/// Zeroed structure.
pub fn zeroed<T: Zeroable>() -> T {
    T::zeroed()
}
