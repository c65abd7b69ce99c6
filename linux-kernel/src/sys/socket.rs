//! Socket calls, and i386's `socketcall` which holds them all. Messages with headers are in [`message`].

pub mod message;

pub use message::{recvmmsg, recvmmsg_time32, recvmsg, sendmmsg, sendmsg};

use super::args::Args;
use super::event::put_pair;
use crate::file::{Blocking, Io, OpenFile, Result};
use crate::net::{self, Outgoing, Received, Shutdown, SocketFile};
use crate::task::Task;
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use linux_abi::resource::RLIMIT_NOFILE;
use linux_abi::socket::*;
use linux_abi::uio::MAX_RW_COUNT;
use std::rc::Rc;

/// Longest address (`struct sockaddr_storage`).
const MAX_ADDRESS: usize = size_of::<SockaddrStorage>();
/// Longest message of the kinds that keep messages apart.
const MAX_MESSAGE: u64 = 1 << 20;
/// Bytes of a stream copied at a time.
const STREAM_CHUNK: u64 = 1 << 18;
/// Longest option value looked at; all known ones are shorter.
const MAX_OPTION: usize = 4096;

/// The socket behind an open file.
fn as_socket(file: &OpenFile) -> Result<&SocketFile> {
    file.ops_as::<SocketFile>().ok_or(Errno::ENOTSOCK)
}

fn io<'a>(task: &'a Rc<Task>, file: &'a OpenFile, flags: MsgFlags) -> Io<'a> {
    let blocking = if flags.contains(MsgFlags::DONTWAIT) { Blocking::Never } else { file.blocking() };
    Io { task, file, blocking }
}

async fn get_address(task: &Task, addr: u64, len: i32) -> Result<Vec<u8>> {
    match usize::try_from(len) {
        Ok(len) if len <= MAX_ADDRESS => task.read_bytes(addr, len).await,
        _ => Err(Errno::EINVAL),
    }
}

/// Writes as much of an address as the caller has room for, and its whole length.
async fn put_address(task: &Task, addr: u64, len_addr: u64, address: &[u8]) -> Result<()> {
    let room = usize::try_from(task.get::<i32>(len_addr).await?).map_err(|_| Errno::EINVAL)?;
    let part = &address[..room.min(address.len())];
    if !part.is_empty() {
        task.write_bytes(addr, part).await?;
    }
    task.put(len_addr, &(address.len() as i32)).await
}

fn status_of(flags: SockFlags) -> (u32, bool) {
    (flags.bits() & OFlags::NONBLOCK.bits(), flags.contains(SockFlags::CLOEXEC))
}

/// socket(2).
pub async fn socket(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (kind, flags) = net::split_type(a.uint(1))?;
    let socket = net::create(task, a.int(0), kind, a.int(2))?;
    let (status, close_on_exec) = status_of(flags);
    let file = SocketFile::open(&task.kernel, socket, status);
    task.install(file, close_on_exec).map(|fd| fd as u64)
}

/// socketpair(2).
pub async fn socketpair(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (kind, flags) = net::split_type(a.uint(1))?;
    if a.int(0) != i32::from(AF_UNIX) {
        // Families that exist but have no pairs say so.
        return net::create(task, a.int(0), kind, a.int(2)).and(Err(Errno::EOPNOTSUPP));
    }
    let (first, second) = net::unix::pair(task, kind, a.int(2))?;
    let (status, close_on_exec) = status_of(flags);
    let first = SocketFile::open(&task.kernel, first, status);
    let second = SocketFile::open(&task.kernel, second, status);
    put_pair(task, a.word(3), first, second, close_on_exec).await
}

/// bind(2).
pub async fn bind(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let socket = as_socket(&file)?.socket();
    let address = get_address(task, a.word(1), a.int(2)).await?;
    socket.bind(task, &address).await.map(|()| 0)
}

/// connect(2).
pub async fn connect(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let socket = as_socket(&file)?.socket();
    let address = get_address(task, a.word(1), a.int(2)).await?;
    socket.connect(io(task, &file, MsgFlags::empty()), &address).await.map(|()| 0)
}

/// listen(2).
pub async fn listen(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let backlog = a.uint(1).min(SOMAXCONN);
    as_socket(&file)?.socket().listen(task, backlog as usize).map(|()| 0)
}

/// accept(2).
pub async fn accept(task: &Rc<Task>, a: &Args) -> Result<u64> {
    accept4(task, &Args([a.0[0], a.0[1], a.0[2], 0, 0, 0])).await
}

/// accept4(2).
pub async fn accept4(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (kind, flags) = net::split_type(a.uint(3))?;
    if kind != 0 {
        return Err(Errno::EINVAL);
    }
    let file = task.file(a.int(0))?;
    let listener = as_socket(&file)?.socket();
    // A connection that gets no descriptor must stay in the queue.
    if task.files().numbers().len() as u64 >= task.process.limit(RLIMIT_NOFILE as usize) {
        return Err(Errno::EMFILE);
    }
    let socket = listener.accept(io(task, &file, MsgFlags::empty())).await?;
    let (status, close_on_exec) = status_of(flags);
    let accepted = SocketFile::open(&task.kernel, socket.clone(), status);
    if a.word(1) != 0 {
        let address = socket.peer_address().map_err(|_| Errno::ECONNABORTED)?;
        put_address(task, a.word(1), a.word(2), &address).await?;
    }
    task.install(accepted, close_on_exec).map(|fd| fd as u64)
}

/// getsockname(2).
pub async fn getsockname(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let address = as_socket(&file)?.socket().local_address()?;
    put_address(task, a.word(1), a.word(2), &address).await.map(|()| 0)
}

/// getpeername(2).
pub async fn getpeername(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let address = as_socket(&file)?.socket().peer_address()?;
    put_address(task, a.word(1), a.word(2), &address).await.map(|()| 0)
}

/// shutdown(2).
pub async fn shutdown(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let socket = as_socket(&file)?.socket();
    let how = match a.uint(1) {
        SHUT_RD => Shutdown::READ,
        SHUT_WR => Shutdown::WRITE,
        SHUT_RDWR => Shutdown::BOTH,
        _ => return Err(Errno::EINVAL),
    };
    socket.shutdown(how).map(|()| 0)
}

/// setsockopt(2).
pub async fn setsockopt(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let len = usize::try_from(a.int(4)).map_err(|_| Errno::EINVAL)?;
    let file = task.file(a.int(0))?;
    let socket = as_socket(&file)?.socket();
    let value = task.read_bytes(a.word(3), len.min(MAX_OPTION)).await?;
    socket.set_option(task, a.int(1), a.int(2), &value).map(|()| 0)
}

/// getsockopt(2).
pub async fn getsockopt(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let socket = as_socket(&file)?.socket();
    let room = usize::try_from(task.get::<i32>(a.word(4)).await?).map_err(|_| Errno::EINVAL)?;
    let value = socket.get_option(task.arch(), a.int(1), a.int(2))?;
    let part = &value[..room.min(value.len())];
    task.write_bytes(a.word(3), part).await?;
    task.put(a.word(4), &(part.len() as i32)).await.map(|()| 0)
}

/// What a message carries besides its bytes.
#[derive(Debug, Default)]
struct Extras {
    to: Option<Vec<u8>>,
    rights: Vec<Rc<OpenFile>>,
    cred: Option<Ucred>,
}

/// Reads bytes from the front of a list of guest ranges, and drops them from it.
async fn gather(task: &Task, ranges: &mut Vec<(u64, u64)>, max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut used = 0;
    for (base, len) in ranges.iter_mut() {
        let count = (*len).min(max - bytes.len() as u64);
        bytes.extend_from_slice(&task.read_bytes(*base, count as usize).await?);
        *base = base.wrapping_add(count);
        *len -= count;
        if *len > 0 {
            break;
        }
        used += 1;
    }
    ranges.drain(..used);
    Ok(bytes)
}

/// Writes bytes to the front of a list of guest ranges, and drops that part from it.
async fn scatter(task: &Task, ranges: &mut Vec<(u64, u64)>, mut bytes: &[u8]) -> Result<()> {
    let mut used = 0;
    for (base, len) in ranges.iter_mut() {
        if bytes.is_empty() {
            break;
        }
        let count = (*len).min(bytes.len() as u64);
        let (now, later) = bytes.split_at(count as usize);
        task.write_bytes(*base, now).await?;
        *base = base.wrapping_add(count);
        *len -= count;
        bytes = later;
        if *len == 0 {
            used += 1;
        }
    }
    ranges.drain(..used);
    Ok(())
}

fn total(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len)).min(MAX_RW_COUNT)
}

/// Sends from guest ranges: a message at once, a stream piece by piece.
async fn send_ranges(
    task: &Rc<Task>,
    file: &OpenFile,
    mut flags: MsgFlags,
    mut ranges: Vec<(u64, u64)>,
    extras: Extras,
) -> Result<u64> {
    let socket = as_socket(file)?;
    let stream = socket.socket().base().kind == SOCK_STREAM;
    let mut left = total(&ranges);
    if !stream && left > MAX_MESSAGE {
        return Err(Errno::EMSGSIZE);
    }
    let Extras { to, mut rights, cred } = extras;
    let io = io(task, file, flags);
    let mut done = 0;
    loop {
        let chunk =
            gather(task, &mut ranges, left.min(if stream { STREAM_CHUNK } else { MAX_MESSAGE })).await;
        let result = match &chunk {
            Ok(data) => {
                let message =
                    Outgoing { data, to: to.as_deref(), flags, rights: std::mem::take(&mut rights), cred };
                socket.send(io, message).await
            }
            Err(error) => Err(*error),
        };
        let wanted = chunk.map_or(0, |data| data.len());
        match result {
            Err(_) if done > 0 => return Ok(done),
            Err(error) => return Err(error),
            Ok(sent) => {
                done += sent as u64;
                left -= sent as u64;
                if sent < wanted || left == 0 || wanted == 0 {
                    return Ok(done);
                }
            }
        }
        // What was sent counts: a connection that breaks now is the next call's error.
        flags |= MsgFlags::NOSIGNAL;
    }
}

/// Receives into guest ranges; `MSG_WAITALL` goes on until they are full. Gives the call's result and the rest.
async fn receive_ranges(
    task: &Rc<Task>,
    file: &OpenFile,
    flags: MsgFlags,
    mut ranges: Vec<(u64, u64)>,
) -> Result<(u64, Received)> {
    let socket = as_socket(file)?.socket();
    let stream = socket.base().kind == SOCK_STREAM;
    let io = io(task, file, flags);
    let mut left = total(&ranges);
    let mut done: Option<(u64, Received)> = None;
    loop {
        let mut buf = vec![0; left.min(if stream { STREAM_CHUNK } else { MAX_MESSAGE }) as usize];
        let received = match (socket.receive(io, &mut buf, flags).await, done.take()) {
            (Err(_), Some(before)) => return Ok(before),
            (Err(error), None) => return Err(error),
            (Ok(received), None) => {
                scatter(task, &mut ranges, &buf[..received.len]).await?;
                let count = if flags.contains(MsgFlags::TRUNC) { received.full_len } else { received.len };
                (count as u64, received)
            }
            (Ok(mut received), Some((count, before))) => {
                scatter(task, &mut ranges, &buf[..received.len]).await?;
                let got = received.len;
                received.from = before.from;
                if got == 0 {
                    return Ok((count, received));
                }
                (count + got as u64, received)
            }
        };
        let got = received.1.len as u64;
        left = left.saturating_sub(got);
        let all = flags.contains(MsgFlags::WAITALL) && !flags.contains(MsgFlags::PEEK) && stream;
        // Files end a read: the next bytes are another message's.
        if !all || left == 0 || got == 0 || !received.1.rights.is_empty() {
            return Ok(received);
        }
        done = Some(received);
    }
}

/// sendto(2).
pub async fn sendto(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    as_socket(&file)?;
    let to = if a.word(4) == 0 { None } else { Some(get_address(task, a.word(4), a.int(5)).await?) };
    let to = to.filter(|to| !to.is_empty());
    let flags = MsgFlags::from_bits_retain(a.uint(3));
    send_ranges(task, &file, flags, vec![(a.word(1), a.word(2))], Extras { to, ..Extras::default() }).await
}

/// send(2).
pub async fn send(task: &Rc<Task>, a: &Args) -> Result<u64> {
    sendto(task, &Args([a.0[0], a.0[1], a.0[2], a.0[3], 0, 0])).await
}

/// recvfrom(2). Files that come along are closed.
pub async fn recvfrom(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    let flags = MsgFlags::from_bits_retain(a.uint(3));
    let (count, received) = receive_ranges(task, &file, flags, vec![(a.word(1), a.word(2))]).await?;
    if a.word(4) != 0 {
        put_address(task, a.word(4), a.word(5), &received.from.unwrap_or_default()).await?;
    }
    Ok(count)
}

/// recv(2).
pub async fn recv(task: &Rc<Task>, a: &Args) -> Result<u64> {
    recvfrom(task, &Args([a.0[0], a.0[1], a.0[2], a.0[3], 0, 0])).await
}

/// socketcall(2) of i386: the number of a call and its arguments in memory.
pub async fn socketcall(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let count =
        usize::try_from(a.uint(0)).ok().filter(|call| *call > 0).and_then(|call| SOCKETCALL_ARGS.get(call));
    let count = usize::from(*count.ok_or(Errno::EINVAL)?);
    let bytes = task.read_bytes(a.word(1), count * 4).await?;
    let mut raw = [0u64; 6];
    for (value, chunk) in raw.iter_mut().zip(bytes.chunks_exact(4)) {
        *value = u64::from(crate::mm::from_prefix::<u32>(chunk));
    }
    let b = &Args(raw);
    match a.uint(0) {
        SYS_SOCKET => socket(task, b).await,
        SYS_BIND => bind(task, b).await,
        SYS_CONNECT => connect(task, b).await,
        SYS_LISTEN => listen(task, b).await,
        SYS_ACCEPT => accept(task, b).await,
        SYS_GETSOCKNAME => getsockname(task, b).await,
        SYS_GETPEERNAME => getpeername(task, b).await,
        SYS_SOCKETPAIR => socketpair(task, b).await,
        SYS_SEND => send(task, b).await,
        SYS_RECV => recv(task, b).await,
        SYS_SENDTO => sendto(task, b).await,
        SYS_RECVFROM => recvfrom(task, b).await,
        SYS_SHUTDOWN => shutdown(task, b).await,
        SYS_SETSOCKOPT => setsockopt(task, b).await,
        SYS_GETSOCKOPT => getsockopt(task, b).await,
        SYS_SENDMSG => sendmsg(task, b).await,
        SYS_RECVMSG => recvmsg(task, b).await,
        SYS_ACCEPT4 => accept4(task, b).await,
        SYS_RECVMMSG => recvmmsg_time32(task, b).await,
        SYS_SENDMMSG => sendmmsg(task, b).await,
        _ => Err(Errno::EINVAL),
    }
}
