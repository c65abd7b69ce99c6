//! linux/utsname.h: uname(2).

layouts! {
    /// uname(2), both architectures. Each field ends with a NUL.
    any "struct new_utsname" NewUtsname {
        sysname: [u8; 65],
        nodename: [u8; 65],
        release: [u8; 65],
        version: [u8; 65],
        machine: [u8; 65],
        domainname: [u8; 65],
    }

    /// olduname(2), i386 number 109: without the domain name.
    any "struct old_utsname" OldUtsname {
        sysname: [u8; 65],
        nodename: [u8; 65],
        release: [u8; 65],
        version: [u8; 65],
        machine: [u8; 65],
    }

    /// oldolduname(2), i386 number 59: 8 letters and a NUL each.
    any "struct oldold_utsname" OldoldUtsname {
        sysname: [u8; 9],
        nodename: [u8; 9],
        release: [u8; 9],
        version: [u8; 9],
        machine: [u8; 9],
    }
}

constants! {
    /// Longest host or domain name, without the NUL.
    UTS_LEN: usize {
        __NEW_UTS_LEN = 64,
    }
}
