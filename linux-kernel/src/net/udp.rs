//! UDP over the loopback interface (udp(7)).

use super::inbox::{Inbox, Parcel};
use super::inet;
use super::options::SocketBase;
use super::ports::{Binding, Local, PortTable};
use super::{Outgoing, Received, Shutdown, Socket};
use crate::file::{Blocking, Io, Ready, Result};
use crate::task::{Arch, Task};
use async_trait::async_trait;
use core::net::SocketAddr;
use linux_abi::Errno;
use linux_abi::inet::IPPROTO_UDP;
use linux_abi::socket::{MsgFlags, SOCK_DGRAM};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

/// Largest payload: what a 16-bit length holds, less the headers of IPv4 and UDP.
const MAX_PAYLOAD: usize = 65507;
/// What a datagram takes of a receive buffer besides its bytes.
const DATAGRAM_COST: usize = 512;

/// A UDP socket.
pub struct UdpSocket {
    me: Weak<UdpSocket>,
    base: SocketBase,
    ports: PortTable<UdpSocket>,
    binding: RefCell<Option<Binding<UdpSocket>>>,
    /// Address that datagrams come from, once connected.
    source: Cell<Option<SocketAddr>>,
    remote: Cell<Option<SocketAddr>>,
    inbox: Inbox,
    shut: Cell<Shutdown>,
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UdpSocket({:?} -> {:?})", self.binding.borrow(), self.remote.get())
    }
}

impl UdpSocket {
    /// A new socket.
    pub fn create(task: &Task, domain: u16) -> Rc<UdpSocket> {
        Rc::new_cyclic(|me| UdpSocket {
            me: me.clone(),
            base: SocketBase::new(domain, SOCK_DGRAM, IPPROTO_UDP as i32),
            ports: task.kernel.ports.udp.clone(),
            binding: RefCell::default(),
            source: Cell::new(None),
            remote: Cell::new(None),
            inbox: Inbox::default(),
            shut: Cell::new(Shutdown::NONE),
        })
    }

    fn bind_to(&self, local: Local, port: u16) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let binding = self.ports.bind(&me, local, port)?;
        *self.binding.borrow_mut() = Some(binding);
        Ok(())
    }

    fn bind_if_needed(&self) -> Result<()> {
        if self.binding.borrow().is_some() {
            return Ok(());
        }
        let local = Local { address: inet::any(self.base.domain), v6_only: inet::is_v6_only(&self.base) };
        self.bind_to(local, 0)
    }

    /// Address and port that a datagram to `to` comes from.
    fn source_for(&self, to: SocketAddr) -> Option<SocketAddr> {
        let binding = self.binding.borrow();
        let binding = binding.as_ref()?;
        let own = binding.local.address;
        let ip = if own.is_unspecified() { inet::loopback_like(to.ip()) } else { own };
        Some(SocketAddr::new(ip, binding.port))
    }

    /// Takes a datagram in, or loses it where the buffer is full.
    fn deliver(&self, data: &[u8], from: SocketAddr) {
        let load = self.inbox.bytes() + (self.inbox.len() + 1) * DATAGRAM_COST;
        if self.shut.get().has(Shutdown::READ) || load + data.len() > self.base.receive_buffer.get() {
            return;
        }
        let from = Some(inet::encode(self.base.domain, from));
        self.inbox.push(Parcel { data: data.iter().copied().collect(), from, ..Parcel::default() });
        self.base.changed.wake_all();
    }
}

#[async_trait(?Send)]
impl Socket for UdpSocket {
    fn base(&self) -> &SocketBase {
        &self.base
    }

    fn ready(&self) -> Ready {
        let shut = self.shut.get();
        let mut ready = Ready::when(!self.inbox.is_empty() || shut.has(Shutdown::READ), true);
        for (condition, bits) in [
            (self.base.has_error(), Ready::ERR),
            (shut == Shutdown::BOTH, Ready::HUP),
            (shut.has(Shutdown::READ), Ready::RDHUP),
        ] {
            if condition {
                ready = ready.union(bits);
            }
        }
        ready
    }

    async fn bind(&self, task: &Rc<Task>, address: &[u8]) -> Result<()> {
        let (local, port) = inet::bindable(task, &self.base, address)?;
        if self.binding.borrow().is_some() {
            return Err(Errno::EINVAL);
        }
        self.bind_to(local, port)
    }

    async fn connect(&self, _io: Io<'_>, address: &[u8]) -> Result<()> {
        if inet::is_unspecified_family(address) {
            self.remote.set(None);
            self.source.set(None);
            return Ok(());
        }
        let to = inet::destination(&self.base, inet::parse(self.base.domain, address)?)?;
        self.bind_if_needed()?;
        self.remote.set(Some(to));
        self.source.set(self.source_for(to));
        self.base.changed.wake_all();
        Ok(())
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        let bound = self.binding.borrow().as_ref().map(|b| SocketAddr::new(b.local.address, b.port));
        let address = self.source.get().or(bound).unwrap_or(SocketAddr::new(inet::any(self.base.domain), 0));
        Ok(inet::encode(self.base.domain, address))
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        self.remote.get().map(|remote| inet::encode(self.base.domain, remote)).ok_or(Errno::ENOTCONN)
    }

    async fn send(&self, _io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.data.len() > MAX_PAYLOAD {
            return Err(Errno::EMSGSIZE);
        }
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.shut.get().has(Shutdown::WRITE) {
            return Err(Errno::EPIPE);
        }
        let to = match message.to {
            Some(address) => {
                let to = inet::parse(self.base.domain, address)?;
                if to.port() == 0 {
                    return Err(Errno::EINVAL);
                }
                inet::destination(&self.base, to)?
            }
            None => self.remote.get().ok_or(Errno::EDESTADDRREQ)?,
        };
        if let Some(error) = self.base.take_error() {
            return Err(error);
        }
        self.bind_if_needed()?;
        let source = self.source_for(to).ok_or(Errno::EINVAL)?;
        // A connected socket hears only its peer, and goes before others.
        let receiver = self.ports.find(to, |socket| match socket.remote.get() {
            None => Some(0),
            Some(remote) => (remote == source).then_some(1),
        });
        match receiver {
            Some(receiver) => receiver.deliver(message.data, source),
            // The "port unreachable" comes back to who is connected (udp(7)).
            None if self.remote.get() == Some(to) => self.base.set_error(Errno::ECONNREFUSED),
            None => {}
        }
        Ok(message.data.len())
    }

    async fn receive(&self, io: Io<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received> {
        if flags.contains(MsgFlags::ERRQUEUE) {
            return Err(Errno::EAGAIN);
        }
        let read = || {
            if let Some(error) = self.base.take_error() {
                return Some(Err(error));
            }
            if let Some(received) = self.inbox.read_message(buf, flags.contains(MsgFlags::PEEK)) {
                return Some(Ok(received));
            }
            // Who does not wait is not told of the end (__skb_wait_for_more_packets is what looks).
            let end = self.shut.get().has(Shutdown::READ) && io.blocking == Blocking::Wait;
            end.then(|| Ok(Received::default()))
        };
        self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), read).await
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        // It takes effect even where it says that there is no connection (inet_shutdown).
        self.shut.set(self.shut.get().with(how));
        self.base.changed.wake_all();
        if self.remote.get().is_some() { Ok(()) } else { Err(Errno::ENOTCONN) }
    }

    fn close(&self) {
        self.shut.set(Shutdown::BOTH);
        drop(self.binding.take());
        self.inbox.clear();
        self.base.changed.wake_all();
    }

    fn queued(&self) -> Result<(usize, usize)> {
        Ok((self.inbox.first_len(), 0))
    }

    fn get_option(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        inet::get_option(&self.base, arch, level, name, self.remote.get().is_some())
    }

    fn set_option(&self, task: &Task, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let bound = self.binding.borrow().is_some();
        inet::set_option(&self.base, task, level, name, value, bound)
    }
}
