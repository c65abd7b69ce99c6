//! TCP over the loopback interface (tcp(7)), as programs see it: two sockets and no packets between them.
//!
//! Sending is putting into the peer's inbox. What would take round trips happens at once, but shows itself as it
//! would: a non-blocking connect is `EINPROGRESS` and ends by `POLLOUT` and `SO_ERROR`, a write to a closed
//! connection succeeds once and then fails.

use super::inbox::Inbox;
use super::inet;
use super::options::{SocketBase, int_of};
use super::ports::{Binding, Local, PortTable};
use super::{Outgoing, Received, Shutdown, Socket};
use crate::file::{Blocking, Io, Ready, Result};
use crate::task::{Arch, Task};
use async_trait::async_trait;
use core::net::SocketAddr;
use linux_abi::Errno;
use linux_abi::inet::{
    IPPROTO_TCP, TCP_CLOSE, TCP_CLOSE_WAIT, TCP_CONGESTION, TCP_ESTABLISHED, TCP_FIN_WAIT2, TCP_INFO,
    TCP_LISTEN, TCP_SYN_SENT, TcpInfo,
};
use linux_abi::socket::{MsgFlags, SOCK_STREAM, SOL_TCP};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Listening,
    /// A non-blocking connect waits for a place in the backlog.
    Connecting,
    /// Connected, but the program was told `EINPROGRESS`: its next connect(2) succeeds.
    Fresh,
    Connected,
    /// A connect failed after `EINPROGRESS`; the error is in `SO_ERROR`.
    Failed,
}

/// A TCP socket.
pub struct TcpSocket {
    me: Weak<TcpSocket>,
    base: SocketBase,
    ports: PortTable<TcpSocket>,
    binding: RefCell<Option<Binding<TcpSocket>>>,
    /// Own address of a connection.
    local: Cell<Option<SocketAddr>>,
    remote: Cell<Option<SocketAddr>>,
    peer: RefCell<Option<Rc<TcpSocket>>>,
    state: Cell<State>,
    inbox: Inbox,
    shut: Cell<Shutdown>,
    /// The other end sends no more.
    peer_finished: Cell<bool>,
    /// The connection ended by a reset.
    aborted: Cell<bool>,
    backlog: Cell<usize>,
    /// Connected, waiting for accept(2).
    pending: RefCell<VecDeque<Rc<TcpSocket>>>,
    dead: Cell<bool>,
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TcpSocket({:?}, {:?} -> {:?})", self.state.get(), self.local.get(), self.remote.get())
    }
}

impl TcpSocket {
    /// A new socket.
    pub fn create(task: &Task, domain: u16) -> Rc<TcpSocket> {
        TcpSocket::new(&task.kernel.ports.tcp, domain)
    }

    fn new(ports: &PortTable<TcpSocket>, domain: u16) -> Rc<TcpSocket> {
        Rc::new_cyclic(|me| TcpSocket {
            me: me.clone(),
            base: SocketBase::new(domain, SOCK_STREAM, IPPROTO_TCP as i32),
            ports: ports.clone(),
            binding: RefCell::default(),
            local: Cell::new(None),
            remote: Cell::new(None),
            peer: RefCell::default(),
            state: Cell::new(State::Idle),
            inbox: Inbox::default(),
            shut: Cell::new(Shutdown::NONE),
            peer_finished: Cell::new(false),
            aborted: Cell::new(false),
            backlog: Cell::new(0),
            pending: RefCell::default(),
            dead: Cell::new(false),
        })
    }

    fn peer(&self) -> Option<Rc<TcpSocket>> {
        self.peer.borrow().clone()
    }

    fn is_connected(&self) -> bool {
        matches!(self.state.get(), State::Fresh | State::Connected)
    }

    fn bind_to(&self, local: Local, port: u16) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let binding = self.ports.bind(&me, local, port)?;
        *self.binding.borrow_mut() = Some(binding);
        Ok(())
    }

    fn shut_more(&self, how: Shutdown) {
        self.shut.set(self.shut.get().with(how));
        self.base.changed.wake_all();
    }

    fn backlog_full(&self) -> bool {
        self.pending.borrow().len() > self.backlog.get()
    }

    fn listener(&self, to: SocketAddr) -> Option<Rc<TcpSocket>> {
        self.ports.find(to, |socket| (socket.state.get() == State::Listening).then_some(0))
    }

    /// The address this end has towards a destination; binds a port if there is none.
    fn source_for(&self, to: SocketAddr) -> Result<SocketAddr> {
        if self.binding.borrow().is_none() {
            let address = inet::loopback_like(to.ip());
            self.bind_to(Local { address, v6_only: inet::is_v6_only(&self.base) }, 0)?;
        }
        let binding = self.binding.borrow();
        let binding = binding.as_ref().ok_or(Errno::EADDRNOTAVAIL)?;
        let own = binding.local.address;
        let ip = if own.is_unspecified() { inet::loopback_like(to.ip()) } else { own };
        Ok(SocketAddr::new(ip, binding.port))
    }

    /// Joins this socket with a new one in a listener's backlog.
    fn establish(&self, me: Rc<TcpSocket>, listener: &TcpSocket, from: SocketAddr, to: SocketAddr) {
        let accepted = TcpSocket::new(&self.ports, listener.base.domain);
        accepted.base.inherit(&listener.base);
        accepted.local.set(Some(to));
        accepted.remote.set(Some(from));
        accepted.state.set(State::Connected);
        *accepted.peer.borrow_mut() = Some(me);
        self.local.set(Some(from));
        self.remote.set(Some(to));
        *self.peer.borrow_mut() = Some(accepted.clone());
        self.shut.set(Shutdown::NONE);
        self.peer_finished.set(false);
        self.aborted.set(false);
        listener.pending.borrow_mut().push_back(accepted);
        listener.base.changed.wake_all();
        self.base.changed.wake_all();
    }

    fn fail(&self, error: Errno) {
        self.state.set(State::Failed);
        self.shut.set(Shutdown::BOTH);
        self.base.set_error(error);
    }

    /// Room in the peer's window and the own buffer.
    fn room(&self, peer: &TcpSocket) -> usize {
        self.capacity(peer).saturating_sub(peer.inbox.bytes())
    }

    fn capacity(&self, peer: &TcpSocket) -> usize {
        self.base.send_buffer.get() + peer.base.receive_buffer.get()
    }

    /// Ends a connection as a reset would.
    fn reset(&self, error: Errno) {
        self.aborted.set(true);
        self.shut_more(Shutdown::BOTH);
        self.base.set_error(error);
    }

    /// The other end has sent its last byte.
    fn finish(&self) {
        self.peer_finished.set(true);
        self.shut_more(Shutdown::READ);
    }

    /// Leaves the connection. `abort`: the other end sees a reset instead of the end of the stream.
    fn leave(&self, abort: bool) {
        let unread = !self.inbox.is_empty();
        self.inbox.clear();
        if let Some(peer) = self.peer.take() {
            if unread || abort {
                peer.reset(Errno::ECONNRESET);
            } else {
                peer.finish();
            }
        }
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        pending.iter().for_each(|waiting| {
            waiting.dead.set(true);
            waiting.leave(true);
        });
    }

    /// Whether data sent here is answered by a reset: closed, or shut down in both directions by its own program.
    fn takes_no_more(&self) -> bool {
        self.dead.get() || self.shut.get() == Shutdown::BOTH
    }

    fn tcp_state(&self) -> u8 {
        let finished = self.shut.get().has(Shutdown::WRITE);
        match self.state.get() {
            State::Idle | State::Failed => TCP_CLOSE,
            State::Listening => TCP_LISTEN,
            State::Connecting => TCP_SYN_SENT,
            State::Fresh | State::Connected if self.aborted.get() => TCP_CLOSE,
            State::Fresh | State::Connected => match (finished, self.peer_finished.get()) {
                (true, true) => TCP_CLOSE,
                (false, true) => TCP_CLOSE_WAIT,
                (true, false) => TCP_FIN_WAIT2,
                (false, false) => TCP_ESTABLISHED,
            },
        }
    }
}

/// Finishes a non-blocking connect once the backlog has room.
async fn connect_later(socket: Weak<TcpSocket>, from: SocketAddr, to: SocketAddr) {
    loop {
        let Some(me) = socket.upgrade().filter(|me| me.state.get() == State::Connecting && !me.dead.get())
        else {
            return;
        };
        let Some(listener) = me.listener(to) else { return me.fail(Errno::ECONNREFUSED) };
        if !listener.backlog_full() {
            me.state.set(State::Fresh);
            return me.establish(me.clone(), &listener, from, to);
        }
        drop(me);
        listener.base.changed.wait().await;
    }
}

#[async_trait(?Send)]
impl Socket for TcpSocket {
    fn base(&self) -> &SocketBase {
        &self.base
    }

    fn ready(&self) -> Ready {
        let shut = self.shut.get();
        let error = if self.base.has_error() { Ready::ERR } else { Ready::NONE };
        let state = match self.state.get() {
            State::Listening => Ready::when(!self.pending.borrow().is_empty(), false),
            State::Connecting => Ready::NONE,
            State::Idle => Ready::HUP.union(Ready::when(false, true)),
            State::Failed => Ready::HUP.union(Ready::RDHUP).union(Ready::when(true, true)),
            State::Fresh | State::Connected => {
                let readable = !self.inbox.is_empty() || shut.has(Shutdown::READ);
                // Writable where a third is free (sk_stream_is_writeable), or a write would fail at once.
                let free = |peer: &Rc<TcpSocket>| self.room(peer).saturating_mul(3) >= self.capacity(peer);
                let writable = shut.has(Shutdown::WRITE) || self.peer.borrow().as_ref().is_none_or(free);
                let mut ready = Ready::when(readable, writable);
                if shut.has(Shutdown::READ) {
                    ready = ready.union(Ready::RDHUP);
                }
                if shut == Shutdown::BOTH {
                    ready = ready.union(Ready::HUP);
                }
                ready
            }
        };
        state.union(error)
    }

    async fn bind(&self, task: &Rc<Task>, address: &[u8]) -> Result<()> {
        let (local, port) = inet::bindable(task, &self.base, address)?;
        if self.binding.borrow().is_some() || self.state.get() != State::Idle {
            return Err(Errno::EINVAL);
        }
        self.bind_to(local, port)
    }

    async fn connect(&self, io: Io<'_>, address: &[u8]) -> Result<()> {
        if inet::is_unspecified_family(address) {
            self.leave(true);
            self.state.set(State::Idle);
            self.base.listening.set(false);
            self.shut.set(Shutdown::NONE);
            self.local.set(None);
            self.remote.set(None);
            self.base.changed.wake_all();
            return Ok(());
        }
        let to = inet::parse(self.base.domain, address)?;
        match self.state.get() {
            State::Idle => {}
            State::Fresh => {
                self.state.set(State::Connected);
                return Ok(());
            }
            State::Connected | State::Listening => return Err(Errno::EISCONN),
            State::Connecting => return Err(Errno::EALREADY),
            State::Failed => {
                self.state.set(State::Idle);
                self.shut.set(Shutdown::NONE);
                return Err(self.base.take_error().unwrap_or(Errno::ECONNABORTED));
            }
        }
        let to = inet::destination(&self.base, to)?;
        let from = self.source_for(to)?;
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let listener = self.listener(to);
        match (io.blocking, listener) {
            (Blocking::Never, None) => {
                self.fail(Errno::ECONNREFUSED);
                Err(Errno::EINPROGRESS)
            }
            (Blocking::Never, Some(listener)) => {
                if listener.backlog_full() {
                    self.state.set(State::Connecting);
                    io.task.kernel.spawn(connect_later(self.me.clone(), from, to));
                } else {
                    self.state.set(State::Fresh);
                    self.establish(me, &listener, from, to);
                }
                Err(Errno::EINPROGRESS)
            }
            (Blocking::Wait, mut listener) => loop {
                let there = listener.ok_or(Errno::ECONNREFUSED)?;
                if !there.backlog_full() {
                    self.state.set(State::Connected);
                    self.establish(me.clone(), &there, from, to);
                    return Ok(());
                }
                let free = || (!there.backlog_full() || there.dead.get()).then_some(Ok(()));
                let waited =
                    self.base.wait(io, &there.base.changed, self.base.send_timeout.get(), free).await;
                waited.map_err(|error| if error == Errno::EAGAIN { Errno::EINPROGRESS } else { error })?;
                listener = self.listener(to);
            },
        }
    }

    fn listen(&self, _task: &Rc<Task>, backlog: usize) -> Result<()> {
        if !matches!(self.state.get(), State::Idle | State::Listening) {
            return Err(Errno::EINVAL);
        }
        if self.binding.borrow().is_none() {
            let local = Local { address: inet::any(self.base.domain), v6_only: inet::is_v6_only(&self.base) };
            self.bind_to(local, 0)?;
        }
        let allowed =
            self.binding.borrow().as_ref().is_none_or(|binding| self.ports.may_listen(self, binding));
        if !allowed {
            return Err(Errno::EADDRINUSE);
        }
        self.state.set(State::Listening);
        self.base.listening.set(true);
        self.backlog.set(backlog);
        self.base.changed.wake_all();
        Ok(())
    }

    async fn accept(&self, io: Io<'_>) -> Result<Rc<dyn Socket>> {
        let next = || {
            if self.state.get() != State::Listening {
                return Some(Err(Errno::EINVAL));
            }
            self.pending.borrow_mut().pop_front().map(Ok)
        };
        let accepted = self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), next).await?;
        self.base.changed.wake_all();
        Ok(accepted)
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        let bound = self.binding.borrow().as_ref().map(|b| SocketAddr::new(b.local.address, b.port));
        let address = self.local.get().or(bound).unwrap_or(SocketAddr::new(inet::any(self.base.domain), 0));
        Ok(inet::encode(self.base.domain, address))
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        let remote = self.remote.get().filter(|_| self.is_connected() && self.tcp_state() != TCP_CLOSE);
        remote.map(|remote| inet::encode(self.base.domain, remote)).ok_or(Errno::ENOTCONN)
    }

    async fn send(&self, io: Io<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut done = 0;
        while done < message.data.len() {
            let rest = &message.data[done..];
            let room = || {
                if let Some(error) = self.base.take_error() {
                    return Some(Err(error));
                }
                if self.state.get() == State::Connecting {
                    return None;
                }
                let peer =
                    self.peer().filter(|_| self.is_connected() && !self.shut.get().has(Shutdown::WRITE));
                let Some(peer) = peer else { return Some(Err(Errno::EPIPE)) };
                let room = if peer.takes_no_more() { usize::MAX } else { self.room(&peer) };
                (room > 0).then_some(Ok((peer, room)))
            };
            match self.base.wait(io, &self.base.changed, self.base.send_timeout.get(), room).await {
                Ok((peer, _)) if peer.takes_no_more() => {
                    // The data goes out, and a reset comes back (RFC 9293, 3.5.2); after a FIN that is EPIPE.
                    peer.aborted.set(true);
                    self.reset(Errno::EPIPE);
                    return Ok(message.data.len());
                }
                Ok((peer, room)) => {
                    let count = room.min(rest.len());
                    peer.inbox.push_stream(&rest[..count], Vec::new(), None);
                    peer.base.changed.wake_all();
                    done += count;
                }
                Err(error) => return if done > 0 { Ok(done) } else { Err(error) },
            }
        }
        Ok(done)
    }

    async fn receive(&self, io: Io<'_>, buf: &mut [u8], flags: MsgFlags) -> Result<Received> {
        if flags.contains(MsgFlags::ERRQUEUE) {
            return Err(Errno::EAGAIN);
        }
        if flags.contains(MsgFlags::OOB) {
            return Err(Errno::EINVAL);
        }
        let mut before = 0;
        let read = || {
            before = self.inbox.bytes();
            if before > 0 {
                return Some(Ok(self.inbox.read_stream(buf, flags.contains(MsgFlags::PEEK))));
            }
            // The end of the stream goes before a later reset (tcp_recvmsg).
            if self.peer_finished.get() && self.is_connected() {
                return Some(Ok(Received::default()));
            }
            if let Some(error) = self.base.take_error() {
                return Some(Err(error));
            }
            match self.state.get() {
                State::Connecting => None,
                State::Idle | State::Listening | State::Failed => Some(Err(Errno::ENOTCONN)),
                _ => self.shut.get().has(Shutdown::READ).then(|| Ok(Received::default())),
            }
        };
        let received = self.base.wait(io, &self.base.changed, self.base.receive_timeout.get(), read).await?;
        if let Some(peer) = self.peer() {
            // With two thirds free the peer was writable all along.
            if before.saturating_mul(3) > peer.capacity(self) && self.inbox.bytes() < before {
                peer.base.changed.wake_all();
            }
        }
        Ok(received)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        match self.state.get() {
            State::Listening if how.has(Shutdown::READ) => {
                self.leave(true);
                self.state.set(State::Idle);
                self.base.listening.set(false);
                self.base.changed.wake_all();
                Ok(())
            }
            State::Fresh | State::Connected if self.tcp_state() != TCP_CLOSE => {
                self.shut_more(how);
                if let Some(peer) = self.peer().filter(|_| how.has(Shutdown::WRITE)) {
                    peer.finish();
                }
                Ok(())
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    fn close(&self) {
        if self.dead.replace(true) {
            return;
        }
        self.state.set(State::Idle);
        self.base.listening.set(false);
        self.shut.set(Shutdown::BOTH);
        drop(self.binding.take());
        self.leave(self.base.lingers_zero());
        self.base.changed.wake_all();
    }

    fn queued(&self) -> Result<(usize, usize)> {
        match self.state.get() {
            State::Listening => Err(Errno::EINVAL),
            // Everything sent has arrived.
            _ => Ok((self.inbox.bytes(), 0)),
        }
    }

    fn get_option(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        match (level, name) {
            (SOL_TCP, TCP_CONGESTION) => {
                let mut name = b"cubic".to_vec();
                // TCP_CA_NAME_MAX of linux/tcp.h.
                name.resize(16, 0);
                Ok(name)
            }
            (SOL_TCP, TCP_INFO) => {
                let info = TcpInfo {
                    tcpi_state: self.tcp_state(),
                    tcpi_snd_mss: 65483,
                    tcpi_rcv_mss: 65483,
                    tcpi_advmss: 65483,
                    tcpi_pmtu: inet::LOOPBACK_MTU as u32,
                    tcpi_rto: 200_000,
                    tcpi_snd_cwnd: 10,
                    tcpi_reordering: 3,
                    ..TcpInfo::default()
                };
                Ok(bytemuck::bytes_of(&info).to_vec())
            }
            _ => inet::get_option(&self.base, arch, level, name, self.is_connected()),
        }
    }

    fn set_option(&self, task: &Task, level: i32, name: i32, value: &[u8]) -> Result<()> {
        match (level, name) {
            (SOL_TCP, TCP_CONGESTION) => {
                let known = value
                    .split(|byte| *byte == 0)
                    .next()
                    .is_some_and(|name| matches!(name, b"cubic" | b"reno"));
                if known { Ok(()) } else { Err(Errno::ENOENT) }
            }
            _ => {
                let bound = self.binding.borrow().is_some();
                if level == SOL_TCP {
                    int_of(value)?;
                }
                inet::set_option(&self.base, task, level, name, value, bound)
            }
        }
    }
}
