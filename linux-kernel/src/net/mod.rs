//! Sockets.
//!
//! The calls (`sys::socket`) know only the [`Socket`] trait. Families behind it: [`unix`], [`tcp`] and [`udp`] over
//! the loopback interface, [`netlink`]. What they share: [`options`] (SOL_SOCKET, waiting) and [`inbox`] (bytes and
//! messages received and not yet read). A [`SocketFile`] makes a socket an open file.

pub mod inbox;
pub mod inet;
pub mod interface;
pub mod names;
pub mod netlink;
pub mod options;
pub mod ports;
pub mod tcp;
pub mod udp;
pub mod unix;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;

pub use names::UnixNames;
pub use ports::Ports;

use crate::file::{FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::send::{self, Origin};
use crate::task::{Arch, Task};
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::ioctl::FIONREAD;
use linux_abi::netdevice::{SIOCATMARK, SIOCOUTQ};
use linux_abi::socket::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, MsgFlags, SOCK_PACKET, SOCK_STREAM, SockFlags, Ucred,
};
use options::SocketBase;
use std::any::Any;
use std::fmt;
use std::rc::Rc;
use vfs::FileType;

/// A message to send.
#[derive(Debug, Default)]
pub struct Outgoing<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Destination, where one was given: a `sockaddr` of at most 128 bytes.
    pub to: Option<&'a [u8]>,
    /// `MSG_*`; `MSG_DONTWAIT` is in [`Io::blocking`].
    pub flags: MsgFlags,
    /// Files to pass (`SCM_RIGHTS`).
    pub rights: Vec<Rc<OpenFile>>,
    /// Who says to have sent it (`SCM_CREDENTIALS`), checked; none: the caller.
    pub cred: Option<Ucred>,
}

/// What a receive gave besides bytes.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes put in the buffer.
    pub len: usize,
    /// Length of the message, of which `len` bytes fit.
    pub full_len: usize,
    /// Sender: a `sockaddr`, empty where it has no name; none where the kind of socket does not say.
    pub from: Option<Vec<u8>>,
    /// Files passed along.
    pub rights: Vec<Rc<OpenFile>>,
    /// Sender's credentials, where the receiver asked for them (`SO_PASSCRED`).
    pub cred: Option<Ucred>,
    /// `MSG_TRUNC` and the like.
    pub flags: MsgFlags,
}

/// How much of a connection shutdown(2) ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown(pub(crate) u8);

impl Shutdown {
    /// Neither direction.
    pub const NONE: Shutdown = Shutdown(0);
    /// Receiving.
    pub const READ: Shutdown = Shutdown(1);
    /// Sending.
    pub const WRITE: Shutdown = Shutdown(2);
    /// Both.
    pub const BOTH: Shutdown = Shutdown(3);

    /// Whether all of `other` is in it.
    pub const fn has(self, other: Shutdown) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Shutdown) -> Shutdown {
        Shutdown(self.0 | other.0)
    }

    /// What the other end of the connection sees.
    #[must_use]
    pub const fn mirrored(self) -> Shutdown {
        Shutdown(self.0 >> 1 | (self.0 & 1) << 1)
    }
}

/// A socket of any family.
///
/// Addresses are `sockaddr` bytes, family first. Methods that may wait do so by [`SocketBase::wait`], which knows
/// [`Io::blocking`] and the timeouts. [`Socket::close`] is called once, when the last descriptor goes.
#[async_trait(?Send)]
pub trait Socket: Any {
    /// Kind, options, pending error, wait queue.
    fn base(&self) -> &SocketBase;

    /// What can be done now without waiting.
    fn ready(&self) -> Ready;

    /// bind(2).
    async fn bind(&self, task: &Rc<Task>, address: &[u8]) -> Result<()>;

    /// connect(2).
    async fn connect(&self, io: Io<'_>, address: &[u8]) -> Result<()>;

    /// listen(2).
    fn listen(&self, _task: &Rc<Task>, _backlog: usize) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// accept(2).
    async fn accept(&self, _io: Io<'_>) -> Result<Rc<dyn Socket>> {
        Err(Errno::EOPNOTSUPP)
    }

    /// getsockname(2).
    fn local_address(&self) -> Result<Vec<u8>>;

    /// getpeername(2), also the address that accept(2) gives.
    fn peer_address(&self) -> Result<Vec<u8>>;

    /// Sends; streams take all of it where they may wait. `EPIPE` comes without its signal.
    async fn send(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize>;

    /// Receives once (`MSG_WAITALL` is the caller's). Of the flags `MSG_PEEK`, `MSG_OOB` and `MSG_ERRQUEUE` matter.
    async fn receive(&self, io: Io<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received>;

    /// shutdown(2).
    fn shutdown(&self, how: Shutdown) -> Result<()>;

    /// The last descriptor was closed.
    fn close(&self);

    /// Bytes that FIONREAD and SIOCOUTQ show.
    fn queued(&self) -> Result<(usize, usize)>;

    /// getsockopt(2).
    fn get_option(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        self.base().get(arch, level, name)
    }

    /// setsockopt(2).
    fn set_option(&self, task: &Task, level: i32, name: i32, value: &[u8]) -> Result<()> {
        self.base().set(task, level, name, value)
    }
}

/// A socket as an open file.
pub struct SocketFile(Rc<dyn Socket>);

impl fmt::Debug for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketFile({:?})", self.0.base())
    }
}

impl SocketFile {
    /// A description of its own for a socket. `flags` may hold `O_NONBLOCK`.
    pub fn open(kernel: &Kernel, socket: Rc<dyn Socket>, flags: u32) -> Rc<OpenFile> {
        let path = kernel.anonymous_path("socket:[INO]", FileType::Socket);
        OpenFile::new(Rc::new(SocketFile(socket)), open_flags::RDWR | flags & open_flags::NONBLOCK, path)
    }

    /// The socket.
    pub fn socket(&self) -> &Rc<dyn Socket> {
        &self.0
    }

    /// [`Socket::send`], with SIGPIPE (send(2), `MSG_NOSIGNAL`).
    pub async fn send(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        let silent = message.flags.contains(MsgFlags::NOSIGNAL);
        let result = self.0.send(io, message).await;
        if result == Err(Errno::EPIPE) && !silent && self.0.base().kind == SOCK_STREAM {
            send::to_task(io.task, Signal::PIPE, Origin::of(io.task));
        }
        result
    }
}

#[async_trait(?Send)]
impl FileOps for SocketFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        // Files that came along are closed: read(2) cannot give them.
        self.0.receive(io, buf, MsgFlags::empty()).await.map(|received| received.len)
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        self.send(io, Outgoing { data, ..Outgoing::default() }).await
    }

    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.base().changed)
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        let value = match request {
            FIONREAD => self.0.queued()?.0 as i32,
            SIOCOUTQ => self.0.queued()?.1 as i32,
            // There is no urgent data, so no mark to stand at.
            SIOCATMARK if self.0.base().kind == SOCK_STREAM => 0,
            _ => return interface::ioctl(io.task, self.0.base().domain, request, arg).await,
        };
        io.task.put(arg, &value).await.map(|()| 0)
    }

    fn released(&self, _file: &OpenFile) {
        self.0.close();
    }
}

/// Makes a socket (socket(2)). `kind` is without its flags.
pub fn create(task: &Task, domain: i32, kind: u32, protocol: i32) -> Result<Rc<dyn Socket>> {
    if kind > SOCK_PACKET {
        return Err(Errno::EINVAL);
    }
    match u16::try_from(domain).unwrap_or(u16::MAX) {
        AF_UNIX => unix::create(task, kind, protocol).map(|socket| socket as Rc<dyn Socket>),
        domain @ (AF_INET | AF_INET6) => inet::create(task, domain, kind, protocol),
        AF_NETLINK => netlink::create(kind, protocol),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// Splits socket(2)'s type: the kind, and flags of which only known ones may be set.
pub fn split_type(raw: u32) -> Result<(u32, SockFlags)> {
    let flags = SockFlags::from_bits_retain(raw & !0xf);
    if !(SockFlags::CLOEXEC | SockFlags::NONBLOCK).contains(flags) {
        return Err(Errno::EINVAL);
    }
    Ok((raw & 0xf, flags))
}
