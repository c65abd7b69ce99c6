//! linux/in.h, linux/in6.h, linux/tcp.h, linux/udp.h, linux/icmp.h: internet protocols.

constants! {
    /// Protocols of socket(2), and numbers in the IP header.
    IPPROTO: u32 {
        IPPROTO_IP = 0,
        IPPROTO_ICMP = 1,
        IPPROTO_IGMP = 2,
        IPPROTO_IPIP = 4,
        IPPROTO_TCP = 6,
        IPPROTO_EGP = 8,
        IPPROTO_PUP = 12,
        IPPROTO_UDP = 17,
        IPPROTO_IDP = 22,
        IPPROTO_DCCP = 33,
        IPPROTO_IPV6 = 41,
        IPPROTO_RSVP = 46,
        IPPROTO_GRE = 47,
        IPPROTO_ESP = 50,
        IPPROTO_AH = 51,
        IPPROTO_SCTP = 132,
        IPPROTO_UDPLITE = 136,
        IPPROTO_MPLS = 137,
        IPPROTO_RAW = 255,
        IPPROTO_MPTCP = 262,
        IPPROTO_HOPOPTS = 0,
        IPPROTO_ROUTING = 43,
        IPPROTO_FRAGMENT = 44,
        IPPROTO_ICMPV6 = 58,
        IPPROTO_NONE = 59,
        IPPROTO_DSTOPTS = 60,
        IPPROTO_MH = 135,
    }

    /// Addresses, in host order.
    INADDR: u32 {
        INADDR_ANY = 0x0,
        INADDR_BROADCAST = 0xffff_ffff,
        INADDR_LOOPBACK = 0x7f00_0001,
    }

    /// Options of IPPROTO_IP, ip(7).
    IP_SOCKOPTS: i32 {
        IP_TOS = 1,
        IP_TTL = 2,
        IP_HDRINCL = 3,
        IP_OPTIONS = 4,
        IP_ROUTER_ALERT = 5,
        IP_RECVOPTS = 6,
        IP_RETOPTS = 7,
        IP_PKTINFO = 8,
        IP_PKTOPTIONS = 9,
        IP_MTU_DISCOVER = 10,
        IP_RECVERR = 11,
        IP_RECVTTL = 12,
        IP_RECVTOS = 13,
        IP_MTU = 14,
        IP_FREEBIND = 15,
        IP_IPSEC_POLICY = 16,
        IP_XFRM_POLICY = 17,
        IP_PASSSEC = 18,
        IP_TRANSPARENT = 19,
        IP_ORIGDSTADDR = 20,
        IP_MINTTL = 21,
        IP_NODEFRAG = 22,
        IP_CHECKSUM = 23,
        IP_BIND_ADDRESS_NO_PORT = 24,
        IP_RECVFRAGSIZE = 25,
        IP_RECVERR_RFC4884 = 26,
        IP_MULTICAST_IF = 32,
        IP_MULTICAST_TTL = 33,
        IP_MULTICAST_LOOP = 34,
        IP_ADD_MEMBERSHIP = 35,
        IP_DROP_MEMBERSHIP = 36,
        IP_UNBLOCK_SOURCE = 37,
        IP_BLOCK_SOURCE = 38,
        IP_ADD_SOURCE_MEMBERSHIP = 39,
        IP_DROP_SOURCE_MEMBERSHIP = 40,
        IP_MSFILTER = 41,
        IP_MULTICAST_ALL = 49,
        IP_UNICAST_IF = 50,
        MCAST_JOIN_GROUP = 42,
        MCAST_BLOCK_SOURCE = 43,
        MCAST_UNBLOCK_SOURCE = 44,
        MCAST_LEAVE_GROUP = 45,
        MCAST_JOIN_SOURCE_GROUP = 46,
        MCAST_LEAVE_SOURCE_GROUP = 47,
        MCAST_MSFILTER = 48,
        IP_LOCAL_PORT_RANGE = 51,
    }

    /// Values of IP_MTU_DISCOVER.
    IP_PMTUDISC: i32 {
        IP_PMTUDISC_DONT = 0,
        IP_PMTUDISC_WANT = 1,
        IP_PMTUDISC_DO = 2,
        IP_PMTUDISC_PROBE = 3,
        IP_PMTUDISC_INTERFACE = 4,
        IP_PMTUDISC_OMIT = 5,
    }

    /// Options of IPPROTO_IPV6, ipv6(7).
    IPV6_SOCKOPTS: i32 {
        IPV6_ADDRFORM = 1,
        IPV6_2292PKTINFO = 2,
        IPV6_2292HOPOPTS = 3,
        IPV6_2292DSTOPTS = 4,
        IPV6_2292RTHDR = 5,
        IPV6_2292PKTOPTIONS = 6,
        IPV6_CHECKSUM = 7,
        IPV6_2292HOPLIMIT = 8,
        IPV6_FLOWINFO = 11,
        IPV6_UNICAST_HOPS = 16,
        IPV6_MULTICAST_IF = 17,
        IPV6_MULTICAST_HOPS = 18,
        IPV6_MULTICAST_LOOP = 19,
        IPV6_ADD_MEMBERSHIP = 20,
        IPV6_DROP_MEMBERSHIP = 21,
        IPV6_ROUTER_ALERT = 22,
        IPV6_MTU_DISCOVER = 23,
        IPV6_MTU = 24,
        IPV6_RECVERR = 25,
        IPV6_V6ONLY = 26,
        IPV6_JOIN_ANYCAST = 27,
        IPV6_LEAVE_ANYCAST = 28,
        IPV6_MULTICAST_ALL = 29,
        IPV6_ROUTER_ALERT_ISOLATE = 30,
        IPV6_RECVERR_RFC4884 = 31,
        IPV6_FLOWLABEL_MGR = 32,
        IPV6_FLOWINFO_SEND = 33,
        IPV6_IPSEC_POLICY = 34,
        IPV6_XFRM_POLICY = 35,
        IPV6_HDRINCL = 36,
        IPV6_RECVPKTINFO = 49,
        IPV6_PKTINFO = 50,
        IPV6_RECVHOPLIMIT = 51,
        IPV6_HOPLIMIT = 52,
        IPV6_RECVHOPOPTS = 53,
        IPV6_HOPOPTS = 54,
        IPV6_RTHDRDSTOPTS = 55,
        IPV6_RECVRTHDR = 56,
        IPV6_RTHDR = 57,
        IPV6_RECVDSTOPTS = 58,
        IPV6_DSTOPTS = 59,
        IPV6_RECVPATHMTU = 60,
        IPV6_PATHMTU = 61,
        IPV6_DONTFRAG = 62,
        IPV6_RECVTCLASS = 66,
        IPV6_TCLASS = 67,
        IPV6_AUTOFLOWLABEL = 70,
        IPV6_ADDR_PREFERENCES = 72,
        IPV6_MINHOPCOUNT = 73,
        IPV6_ORIGDSTADDR = 74,
        IPV6_TRANSPARENT = 75,
        IPV6_UNICAST_IF = 76,
        IPV6_RECVFRAGSIZE = 77,
        IPV6_FREEBIND = 78,
    }
}

constants! {
    /// Options of IPPROTO_TCP, tcp(7).
    TCP_SOCKOPTS: i32 {
        TCP_NODELAY = 1,
        TCP_MAXSEG = 2,
        TCP_CORK = 3,
        TCP_KEEPIDLE = 4,
        TCP_KEEPINTVL = 5,
        TCP_KEEPCNT = 6,
        TCP_SYNCNT = 7,
        TCP_LINGER2 = 8,
        TCP_DEFER_ACCEPT = 9,
        TCP_WINDOW_CLAMP = 10,
        TCP_INFO = 11,
        TCP_QUICKACK = 12,
        TCP_CONGESTION = 13,
        TCP_MD5SIG = 14,
        TCP_THIN_LINEAR_TIMEOUTS = 16,
        TCP_THIN_DUPACK = 17,
        TCP_USER_TIMEOUT = 18,
        TCP_REPAIR = 19,
        TCP_REPAIR_QUEUE = 20,
        TCP_QUEUE_SEQ = 21,
        TCP_REPAIR_OPTIONS = 22,
        TCP_FASTOPEN = 23,
        TCP_TIMESTAMP = 24,
        TCP_NOTSENT_LOWAT = 25,
        TCP_CC_INFO = 26,
        TCP_SAVE_SYN = 27,
        TCP_SAVED_SYN = 28,
        TCP_REPAIR_WINDOW = 29,
        TCP_FASTOPEN_CONNECT = 30,
        TCP_ULP = 31,
        TCP_MD5SIG_EXT = 32,
        TCP_FASTOPEN_KEY = 33,
        TCP_FASTOPEN_NO_COOKIE = 34,
        TCP_ZEROCOPY_RECEIVE = 35,
        TCP_INQ = 36,
        TCP_TX_DELAY = 37,
    }

    /// Options of IPPROTO_UDP, udp(7).
    UDP_SOCKOPTS: i32 {
        UDP_CORK = 1,
        UDP_ENCAP = 100,
        UDP_NO_CHECK6_TX = 101,
        UDP_NO_CHECK6_RX = 102,
        UDP_SEGMENT = 103,
        UDP_GRO = 104,
    }

    /// `tcpi_options` of [`TcpInfo`].
    TCPI_OPTIONS: u8 {
        TCPI_OPT_TIMESTAMPS = 1,
        TCPI_OPT_SACK = 2,
        TCPI_OPT_WSCALE = 4,
        TCPI_OPT_ECN = 8,
        TCPI_OPT_ECN_SEEN = 16,
        TCPI_OPT_SYN_DATA = 32,
    }
}
constants! {
    /// `tcpi_state` of [`TcpInfo`], and the `st` column of /proc/net/tcp.
    TCP_STATES: u8 {
        TCP_ESTABLISHED = 1,
        TCP_SYN_SENT = 2,
        TCP_SYN_RECV = 3,
        TCP_FIN_WAIT1 = 4,
        TCP_FIN_WAIT2 = 5,
        TCP_TIME_WAIT = 6,
        TCP_CLOSE = 7,
        TCP_CLOSE_WAIT = 8,
        TCP_LAST_ACK = 9,
        TCP_LISTEN = 10,
        TCP_CLOSING = 11,
    }
}
constants! {
    /// Types of ICMP messages.
    ICMP_TYPES: u8 {
        ICMP_ECHOREPLY = 0,
        ICMP_DEST_UNREACH = 3,
        ICMP_SOURCE_QUENCH = 4,
        ICMP_REDIRECT = 5,
        ICMP_ECHO = 8,
        ICMP_TIME_EXCEEDED = 11,
        ICMP_PARAMETERPROB = 12,
        ICMP_TIMESTAMP = 13,
        ICMP_TIMESTAMPREPLY = 14,
    }
    /// The filter option of raw ICMP sockets.
    ICMP_SOCKOPTS: i32 {
        ICMP_FILTER = 1,
        ICMPV6_FILTER = 1,
    }
}

layouts! {
    /// Address of AF_INET; port and address in network order.
    any "struct sockaddr_in" SockaddrIn {
        sin_family: u16,
        sin_port: [u8; 2],
        sin_addr: [u8; 4],
        _pad0: [u8; 8],
    }

    /// Address of AF_INET6; port and address in network order.
    any "struct sockaddr_in6" SockaddrIn6 {
        sin6_family: u16,
        sin6_port: [u8; 2],
        sin6_flowinfo: [u8; 4],
        sin6_addr: [u8; 16],
        sin6_scope_id: u32,
    }

    /// IP_ADD_MEMBERSHIP, old form.
    any "struct ip_mreq" IpMreq {
        imr_multiaddr: [u8; 4],
        imr_interface: [u8; 4],
    }

    /// IP_ADD_MEMBERSHIP.
    any "struct ip_mreqn" IpMreqn {
        imr_multiaddr: [u8; 4],
        imr_address: [u8; 4],
        imr_ifindex: i32,
    }

    /// IP_PKTINFO.
    any "struct in_pktinfo" InPktinfo {
        ipi_ifindex: i32,
        ipi_spec_dst: [u8; 4],
        ipi_addr: [u8; 4],
    }

    /// IPV6_ADD_MEMBERSHIP.
    any "struct ipv6_mreq" Ipv6Mreq {
        ipv6mr_multiaddr: [u8; 16],
        ipv6mr_ifindex: i32,
    }
}
layouts! {
    /// IPV6_PKTINFO.
    any "struct in6_pktinfo" In6Pktinfo {
        ipi6_addr: [u8; 16],
        ipi6_ifindex: i32,
    }
}
layouts! {
    /// Control message of MSG_ERRQUEUE, recv(2).
    any "struct sock_extended_err" SockExtendedErr {
        ee_errno: u32,
        ee_origin: u8,
        ee_type: u8,
        ee_code: u8,
        ee_pad: u8,
        ee_info: u32,
        ee_data: u32,
    }
}
layouts! {
    /// TCP_INFO, up to `tcpi_total_retrans` (which is what tcp(7) promises); the bit fields are bytes here.
    any_prefix "struct tcp_info" TcpInfo {
        tcpi_state: u8,
        tcpi_ca_state: u8,
        tcpi_retransmits: u8,
        tcpi_probes: u8,
        tcpi_backoff: u8,
        tcpi_options: u8,
        /// Low half: what the sender scales the window by; high half: the receiver.
        wscale: u8,
        delivery_rate_app_limited: u8,
        tcpi_rto: u32,
        tcpi_ato: u32,
        tcpi_snd_mss: u32,
        tcpi_rcv_mss: u32,
        tcpi_unacked: u32,
        tcpi_sacked: u32,
        tcpi_lost: u32,
        tcpi_retrans: u32,
        tcpi_fackets: u32,
        tcpi_last_data_sent: u32,
        tcpi_last_ack_sent: u32,
        tcpi_last_data_recv: u32,
        tcpi_last_ack_recv: u32,
        tcpi_pmtu: u32,
        tcpi_rcv_ssthresh: u32,
        tcpi_rtt: u32,
        tcpi_rttvar: u32,
        tcpi_snd_ssthresh: u32,
        tcpi_snd_cwnd: u32,
        tcpi_advmss: u32,
        tcpi_reordering: u32,
        tcpi_rcv_rtt: u32,
        tcpi_rcv_space: u32,
        tcpi_total_retrans: u32,
    }
}
