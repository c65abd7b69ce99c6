//! linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h: netlink(7) and rtnetlink(7).

constants! {
    /// Protocols of socket(2) with AF_NETLINK.
    NETLINK: u32 {
        NETLINK_ROUTE = 0,
        NETLINK_USERSOCK = 2,
        NETLINK_SOCK_DIAG = 4,
        NETLINK_NFLOG = 5,
        NETLINK_XFRM = 6,
        NETLINK_SELINUX = 7,
        NETLINK_ISCSI = 8,
        NETLINK_AUDIT = 9,
        NETLINK_FIB_LOOKUP = 10,
        NETLINK_CONNECTOR = 11,
        NETLINK_NETFILTER = 12,
        NETLINK_KOBJECT_UEVENT = 15,
        NETLINK_GENERIC = 16,
        NETLINK_CRYPTO = 21,
    }

    /// `nlmsg_type` below 16.
    NLMSG: u16 {
        NLMSG_NOOP = 1,
        NLMSG_ERROR = 2,
        NLMSG_DONE = 3,
        NLMSG_OVERRUN = 4,
        NLMSG_MIN_TYPE = 16,
    }

    /// Options of SOL_NETLINK.
    NETLINK_OPTIONS: i32 {
        NETLINK_ADD_MEMBERSHIP = 1,
        NETLINK_DROP_MEMBERSHIP = 2,
        NETLINK_PKTINFO = 3,
        NETLINK_BROADCAST_ERROR = 4,
        NETLINK_NO_ENOBUFS = 5,
        NETLINK_LISTEN_ALL_NSID = 8,
        NETLINK_LIST_MEMBERSHIPS = 9,
        NETLINK_CAP_ACK = 10,
        NETLINK_EXT_ACK = 11,
        NETLINK_GET_STRICT_CHK = 12,
    }
}

flags! {
    /// `nlmsg_flags`, with those of GET requests.
    pub struct NlmFlags: u16, "NLM_F_" {
        REQUEST = 0x1,
        MULTI = 0x2,
        ACK = 0x4,
        ECHO = 0x8,
        DUMP_INTR = 0x10,
        DUMP_FILTERED = 0x20,
        ROOT = 0x100,
        MATCH = 0x200,
        ATOMIC = 0x400,
        DUMP = 0x300,
    }

    /// `nlmsg_flags` of NEW requests.
    pub struct NlmNewFlags: u16, "NLM_F_" {
        REPLACE = 0x100,
        EXCL = 0x200,
        CREATE = 0x400,
        APPEND = 0x800,
    }
}

constants! {
    /// `nlmsg_type` of NETLINK_ROUTE.
    RTM: u16 {
        RTM_NEWLINK = 16,
        RTM_DELLINK = 17,
        RTM_GETLINK = 18,
        RTM_SETLINK = 19,
        RTM_NEWADDR = 20,
        RTM_DELADDR = 21,
        RTM_GETADDR = 22,
        RTM_NEWROUTE = 24,
        RTM_DELROUTE = 25,
        RTM_GETROUTE = 26,
        RTM_NEWNEIGH = 28,
        RTM_DELNEIGH = 29,
        RTM_GETNEIGH = 30,
        RTM_NEWRULE = 32,
        RTM_DELRULE = 33,
        RTM_GETRULE = 34,
        RTM_NEWQDISC = 36,
        RTM_DELQDISC = 37,
        RTM_GETQDISC = 38,
        RTM_GETSTATS = 94,
        RTM_NEWNETCONF = 80,
        RTM_GETNETCONF = 82,
        RTM_NEWNSID = 88,
        RTM_GETNSID = 90,
    }

    /// Attributes of a link.
    IFLA: u16 {
        IFLA_UNSPEC = 0,
        IFLA_ADDRESS = 1,
        IFLA_BROADCAST = 2,
        IFLA_IFNAME = 3,
        IFLA_MTU = 4,
        IFLA_LINK = 5,
        IFLA_QDISC = 6,
        IFLA_STATS = 7,
        IFLA_MASTER = 10,
        IFLA_PROTINFO = 12,
        IFLA_TXQLEN = 13,
        IFLA_MAP = 14,
        IFLA_WEIGHT = 15,
        IFLA_OPERSTATE = 16,
        IFLA_LINKMODE = 17,
        IFLA_LINKINFO = 18,
        IFLA_NET_NS_PID = 19,
        IFLA_IFALIAS = 20,
        IFLA_NUM_VF = 21,
        IFLA_STATS64 = 23,
        IFLA_AF_SPEC = 26,
        IFLA_GROUP = 27,
        IFLA_NET_NS_FD = 28,
        IFLA_EXT_MASK = 29,
        IFLA_PROMISCUITY = 30,
        IFLA_NUM_TX_QUEUES = 31,
        IFLA_NUM_RX_QUEUES = 32,
        IFLA_CARRIER = 33,
        IFLA_CARRIER_CHANGES = 35,
        IFLA_LINK_NETNSID = 37,
        IFLA_GSO_MAX_SEGS = 40,
        IFLA_GSO_MAX_SIZE = 41,
        IFLA_MIN_MTU = 50,
        IFLA_MAX_MTU = 51,
        IFLA_PERM_ADDRESS = 54,
    }

    /// Attributes of an address.
    IFA: u16 {
        IFA_UNSPEC = 0,
        IFA_ADDRESS = 1,
        IFA_LOCAL = 2,
        IFA_LABEL = 3,
        IFA_BROADCAST = 4,
        IFA_ANYCAST = 5,
        IFA_CACHEINFO = 6,
        IFA_MULTICAST = 7,
        IFA_FLAGS = 8,
    }

    /// `ifa_flags`.
    IFA_FLAG_BITS: u32 {
        IFA_F_SECONDARY = 0x1,
        IFA_F_NODAD = 0x2,
        IFA_F_PERMANENT = 0x80,
        IFA_F_TENTATIVE = 0x40,
        IFA_F_NOPREFIXROUTE = 0x200,
    }

    /// Attributes of a route.
    RTA: u16 {
        RTA_UNSPEC = 0,
        RTA_DST = 1,
        RTA_SRC = 2,
        RTA_IIF = 3,
        RTA_OIF = 4,
        RTA_GATEWAY = 5,
        RTA_PRIORITY = 6,
        RTA_PREFSRC = 7,
        RTA_METRICS = 8,
        RTA_CACHEINFO = 12,
        RTA_TABLE = 15,
        RTA_PREF = 20,
    }

    /// `rtm_table`.
    RT_TABLES: u32 {
        RT_TABLE_UNSPEC = 0,
        RT_TABLE_DEFAULT = 253,
        RT_TABLE_MAIN = 254,
        RT_TABLE_LOCAL = 255,
    }

    /// `rtm_protocol`.
    RTPROT: u8 {
        RTPROT_UNSPEC = 0,
        RTPROT_KERNEL = 2,
        RTPROT_BOOT = 3,
        RTPROT_STATIC = 4,
        RTPROT_DHCP = 16,
    }

    /// `rtm_scope` and `ifa_scope`.
    RT_SCOPES: u8 {
        RT_SCOPE_UNIVERSE = 0,
        RT_SCOPE_SITE = 200,
        RT_SCOPE_LINK = 253,
        RT_SCOPE_HOST = 254,
        RT_SCOPE_NOWHERE = 255,
    }

    /// `rtm_type`.
    RTN: u8 {
        RTN_UNSPEC = 0,
        RTN_UNICAST = 1,
        RTN_LOCAL = 2,
        RTN_BROADCAST = 3,
        RTN_ANYCAST = 4,
        RTN_MULTICAST = 5,
        RTN_BLACKHOLE = 6,
        RTN_UNREACHABLE = 7,
    }

    /// Groups that a NETLINK_ROUTE socket binds to.
    RTMGRP: u32 {
        RTMGRP_LINK = 0x1,
        RTMGRP_NOTIFY = 0x2,
        RTMGRP_NEIGH = 0x4,
        RTMGRP_IPV4_IFADDR = 0x10,
        RTMGRP_IPV4_ROUTE = 0x40,
        RTMGRP_IPV6_IFADDR = 0x100,
        RTMGRP_IPV6_ROUTE = 0x400,
    }
}

layouts! {
    /// Address of AF_NETLINK.
    any "struct sockaddr_nl" SockaddrNl {
        nl_family: u16,
        nl_pad: u16,
        nl_pid: u32,
        nl_groups: u32,
    }

    /// Header of every message; everything is at multiples of 4.
    any "struct nlmsghdr" Nlmsghdr {
        nlmsg_len: u32,
        nlmsg_type: u16,
        nlmsg_flags: u16,
        nlmsg_seq: u32,
        nlmsg_pid: u32,
    }

    /// Body of NLMSG_ERROR: 0 or a negated errno, and the header of the request.
    any "struct nlmsgerr" Nlmsgerr {
        error: i32,
        msg: Nlmsghdr,
    }

    /// Header of an attribute.
    any "struct rtattr" Rtattr {
        rta_len: u16,
        rta_type: u16,
    }

    /// Smallest body of a request.
    any "struct rtgenmsg" Rtgenmsg {
        rtgen_family: u8,
    }

    /// Body of RTM_*LINK.
    any "struct ifinfomsg" Ifinfomsg {
        ifi_family: u8,
        __ifi_pad: u8,
        ifi_type: u16,
        ifi_index: i32,
        ifi_flags: u32,
        ifi_change: u32,
    }

    /// Body of RTM_*ADDR.
    any "struct ifaddrmsg" Ifaddrmsg {
        ifa_family: u8,
        ifa_prefixlen: u8,
        ifa_flags: u8,
        ifa_scope: u8,
        ifa_index: u32,
    }

    /// IFA_CACHEINFO.
    any "struct ifa_cacheinfo" IfaCacheinfo {
        ifa_prefered: u32,
        ifa_valid: u32,
        cstamp: u32,
        tstamp: u32,
    }

    /// Body of RTM_*ROUTE.
    any "struct rtmsg" Rtmsg {
        rtm_family: u8,
        rtm_dst_len: u8,
        rtm_src_len: u8,
        rtm_tos: u8,
        rtm_table: u8,
        rtm_protocol: u8,
        rtm_scope: u8,
        rtm_type: u8,
        rtm_flags: u32,
    }
}
