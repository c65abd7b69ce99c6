//! linux/if.h, linux/if_arp.h, linux/sockios.h: network interfaces, netdevice(7).

flags! {
    /// Flags of an interface.
    pub struct IffFlags: u32, "IFF_" {
        UP = 0x1,
        BROADCAST = 0x2,
        DEBUG = 0x4,
        LOOPBACK = 0x8,
        POINTOPOINT = 0x10,
        NOTRAILERS = 0x20,
        RUNNING = 0x40,
        NOARP = 0x80,
        PROMISC = 0x100,
        ALLMULTI = 0x200,
        MASTER = 0x400,
        SLAVE = 0x800,
        MULTICAST = 0x1000,
        PORTSEL = 0x2000,
        AUTOMEDIA = 0x4000,
        DYNAMIC = 0x8000,
        LOWER_UP = 0x0001_0000,
        DORMANT = 0x0002_0000,
        ECHO = 0x0004_0000,
    }
}

constants! {
    /// Hardware types (`ifi_type`, `sa_family` of a hardware address).
    ARPHRD: u16 {
        ARPHRD_ETHER = 1,
        ARPHRD_PPP = 512,
        ARPHRD_TUNNEL = 768,
        ARPHRD_LOOPBACK = 772,
        ARPHRD_SIT = 776,
        ARPHRD_NONE = 65534,
        ARPHRD_VOID = 65535,
    }

    /// Requests of ioctl(2) on any socket.
    SOCKIOS: u32 {
        SIOCADDRT = 0x890b,
        SIOCDELRT = 0x890c,
        SIOCGIFNAME = 0x8910,
        SIOCSIFLINK = 0x8911,
        SIOCGIFCONF = 0x8912,
        SIOCGIFFLAGS = 0x8913,
        SIOCSIFFLAGS = 0x8914,
        SIOCGIFADDR = 0x8915,
        SIOCSIFADDR = 0x8916,
        SIOCGIFDSTADDR = 0x8917,
        SIOCSIFDSTADDR = 0x8918,
        SIOCGIFBRDADDR = 0x8919,
        SIOCSIFBRDADDR = 0x891a,
        SIOCGIFNETMASK = 0x891b,
        SIOCSIFNETMASK = 0x891c,
        SIOCGIFMETRIC = 0x891d,
        SIOCSIFMETRIC = 0x891e,
        SIOCGIFMTU = 0x8921,
        SIOCSIFMTU = 0x8922,
        SIOCSIFNAME = 0x8923,
        SIOCSIFHWADDR = 0x8924,
        SIOCGIFHWADDR = 0x8927,
        SIOCADDMULTI = 0x8931,
        SIOCDELMULTI = 0x8932,
        SIOCGIFINDEX = 0x8933,
        SIOCSIFPFLAGS = 0x8934,
        SIOCGIFPFLAGS = 0x8935,
        SIOCSIFHWBROADCAST = 0x8937,
        SIOCGIFCOUNT = 0x8938,
        SIOCGIFTXQLEN = 0x8942,
        SIOCSIFTXQLEN = 0x8943,
        SIOCETHTOOL = 0x8946,
        SIOCGMIIPHY = 0x8947,
        SIOCGMIIREG = 0x8948,
        SIOCGIFMAP = 0x8970,
        SIOCDARP = 0x8953,
        SIOCGARP = 0x8954,
        SIOCSARP = 0x8955,
        SIOCINQ = 0x541b,
        SIOCOUTQ = 0x5411,
        SIOCOUTQNSD = 0x894b,
        FIOSETOWN = 0x8901,
        SIOCSPGRP = 0x8902,
        FIOGETOWN = 0x8903,
        SIOCGPGRP = 0x8904,
        SIOCATMARK = 0x8905,
        SIOCGSTAMP_OLD = 0x8906,
        SIOCGSTAMPNS_OLD = 0x8907,
        SIOCGIFBR = 0x8940,
        SIOCBRADDBR = 0x89a0,
        SIOCGSKNS = 0x894c,
    }

    /// Length of an interface name, with its NUL.
    IF_NAME: u32 {
        IFNAMSIZ = 16,
    }

    /// `operstate` of a link.
    IF_OPER: u8 {
        IF_OPER_UNKNOWN = 0,
        IF_OPER_NOTPRESENT = 1,
        IF_OPER_DOWN = 2,
        IF_OPER_LOWERLAYERDOWN = 3,
        IF_OPER_TESTING = 4,
        IF_OPER_DORMANT = 5,
        IF_OPER_UP = 6,
    }
}

layouts! {
    /// Argument of the interface requests of i386; `ifr_ifru` is a union.
    i386 "struct ifreq" IfreqI386 {
        ifr_name: [u8; 16],
        ifr_ifru: [u8; 16],
    }

    /// Argument of the interface requests of x86-64; the union is larger.
    x86_64 "struct ifreq" IfreqX86_64 {
        ifr_name: [u8; 16],
        ifr_ifru: [u8; 24],
    }

    /// SIOCGIFCONF of i386.
    i386 "struct ifconf" IfconfI386 {
        ifc_len: i32,
        ifc_buf: u32,
    }

    /// SIOCGIFCONF of x86-64.
    x86_64 "struct ifconf" IfconfX86_64 {
        ifc_len: i32,
        _pad0: u32,
        ifc_buf: u64,
    }
}
layouts! {
    /// Address of AF_PACKET.
    any "struct sockaddr_ll" SockaddrLl {
        sll_family: u16,
        sll_protocol: [u8; 2],
        sll_ifindex: i32,
        sll_hatype: u16,
        sll_pkttype: u8,
        sll_halen: u8,
        sll_addr: [u8; 8],
    }
}
constants! {
    /// Requests of ioctl(2) on /dev/net/tun.
    TUN_IOCTLS: u32 {
        TUNSETIFF = 0x4004_54ca,
        TUNSETPERSIST = 0x4004_54cb,
        TUNSETOWNER = 0x4004_54cc,
        TUNGETFEATURES = 0x8004_54cf,
        TUNGETIFF = 0x8004_54d2,
    }

    /// `ifr_flags` of TUNSETIFF.
    TUN_FLAGS: u16 {
        IFF_TUN = 0x1,
        IFF_TAP = 0x2,
        IFF_NO_PI = 0x1000,
        IFF_VNET_HDR = 0x4000,
        IFF_MULTI_QUEUE = 0x100,
        IFF_TUN_EXCL = 0x8000,
    }
}
