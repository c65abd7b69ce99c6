//! What TCP and UDP sockets share: addresses, which of them exist, and the options of IP (ip(7), ipv6(7)).
//!
//! There is only the loopback interface: 127.0.0.0/8 and ::1 lead to this machine's own sockets, every other
//! address is `ENETUNREACH`.

use super::Socket;
use super::options::{SocketBase, int, int_of};
use super::ports::Local;
use super::tcp::TcpSocket;
use super::udp::UdpSocket;
use crate::file::Result;
use crate::mm::from_prefix;
use crate::task::{Arch, Task};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use linux_abi::Errno;
use linux_abi::inet::*;
use linux_abi::socket::{
    AF_INET, AF_INET6, AF_UNSPEC, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP,
    SOL_UDP,
};
use std::rc::Rc;

/// Largest packet of the loopback interface.
pub const LOOPBACK_MTU: i32 = 65536;
/// Ports below this are for root (/proc/sys/net/ipv4/ip_unprivileged_port_start).
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Makes a TCP or UDP socket.
pub fn create(task: &Task, domain: u16, kind: u32, protocol: i32) -> Result<Rc<dyn Socket>> {
    const ANY: u32 = IPPROTO_IP;
    let protocol = u32::try_from(protocol).map_err(|_| Errno::EINVAL)?;
    match (kind, protocol) {
        (SOCK_STREAM, ANY | IPPROTO_TCP) => Ok(TcpSocket::create(task, domain)),
        (SOCK_DGRAM, ANY | IPPROTO_UDP) => Ok(UdpSocket::create(task, domain)),
        // Unprivileged ping is for the groups of ping_group_range, which by default has none (icmp(7)).
        (SOCK_DGRAM, IPPROTO_ICMP | IPPROTO_ICMPV6) => Err(Errno::EACCES),
        (SOCK_STREAM | SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
        (SOCK_RAW, _) if !task.cred().privileged() => Err(Errno::EPERM),
        (SOCK_RAW, ANY) => Err(Errno::EPROTONOSUPPORT),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// Whether an address is the one that undoes connect(2).
pub fn is_unspecified_family(bytes: &[u8]) -> bool {
    bytes.get(..2) == Some(&AF_UNSPEC.to_le_bytes()[..])
}

/// Reads a `sockaddr_in` or `sockaddr_in6` for a socket of a family. IPv4 mapped into IPv6 becomes IPv4.
pub fn parse(domain: u16, bytes: &[u8]) -> Result<SocketAddr> {
    // The scope id of IPv6 came later: shorter addresses are still taken (net/ipv6.h SIN6_LEN_RFC2133).
    const OLD_IN6: usize = 24;
    let least = if domain == AF_INET { size_of::<SockaddrIn>() } else { OLD_IN6 };
    let family = bytes.first_chunk::<2>().map(|family| u16::from_le_bytes(*family)).ok_or(Errno::EINVAL)?;
    if bytes.len() < least {
        return Err(Errno::EINVAL);
    }
    if family != domain {
        return Err(Errno::EAFNOSUPPORT);
    }
    if domain == AF_INET {
        let address: SockaddrIn = from_prefix(bytes);
        Ok(SocketAddr::new(Ipv4Addr::from(address.sin_addr).into(), u16::from_be_bytes(address.sin_port)))
    } else {
        let address: SockaddrIn6 = from_prefix(bytes);
        let ip = IpAddr::from(Ipv6Addr::from(address.sin6_addr)).to_canonical();
        Ok(SocketAddr::new(ip, u16::from_be_bytes(address.sin6_port)))
    }
}

/// Writes an address as a socket of a family shows it.
pub fn encode(domain: u16, address: SocketAddr) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    if domain == AF_INET {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let raw = SockaddrIn {
            sin_family: AF_INET,
            sin_port: port,
            sin_addr: ip.octets(),
            ..SockaddrIn::default()
        };
        bytemuck::bytes_of(&raw).to_vec()
    } else {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let v6 = SocketAddrV6::new(ip, address.port(), 0, 0);
        let raw = SockaddrIn6 {
            sin6_family: AF_INET6,
            sin6_port: port,
            sin6_addr: v6.ip().octets(),
            ..SockaddrIn6::default()
        };
        bytemuck::bytes_of(&raw).to_vec()
    }
}

/// The unspecified address of a family.
pub fn any(domain: u16) -> IpAddr {
    if domain == AF_INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// The loopback address of the same family.
pub fn loopback_like(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Where something sent to an address goes: the unspecified one means this machine.
pub fn destination(base: &SocketBase, to: SocketAddr) -> Result<SocketAddr> {
    if to.is_ipv4() && is_v6_only(base) {
        return Err(Errno::ENETUNREACH);
    }
    if to.ip().is_unspecified() {
        return Ok(SocketAddr::new(loopback_like(to.ip()), to.port()));
    }
    if to.ip().is_loopback() { Ok(to) } else { Err(Errno::ENETUNREACH) }
}

/// Whether a socket takes only IPv6.
pub fn is_v6_only(base: &SocketBase) -> bool {
    base.domain == AF_INET6 && base.number(SOL_IPV6, IPV6_V6ONLY, 0) != 0
}

/// What bind(2) may bind to.
pub fn bindable(task: &Task, base: &SocketBase, bytes: &[u8]) -> Result<(Local, u16)> {
    let address = if is_unspecified_family(bytes) && base.domain == AF_INET {
        // Old programs leave the family out; only with the unspecified address (inet_bind).
        let fixed = [&AF_INET.to_le_bytes(), bytes.get(2..).unwrap_or_default()].concat();
        parse(base.domain, &fixed)
            .and_then(|a| if a.ip().is_unspecified() { Ok(a) } else { Err(Errno::EAFNOSUPPORT) })?
    } else {
        parse(base.domain, bytes)?
    };
    let v6_only = is_v6_only(base);
    let ip = address.ip();
    let mapped_any = ip.is_ipv4() && base.domain == AF_INET6 && v6_only;
    let free = base.number(SOL_IP, IP_FREEBIND, 0) != 0;
    if mapped_any || !(ip.is_unspecified() || ip.is_loopback() || free) {
        return Err(if mapped_any { Errno::EINVAL } else { Errno::EADDRNOTAVAIL });
    }
    if address.port() != 0 && address.port() < FIRST_UNPRIVILEGED && !task.cred().privileged() {
        return Err(Errno::EACCES);
    }
    Ok((Local { address: ip, v6_only }, address.port()))
}

/// Options that are kept and shown, with their value before they are set.
#[rustfmt::skip] // One option a line, in the headers' order.
const KEPT: &[(i32, i32, i32)] = &[
    (SOL_IP, IP_TOS, 0),
    (SOL_IP, IP_TTL, 64),
    (SOL_IP, IP_RECVOPTS, 0),
    (SOL_IP, IP_RETOPTS, 0),
    (SOL_IP, IP_PKTINFO, 0),
    (SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT),
    (SOL_IP, IP_RECVERR, 0),
    (SOL_IP, IP_RECVTTL, 0),
    (SOL_IP, IP_RECVTOS, 0),
    (SOL_IP, IP_FREEBIND, 0),
    (SOL_IP, IP_MINTTL, 0),
    (SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0),
    (SOL_IP, IP_MULTICAST_IF, 0),
    (SOL_IP, IP_MULTICAST_TTL, 1),
    (SOL_IP, IP_MULTICAST_LOOP, 1),
    (SOL_IP, IP_MULTICAST_ALL, 1),
    (SOL_IP, IP_UNICAST_IF, 0),
    (SOL_IPV6, IPV6_UNICAST_HOPS, 64),
    (SOL_IPV6, IPV6_MULTICAST_IF, 0),
    (SOL_IPV6, IPV6_MULTICAST_HOPS, 1),
    (SOL_IPV6, IPV6_MULTICAST_LOOP, 1),
    (SOL_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_WANT),
    (SOL_IPV6, IPV6_RECVERR, 0),
    (SOL_IPV6, IPV6_V6ONLY, 0),
    (SOL_IPV6, IPV6_MULTICAST_ALL, 1),
    (SOL_IPV6, IPV6_RECVPKTINFO, 0),
    (SOL_IPV6, IPV6_RECVHOPLIMIT, 0),
    (SOL_IPV6, IPV6_DONTFRAG, 0),
    (SOL_IPV6, IPV6_RECVTCLASS, 0),
    (SOL_IPV6, IPV6_TCLASS, 0),
    (SOL_IPV6, IPV6_AUTOFLOWLABEL, 1),
    (SOL_IPV6, IPV6_ADDR_PREFERENCES, 0),
    (SOL_TCP, TCP_NODELAY, 0),
    (SOL_TCP, TCP_MAXSEG, 65483),
    (SOL_TCP, TCP_CORK, 0),
    (SOL_TCP, TCP_KEEPIDLE, 7200),
    (SOL_TCP, TCP_KEEPINTVL, 75),
    (SOL_TCP, TCP_KEEPCNT, 9),
    (SOL_TCP, TCP_SYNCNT, 6),
    (SOL_TCP, TCP_LINGER2, 60),
    (SOL_TCP, TCP_DEFER_ACCEPT, 0),
    (SOL_TCP, TCP_WINDOW_CLAMP, 0),
    (SOL_TCP, TCP_QUICKACK, 1),
    (SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0),
    (SOL_TCP, TCP_USER_TIMEOUT, 0),
    (SOL_TCP, TCP_FASTOPEN, 0),
    (SOL_TCP, TCP_NOTSENT_LOWAT, -1),
    (SOL_TCP, TCP_FASTOPEN_CONNECT, 0),
    (SOL_TCP, TCP_INQ, 0),
    (SOL_UDP, UDP_CORK, 0),
    (SOL_UDP, UDP_SEGMENT, 0),
    (SOL_UDP, UDP_GRO, 0),
];

fn kept_default(base: &SocketBase, level: i32, name: i32) -> Result<i32> {
    let fits = match level {
        SOL_IPV6 => base.domain == AF_INET6,
        SOL_TCP => base.kind == SOCK_STREAM,
        SOL_UDP => base.kind == SOCK_DGRAM,
        _ => true,
    };
    // A level that the socket does not have (do_ip_getsockopt, do_ipv6_getsockopt).
    if !fits {
        return Err(if base.domain == AF_INET { Errno::EOPNOTSUPP } else { Errno::ENOPROTOOPT });
    }
    KEPT.iter().find(|row| (row.0, row.1) == (level, name)).map(|row| row.2).ok_or(Errno::ENOPROTOOPT)
}

/// getsockopt(2) at the levels of IP and above. `connected` makes the path MTU known.
pub fn get_option(base: &SocketBase, arch: Arch, level: i32, name: i32, connected: bool) -> Result<Vec<u8>> {
    match (level, name) {
        (SOL_IP, IP_MTU) | (SOL_IPV6, IPV6_MTU) if connected => int(LOOPBACK_MTU),
        (SOL_IP, IP_MTU) | (SOL_IPV6, IPV6_MTU) => Err(Errno::ENOTCONN),
        (SOL_IP, IP_OPTIONS) => Ok(Vec::new()),
        (SOL_IP | SOL_IPV6 | SOL_TCP | SOL_UDP, _) => {
            let default = kept_default(base, level, name)?;
            int(base.number(level, name, default))
        }
        _ => base.get(arch, level, name),
    }
}

/// setsockopt(2) at the levels of IP and above. `bound` is whether the socket has an address.
pub fn set_option(
    base: &SocketBase,
    task: &Task,
    level: i32,
    name: i32,
    value: &[u8],
    bound: bool,
) -> Result<()> {
    let most = match (level, name) {
        // Joining a group on loopback: nobody sends to it.
        (SOL_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) if value.len() >= size_of::<IpMreq>() => {
            return Ok(());
        }
        (SOL_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP) if value.len() >= size_of::<Ipv6Mreq>() => {
            return Ok(());
        }
        (SOL_IP, IP_OPTIONS) => return Ok(()),
        (SOL_IPV6, IPV6_V6ONLY) if bound => return Err(Errno::EINVAL),
        (SOL_IP, IP_TTL | IP_MULTICAST_TTL | IP_TOS | IP_MINTTL) => 255,
        (SOL_IPV6, IPV6_UNICAST_HOPS | IPV6_MULTICAST_HOPS | IPV6_TCLASS) => 255,
        (SOL_TCP, TCP_KEEPIDLE | TCP_KEEPINTVL) => 32767,
        (SOL_TCP, TCP_KEEPCNT | TCP_SYNCNT) => 127,
        (SOL_IP | SOL_IPV6 | SOL_TCP | SOL_UDP, _) => i32::MAX,
        (SOL_SOCKET, _) => return base.set(task, level, name, value),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    let default = kept_default(base, level, name).map_err(|_| Errno::ENOPROTOOPT)?;
    // Options of IP may be given as one byte (ip_setsockopt).
    let number = match value {
        [byte, ..] if value.len() < 4 && level == SOL_IP => i32::from(*byte),
        _ => int_of(value)?,
    };
    // -1 sets the default back where there is a range.
    let number = if number == -1 && most != i32::MAX { default } else { number };
    if most != i32::MAX && !(0..=most).contains(&number) {
        return Err(Errno::EINVAL);
    }
    base.set_number(level, name, number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        #[rustfmt::skip] // family of the socket, address as text, its bytes' length, shown as
        let cases = [
            (AF_INET, "127.0.0.1:80", 16, "127.0.0.1:80"),
            (AF_INET6, "[::1]:443", 28, "[::1]:443"),
            (AF_INET6, "[::ffff:127.0.0.1]:443", 28, "127.0.0.1:443"),
        ];
        for (domain, text, len, shown) in cases {
            let address: SocketAddr = text.parse().unwrap();
            let bytes = encode(domain, address);
            assert_eq!(bytes.len(), len);
            let read = parse(domain, &bytes).unwrap();
            assert_eq!(read, shown.parse().unwrap());
            assert_eq!(encode(domain, read), bytes, "{text}");
            assert_eq!(parse(domain, &bytes[..8]), Err(Errno::EINVAL));
            assert_eq!(
                parse(AF_INET + AF_INET6 - domain, &bytes).unwrap_err(),
                if domain == AF_INET { Errno::EINVAL } else { Errno::EAFNOSUPPORT }
            );
        }
    }

    #[test]
    fn only_loopback_is_reachable() {
        let base = SocketBase::new(AF_INET, SOCK_DGRAM, 0);
        for (to, expected) in [
            ("127.0.0.1:1", Ok("127.0.0.1:1")),
            ("127.9.9.9:1", Ok("127.9.9.9:1")),
            ("0.0.0.0:1", Ok("127.0.0.1:1")),
            ("10.0.0.1:1", Err(Errno::ENETUNREACH)),
            ("[::]:1", Ok("[::1]:1")),
            ("[2001:db8::1]:1", Err(Errno::ENETUNREACH)),
        ] {
            assert_eq!(
                destination(&base, to.parse().unwrap()),
                expected.map(|to| to.parse().unwrap()),
                "{to}"
            );
        }
    }
}
