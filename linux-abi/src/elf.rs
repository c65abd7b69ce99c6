//! linux/elf.h, linux/elf-em.h, linux/auxvec.h: the executable format and the auxiliary vector.

constants! {
    /// Indexes of `e_ident`.
    E_IDENT: usize {
        EI_CLASS = 4,
        EI_DATA = 5,
        EI_VERSION = 6,
        EI_OSABI = 7,
        EI_PAD = 8,
        EI_NIDENT = 16,
    }

    /// `e_ident[EI_CLASS]`.
    ELF_CLASSES: u8 {
        ELFCLASSNONE = 0,
        ELFCLASS32 = 1,
        ELFCLASS64 = 2,
    }

    /// `e_ident[EI_DATA]`.
    ELF_DATA: u8 {
        ELFDATANONE = 0,
        ELFDATA2LSB = 1,
        ELFDATA2MSB = 2,
    }

    /// `e_ident[EI_OSABI]`.
    ELF_OSABI: u8 {
        ELFOSABI_NONE = 0,
        ELFOSABI_LINUX = 3,
    }

    /// `e_version`, `e_ident[EI_VERSION]`.
    EV: u8 {
        EV_NONE = 0,
        EV_CURRENT = 1,
    }

    /// `e_type`.
    ET: u16 {
        ET_NONE = 0,
        ET_REL = 1,
        ET_EXEC = 2,
        ET_DYN = 3,
        ET_CORE = 4,
    }

    /// `e_machine`.
    EM: u16 {
        EM_NONE = 0,
        EM_386 = 3,
        EM_486 = 6,
        EM_MIPS = 8,
        EM_PPC = 20,
        EM_PPC64 = 21,
        EM_S390 = 22,
        EM_ARM = 40,
        EM_X86_64 = 62,
        EM_AARCH64 = 183,
        EM_RISCV = 243,
    }

    /// `p_type`.
    PT: u32 {
        PT_NULL = 0x0,
        PT_LOAD = 0x1,
        PT_DYNAMIC = 0x2,
        PT_INTERP = 0x3,
        PT_NOTE = 0x4,
        PT_SHLIB = 0x5,
        PT_PHDR = 0x6,
        PT_TLS = 0x7,
        PT_GNU_EH_FRAME = 0x6474_e550,
        PT_GNU_STACK = 0x6474_e551,
        PT_GNU_RELRO = 0x6474_e552,
        PT_GNU_PROPERTY = 0x6474_e553,
    }

    /// Special number of program headers: the real one is `sh_info` of section 0.
    PN: u16 {
        PN_XNUM = 0xffff,
    }

    /// `sh_type`.
    SHT: u32 {
        SHT_NULL = 0x0,
        SHT_PROGBITS = 0x1,
        SHT_SYMTAB = 0x2,
        SHT_STRTAB = 0x3,
        SHT_RELA = 0x4,
        SHT_HASH = 0x5,
        SHT_DYNAMIC = 0x6,
        SHT_NOTE = 0x7,
        SHT_NOBITS = 0x8,
        SHT_REL = 0x9,
        SHT_SHLIB = 0xa,
        SHT_DYNSYM = 0xb,
    }

    /// `d_tag`.
    DT: i64 {
        DT_NULL = 0x0,
        DT_NEEDED = 0x1,
        DT_PLTRELSZ = 0x2,
        DT_PLTGOT = 0x3,
        DT_HASH = 0x4,
        DT_STRTAB = 0x5,
        DT_SYMTAB = 0x6,
        DT_RELA = 0x7,
        DT_RELASZ = 0x8,
        DT_RELAENT = 0x9,
        DT_STRSZ = 0xa,
        DT_SYMENT = 0xb,
        DT_INIT = 0xc,
        DT_FINI = 0xd,
        DT_SONAME = 0xe,
        DT_RPATH = 0xf,
        DT_SYMBOLIC = 0x10,
        DT_REL = 0x11,
        DT_RELSZ = 0x12,
        DT_RELENT = 0x13,
        DT_PLTREL = 0x14,
        DT_DEBUG = 0x15,
        DT_TEXTREL = 0x16,
        DT_JMPREL = 0x17,
        DT_VERSYM = 0x6fff_fff0,
        DT_VERDEF = 0x6fff_fffc,
        DT_VERDEFNUM = 0x6fff_fffd,
        DT_GNU_HASH = 0x6fff_fef5,
    }

    /// Symbol bindings and types, in `st_info`.
    ST_INFO: u8 {
        STB_LOCAL = 0,
        STB_GLOBAL = 1,
        STB_WEAK = 2,
        STT_NOTYPE = 0,
        STT_OBJECT = 1,
        STT_FUNC = 2,
        STT_SECTION = 3,
        STT_FILE = 4,
        STT_COMMON = 5,
        STT_TLS = 6,
    }

    /// Special section indexes.
    SHN: u16 {
        SHN_UNDEF = 0x0,
        SHN_LORESERVE = 0xff00,
        SHN_ABS = 0xfff1,
        SHN_COMMON = 0xfff2,
        SHN_HIRESERVE = 0xffff,
    }

    /// Notes: of core dumps, and sets of PTRACE_GETREGSET.
    NT: u32 {
        NT_PRSTATUS = 0x1,
        NT_PRFPREG = 0x2,
        NT_PRPSINFO = 0x3,
        NT_TASKSTRUCT = 0x4,
        NT_AUXV = 0x6,
        NT_SIGINFO = 0x5349_4749,
        NT_FILE = 0x4649_4c45,
        NT_PRXFPREG = 0x46e6_2b7f,
        NT_386_TLS = 0x200,
        NT_386_IOPERM = 0x201,
        NT_X86_XSTATE = 0x202,
        NT_GNU_PROPERTY_TYPE_0 = 0x5,
    }
}

flags! {
    /// `p_flags`.
    pub struct PhdrFlags: u32, "PF_" {
        R = 0x4,
        W = 0x2,
        X = 0x1,
    }

    /// `sh_flags`.
    pub struct ShdrFlags: u64, "SHF_" {
        WRITE = 0x1,
        ALLOC = 0x2,
        EXECINSTR = 0x4,
        TLS = 0x400,
    }
}

/// First four bytes of an ELF file.
pub const ELFMAG: [u8; 4] = *b"\x7fELF";

constants! {
    /// Keys of the auxiliary vector, getauxval(3).
    AUXV: u32 {
        AT_NULL = 0,
        AT_IGNORE = 1,
        AT_EXECFD = 2,
        AT_PHDR = 3,
        AT_PHENT = 4,
        AT_PHNUM = 5,
        AT_PAGESZ = 6,
        AT_BASE = 7,
        AT_FLAGS = 8,
        AT_ENTRY = 9,
        AT_NOTELF = 10,
        AT_UID = 11,
        AT_EUID = 12,
        AT_GID = 13,
        AT_EGID = 14,
        AT_PLATFORM = 15,
        AT_HWCAP = 16,
        AT_CLKTCK = 17,
        AT_SECURE = 23,
        AT_BASE_PLATFORM = 24,
        AT_RANDOM = 25,
        AT_HWCAP2 = 26,
        AT_RSEQ_FEATURE_SIZE = 27,
        AT_RSEQ_ALIGN = 28,
        AT_EXECFN = 31,
        AT_SYSINFO = 32,
        AT_SYSINFO_EHDR = 33,
        AT_MINSIGSTKSZ = 51,
    }
}

layouts! {
    /// File header.
    any "Elf32_Ehdr" Elf32Ehdr {
        e_ident: [u8; 16],
        e_type: u16,
        e_machine: u16,
        e_version: u32,
        e_entry: u32,
        e_phoff: u32,
        e_shoff: u32,
        e_flags: u32,
        e_ehsize: u16,
        e_phentsize: u16,
        e_phnum: u16,
        e_shentsize: u16,
        e_shnum: u16,
        e_shstrndx: u16,
    }

    /// File header.
    any "Elf64_Ehdr" Elf64Ehdr {
        e_ident: [u8; 16],
        e_type: u16,
        e_machine: u16,
        e_version: u32,
        e_entry: u64,
        e_phoff: u64,
        e_shoff: u64,
        e_flags: u32,
        e_ehsize: u16,
        e_phentsize: u16,
        e_phnum: u16,
        e_shentsize: u16,
        e_shnum: u16,
        e_shstrndx: u16,
    }

    /// Program header.
    any "Elf32_Phdr" Elf32Phdr {
        p_type: u32,
        p_offset: u32,
        p_vaddr: u32,
        p_paddr: u32,
        p_filesz: u32,
        p_memsz: u32,
        p_flags: u32,
        p_align: u32,
    }

    /// Program header.
    any "Elf64_Phdr" Elf64Phdr {
        p_type: u32,
        p_flags: u32,
        p_offset: u64,
        p_vaddr: u64,
        p_paddr: u64,
        p_filesz: u64,
        p_memsz: u64,
        p_align: u64,
    }

    /// Section header.
    any "Elf32_Shdr" Elf32Shdr {
        sh_name: u32,
        sh_type: u32,
        sh_flags: u32,
        sh_addr: u32,
        sh_offset: u32,
        sh_size: u32,
        sh_link: u32,
        sh_info: u32,
        sh_addralign: u32,
        sh_entsize: u32,
    }

    /// Section header.
    any "Elf64_Shdr" Elf64Shdr {
        sh_name: u32,
        sh_type: u32,
        sh_flags: u64,
        sh_addr: u64,
        sh_offset: u64,
        sh_size: u64,
        sh_link: u32,
        sh_info: u32,
        sh_addralign: u64,
        sh_entsize: u64,
    }

    /// Symbol.
    any "Elf32_Sym" Elf32Sym {
        st_name: u32,
        st_value: u32,
        st_size: u32,
        st_info: u8,
        st_other: u8,
        st_shndx: u16,
    }

    /// Symbol.
    any "Elf64_Sym" Elf64Sym {
        st_name: u32,
        st_info: u8,
        st_other: u8,
        st_shndx: u16,
        st_value: u64,
        st_size: u64,
    }

    /// Dynamic section entry; `d_un` is a number or an address.
    any "Elf32_Dyn" Elf32Dyn {
        d_tag: i32,
        d_un: u32,
    }

    /// Dynamic section entry.
    any "Elf64_Dyn" Elf64Dyn {
        d_tag: i64,
        d_un: u64,
    }

    /// Note header; name and contents follow, each filled up to a multiple of 4.
    any "Elf32_Nhdr" ElfNhdr {
        n_namesz: u32,
        n_descsz: u32,
        n_type: u32,
    }
}
