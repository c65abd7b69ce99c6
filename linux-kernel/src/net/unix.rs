//! AF_UNIX sockets (unix(7)): streams, datagrams and sequenced packets, with files and credentials passed along.
//!
//! Each socket has an inbox; sending is putting into the peer's. A socket's wait queue changes when its inbox
//! fills, when room comes in its peer's, and when the connection changes.

use super::inbox::{Inbox, Parcel};
use super::names::{Address, Name, UnixNames};
use super::options::SocketBase;
use super::{Outgoing, Received, Shutdown, Socket};
use crate::file::{Blocking, Io, Ready, Result};
use crate::task::{Arch, Task};
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::socket::{
    AF_UNIX, AF_UNSPEC, MsgFlags, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, Ucred,
};
use linux_abi::sockopt::{SO_PEERCRED, SO_PEERSEC};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};

/// Messages in the inbox of a socket that many send to (/proc/sys/net/unix/max_dgram_qlen).
const MAX_MESSAGES: usize = 10;
/// What a message takes of a send buffer besides its bytes.
const MESSAGE_COST: usize = 512;
/// The sender of a message without credentials: ids that have no mapping show as `overflowuid`.
const NOBODY: Ucred = Ucred { pid: 0, uid: 65534, gid: 65534 };
/// Bytes of a send buffer that no message can use.
const BUFFER_RESERVE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// New; datagram sockets stay so.
    Idle,
    Listening,
    Connected,
}

/// A socket of AF_UNIX.
pub struct UnixSocket {
    me: Weak<UnixSocket>,
    base: SocketBase,
    names: UnixNames,
    name: RefCell<Option<Rc<Name>>>,
    /// Other end, or default destination of datagrams.
    peer: RefCell<Option<Rc<UnixSocket>>>,
    /// Datagram sockets connected to this one: they wait for room here.
    senders: RefCell<Vec<Weak<UnixSocket>>>,
    state: Cell<State>,
    inbox: Inbox,
    shut: Cell<Shutdown>,
    backlog: Cell<usize>,
    /// Connected, waiting for accept(2).
    pending: RefCell<VecDeque<Rc<UnixSocket>>>,
    peer_cred: Cell<Option<Ucred>>,
    /// Made by connect(2), and not yet taken by accept(2).
    unaccepted: Cell<bool>,
    dead: Cell<bool>,
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixSocket({:?}, {:?}, {:?})", self.state.get(), self.name.borrow(), self.inbox)
    }
}

/// A socket without name or peer.
pub fn create(task: &Task, kind: u32, protocol: i32) -> Result<Rc<UnixSocket>> {
    if protocol != 0 && protocol != i32::from(AF_UNIX) {
        return Err(Errno::EPROTONOSUPPORT);
    }
    match kind {
        SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET => Ok(UnixSocket::new(&task.kernel.unix_names, kind)),
        // Taken for datagrams since BSD (net/unix/af_unix.c).
        SOCK_RAW => Ok(UnixSocket::new(&task.kernel.unix_names, SOCK_DGRAM)),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// Two sockets connected to each other (socketpair(2)).
pub fn pair(task: &Task, kind: u32, protocol: i32) -> Result<(Rc<UnixSocket>, Rc<UnixSocket>)> {
    let (a, b) = (create(task, kind, protocol)?, create(task, kind, protocol)?);
    let cred = effective(task);
    for (one, other) in [(&a, &b), (&b, &a)] {
        *one.peer.borrow_mut() = Some(other.clone());
        one.state.set(State::Connected);
        one.peer_cred.set(Some(cred));
        if kind == SOCK_DGRAM {
            one.senders.borrow_mut().push(Rc::downgrade(other));
        }
    }
    Ok((a, b))
}

/// What `SO_PEERCRED` says of a task.
fn effective(task: &Task) -> Ucred {
    let cred = task.cred();
    Ucred { pid: task.process.pid, uid: cred.euid, gid: cred.egid }
}

/// What `SCM_CREDENTIALS` says of a task.
pub(crate) fn real(task: &Task) -> Ucred {
    let cred = task.cred();
    Ucred { pid: task.process.pid, uid: cred.uid, gid: cred.gid }
}

impl UnixSocket {
    fn new(names: &UnixNames, kind: u32) -> Rc<UnixSocket> {
        Rc::new_cyclic(|me| UnixSocket {
            me: me.clone(),
            base: SocketBase::new(AF_UNIX, kind, 0),
            names: names.clone(),
            name: RefCell::default(),
            peer: RefCell::default(),
            senders: RefCell::default(),
            state: Cell::new(State::Idle),
            inbox: Inbox::default(),
            shut: Cell::new(Shutdown::NONE),
            backlog: Cell::new(0),
            pending: RefCell::default(),
            peer_cred: Cell::new(None),
            unaccepted: Cell::new(false),
            dead: Cell::new(false),
        })
    }

    /// Whether the last descriptor is closed.
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    fn this(&self) -> Result<Rc<UnixSocket>> {
        self.me.upgrade().ok_or(Errno::EBADF)
    }

    fn peer(&self) -> Option<Rc<UnixSocket>> {
        self.peer.borrow().clone()
    }

    fn is_peer(&self, other: &UnixSocket) -> bool {
        self.peer.borrow().as_ref().is_some_and(|peer| std::ptr::eq(Rc::as_ptr(peer), other))
    }

    fn is_message_kind(&self) -> bool {
        self.base.kind != SOCK_STREAM
    }

    fn connection_based(&self) -> bool {
        self.base.kind != SOCK_DGRAM
    }

    fn address(&self) -> Vec<u8> {
        self.name.borrow().as_ref().map_or_else(|| Address::Unnamed.encode(), |name| name.encode())
    }

    /// The sender's address as a receiver sees it: nothing at all where it has no name.
    fn sender_address(&self) -> Vec<u8> {
        self.name.borrow().as_ref().map_or_else(Vec::new, |name| name.encode())
    }

    fn shut_more(&self, how: Shutdown) {
        self.shut.set(self.shut.get().with(how));
        self.base.changed.wake_all();
    }

    fn autobind(&self) -> Result<()> {
        if self.name.borrow().is_none() {
            let name = self.names.bind_auto(&self.this()?)?;
            *self.name.borrow_mut() = Some(Rc::new(name));
        }
        Ok(())
    }

    /// Receivers that ask for credentials get a name for the sender too.
    fn autobind_if_passing(&self) -> Result<()> {
        if self.base.pass_cred.get() { self.autobind() } else { Ok(()) }
    }

    /// The credentials that go along unasked: where one of the two sides wants them, or might yet
    /// (`unix_maybe_add_creds`).
    fn attached_cred(&self, task: &Task, peer: &UnixSocket) -> Option<Ucred> {
        let wanted = self.base.pass_cred.get() || peer.base.pass_cred.get() || peer.unaccepted.get();
        wanted.then(|| real(task))
    }

    /// What a receiver that asks for credentials is told; a message from before somebody asked is nobody's.
    fn shown_cred(&self, sent: Option<Ucred>) -> Option<Ucred> {
        self.base.pass_cred.get().then(|| sent.unwrap_or(NOBODY))
    }

    /// How much of `from`'s send buffer the messages here take.
    fn load(&self) -> usize {
        self.inbox.bytes() + if self.is_message_kind() { self.inbox.len() * MESSAGE_COST } else { 0 }
    }

    /// Whether a message from `sender` must wait.
    fn is_full_for(&self, sender: &UnixSocket) -> bool {
        // Between two sockets that have each other as peer only the buffer counts.
        let shared = !self.is_peer(sender) && self.inbox.len() > MAX_MESSAGES;
        shared || self.load() >= sender.base.send_buffer.get()
    }

    fn backlog_full(&self) -> bool {
        self.pending.borrow().len() > self.backlog.get()
    }

    async fn connect_stream(&self, io: Io<'_>, address: &Address) -> Result<()> {
        self.autobind_if_passing()?;
        loop {
            let listener = self.names.find(io.task, address).await?;
            match self.state.get() {
                State::Idle => {}
                State::Connected => return Err(Errno::EISCONN),
                State::Listening => return Err(Errno::EINVAL),
            }
            if listener.base.kind != self.base.kind {
                return Err(Errno::EPROTOTYPE);
            }
            let listens = |listener: &UnixSocket| {
                let open = !listener.dead.get() && !listener.shut.get().has(Shutdown::READ);
                listener.state.get() == State::Listening && open
            };
            if !listens(&listener) {
                return Err(Errno::ECONNREFUSED);
            }
            if listener.backlog_full() {
                let free = || (!listener.backlog_full() || !listens(&listener)).then_some(Ok(()));
                self.base.wait(io, &listener.base.changed, self.base.send_timeout.get(), free).await?;
                continue;
            }
            let accepted = UnixSocket::new(&self.names, self.base.kind);
            accepted.base.inherit(&listener.base);
            *accepted.name.borrow_mut() = listener.name.borrow().clone();
            *accepted.peer.borrow_mut() = Some(self.this()?);
            accepted.peer_cred.set(Some(effective(io.task)));
            accepted.state.set(State::Connected);
            accepted.unaccepted.set(true);
            self.peer_cred.set(listener.peer_cred.get());
            *self.peer.borrow_mut() = Some(accepted.clone());
            self.state.set(State::Connected);
            listener.pending.borrow_mut().push_back(accepted);
            listener.base.changed.wake_all();
            self.base.changed.wake_all();
            return Ok(());
        }
    }

    fn set_destination(&self, to: Option<Rc<UnixSocket>>) {
        if let Some(to) = &to {
            let mut senders = to.senders.borrow_mut();
            senders.retain(|sender| sender.strong_count() > 0 && !sender.ptr_eq(&self.me));
            senders.push(self.me.clone());
        }
        let old = self.peer.replace(to);
        if let Some(old) = old {
            old.senders.borrow_mut().retain(|sender| !sender.ptr_eq(&self.me) || self.is_peer(&old));
        }
        self.base.changed.wake_all();
    }

    async fn connect_datagram(&self, task: &Task, address: &Address) -> Result<()> {
        self.autobind_if_passing()?;
        let to = self.names.find(task, address).await?;
        if to.base.kind != self.base.kind {
            return Err(Errno::EPROTOTYPE);
        }
        // A socket with a peer of its own hears only that (unix_may_send).
        if to.peer().is_some() && !to.is_peer(self) {
            return Err(Errno::EPERM);
        }
        self.set_destination(Some(to));
        Ok(())
    }

    async fn send_stream(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.to.is_some() {
            return Err(if self.state.get() == State::Connected {
                Errno::EISCONN
            } else {
                Errno::EOPNOTSUPP
            });
        }
        let peer = self.peer().ok_or(Errno::ENOTCONN)?;
        let cred = message.cred.or_else(|| self.attached_cred(io.task, &peer));
        let mut rights = message.rights;
        let mut done = 0;
        while done < message.data.len() {
            let rest = &message.data[done..];
            let room = || {
                if self.shut.get().has(Shutdown::WRITE)
                    || peer.dead.get()
                    || peer.shut.get().has(Shutdown::READ)
                {
                    return Some(Err(Errno::EPIPE));
                }
                let room = self.base.send_buffer.get().saturating_sub(peer.load());
                (room > 0).then_some(Ok(room))
            };
            match self.base.wait(io, &self.base.changed, self.base.send_timeout.get(), room).await {
                Ok(room) => {
                    let count = room.min(rest.len());
                    peer.inbox.push_stream(&rest[..count], std::mem::take(&mut rights), cred);
                    peer.base.changed.wake_all();
                    done += count;
                }
                Err(error) => return if done > 0 { Ok(done) } else { Err(error) },
            }
        }
        Ok(done)
    }

    async fn send_message(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        self.autobind_if_passing()?;
        // Sequenced packets go to the peer whatever address is given.
        let to = message.to.filter(|_| self.base.kind == SOCK_DGRAM);
        if message.data.len() > self.base.send_buffer.get().saturating_sub(BUFFER_RESERVE) {
            return Err(Errno::EMSGSIZE);
        }
        let peer = match to {
            Some(address) => {
                let found = self.names.find(io.task, &Address::parse(address)?).await?;
                if found.base.kind != self.base.kind {
                    return Err(Errno::EPROTOTYPE);
                }
                if found.peer().is_some() && !found.is_peer(self) {
                    return Err(Errno::EPERM);
                }
                found
            }
            None => self.peer().ok_or(Errno::ENOTCONN)?,
        };
        let connection = self.connection_based();
        let room = || {
            if self.shut.get().has(Shutdown::WRITE) {
                Some(Err(Errno::EPIPE))
            } else if peer.dead.get() {
                Some(Err(if connection { Errno::EPIPE } else { Errno::ECONNREFUSED }))
            } else if peer.shut.get().has(Shutdown::READ) {
                Some(Err(Errno::EPIPE))
            } else {
                (!peer.is_full_for(self)).then_some(Ok(()))
            }
        };
        // Who is not connected hears of room only through the receiver.
        let queue = if self.is_peer(&peer) { &self.base.changed } else { &peer.base.changed };
        let waited = self.base.wait(io, queue, self.base.send_timeout.get(), room).await;
        if waited == Err(Errno::ECONNREFUSED) && to.is_none() && self.is_peer(&peer) {
            // The destination is gone for good: back to unconnected.
            self.set_destination(None);
        }
        waited?;
        peer.inbox.push(Parcel {
            data: message.data.iter().copied().collect(),
            from: Some(self.sender_address()),
            rights: message.rights,
            cred: message.cred.or_else(|| self.attached_cred(io.task, &peer)),
        });
        peer.base.changed.wake_all();
        Ok(message.data.len())
    }

    /// Wakes who waited for room, after a read that left less than before.
    fn made_room(&self, load_before: usize, messages_before: usize) {
        if self.load() == load_before {
            return;
        }
        if let Some(peer) = self.peer() {
            // Below a quarter the peer was writable all along.
            if load_before.saturating_mul(4) > peer.base.send_buffer.get() {
                peer.base.changed.wake_all();
            }
        }
        if self.base.kind == SOCK_DGRAM && messages_before > MAX_MESSAGES {
            let senders: Vec<_> = self.senders.borrow().iter().filter_map(Weak::upgrade).collect();
            senders.iter().for_each(|sender| sender.base.changed.wake_all());
            self.base.changed.wake_all();
        }
    }
}

#[async_trait(?Send)]
impl Socket for UnixSocket {
    fn base(&self) -> &SocketBase {
        &self.base
    }

    fn ready(&self) -> Ready {
        let shut = self.shut.get();
        let mut ready = Ready::NONE;
        if self.base.has_error() {
            ready = ready.union(Ready::ERR);
        }
        if self.state.get() == State::Listening {
            return ready.union(Ready::when(!self.pending.borrow().is_empty(), false));
        }
        if shut == Shutdown::BOTH || (self.connection_based() && self.state.get() == State::Idle) {
            ready = ready.union(Ready::HUP);
        }
        if shut.has(Shutdown::READ) {
            ready = ready.union(Ready::RDHUP);
        }
        let readable = !self.inbox.is_empty() || shut.has(Shutdown::READ);
        // unix_writable: at most a quarter of the buffer is in use.
        let writable = self.peer.borrow().as_ref().is_none_or(|peer| {
            let full = self.base.kind == SOCK_DGRAM && peer.is_full_for(self);
            !full && peer.load().saturating_mul(4) <= self.base.send_buffer.get()
        });
        ready.union(Ready::when(readable, writable))
    }

    async fn bind(&self, task: &Rc<Task>, address: &[u8]) -> Result<()> {
        let address = Address::parse(address)?;
        if self.name.borrow().is_some() {
            // Asking for any name where there is one is fine (unix_autobind).
            return match address {
                Address::Unnamed => Ok(()),
                address => Err(self.names.refuse(task, &address).await),
            };
        }
        let name = self.names.bind(task, &self.this()?, address).await?;
        *self.name.borrow_mut() = Some(Rc::new(name));
        Ok(())
    }

    async fn connect(&self, io: Io<'_>, address: &[u8]) -> Result<()> {
        let disconnect = address.get(..2) == Some(&AF_UNSPEC.to_le_bytes()[..]);
        if disconnect && self.base.kind == SOCK_DGRAM {
            self.set_destination(None);
            return Ok(());
        }
        let address = Address::parse(address)?;
        if address == Address::Unnamed {
            return Err(Errno::EINVAL);
        }
        if self.base.kind == SOCK_DGRAM {
            self.connect_datagram(io.task, &address).await
        } else {
            self.connect_stream(io, &address).await
        }
    }

    fn listen(&self, task: &Rc<Task>, backlog: usize) -> Result<()> {
        if !self.connection_based() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.name.borrow().is_none() || self.state.get() == State::Connected {
            return Err(Errno::EINVAL);
        }
        self.state.set(State::Listening);
        self.base.listening.set(true);
        self.backlog.set(backlog);
        self.peer_cred.set(Some(effective(task)));
        self.base.changed.wake_all();
        Ok(())
    }

    async fn accept(&self, io: Io<'_>) -> Result<Rc<dyn Socket>> {
        if !self.connection_based() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.state.get() != State::Listening {
            return Err(Errno::EINVAL);
        }
        let next = || {
            if let Some(accepted) = self.pending.borrow_mut().pop_front() {
                return Some(Ok(accepted));
            }
            self.shut.get().has(Shutdown::READ).then_some(Err(Errno::EINVAL))
        };
        let accepted = self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), next).await?;
        accepted.unaccepted.set(false);
        self.base.changed.wake_all();
        Ok(accepted)
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        Ok(self.address())
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        self.peer().map(|peer| peer.address()).ok_or(Errno::ENOTCONN)
    }

    async fn send(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.is_message_kind() {
            self.send_message(io, message).await
        } else {
            self.send_stream(io, message).await
        }
    }

    async fn receive(&self, io: Io<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received> {
        let messages = self.is_message_kind();
        if flags.intersects(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.connection_based() && self.state.get() != State::Connected {
            return Err(if messages { Errno::ENOTCONN } else { Errno::EINVAL });
        }
        let peek = flags.contains(MsgFlags::PEEK);
        let (mut load, mut count) = (0, 0);
        let read = || {
            (load, count) = (self.load(), self.inbox.len());
            if !messages && !self.inbox.is_empty() {
                let received = self.inbox.read_stream(buf, peek);
                return Some(Ok(Received { cred: self.shown_cred(received.cred), ..received }));
            }
            if let Some(received) = self.inbox.read_message(buf, peek) {
                return Some(Ok(Received { cred: self.shown_cred(received.cred), ..received }));
            }
            if let Some(error) = self.base.take_error() {
                return Some(Err(error));
            }
            // Of datagrams who does not wait is not told of the end.
            let told = self.connection_based() || io.blocking == Blocking::Wait;
            (told && self.shut.get().has(Shutdown::READ)).then(|| Ok(Received::default()))
        };
        let mut received =
            self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), read).await?;
        self.made_room(load, count);
        if !messages {
            received.from = self.peer().map(|peer| peer.sender_address());
        }
        Ok(received)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.shut_more(how);
        if self.connection_based()
            && let Some(peer) = self.peer()
        {
            peer.shut_more(how.mirrored());
        }
        Ok(())
    }

    fn close(&self) {
        if self.dead.replace(true) {
            return;
        }
        self.shut.set(Shutdown::BOTH);
        let name = self.name.take();
        let unread = !self.inbox.is_empty();
        self.inbox.clear();
        // Nobody will accept these.
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        for waiting in &pending {
            if let Some(client) = waiting.peer() {
                client.base.set_error(Errno::ECONNRESET);
            }
            waiting.close();
        }
        let peer = self.peer.take();
        if let Some(peer) = &peer {
            if self.connection_based() {
                if unread {
                    peer.base.set_error(Errno::ECONNRESET);
                }
                peer.shut_more(Shutdown::BOTH);
            }
            peer.senders.borrow_mut().retain(|sender| !sender.ptr_eq(&self.me));
        }
        let senders: Vec<_> = std::mem::take(&mut *self.senders.borrow_mut());
        senders.iter().filter_map(Weak::upgrade).for_each(|sender| sender.base.changed.wake_all());
        self.base.changed.wake_all();
        // An accepted socket shares its listener's name, which lives as long as one of them.
        drop(name);
    }

    fn queued(&self) -> Result<(usize, usize)> {
        if self.state.get() == State::Listening {
            return Err(Errno::EINVAL);
        }
        let unread = if self.is_message_kind() { self.inbox.first_len() } else { self.inbox.bytes() };
        Ok((unread, self.peer().map_or(0, |peer| peer.inbox.bytes())))
    }

    fn get_option(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        match (level, name, self.peer_cred.get()) {
            (SOL_SOCKET, SO_PEERCRED, Some(cred)) => Ok(bytemuck::bytes_of(&cred).to_vec()),
            (SOL_SOCKET, SO_PEERSEC, _) => Err(Errno::ENOPROTOOPT),
            _ => self.base.get(arch, level, name),
        }
    }
}
