//! Netlink sockets (netlink(7)): of the protocols only NETLINK_ROUTE (rtnetlink(7)), which answers what there is to
//! ask about the loopback interface. Nothing changes, so nothing is ever announced to groups.

use super::inbox::{Inbox, Parcel};
use super::interface;
use super::options::{SocketBase, int, int_of};
use super::{Outgoing, Received, Shutdown, Socket};
use crate::file::{Io, Ready, Result};
use crate::mm::from_prefix;
use crate::task::{Arch, Task};
use async_trait::async_trait;
use bytemuck::Pod;
use core::net::{Ipv4Addr, Ipv6Addr};
use linux_abi::Errno;
use linux_abi::netdevice::{ARPHRD_LOOPBACK, IF_OPER_UNKNOWN};
use linux_abi::netlink::*;
use linux_abi::socket::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNSPEC, MsgFlags, SOCK_DGRAM, SOCK_RAW, SOL_NETLINK,
};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// Messages and attributes begin at multiples of this.
const ALIGN: usize = 4;
/// Bytes of answers not yet read above which requests are refused with `ENOBUFS`.
const MAX_ANSWERS: usize = 1 << 20;

/// A netlink socket.
pub struct NetlinkSocket {
    base: SocketBase,
    /// `nl_pid`, 0 before it has one.
    port: Cell<u32>,
    groups: Cell<u32>,
    inbox: Inbox,
}

impl fmt::Debug for NetlinkSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetlinkSocket(port {})", self.port.get())
    }
}

/// Makes a netlink socket.
pub fn create(kind: u32, protocol: i32) -> Result<Rc<dyn Socket>> {
    if !matches!(kind, SOCK_RAW | SOCK_DGRAM) {
        return Err(Errno::ESOCKTNOSUPPORT);
    }
    if protocol != NETLINK_ROUTE as i32 {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let base = SocketBase::new(AF_NETLINK, kind, protocol);
    Ok(Rc::new(NetlinkSocket { base, port: Cell::new(0), groups: Cell::new(0), inbox: Inbox::default() }))
}

fn encode(port: u32, groups: u32) -> Vec<u8> {
    bytemuck::bytes_of(&SockaddrNl {
        nl_family: AF_NETLINK,
        nl_pid: port,
        nl_groups: groups,
        ..SockaddrNl::default()
    })
    .to_vec()
}

fn parse(bytes: &[u8]) -> Result<SockaddrNl> {
    if bytes.len() < size_of::<SockaddrNl>() {
        return Err(Errno::EINVAL);
    }
    let address: SockaddrNl = from_prefix(bytes);
    if address.nl_family != AF_NETLINK { Err(Errno::EINVAL) } else { Ok(address) }
}

/// A message under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: NlmFlags, request: &Nlmsghdr, port: u32, body: &impl Pod) -> Message {
        let head = Nlmsghdr {
            nlmsg_len: 0,
            nlmsg_type: kind,
            nlmsg_flags: flags.bits(),
            nlmsg_seq: request.nlmsg_seq,
            nlmsg_pid: port,
        };
        let mut bytes = bytemuck::bytes_of(&head).to_vec();
        bytes.extend_from_slice(bytemuck::bytes_of(body));
        Message(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Message {
        self.0.extend_from_slice(bytes);
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
        let head = Rtattr { rta_len: (size_of::<Rtattr>() + value.len()) as u16, rta_type: kind };
        self.0.extend_from_slice(bytemuck::bytes_of(&head));
        self.raw(value)
    }

    fn number(self, kind: u16, value: u32) -> Message {
        self.attribute(kind, &value.to_le_bytes())
    }

    fn finish(mut self) -> Vec<u8> {
        let len = (self.0.len() as u32).to_le_bytes();
        if let Some(place) = self.0.first_chunk_mut::<4>() {
            *place = len;
        }
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
        self.0
    }
}

/// RTM_NEWLINK for the loopback interface.
fn link(request: &Nlmsghdr, port: u32, flags: NlmFlags) -> Vec<u8> {
    let body = Ifinfomsg {
        ifi_family: AF_UNSPEC as u8,
        ifi_type: ARPHRD_LOOPBACK,
        ifi_index: interface::INDEX,
        ifi_flags: interface::FLAGS.bits(),
        ..Ifinfomsg::default()
    };
    let name = [interface::NAME, b"\0"].concat();
    Message::new(RTM_NEWLINK, flags, request, port, &body)
        .attribute(IFLA_IFNAME, &name)
        .number(IFLA_TXQLEN, interface::TX_QUEUE_LEN)
        .attribute(IFLA_OPERSTATE, &[IF_OPER_UNKNOWN])
        .attribute(IFLA_LINKMODE, &[0])
        .number(IFLA_MTU, interface::MTU)
        .number(IFLA_GROUP, 0)
        .number(IFLA_PROMISCUITY, 0)
        .number(IFLA_NUM_TX_QUEUES, 1)
        .number(IFLA_NUM_RX_QUEUES, 1)
        .attribute(IFLA_CARRIER, &[1])
        .attribute(IFLA_QDISC, b"noqueue\0")
        .attribute(IFLA_ADDRESS, &[0; 6])
        .attribute(IFLA_BROADCAST, &[0; 6])
        .finish()
}

/// RTM_NEWADDR for an address of the loopback interface.
fn address(request: &Nlmsghdr, port: u32, family: u16, prefix: u8, bytes: &[u8]) -> Vec<u8> {
    let body = Ifaddrmsg {
        ifa_family: family as u8,
        ifa_prefixlen: prefix,
        ifa_flags: IFA_F_PERMANENT as u8,
        ifa_scope: RT_SCOPE_HOST,
        ifa_index: interface::INDEX as u32,
    };
    let for_ever = IfaCacheinfo { ifa_prefered: u32::MAX, ifa_valid: u32::MAX, ..IfaCacheinfo::default() };
    let mut message =
        Message::new(RTM_NEWADDR, NlmFlags::MULTI, request, port, &body).attribute(IFA_ADDRESS, bytes);
    if family == AF_INET {
        let label = [interface::NAME, b"\0"].concat();
        message = message.attribute(IFA_LOCAL, bytes).attribute(IFA_LABEL, &label);
    }
    message
        .number(IFA_FLAGS, IFA_F_PERMANENT)
        .attribute(IFA_CACHEINFO, bytemuck::bytes_of(&for_ever))
        .finish()
}

fn done(request: &Nlmsghdr, port: u32) -> Vec<u8> {
    Message::new(NLMSG_DONE, NlmFlags::MULTI, request, port, &0i32).finish()
}

/// NLMSG_ERROR: 0 acknowledges; an error brings the request back.
fn error(request: &Nlmsghdr, port: u32, whole: &[u8], error: Option<Errno>) -> Vec<u8> {
    let body = Nlmsgerr { error: error.map_or(0, |error| -i32::from(error.0)), msg: *request };
    let message = Message::new(NLMSG_ERROR, NlmFlags::empty(), request, port, &body);
    let rest = whole.get(size_of::<Nlmsghdr>()..).filter(|_| error.is_some()).unwrap_or_default();
    message.raw(rest).finish()
}

/// The attributes after a body, as (type, value).
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= size_of::<Rtattr>() {
        let head: Rtattr = from_prefix(bytes);
        let len = usize::from(head.rta_len);
        let Some(value) = bytes.get(size_of::<Rtattr>()..len) else { break };
        found.push((head.rta_type, value));
        bytes = bytes.get(len.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
    found
}

/// Whether a request for one link names the one there is.
fn asks_for_loopback(body: &[u8]) -> bool {
    let info: Ifinfomsg = from_prefix(body);
    let named =
        attributes(body.get(size_of::<Ifinfomsg>()..).unwrap_or_default()).iter().any(|(kind, value)| {
            *kind == IFLA_IFNAME && value.split(|byte| *byte == 0).next() == Some(interface::NAME)
        });
    info.ifi_index == interface::INDEX || info.ifi_index == 0 && named
}

/// Answers one request: the datagrams to send back.
fn answer(request: &Nlmsghdr, whole: &[u8], port: u32, privileged: bool) -> Vec<Vec<u8>> {
    let flags = NlmFlags::from_bits_retain(request.nlmsg_flags);
    if !flags.contains(NlmFlags::REQUEST) || request.nlmsg_type < NLMSG_MIN_TYPE {
        let ack = flags.contains(NlmFlags::ACK);
        return if ack { vec![error(request, port, whole, None)] } else { Vec::new() };
    }
    let body = whole.get(size_of::<Nlmsghdr>()..).unwrap_or_default();
    let family = body.first().map_or(AF_UNSPEC, |family| u16::from(*family));
    let dump = flags.contains(NlmFlags::DUMP);
    let wants = |of: u16| family == AF_UNSPEC || family == of;
    let refuse = |errno| vec![error(request, port, whole, Some(errno))];
    match (request.nlmsg_type, dump) {
        (RTM_GETLINK, true) => vec![link(request, port, NlmFlags::MULTI), done(request, port)],
        (RTM_GETLINK, false) if asks_for_loopback(body) => vec![link(request, port, NlmFlags::empty())],
        (RTM_GETLINK, false) => refuse(Errno::ENODEV),
        (RTM_GETADDR, true) => {
            let mut both = Vec::new();
            if wants(AF_INET) {
                both.extend(address(request, port, AF_INET, 8, &Ipv4Addr::LOCALHOST.octets()));
            }
            if wants(AF_INET6) {
                both.extend(address(request, port, AF_INET6, 128, &Ipv6Addr::LOCALHOST.octets()));
            }
            let mut answers = vec![both, done(request, port)];
            answers.retain(|answer| !answer.is_empty());
            answers
        }
        (RTM_GETROUTE | RTM_GETNEIGH | RTM_GETRULE | RTM_GETQDISC | RTM_GETNETCONF, true) => {
            vec![done(request, port)]
        }
        (RTM_GETROUTE, false) => refuse(Errno::ENETUNREACH),
        // Of each group of four types the third asks (rtnetlink(7)); the others change something.
        (kind, _) if kind % 4 != RTM_GETLINK % 4 && !privileged => refuse(Errno::EPERM),
        _ => refuse(Errno::EOPNOTSUPP),
    }
}

impl NetlinkSocket {
    fn bind_auto(&self, task: &Task) {
        if self.port.get() == 0 {
            // Answers are found by their socket, so two sockets of one process may share the number.
            self.port.set(task.process.pid as u32);
        }
    }

    fn serve(&self, task: &Task, mut data: &[u8]) {
        while data.len() >= size_of::<Nlmsghdr>() {
            let request: Nlmsghdr = from_prefix(data);
            let len = request.nlmsg_len as usize;
            let Some(whole) = data.get(..len).filter(|_| len >= size_of::<Nlmsghdr>()) else { break };
            for answer in answer(&request, whole, self.port.get(), task.cred().privileged()) {
                self.inbox.push(Parcel {
                    data: answer.into(),
                    from: Some(encode(0, 0)),
                    ..Parcel::default()
                });
            }
            data = data.get(len.next_multiple_of(ALIGN)..).unwrap_or_default();
        }
        self.base.changed.wake_all();
    }
}

#[async_trait(?Send)]
impl Socket for NetlinkSocket {
    fn base(&self) -> &SocketBase {
        &self.base
    }

    fn ready(&self) -> Ready {
        Ready::when(!self.inbox.is_empty(), true)
    }

    async fn bind(&self, task: &Rc<Task>, address: &[u8]) -> Result<()> {
        let address = parse(address)?;
        if self.port.get() != 0 && address.nl_pid != self.port.get() && address.nl_pid != 0 {
            return Err(Errno::EINVAL);
        }
        if address.nl_pid != 0 {
            self.port.set(address.nl_pid);
        }
        self.bind_auto(task);
        self.groups.set(address.nl_groups);
        Ok(())
    }

    async fn connect(&self, io: Io<'_>, address: &[u8]) -> Result<()> {
        if !super::inet::is_unspecified_family(address) {
            parse(address)?;
            self.bind_auto(io.task);
        }
        Ok(())
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        Ok(encode(self.port.get(), self.groups.get()))
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        Ok(encode(0, 0))
    }

    async fn send(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let to = message.to.map(parse).transpose()?;
        if to.is_some_and(|to| to.nl_groups != 0) && !io.task.cred().privileged() {
            return Err(Errno::EPERM);
        }
        // Only the kernel has a port here.
        if to.is_some_and(|to| to.nl_pid != 0) {
            return Err(Errno::ECONNREFUSED);
        }
        if message.data.len() > self.base.send_buffer.get() {
            return Err(Errno::EMSGSIZE);
        }
        if self.inbox.bytes() > MAX_ANSWERS {
            return Err(Errno::ENOBUFS);
        }
        self.bind_auto(io.task);
        self.serve(io.task, message.data);
        Ok(message.data.len())
    }

    async fn receive(&self, io: Io<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received> {
        if flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let read = || self.inbox.read_message(buf, flags.contains(MsgFlags::PEEK)).map(Ok);
        self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), read).await
    }

    fn shutdown(&self, _how: Shutdown) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    fn close(&self) {
        self.inbox.clear();
    }

    fn queued(&self) -> Result<(usize, usize)> {
        Ok((self.inbox.first_len(), 0))
    }

    fn get_option(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        match (level, name) {
            (
                SOL_NETLINK,
                NETLINK_PKTINFO
                | NETLINK_BROADCAST_ERROR
                | NETLINK_NO_ENOBUFS
                | NETLINK_CAP_ACK
                | NETLINK_EXT_ACK
                | NETLINK_GET_STRICT_CHK,
            ) => int(self.base.number(level, name, 0)),
            (SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS) => int(self.groups.get() as i32),
            (SOL_NETLINK, _) => Err(Errno::ENOPROTOOPT),
            _ => self.base.get(arch, level, name),
        }
    }

    fn set_option(&self, task: &Task, level: i32, name: i32, value: &[u8]) -> Result<()> {
        match (level, name) {
            (
                SOL_NETLINK,
                NETLINK_PKTINFO
                | NETLINK_BROADCAST_ERROR
                | NETLINK_NO_ENOBUFS
                | NETLINK_CAP_ACK
                | NETLINK_EXT_ACK
                | NETLINK_GET_STRICT_CHK,
            ) => {
                self.base.set_number(level, name, i32::from(int_of(value)? != 0));
                Ok(())
            }
            (SOL_NETLINK, NETLINK_ADD_MEMBERSHIP | NETLINK_DROP_MEMBERSHIP) => {
                let group =
                    u32::try_from(int_of(value)?).ok().filter(|group| *group > 0).ok_or(Errno::EINVAL)?;
                // Groups above 32 have no bit in an address; nothing is announced to them either.
                let bit = 1u32.checked_shl(group - 1).unwrap_or(0);
                let groups = self.groups.get();
                self.groups.set(if name == NETLINK_ADD_MEMBERSHIP { groups | bit } else { groups & !bit });
                Ok(())
            }
            (SOL_NETLINK, _) => Err(Errno::ENOPROTOOPT),
            _ => self.base.set(task, level, name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: u16, flags: NlmFlags, body: &[u8]) -> (Nlmsghdr, Vec<u8>) {
        let len = (size_of::<Nlmsghdr>() + body.len()) as u32;
        let flags = (flags | NlmFlags::REQUEST).bits();
        let head =
            Nlmsghdr { nlmsg_len: len, nlmsg_type: kind, nlmsg_flags: flags, nlmsg_seq: 7, nlmsg_pid: 0 };
        (head, [bytemuck::bytes_of(&head), body].concat())
    }

    /// Types of the messages in answers, after checking that their lengths add up.
    fn types(answers: &[Vec<u8>]) -> Vec<Vec<u16>> {
        let split = |mut bytes: &[u8]| {
            let mut types = Vec::new();
            while !bytes.is_empty() {
                let head: Nlmsghdr = from_prefix(bytes);
                assert_eq!((head.nlmsg_seq, head.nlmsg_pid), (7, 9));
                types.push(head.nlmsg_type);
                bytes = &bytes[(head.nlmsg_len as usize).next_multiple_of(ALIGN)..];
            }
            types
        };
        answers.iter().map(|answer| split(answer)).collect()
    }

    /// Type, flags, body, privileged, types answered.
    type Case<'a> = (u16, NlmFlags, &'a [u8], bool, &'a [&'a [u16]]);

    #[test]
    fn requests_and_answers() {
        let lo = bytemuck::bytes_of(&Ifinfomsg { ifi_index: 1, ..Ifinfomsg::default() }).to_vec();
        let eth0 = bytemuck::bytes_of(&Ifinfomsg { ifi_index: 2, ..Ifinfomsg::default() }).to_vec();
        #[rustfmt::skip] // One request a line.
        let cases: &[Case<'_>] = &[
            (RTM_GETLINK, NlmFlags::DUMP, &[0], false, &[&[RTM_NEWLINK], &[NLMSG_DONE]]),
            (RTM_GETADDR, NlmFlags::DUMP, &[0], false, &[&[RTM_NEWADDR, RTM_NEWADDR], &[NLMSG_DONE]]),
            (RTM_GETADDR, NlmFlags::DUMP, &[2], false, &[&[RTM_NEWADDR], &[NLMSG_DONE]]),
            (RTM_GETADDR, NlmFlags::DUMP, &[7], false, &[&[NLMSG_DONE]]),
            (RTM_GETROUTE, NlmFlags::DUMP, &[0], false, &[&[NLMSG_DONE]]),
            (RTM_GETLINK, NlmFlags::empty(), &lo, false, &[&[RTM_NEWLINK]]),
            (RTM_GETLINK, NlmFlags::empty(), &eth0, false, &[&[NLMSG_ERROR]]),
            (RTM_NEWADDR, NlmFlags::ACK, &[0], true, &[&[NLMSG_ERROR]]),
            (NLMSG_NOOP, NlmFlags::empty(), &[], true, &[]),
        ];
        for (kind, flags, body, privileged, expected) in cases {
            let (head, whole) = request(*kind, *flags, body);
            assert_eq!(types(&answer(&head, &whole, 9, *privileged)), *expected, "{kind} {flags:?}");
        }
    }

    #[test]
    fn errors_carry_the_errno_and_the_request() {
        for (privileged, errno) in [(false, Errno::EPERM), (true, Errno::EOPNOTSUPP)] {
            let (head, whole) = request(RTM_NEWADDR, NlmFlags::ACK, &[1, 2, 3, 4]);
            let answers = answer(&head, &whole, 9, privileged);
            let body: Nlmsgerr = from_prefix(&answers[0][size_of::<Nlmsghdr>()..]);
            assert_eq!(body, Nlmsgerr { error: -i32::from(errno.0), msg: head });
            assert_eq!(answers[0].len(), size_of::<Nlmsghdr>() + size_of::<Nlmsgerr>() + 4);
        }
    }
}
