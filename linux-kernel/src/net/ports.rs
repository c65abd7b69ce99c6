//! Ports of TCP and UDP in use, and who has them.

use super::Socket;
use super::tcp::TcpSocket;
use super::udp::UdpSocket;
use crate::file::Result;
use core::net::{IpAddr, SocketAddr};
use hashbrown::HashMap;
use linux_abi::Errno;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

/// First port given to sockets that do not ask for one (/proc/sys/net/ipv4/ip_local_port_range).
const FIRST_EPHEMERAL: u16 = 32768;
/// Last one.
const LAST_EPHEMERAL: u16 = 60999;

/// A local address that a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Address, unspecified for all. IPv4 addresses mapped into IPv6 are IPv4 here.
    pub address: IpAddr,
    /// An IPv6 socket that does not take IPv4 (`IPV6_V6ONLY`).
    pub v6_only: bool,
}

impl Local {
    /// Whether something sent to an address arrives here.
    pub fn takes(self, to: IpAddr) -> bool {
        match (self.address, to) {
            (IpAddr::V6(any), IpAddr::V4(_)) => any.is_unspecified() && !self.v6_only,
            (own, to) => own == to || own.is_unspecified() && own.is_ipv4() == to.is_ipv4(),
        }
    }

    fn overlaps(self, other: Local) -> bool {
        self.takes(other.address) || other.takes(self.address)
    }
}

struct Entry<S> {
    id: u64,
    local: Local,
    owner: Weak<S>,
}

struct Inner<S> {
    ports: RefCell<HashMap<u16, Vec<Entry<S>>>>,
    next_port: Cell<u16>,
    next_id: Cell<u64>,
}

/// The ports of one protocol.
pub struct PortTable<S>(Rc<Inner<S>>);

impl<S> fmt::Debug for PortTable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortTable({} ports)", self.0.ports.borrow().len())
    }
}

impl<S> Clone for PortTable<S> {
    fn clone(&self) -> Self {
        PortTable(self.0.clone())
    }
}

impl<S> Default for PortTable<S> {
    fn default() -> Self {
        PortTable(Rc::new(Inner {
            ports: RefCell::default(),
            next_port: Cell::new(FIRST_EPHEMERAL),
            next_id: Cell::new(0),
        }))
    }
}

/// A port in use; dropping it frees the port.
pub struct Binding<S> {
    /// Where.
    pub local: Local,
    /// Number.
    pub port: u16,
    id: u64,
    table: PortTable<S>,
}

impl<S> fmt::Debug for Binding<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({})", SocketAddr::new(self.local.address, self.port))
    }
}

impl<S> Drop for Binding<S> {
    fn drop(&mut self) {
        let mut ports = self.table.0.ports.borrow_mut();
        if let Some(entries) = ports.get_mut(&self.port) {
            entries.retain(|entry| entry.id != self.id);
            if entries.is_empty() {
                ports.remove(&self.port);
            }
        }
    }
}

impl<S: Socket> PortTable<S> {
    /// Whether two sockets may have the same port (socket(7), `SO_REUSEADDR`, `SO_REUSEPORT`).
    fn may_share(a: &S, b: &S) -> bool {
        let (a, b) = (a.base(), b.base());
        let listening = a.listening.get() || b.listening.get();
        a.reuse_port.get() && b.reuse_port.get()
            || a.reuse_address.get() && b.reuse_address.get() && !listening
    }

    fn is_free(&self, socket: &S, local: Local, port: u16) -> bool {
        let ports = self.0.ports.borrow();
        let Some(entries) = ports.get(&port) else { return true };
        entries.iter().all(|entry| {
            let owner = entry.owner.upgrade();
            owner.is_none_or(|owner| {
                std::ptr::eq(&*owner, socket)
                    || !entry.local.overlaps(local)
                    || Self::may_share(socket, &owner)
            })
        })
    }

    /// Gives a socket a port, 0 for any (bind(2)). `EADDRINUSE` where others have it.
    pub fn bind(&self, socket: &Rc<S>, local: Local, port: u16) -> Result<Binding<S>> {
        let port = if port != 0 {
            Some(port).filter(|port| self.is_free(socket, local, *port))
        } else {
            (FIRST_EPHEMERAL..=LAST_EPHEMERAL).find_map(|_| {
                let port = self.0.next_port.get();
                self.0.next_port.set(if port >= LAST_EPHEMERAL { FIRST_EPHEMERAL } else { port + 1 });
                // A port given without asking is nobody else's at all.
                (!self.0.ports.borrow().contains_key(&port)).then_some(port)
            })
        };
        let port = port.ok_or(Errno::EADDRINUSE)?;
        let id = self.0.next_id.replace(self.0.next_id.get() + 1);
        let entry = Entry { id, local, owner: Rc::downgrade(socket) };
        self.0.ports.borrow_mut().entry(port).or_default().push(entry);
        Ok(Binding { local, port, id, table: self.clone() })
    }

    /// Whether nobody else listens where this socket is bound (listen(2) `EADDRINUSE`).
    pub fn may_listen(&self, socket: &S, binding: &Binding<S>) -> bool {
        let ports = self.0.ports.borrow();
        let Some(entries) = ports.get(&binding.port) else { return true };
        entries.iter().filter_map(|entry| Some((entry, entry.owner.upgrade()?))).all(|(entry, owner)| {
            let both_share = socket.base().reuse_port.get() && owner.base().reuse_port.get();
            entry.id == binding.id
                || !owner.base().listening.get()
                || both_share
                || !entry.local.overlaps(binding.local)
        })
    }

    /// The socket that gets what is sent to an address: the highest score wins, none is not fit.
    pub fn find(&self, to: SocketAddr, mut score: impl FnMut(&S) -> Option<u32>) -> Option<Rc<S>> {
        let ports = self.0.ports.borrow();
        let mut best: Option<(u32, Rc<S>)> = None;
        for entry in ports.get(&to.port())?.iter().filter(|entry| entry.local.takes(to.ip())) {
            let Some(owner) = entry.owner.upgrade() else { continue };
            let exact = u32::from(entry.local.address == to.ip());
            if let Some(score) = score(&owner).map(|score| score * 2 + exact)
                && best.as_ref().is_none_or(|(least, _)| score > *least)
            {
                best = Some((score, owner));
            }
        }
        best.map(|(_, owner)| owner)
    }
}

/// Both protocols' ports of a machine.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// TCP.
    pub tcp: PortTable<TcpSocket>,
    /// UDP.
    pub udp: PortTable<UdpSocket>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_what() {
        #[rustfmt::skip] // bound to, v6 only, sent to, taken
        let cases = [
            ("0.0.0.0", false, "127.0.0.1", true),
            ("0.0.0.0", false, "::1", false),
            ("127.0.0.1", false, "127.0.0.1", true),
            ("127.0.0.1", false, "127.0.0.2", false),
            ("::", false, "127.0.0.1", true),
            ("::", true, "127.0.0.1", false),
            ("::", true, "::1", true),
            ("::1", false, "127.0.0.1", false),
            ("::1", false, "::1", true),
        ];
        for (own, v6_only, to, taken) in cases {
            let local = Local { address: own.parse().unwrap(), v6_only };
            assert_eq!(local.takes(to.parse().unwrap()), taken, "{own} {v6_only} {to}");
        }
    }
}
