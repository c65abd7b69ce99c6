//! Names of AF_UNIX sockets (unix(7), "Address format"): paths, which lead to an inode, and abstract ones.

use super::unix::UnixSocket;
use crate::cred::Want;
use crate::file::Result;
use crate::task::Task;
use hashbrown::HashMap;
use linux_abi::Errno;
use linux_abi::socket::{AF_UNIX, SockaddrUn};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use vfs::namespace::{LastSymlink, Path, Walker};
use vfs::{FileType, NewNode};

/// An address as a program gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The family alone: bind(2) then chooses an abstract name.
    Unnamed,
    /// A path, without NUL.
    Path(Vec<u8>),
    /// An abstract name, without the NUL that marks it.
    Abstract(Vec<u8>),
}

impl Address {
    /// From `sockaddr_un` bytes.
    pub fn parse(bytes: &[u8]) -> Result<Address> {
        let (family, path) = bytes.split_first_chunk::<2>().ok_or(Errno::EINVAL)?;
        if u16::from_le_bytes(*family) != AF_UNIX || bytes.len() > size_of::<SockaddrUn>() {
            return Err(Errno::EINVAL);
        }
        Ok(match path.split_first() {
            None => Address::Unnamed,
            Some((0, name)) => Address::Abstract(name.to_vec()),
            Some(_) => Address::Path(path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
        })
    }

    /// As getsockname(2) gives it: a path with its NUL.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = AF_UNIX.to_le_bytes().to_vec();
        match self {
            Address::Unnamed => {}
            Address::Path(path) => {
                bytes.extend_from_slice(path);
                bytes.push(0);
            }
            Address::Abstract(name) => {
                bytes.push(0);
                bytes.extend_from_slice(name);
            }
        }
        bytes
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Inode(u64, u64),
    Abstract(Vec<u8>),
}

impl Key {
    fn of(path: &Path) -> Key {
        let inode = path.inode();
        Key::Inode(inode.device(), inode.attributes().ino)
    }
}

/// A name in use. The socket that has it keeps it; dropping it frees the name.
pub struct Name {
    address: Address,
    key: Key,
    /// Keeps the inode, and so its number, after the path is gone.
    _path: Option<Path>,
    owner: Weak<UnixSocket>,
    table: Rc<Table>,
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({:?})", self.address)
    }
}

impl Name {
    /// What getsockname(2) gives.
    pub fn encode(&self) -> Vec<u8> {
        self.address.encode()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut bound = self.table.bound.borrow_mut();
        // Somebody else may have bound the same inode since, through a new file.
        if bound.get(&self.key).is_some_and(|socket| socket.ptr_eq(&self.owner)) {
            bound.remove(&self.key);
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    bound: RefCell<HashMap<Key, Weak<UnixSocket>>>,
    next_auto: Cell<u32>,
}

/// The names of a machine's AF_UNIX sockets.
#[derive(Clone, Debug, Default)]
pub struct UnixNames(Rc<Table>);

impl UnixNames {
    /// A table without names.
    pub fn new() -> UnixNames {
        UnixNames::default()
    }

    fn holder(&self, key: &Key) -> Option<Rc<UnixSocket>> {
        self.0.bound.borrow().get(key).and_then(Weak::upgrade).filter(|socket| !socket.is_dead())
    }

    fn take(&self, socket: &Rc<UnixSocket>, key: Key, address: Address, path: Option<Path>) -> Name {
        self.0.bound.borrow_mut().insert(key.clone(), Rc::downgrade(socket));
        Name { address, key, _path: path, owner: Rc::downgrade(socket), table: self.0.clone() }
    }

    /// Gives a socket a name (bind(2)).
    pub async fn bind(&self, task: &Task, socket: &Rc<UnixSocket>, address: Address) -> Result<Name> {
        match address {
            Address::Unnamed => self.bind_auto(socket),
            Address::Abstract(name) => {
                let key = Key::Abstract(name.clone());
                if self.holder(&key).is_some() {
                    return Err(Errno::EADDRINUSE);
                }
                Ok(self.take(socket, key, Address::Abstract(name), None))
            }
            Address::Path(path) => {
                let node = make_node(task, &path).await?;
                Ok(self.take(socket, Key::of(&node), Address::Path(path), Some(node)))
            }
        }
    }

    /// What bind(2) says to a socket that has a name already: a file that is there is noticed first.
    pub async fn refuse(&self, task: &Task, address: &Address) -> Errno {
        let Address::Path(path) = address else { return Errno::EINVAL };
        let (fs, cred) = (task.fs(), task.cred());
        let may_search = |attributes: &vfs::Attributes| cred.may(attributes, Want::EXEC);
        let walker = Walker { root: &fs.root, start: &fs.cwd, may_search: &may_search };
        match task.kernel.namespace.walk(&walker, path, LastSymlink::Keep).await {
            Ok(walked) if walked.target.is_some() => Errno::EADDRINUSE,
            Ok(_) => Errno::EINVAL,
            Err(error) => error,
        }
    }

    /// Five hexadecimal digits that are free (unix(7), "Autobind feature").
    pub fn bind_auto(&self, socket: &Rc<UnixSocket>) -> Result<Name> {
        for _ in 0..=0xfffff {
            let number = self.0.next_auto.get() & 0xfffff;
            self.0.next_auto.set(number + 1);
            let name = format!("{number:05x}").into_bytes();
            let key = Key::Abstract(name.clone());
            if self.holder(&key).is_none() {
                return Ok(self.take(socket, key, Address::Abstract(name), None));
            }
        }
        Err(Errno::ENOSPC)
    }

    /// The socket that has a name, for a task that wants to send to it. `ECONNREFUSED` where nobody has it.
    pub async fn find(&self, task: &Task, address: &Address) -> Result<Rc<UnixSocket>> {
        let key = match address {
            Address::Unnamed => return Err(Errno::EINVAL),
            Address::Abstract(name) => Key::Abstract(name.clone()),
            Address::Path(path) => {
                let (fs, cred) = (task.fs(), task.cred());
                let may_search = |attributes: &vfs::Attributes| cred.may(attributes, Want::EXEC);
                let walker = Walker { root: &fs.root, start: &fs.cwd, may_search: &may_search };
                let found = task.kernel.namespace.find(&walker, path, LastSymlink::Follow).await?;
                let attributes = found.inode().attributes();
                if !cred.may(&attributes, Want::WRITE) {
                    return Err(Errno::EACCES);
                }
                if attributes.file_type != FileType::Socket {
                    return Err(Errno::ECONNREFUSED);
                }
                Key::of(&found)
            }
        };
        self.holder(&key).ok_or(Errno::ECONNREFUSED)
    }
}

/// Makes the socket file that bind(2) leaves in the tree.
async fn make_node(task: &Task, path: &[u8]) -> Result<Path> {
    let (fs, cred) = (task.fs(), task.cred());
    let may_search = |attributes: &vfs::Attributes| cred.may(attributes, Want::EXEC);
    let walker = Walker { root: &fs.root, start: &fs.cwd, may_search: &may_search };
    let kernel = &task.kernel;
    let walked = kernel.namespace.walk(&walker, path, LastSymlink::Keep).await?;
    if walked.target.is_some() {
        return Err(Errno::EADDRINUSE);
    }
    if walked.trailing_slash {
        return Err(Errno::ENOENT);
    }
    let parent = walked.parent.inode().attributes();
    if !cred.may(&parent, Want(Want::WRITE.0 | Want::EXEC.0)) {
        return Err(Errno::EACCES);
    }
    // In a set-group-ID directory files get its group (inode(7)).
    let gid = if parent.permissions & 0o2000 != 0 { parent.gid } else { cred.fsgid };
    let node = NewNode {
        file_type: FileType::Socket,
        permissions: 0o777 & !fs.umask,
        uid: cred.fsuid,
        gid,
        rdev: 0,
        target: b"",
        now: kernel.clock.timestamp(),
    };
    kernel.namespace.create(&walked.parent, &walked.name, &node).await.map_err(|error| match error {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        // What a program gives, what it is, what getsockname gives.
        let long = [&[1, 0][..], &[b'x'; 108]].concat();
        let cases: &[(&[u8], Result<Address>, &[u8])] = &[
            (b"\x01\0", Ok(Address::Unnamed), b"\x01\0"),
            (b"\x01\0/a", Ok(Address::Path(b"/a".into())), b"\x01\0/a\0"),
            (b"\x01\0/a\0junk", Ok(Address::Path(b"/a".into())), b"\x01\0/a\0"),
            (b"\x01\0\0a\0b", Ok(Address::Abstract(b"a\0b".into())), b"\x01\0\0a\0b"),
            (b"\x01\0\0", Ok(Address::Abstract(b"".into())), b"\x01\0\0"),
            (&long, Ok(Address::Path(vec![b'x'; 108])), &[&long[..], b"\0"].concat()),
            (b"\x01", Err(Errno::EINVAL), b""),
            (b"\x02\0/a", Err(Errno::EINVAL), b""),
            (&[&long[..], b"y"].concat(), Err(Errno::EINVAL), b""),
        ];
        for (given, address, shown) in cases {
            assert_eq!(Address::parse(given), *address, "{given:?}");
            if let Ok(address) = address {
                assert_eq!(address.encode(), *shown);
            }
        }
    }
}
