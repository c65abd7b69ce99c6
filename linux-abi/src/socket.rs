//! linux/socket.h (kernel), sys/socket.h, linux/net.h, linux/un.h: sockets.

constants! {
    /// Address families.
    FAMILIES: u16 {
        AF_UNSPEC = 0,
        AF_UNIX = 1,
        AF_INET = 2,
        AF_AX25 = 3,
        AF_IPX = 4,
        AF_APPLETALK = 5,
        AF_X25 = 9,
        AF_INET6 = 10,
        AF_KEY = 15,
        AF_NETLINK = 16,
        AF_PACKET = 17,
        AF_TIPC = 30,
        AF_BLUETOOTH = 31,
        AF_ALG = 38,
        AF_VSOCK = 40,
        AF_XDP = 44,
        AF_MAX = 46,
    }

    /// Second names.
    FAMILY_ALIASES: u16 {
        AF_LOCAL = 1,
        AF_ROUTE = 16,
    }

    /// Socket types, the low four bits of socket(2)'s second argument.
    SOCKET_TYPES: u32 {
        SOCK_STREAM = 1,
        SOCK_DGRAM = 2,
        SOCK_RAW = 3,
        SOCK_RDM = 4,
        SOCK_SEQPACKET = 5,
        SOCK_DCCP = 6,
        SOCK_PACKET = 10,
    }

    /// `how` of shutdown(2).
    SHUTDOWN: u32 {
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
    }

    /// The longest queue of listen(2), /proc/sys/net/core/somaxconn.
    BACKLOG: u32 {
        SOMAXCONN = 4096,
    }

    /// Control messages of SOL_SOCKET, unix(7). SCM_SECURITY and SCM_PIDFD are not in the C library's header.
    SCM: i32 {
        SCM_RIGHTS = 1,
        SCM_CREDENTIALS = 2,
        SCM_SECURITY = 3,
        SCM_PIDFD = 4,
    }
}

flags! {
    /// Flags in socket(2)'s second argument and in accept4(2).
    pub struct SockFlags: u32, "SOCK_" {
        CLOEXEC = 0o2000000,
        NONBLOCK = 0o4000,
    }

    /// Flags of send(2), recv(2) and `msg_flags`.
    pub struct MsgFlags: u32, "MSG_" {
        OOB = 0x1,
        PEEK = 0x2,
        DONTROUTE = 0x4,
        CTRUNC = 0x8,
        PROXY = 0x10,
        TRUNC = 0x20,
        DONTWAIT = 0x40,
        EOR = 0x80,
        WAITALL = 0x100,
        FIN = 0x200,
        SYN = 0x400,
        CONFIRM = 0x800,
        RST = 0x1000,
        ERRQUEUE = 0x2000,
        NOSIGNAL = 0x4000,
        MORE = 0x8000,
        WAITFORONE = 0x0001_0000,
        BATCH = 0x0004_0000,
        ZEROCOPY = 0x0400_0000,
        FASTOPEN = 0x2000_0000,
        CMSG_CLOEXEC = 0x4000_0000,
        /// Kernel-internal: the caller's structures are those of i386.
        CMSG_COMPAT = 0x8000_0000,
    }
}

constants! {
    /// Levels of getsockopt(2).
    SOL: i32 {
        SOL_SOCKET = 1,
        SOL_IP = 0,
        SOL_TCP = 6,
        SOL_IPV6 = 41,
        SOL_ICMPV6 = 58,
        SOL_RAW = 255,
        SOL_PACKET = 263,
        SOL_NETLINK = 270,
        SOL_UDP = 17,
        SOL_VSOCK = 287,
    }
}

constants! {
    /// Calls of socketcall(2).
    SOCKETCALLS: u32 {
        SYS_SOCKET = 1,
        SYS_BIND = 2,
        SYS_CONNECT = 3,
        SYS_LISTEN = 4,
        SYS_ACCEPT = 5,
        SYS_GETSOCKNAME = 6,
        SYS_GETPEERNAME = 7,
        SYS_SOCKETPAIR = 8,
        SYS_SEND = 9,
        SYS_RECV = 10,
        SYS_SENDTO = 11,
        SYS_RECVFROM = 12,
        SYS_SHUTDOWN = 13,
        SYS_SETSOCKOPT = 14,
        SYS_GETSOCKOPT = 15,
        SYS_SENDMSG = 16,
        SYS_RECVMSG = 17,
        SYS_ACCEPT4 = 18,
        SYS_RECVMMSG = 19,
        SYS_SENDMMSG = 20,
    }
}

/// How many arguments (of 4 bytes) each call of [`SOCKETCALLS`] has in memory, by number; number 0 has none.
pub const SOCKETCALL_ARGS: [u8; 21] = [0, 3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4];

layouts! {
    /// sendmsg(2) of i386.
    i386 "struct msghdr" MsghdrI386 {
        msg_name: u32,
        msg_namelen: u32,
        msg_iov: u32,
        msg_iovlen: u32,
        msg_control: u32,
        msg_controllen: u32,
        msg_flags: u32,
    }

    /// sendmsg(2) of x86-64.
    x86_64 "struct msghdr" MsghdrX86_64 {
        msg_name: u64,
        msg_namelen: u32,
        _pad0: u32,
        msg_iov: u64,
        msg_iovlen: u64,
        msg_control: u64,
        msg_controllen: u64,
        msg_flags: u32,
        _pad1: u32,
    }

    /// sendmmsg(2) of i386.
    i386 "struct mmsghdr" MmsghdrI386 {
        msg_hdr: MsghdrI386,
        msg_len: u32,
    }

    /// sendmmsg(2) of x86-64.
    x86_64 "struct mmsghdr" MmsghdrX86_64 {
        msg_hdr: MsghdrX86_64,
        msg_len: u32,
        _pad0: u32,
    }

    /// Header of a control message of i386; the next one begins at a multiple of 4.
    i386 "struct cmsghdr" CmsghdrI386 {
        cmsg_len: u32,
        cmsg_level: i32,
        cmsg_type: i32,
    }

    /// Header of a control message of x86-64; the next one begins at a multiple of 8.
    x86_64 "struct cmsghdr" CmsghdrX86_64 {
        cmsg_len: u64,
        cmsg_level: i32,
        cmsg_type: i32,
    }

    /// SO_PEERCRED, SCM_CREDENTIALS.
    any "struct ucred" Ucred {
        pid: i32,
        uid: u32,
        gid: u32,
    }

    /// SO_LINGER.
    any "struct linger" Linger {
        l_onoff: i32,
        l_linger: i32,
    }

    /// Any address; `ss_family` says which.
    any "struct sockaddr_storage" SockaddrStorage {
        ss_family: u16,
        _pad0: [u8; 126],
    }
}
layouts! {
    /// Address of AF_UNIX. The kernel goes by the length given: the path needs no NUL.
    any "struct sockaddr_un" SockaddrUn {
        sun_family: u16,
        sun_path: [u8; 108],
    }
}
layouts! {
    /// Address of AF_VSOCK.
    any "struct sockaddr_vm" SockaddrVm {
        svm_family: u16,
        svm_reserved1: u16,
        svm_port: u32,
        svm_cid: u32,
        svm_flags: u8,
        _pad0: [u8; 3],
    }
}
