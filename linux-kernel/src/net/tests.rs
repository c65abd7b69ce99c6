//! Programs that talk to each other, on both architectures.

use super::inet;
use super::world::{Program, World, sleep};
use crate::file::{Result, open_flags};
use crate::signal::Signal;
use crate::sys::poll::select;
use crate::sys::socket::*;
use crate::task::Arch;
use core::net::SocketAddr;
use linux_abi::Errno;
use linux_abi::inet::{IPV6_V6ONLY, TCP_NODELAY};
use linux_abi::ioctl::FIONREAD;
use linux_abi::netlink::{NlmFlags, Nlmsghdr, RTM_GETADDR};
use linux_abi::poll::PollEvents;
use linux_abi::socket::*;
use linux_abi::sockopt::*;

const IN: u16 = PollEvents::IN.bits();
const OUT: u16 = PollEvents::OUT.bits();
const ERR: u16 = PollEvents::ERR.bits();
const HUP: u16 = PollEvents::HUP.bits();
const RDHUP: u16 = PollEvents::RDHUP.bits();
const NONBLOCK: u64 = open_flags::NONBLOCK as u64;
const STREAM: u64 = SOCK_STREAM as u64;
const DGRAM: u64 = SOCK_DGRAM as u64;
const SEQPACKET: u64 = SOCK_SEQPACKET as u64;
const BOTH: [Arch; 2] = [Arch::I386, Arch::X86_64];

impl Program {
    async fn socket(&self, domain: u16, kind: u64) -> u64 {
        self.call(socket, &[domain.into(), kind, 0]).await.unwrap()
    }

    async fn pair(&self, kind: u64) -> [u64; 2] {
        let at = self.room(8);
        self.call(socketpair, &[AF_UNIX.into(), kind, 0, at]).await.unwrap();
        self.get::<[i32; 2]>(at).await.map(|fd| fd as u64)
    }

    pub(super) async fn bind(&self, fd: u64, address: &[u8]) -> Result<u64> {
        let at = self.bytes(address).await;
        self.call(bind, &[fd, at, address.len() as u64]).await
    }

    pub(super) async fn connect(&self, fd: u64, address: &[u8]) -> Result<u64> {
        let at = self.bytes(address).await;
        self.call(connect, &[fd, at, address.len() as u64]).await
    }

    async fn address(
        &self,
        handler: impl AsyncFn(&std::rc::Rc<crate::task::Task>, &crate::sys::Args) -> Result<u64>,
        fd: u64,
    ) -> Result<Vec<u8>> {
        let (at, len) = (self.room(128), self.value(128i32).await);
        self.call(handler, &[fd, at, len]).await?;
        Ok(self.task.read_bytes(at, self.get::<i32>(len).await as usize).await.unwrap())
    }

    async fn option(&self, fd: u64, level: i32, name: i32) -> Result<i32> {
        let (at, len) = (self.room(4), self.value(4i32).await);
        self.call(getsockopt, &[fd, level as u64, name as u64, at, len]).await?;
        Ok(self.get(at).await)
    }

    async fn set_option(&self, fd: u64, level: i32, name: i32, value: i32) -> Result<u64> {
        let at = self.value(value).await;
        self.call(setsockopt, &[fd, level as u64, name as u64, at, 4]).await
    }

    async fn send(&self, fd: u64, data: &[u8], flags: MsgFlags) -> Result<u64> {
        let at = self.bytes(data).await;
        self.call(send, &[fd, at, data.len() as u64, flags.bits().into()]).await
    }

    async fn send_to(&self, fd: u64, data: &[u8], to: &[u8]) -> Result<u64> {
        let (at, address) = (self.bytes(data).await, self.bytes(to).await);
        self.call(sendto, &[fd, at, data.len() as u64, 0, address, to.len() as u64]).await
    }

    async fn recv(&self, fd: u64, len: usize, flags: MsgFlags) -> Result<Vec<u8>> {
        let at = self.room(len);
        let got = self.call(recv, &[fd, at, len as u64, flags.bits().into()]).await?;
        Ok(self.task.read_bytes(at, (got as usize).min(len)).await.unwrap())
    }

    async fn recv_from(&self, fd: u64, len: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let (at, address, address_len) = (self.room(len), self.room(128), self.value(128i32).await);
        let got = self.call(recvfrom, &[fd, at, len as u64, 0, address, address_len]).await?;
        let from = self.task.read_bytes(address, self.get::<i32>(address_len).await as usize).await.unwrap();
        Ok((self.task.read_bytes(at, got as usize).await.unwrap(), from))
    }

    /// A message header in the program's layout: its address.
    async fn header(&self, data: u64, len: u64, control: u64, control_len: u64) -> u64 {
        match self.task.arch() {
            Arch::I386 => {
                let iov = self.value([data as u32, len as u32]).await;
                let [msg_iov, msg_control, msg_controllen] =
                    [iov, control, control_len].map(|value| value as u32);
                self.value(MsghdrI386 {
                    msg_iov,
                    msg_iovlen: 1,
                    msg_control,
                    msg_controllen,
                    ..Default::default()
                })
                .await
            }
            Arch::X86_64 => {
                let msg_iov = self.value([data, len]).await;
                let (msg_control, msg_controllen) = (control, control_len);
                self.value(MsghdrX86_64 {
                    msg_iov,
                    msg_iovlen: 1,
                    msg_control,
                    msg_controllen,
                    ..Default::default()
                })
                .await
            }
        }
    }

    /// A control message with data in the program's layout.
    fn control(&self, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = match self.task.arch() {
            Arch::I386 => bytemuck::bytes_of(&CmsghdrI386 {
                cmsg_len: 12 + data.len() as u32,
                cmsg_level: SOL_SOCKET,
                cmsg_type: kind,
            })
            .to_vec(),
            Arch::X86_64 => bytemuck::bytes_of(&CmsghdrX86_64 {
                cmsg_len: 16 + data.len() as u64,
                cmsg_level: SOL_SOCKET,
                cmsg_type: kind,
            })
            .to_vec(),
        };
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(self.task.arch().word_size()), 0);
        bytes
    }

    async fn send_with(&self, fd: u64, data: &[u8], control: &[u8]) -> Result<u64> {
        let (at, control_at) = (self.bytes(data).await, self.bytes(control).await);
        let header = self.header(at, data.len() as u64, control_at, control.len() as u64).await;
        self.call(sendmsg, &[fd, header, 0]).await
    }

    /// recvmsg(2): data, control data, flags.
    async fn recv_with(
        &self,
        fd: u64,
        len: usize,
        room: usize,
        flags: MsgFlags,
    ) -> Result<(Vec<u8>, Vec<u8>, MsgFlags)> {
        let (at, control) = (self.room(len), self.room(room));
        let header = self.header(at, len as u64, control, room as u64).await;
        let got = self.call(recvmsg, &[fd, header, flags.bits().into()]).await?;
        let (control_len, flags) = match self.task.arch() {
            Arch::I386 => {
                let h: MsghdrI386 = self.get(header).await;
                (h.msg_controllen as usize, h.msg_flags)
            }
            Arch::X86_64 => {
                let h: MsghdrX86_64 = self.get(header).await;
                (h.msg_controllen as usize, h.msg_flags)
            }
        };
        let data = self.task.read_bytes(at, got as usize).await.unwrap();
        let control = self.task.read_bytes(control, control_len).await.unwrap();
        Ok((data, control, MsgFlags::from_bits_retain(flags)))
    }
}

pub(super) fn unix(name: &[u8]) -> Vec<u8> {
    [&AF_UNIX.to_le_bytes(), name].concat()
}

pub(super) fn ip(domain: u16, text: &str) -> Vec<u8> {
    inet::encode(domain, text.parse::<SocketAddr>().unwrap())
}

const NONE: MsgFlags = MsgFlags::empty();

#[test]
fn a_unix_stream_pair() {
    for arch in BOTH {
        let world = World::new();
        let p = world.program(arch, 1000);
        world.run(async move {
            let [a, b] = p.pair(STREAM | NONBLOCK).await;
            assert_eq!(p.poll(a, IN | OUT, 0).await, OUT);
            assert_eq!(p.recv(b, 5, NONE).await, Err(Errno::EAGAIN));
            assert_eq!(p.send(a, b"hello", NONE).await, Ok(5));
            assert_eq!(p.write(a, b" you").await, Ok(4));
            assert_eq!(p.recv(b, 3, MsgFlags::PEEK).await.unwrap(), b"hel");
            let count = p.room(4);
            p.call(crate::sys::file::ioctl, &[b, FIONREAD.into(), count]).await.unwrap();
            assert_eq!(p.get::<i32>(count).await, 9);
            assert_eq!(p.read(b, 100).await.unwrap(), b"hello you");
            // Half a shutdown: the peer reads the end, and can still send.
            p.call(shutdown, &[a, SHUT_WR.into()]).await.unwrap();
            assert_eq!(p.poll(b, IN | OUT | RDHUP, 0).await, IN | OUT | RDHUP);
            assert_eq!(p.recv(b, 1, NONE).await.unwrap(), b"");
            assert_eq!(p.send(a, b"x", MsgFlags::NOSIGNAL).await, Err(Errno::EPIPE));
            assert!(!p.take_signal(Signal::PIPE));
            assert_eq!(p.send(b, b"y", NONE).await, Ok(1));
            p.close(b).await;
            // Data that came before the end is read first.
            assert_eq!(p.poll(a, IN | RDHUP, 0).await, IN | HUP | RDHUP);
            assert_eq!(p.recv(a, 10, NONE).await.unwrap(), b"y");
            assert_eq!(p.recv(a, 10, NONE).await.unwrap(), b"");
            assert_eq!(p.write(a, b"x").await, Err(Errno::EPIPE));
            assert!(p.take_signal(Signal::PIPE));
            // Data left unread is an error for who sent it.
            let [a, b] = p.pair(STREAM).await;
            p.send(a, b"lost", NONE).await.unwrap();
            p.close(b).await;
            assert_eq!(p.option(a, SOL_SOCKET, SO_ERROR).await, Ok(i32::from(Errno::ECONNRESET.0)));
            assert_eq!(p.recv(a, 1, NONE).await.unwrap(), b"");
        });
    }
}

#[test]
fn a_stream_waits_for_room_and_for_all() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let [a, b] = p.pair(STREAM).await;
        let big: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        let (sent, got) = futures::join!(p.send(a, &big, NONE), p.recv(b, 1_000_000, MsgFlags::WAITALL));
        assert_eq!(sent, Ok(1_000_000));
        assert!(got.unwrap() == big);
        // Without waiting, what fits; then writable again only when three quarters are free.
        let sent = p.send(a, &big, MsgFlags::DONTWAIT).await.unwrap();
        assert_eq!(sent, 212_992);
        assert_eq!(p.send(a, &big, MsgFlags::DONTWAIT).await, Err(Errno::EAGAIN));
        assert_eq!(p.poll(a, OUT, 0).await, 0);
        p.recv(b, 100_000, NONE).await.unwrap();
        assert_eq!(p.poll(a, OUT, 0).await, 0);
        let (found, _) = futures::join!(p.poll(a, OUT, 1000), async {
            sleep(&p, 1).await;
            p.recv(b, 100_000, NONE).await
        });
        assert_eq!(found, OUT);
        // Timeouts.
        let time = p.value([0i64, 30_000]).await;
        p.call(setsockopt, &[a, SOL_SOCKET as u64, SO_RCVTIMEO_OLD as u64, time, 16]).await.unwrap();
        let before = p.task.kernel.clock.monotonic().0;
        assert_eq!(p.recv(a, 1, NONE).await, Err(Errno::EAGAIN));
        assert_eq!(p.task.kernel.clock.monotonic().0 - before, 30_000_000);
    });
}

#[test]
fn files_and_credentials_go_along() {
    for arch in BOTH {
        let world = World::new();
        let (p, q) = (world.program(arch, 1000), world.program(arch, 0));
        world.run(async move {
            let [a, b] = p.pair(STREAM | NONBLOCK).await;
            let [c, d] = p.pair(STREAM).await;
            let word = arch.word_size();
            let head: usize = if arch == Arch::I386 { 12 } else { 16 };
            // Two files with "cd"; what was sent before is read together with it, what comes after is not.
            p.send(a, b"ab", NONE).await.unwrap();
            let both = [(c as i32).to_le_bytes(), (d as i32).to_le_bytes()].concat();
            assert_eq!(p.send_with(a, b"cd", &p.control(SCM_RIGHTS, &both)).await, Ok(2));
            p.send(a, b"ef", NONE).await.unwrap();
            p.close(d).await;
            let (data, control, flags) = p.recv_with(b, 100, 100, MsgFlags::CMSG_CLOEXEC).await.unwrap();
            assert_eq!((&data[..], flags), (&b"abcd"[..], MsgFlags::CMSG_CLOEXEC));
            assert_eq!(control.len(), (head + 8).next_multiple_of(word));
            let new: i32 = crate::mm::from_prefix(&control[head + 4..]);
            assert_eq!(p.task.files().close_on_exec(new), Ok(true));
            p.write(new as u64, b"through").await.unwrap();
            assert_eq!(p.read(c, 100).await.unwrap(), b"through");
            assert_eq!(p.read(b, 100).await.unwrap(), b"ef");
            // Room for one of two: the other is closed. No room: both are.
            for (room, kept) in [(head + 4, 1), (head, 0), (0, 0)] {
                p.send_with(a, b"x", &p.control(SCM_RIGHTS, &both[..4].repeat(2))).await.unwrap();
                let before = p.task.files().numbers().len();
                let (_, control, flags) = p.recv_with(b, 1, room, NONE).await.unwrap();
                assert!(flags.contains(MsgFlags::CTRUNC));
                assert_eq!(
                    (p.task.files().numbers().len() - before, control.len()),
                    (kept, kept * (head + 4))
                );
            }
            assert_eq!(p.send_with(a, b"x", &p.control(SCM_RIGHTS, &[99, 0, 0, 0])).await, Err(Errno::EBADF));
            assert_eq!(p.send_with(a, b"x", &p.control(9, &[])).await, Err(Errno::EINVAL));
            // Who is asking, and who says so.
            let ucred = |pid, uid, gid| bytemuck::bytes_of(&Ucred { pid, uid, gid }).to_vec();
            let own = ucred(p.task.process.pid, 1000, 1000);
            p.send(a, b"early", NONE).await.unwrap();
            p.set_option(b, SOL_SOCKET, SO_PASSCRED, 1).await.unwrap();
            // Sent before anybody asked, it is nobody's, as natively (`guest/sockets.c`, `rights`).
            let (_, control, _) = p.recv_with(b, 100, 100, NONE).await.unwrap();
            assert_eq!(&control[head..][..12], ucred(0, 65534, 65534));
            p.send(a, b"later", NONE).await.unwrap();
            let (_, control, _) = p.recv_with(b, 100, 100, NONE).await.unwrap();
            assert_eq!(&control[head..][..12], own);
            let root = p.control(SCM_CREDENTIALS, &ucred(q.task.process.pid, 0, 0));
            assert_eq!(p.send_with(a, b"x", &root).await, Err(Errno::EPERM));
            let (at, len) = (p.room(12), p.value(12i32).await);
            p.call(getsockopt, &[a, SOL_SOCKET as u64, SO_PEERCRED as u64, at, len]).await.unwrap();
            assert_eq!(p.task.read_bytes(at, 12).await.unwrap(), own);
        });
    }
}

#[test]
fn unix_servers_have_names() {
    for (name, file) in [(&b"/sock\0"[..], true), (b"\0abstract", false)] {
        for kind in [STREAM, SEQPACKET] {
            let world = World::new();
            let (p, q) = (world.program(Arch::X86_64, 0), world.program(Arch::I386, 1000));
            world.run(async move {
                let address = unix(name);
                let server = p.socket(AF_UNIX, kind).await;
                let client = q.socket(AF_UNIX, kind).await;
                let refused = if file { Errno::ENOENT } else { Errno::ECONNREFUSED };
                assert_eq!(q.connect(client, &address).await, Err(refused));
                assert_eq!(p.call(listen, &[server, 1]).await, Err(Errno::EINVAL));
                p.bind(server, &address).await.unwrap();
                assert_eq!(p.bind(server, &unix(b"\0x")).await, Err(Errno::EINVAL));
                let second = p.socket(AF_UNIX, kind).await;
                assert_eq!(p.bind(second, &address).await, Err(Errno::EADDRINUSE));
                if file {
                    // bind left mode 755: nobody else may connect (unix(7), "Pathname socket ownership").
                    assert_eq!(q.connect(client, &address).await, Err(Errno::EACCES));
                    let at = p.bytes(name).await;
                    p.call(crate::sys::attr::chmod, &[at, 0o777]).await.unwrap();
                }
                assert_eq!(q.connect(client, &address).await, Err(Errno::ECONNREFUSED));
                p.call(listen, &[server, 0]).await.unwrap();
                assert_eq!(p.option(server, SOL_SOCKET, SO_ACCEPTCONN).await, Ok(1));
                assert_eq!(p.poll(server, IN, 0).await, 0);
                q.connect(client, &address).await.unwrap();
                assert_eq!(q.connect(client, &address).await, Err(Errno::EISCONN));
                // The backlog of 0 holds one; the next waits, or not.
                let other = q.socket(AF_UNIX, kind | NONBLOCK).await;
                assert_eq!(q.connect(other, &address).await, Err(Errno::EAGAIN));
                let other = q.socket(AF_UNIX, kind).await;
                let (connected, accepted) = futures::join!(q.connect(other, &address), async {
                    sleep(&p, 1).await;
                    assert_eq!(p.poll(server, IN, 0).await, IN);
                    p.address(accept, server).await
                });
                assert_eq!((connected, accepted.unwrap()), (Ok(0), unix(b"")));
                let accepted = p.call(accept4, &[server, 0, 0, NONBLOCK]).await.unwrap();
                assert_eq!(q.send(other, b"hi", NONE).await, Ok(2));
                assert_eq!(p.recv(accepted, 10, NONE).await.unwrap(), b"hi");
                assert_eq!(p.recv(accepted, 10, NONE).await, Err(Errno::EAGAIN));
                assert_eq!(q.address(getpeername, other).await.unwrap(), address);
                assert_eq!(p.address(getsockname, accepted).await.unwrap(), address);
                // A new server takes the name once the old is gone, and its file.
                p.close(server).await;
                let third = p.socket(AF_UNIX, kind).await;
                if file {
                    assert_eq!(p.bind(third, &address).await, Err(Errno::EADDRINUSE));
                    let client = p.socket(AF_UNIX, kind).await;
                    assert_eq!(p.connect(client, &address).await, Err(Errno::ECONNREFUSED));
                    let at = p.bytes(name).await;
                    p.call(crate::sys::path::unlink, &[at]).await.unwrap();
                }
                p.bind(third, &address).await.unwrap();
                p.call(listen, &[third, 5]).await.unwrap();
                let client = p.socket(AF_UNIX, kind).await;
                assert_eq!(p.connect(client, &address).await, Ok(0));
            });
        }
    }
}

#[test]
fn unix_datagrams() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let (a, b) = (p.socket(AF_UNIX, DGRAM | NONBLOCK).await, p.socket(AF_UNIX, DGRAM | NONBLOCK).await);
        let (name_a, name_b) = (unix(b"\0a"), unix(b"\0b"));
        p.bind(a, &name_a).await.unwrap();
        assert_eq!(p.send(b, b"x", NONE).await, Err(Errno::ENOTCONN));
        assert_eq!(p.send_to(b, b"anonymous", &name_a).await, Ok(9));
        assert_eq!(p.recv_from(a, 100).await.unwrap(), (b"anonymous".to_vec(), vec![]));
        p.bind(b, &name_b).await.unwrap();
        assert_eq!(p.send_to(b, b"named", &name_a).await, Ok(5));
        assert_eq!(p.recv_from(a, 100).await.unwrap(), (b"named".to_vec(), name_b.clone()));
        assert_eq!(p.send_to(b, b"x", &unix(b"\0c")).await, Err(Errno::ECONNREFUSED));
        // Cut, with MSG_TRUNC telling how long it was.
        p.connect(b, &name_a).await.unwrap();
        p.send(b, b"long message", NONE).await.unwrap();
        let at = p.room(4);
        let flags = MsgFlags::TRUNC | MsgFlags::PEEK;
        assert_eq!(p.call(recv, &[a, at, 4, flags.bits().into()]).await, Ok(12));
        let (data, _, flags) = p.recv_with(a, 4, 0, NONE).await.unwrap();
        assert_eq!((&data[..], flags), (&b"long"[..], MsgFlags::TRUNC));
        // Eleven fit.
        for i in 0..12 {
            let expected = if i < 11 { Ok(1) } else { Err(Errno::EAGAIN) };
            assert_eq!(p.send(b, b"x", NONE).await, expected, "{i}");
        }
        assert_eq!(p.poll(b, OUT, 0).await, 0);
        let (found, _) = futures::join!(p.poll(b, OUT, 1000), async {
            sleep(&p, 1).await;
            p.recv(a, 1, NONE).await
        });
        assert_eq!(found, OUT);
        assert_eq!(p.send(b, &[0; 300_000], NONE).await, Err(Errno::EMSGSIZE));
        // A destination that goes is refused once, then forgotten.
        p.close(a).await;
        assert_eq!(p.send(b, b"x", NONE).await, Err(Errno::ECONNREFUSED));
        assert_eq!(p.send(b, b"x", NONE).await, Err(Errno::ENOTCONN));
        // Any name.
        let c = p.socket(AF_UNIX, DGRAM).await;
        p.bind(c, &unix(b"")).await.unwrap();
        let name = p.address(getsockname, c).await.unwrap();
        assert!(name.len() == 8 && name[2] == 0, "{name:?}");
    });
}

#[test]
fn tcp_over_loopback() {
    for (domain, at, any) in
        [(AF_INET, "127.0.0.1:8000", "0.0.0.0:8000"), (AF_INET6, "[::1]:8000", "[::]:8000")]
    {
        let world = World::new();
        let (p, q) = (world.program(Arch::X86_64, 1000), world.program(Arch::I386, 1000));
        world.run(async move {
            let (at, any) = (ip(domain, at), ip(domain, any));
            let server = p.socket(domain, STREAM).await;
            let client = q.socket(domain, STREAM).await;
            assert_eq!(q.poll(client, IN | OUT, 0).await, OUT | HUP);
            assert_eq!(q.connect(client, &at).await, Err(Errno::ECONNREFUSED));
            assert_eq!(q.recv(client, 1, NONE).await, Err(Errno::ENOTCONN));
            p.set_option(server, SOL_SOCKET, SO_REUSEADDR, 1).await.unwrap();
            p.bind(server, &any).await.unwrap();
            p.call(listen, &[server, 5]).await.unwrap();
            let second = p.socket(domain, STREAM).await;
            assert_eq!(p.bind(second, &at).await, Err(Errno::EADDRINUSE));
            let low = ip(domain, if domain == AF_INET { "127.0.0.1:80" } else { "[::1]:80" });
            assert_eq!(p.bind(second, &low).await, Err(Errno::EACCES));
            let (accepted, connected) =
                futures::join!(async { p.call(accept, &[server, 0, 0]).await }, async {
                    sleep(&q, 1).await;
                    q.connect(client, &at).await
                });
            let accepted = accepted.unwrap();
            assert_eq!(connected, Ok(0));
            assert_eq!(q.address(getpeername, client).await.unwrap(), at);
            assert_eq!(p.address(getsockname, accepted).await.unwrap(), at);
            assert_eq!(q.address(getsockname, client).await, p.address(getpeername, accepted).await);
            q.send(client, b"GET / HTTP/1.0\r\n\r\n", NONE).await.unwrap();
            assert_eq!(p.read(accepted, 100).await.unwrap(), b"GET / HTTP/1.0\r\n\r\n");
            let big = vec![3; 900_000];
            let (sent, got) = futures::join!(
                async {
                    let sent = p.write(accepted, &big).await;
                    p.close(accepted).await;
                    sent
                },
                async {
                    let mut got = 0;
                    loop {
                        match q.read(client, 50_000).await.unwrap().len() {
                            0 => return got,
                            len => got += len,
                        }
                    }
                }
            );
            assert_eq!((sent, got), (Ok(900_000), 900_000));
            // The other end is gone: one write succeeds, the next does not.
            assert_eq!(q.poll(client, IN | OUT | RDHUP, 0).await, IN | OUT | RDHUP);
            assert_eq!(q.write(client, b"x").await, Ok(1));
            assert_eq!(q.poll(client, IN | OUT, 0).await, IN | OUT | ERR | HUP);
            assert_eq!(q.write(client, b"x").await, Err(Errno::EPIPE));
            assert!(q.take_signal(Signal::PIPE));
            assert_eq!(q.call(shutdown, &[client, 2]).await, Err(Errno::ENOTCONN));
        });
    }
}

#[test]
fn tcp_connects_without_waiting() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let at = ip(AF_INET, "127.0.0.1:9");
        let client = p.socket(AF_INET, STREAM | NONBLOCK).await;
        assert_eq!(p.connect(client, &at).await, Err(Errno::EINPROGRESS));
        assert_eq!(p.poll(client, OUT, 0).await, OUT | ERR | HUP);
        assert_eq!(p.option(client, SOL_SOCKET, SO_ERROR).await, Ok(i32::from(Errno::ECONNREFUSED.0)));
        assert_eq!(p.option(client, SOL_SOCKET, SO_ERROR).await, Ok(0));
        let server = p.socket(AF_INET, STREAM | NONBLOCK).await;
        p.bind(server, &at).await.unwrap();
        p.call(listen, &[server, 0]).await.unwrap();
        assert_eq!(p.call(accept, &[server, 0, 0]).await, Err(Errno::EAGAIN));
        let client = p.socket(AF_INET, STREAM | NONBLOCK).await;
        assert_eq!(p.connect(client, &at).await, Err(Errno::EINPROGRESS));
        assert_eq!(p.poll(client, OUT, 0).await, OUT);
        assert_eq!(p.option(client, SOL_SOCKET, SO_ERROR).await, Ok(0));
        assert_eq!(p.connect(client, &at).await, Ok(0));
        assert_eq!(p.connect(client, &at).await, Err(Errno::EISCONN));
        // The backlog is full: the connection is made when there is room.
        let late = p.socket(AF_INET, STREAM | NONBLOCK).await;
        assert_eq!(p.connect(late, &at).await, Err(Errno::EINPROGRESS));
        assert_eq!(p.poll(late, OUT, 10).await, 0);
        assert_eq!(p.connect(late, &at).await, Err(Errno::EALREADY));
        let first = p.call(accept, &[server, 0, 0]).await.unwrap();
        assert_eq!(p.poll(late, OUT, -1).await, OUT);
        // Data that nobody reads is lost with a reset.
        p.write(client, b"x").await.unwrap();
        p.close(first).await;
        assert_eq!(p.read(client, 1).await, Err(Errno::ECONNRESET));
        assert_eq!(p.read(client, 1).await.unwrap(), b"");
        // Options of levels.
        assert_eq!(p.option(late, SOL_TCP, TCP_NODELAY).await, Ok(0));
        p.set_option(late, SOL_TCP, TCP_NODELAY, 1).await.unwrap();
        assert_eq!(p.option(late, SOL_TCP, TCP_NODELAY).await, Ok(1));
        assert_eq!(p.option(late, SOL_TCP, 99).await, Err(Errno::ENOPROTOOPT));
        assert_eq!(p.option(late, SOL_IPV6, IPV6_V6ONLY).await, Err(Errno::EOPNOTSUPP));
        // Shut down in both directions it still has a peer, until that sends: a reset.
        let other = p.call(accept, &[server, 0, 0]).await.unwrap();
        p.call(shutdown, &[late, SHUT_RDWR.into()]).await.unwrap();
        assert_eq!(p.poll(late, IN | OUT | RDHUP, 0).await, IN | OUT | RDHUP | HUP);
        assert_eq!(p.address(getpeername, late).await, Ok(at.clone()));
        assert_eq!(p.poll(other, IN | OUT | RDHUP, 0).await, IN | OUT | RDHUP);
        assert_eq!(p.write(other, b"x").await, Ok(1));
        assert_eq!(p.poll(other, IN | OUT | RDHUP, 0).await, IN | OUT | RDHUP | HUP | ERR);
        assert_eq!(p.recv(other, 1, NONE).await.unwrap(), b"");
        assert_eq!(p.write(other, b"x").await, Err(Errno::EPIPE));
        assert_eq!(p.address(getpeername, late).await, Err(Errno::ENOTCONN));
        let far = p.socket(AF_INET, STREAM | NONBLOCK).await;
        assert_eq!(p.connect(far, &ip(AF_INET, "93.184.216.34:80")).await, Err(Errno::ENETUNREACH));
        assert_eq!(p.connect(far, &ip(AF_INET6, "[::1]:80")).await, Err(Errno::EAFNOSUPPORT));
        assert_eq!(p.bind(far, &ip(AF_INET, "10.0.0.1:80")).await, Err(Errno::EADDRNOTAVAIL));
    });
}

#[test]
fn a_dual_stack_server_takes_both() {
    for (v6_only, expected) in [(0, Ok(0)), (1, Err(Errno::ECONNREFUSED))] {
        let world = World::new();
        let p = world.program(Arch::X86_64, 0);
        world.run(async move {
            let server = p.socket(AF_INET6, STREAM).await;
            p.set_option(server, SOL_IPV6, IPV6_V6ONLY, v6_only).await.unwrap();
            p.bind(server, &ip(AF_INET6, "[::]:80")).await.unwrap();
            p.call(listen, &[server, 5]).await.unwrap();
            let client = p.socket(AF_INET, STREAM).await;
            assert_eq!(p.connect(client, &ip(AF_INET, "127.0.0.1:80")).await, expected);
            if expected.is_ok() {
                let accepted = p.call(accept, &[server, 0, 0]).await.unwrap();
                let own = p.address(getsockname, accepted).await.unwrap();
                assert_eq!(own, ip(AF_INET6, "[::ffff:127.0.0.1]:80"));
            }
        });
    }
}

#[test]
fn udp_over_loopback() {
    let world = World::new();
    let p = world.program(Arch::I386, 0);
    world.run(async move {
        let (a, b) = (p.socket(AF_INET, DGRAM | NONBLOCK).await, p.socket(AF_INET, DGRAM | NONBLOCK).await);
        let at = ip(AF_INET, "127.0.0.1:5353");
        p.bind(a, &at).await.unwrap();
        assert_eq!(p.send(b, b"x", NONE).await, Err(Errno::EDESTADDRREQ));
        assert_eq!(p.send_to(b, b"question", &at).await, Ok(8));
        let (data, from) = p.recv_from(a, 100).await.unwrap();
        assert_eq!(data, b"question");
        let own = p.address(getsockname, b).await.unwrap();
        assert_eq!((&own[2..4], &from[4..8]), (&from[2..4], &[127, 0, 0, 1][..]));
        assert_eq!(p.send_to(a, b"answer", &from).await, Ok(6));
        assert_eq!(p.recv_from(b, 100).await.unwrap(), (b"answer".to_vec(), at.clone()));
        // A closed port: silence, or an error for who is connected.
        let closed = ip(AF_INET, "127.0.0.1:5");
        assert_eq!(p.send_to(b, b"x", &closed).await, Ok(1));
        assert_eq!(p.recv(b, 1, NONE).await, Err(Errno::EAGAIN));
        p.connect(b, &closed).await.unwrap();
        assert_eq!(p.send(b, b"x", NONE).await, Ok(1));
        assert_eq!(p.poll(b, IN, 0).await, ERR);
        assert_eq!(p.recv(b, 1, NONE).await, Err(Errno::ECONNREFUSED));
        assert_eq!(p.recv(b, 1, NONE).await, Err(Errno::EAGAIN));
        // A connected socket hears only its peer.
        assert_eq!(p.send_to(a, b"x", &own).await, Ok(1));
        assert_eq!(p.recv(b, 1, NONE).await, Err(Errno::EAGAIN));
        assert_eq!(p.connect(b, &ip(AF_INET, "8.8.8.8:53")).await, Err(Errno::ENETUNREACH));
        assert_eq!(p.send_to(a, &[0; 65508], &own).await, Err(Errno::EMSGSIZE));
    });
}

#[test]
fn netlink_lists_the_addresses() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 1000);
    world.run(async move {
        let fd = p.socket(AF_NETLINK, SOCK_RAW.into()).await;
        p.bind(fd, &[16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let own = p.address(getsockname, fd).await.unwrap();
        assert_eq!(own[4..8], (p.task.process.pid as u32).to_le_bytes());
        let flags = (NlmFlags::REQUEST | NlmFlags::DUMP).bits();
        let head = Nlmsghdr {
            nlmsg_len: 17,
            nlmsg_type: RTM_GETADDR,
            nlmsg_flags: flags,
            nlmsg_seq: 5,
            nlmsg_pid: 0,
        };
        let request = [bytemuck::bytes_of(&head), &[0, 0, 0, 0]].concat();
        p.send(fd, &request, NONE).await.unwrap();
        let (data, from) = p.recv_from(fd, 8192).await.unwrap();
        assert_eq!(from, [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(data.windows(4).any(|bytes| bytes == [127, 0, 0, 1]));
        let done = p.recv(fd, 8192, NONE).await.unwrap();
        assert_eq!(done[4..6], 3u16.to_le_bytes());
        assert_eq!(p.poll(fd, IN, 0).await, 0);
    });
}

#[test]
fn what_is_refused() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 1000);
    world.run(async move {
        #[rustfmt::skip] // domain, type, protocol
        let cases = [
            (AF_UNIX, SOCK_STREAM, 6, Errno::EPROTONOSUPPORT),
            (AF_UNIX, SOCK_RDM, 0, Errno::ESOCKTNOSUPPORT),
            (AF_UNIX, 11, 0, Errno::EINVAL),
            (AF_UNIX, 0x100 | SOCK_STREAM, 0, Errno::EINVAL),
            (AF_INET, SOCK_STREAM, 17, Errno::EPROTONOSUPPORT),
            (AF_INET, SOCK_RAW, 1, Errno::EPERM),
            (AF_NETLINK, SOCK_RAW, 9, Errno::EPROTONOSUPPORT),
            (AF_BLUETOOTH, SOCK_RAW, 0, Errno::EAFNOSUPPORT),
        ];
        for (domain, kind, protocol, error) in cases {
            let result = p.call(socket, &[domain.into(), kind.into(), protocol]).await;
            assert_eq!(result, Err(error), "{domain} {kind} {protocol}");
        }
        let at = p.room(8);
        assert_eq!(p.call(socketpair, &[AF_INET.into(), STREAM, 0, at]).await, Err(Errno::EOPNOTSUPP));
        p.call(crate::sys::event::pipe2, &[at, 0]).await.unwrap();
        let pipe = u64::from(p.get::<u32>(at).await);
        assert_eq!(p.address(getsockname, pipe).await, Err(Errno::ENOTSOCK));
        assert_eq!(p.address(getsockname, 99).await, Err(Errno::EBADF));
        let fd = p.socket(AF_UNIX, STREAM).await;
        assert_eq!(p.recv(fd, 1, NONE).await, Err(Errno::EINVAL));
        assert_eq!(p.send(fd, b"x", NONE).await, Err(Errno::ENOTCONN));
        assert_eq!(p.address(getpeername, fd).await, Err(Errno::ENOTCONN));
        assert_eq!(p.call(accept, &[fd, 0, 0]).await, Err(Errno::EINVAL));
        assert_eq!(p.bind(fd, &[1]).await, Err(Errno::EINVAL));
        assert_eq!(p.option(fd, SOL_SOCKET, SO_PEERSEC).await, Err(Errno::ENOPROTOOPT));
        assert_eq!(p.option(fd, SOL_SOCKET, SO_DOMAIN).await, Ok(AF_UNIX.into()));
        assert_eq!(p.option(fd, SOL_TCP, TCP_NODELAY).await, Err(Errno::EOPNOTSUPP));
        let dgram = p.socket(AF_UNIX, DGRAM).await;
        assert_eq!(p.call(listen, &[dgram, 1]).await, Err(Errno::EOPNOTSUPP));
        assert_eq!(p.call(accept, &[dgram, 0, 0]).await, Err(Errno::EOPNOTSUPP));
    });
}

#[test]
fn socketcall_reads_its_arguments() {
    let world = World::new();
    let p = world.program(Arch::I386, 0);
    world.run(async move {
        let pair = p.room(8);
        let args = p.value([1u32, 1, 0, pair as u32]).await;
        assert_eq!(p.call(socketcall, &[SYS_SOCKETPAIR.into(), args]).await, Ok(0));
        let [a, b] = p.get::<[u32; 2]>(pair).await;
        let text = p.bytes(b"text").await;
        let args = p.value([a, text as u32, 4, 0]).await;
        assert_eq!(p.call(socketcall, &[SYS_SEND.into(), args]).await, Ok(4));
        let args = p.value([b, pair as u32, 8, 0]).await;
        assert_eq!(p.call(socketcall, &[SYS_RECV.into(), args]).await, Ok(4));
        assert_eq!(p.get::<[u8; 4]>(pair).await, *b"text");
        assert_eq!(p.call(socketcall, &[0, args]).await, Err(Errno::EINVAL));
        assert_eq!(p.call(socketcall, &[21, args]).await, Err(Errno::EINVAL));
        assert_eq!(p.call(socketcall, &[1, 4]).await, Err(Errno::EFAULT));
        // select on sockets.
        let set = p.value([1u32 << a | 1 << b]).await;
        assert_eq!(p.call(select, &[32, 0, set, 0, 0]).await, Ok(2));
    });
}

#[test]
fn many_messages_at_once() {
    for arch in BOTH {
        let world = World::new();
        let p = world.program(arch, 0);
        world.run(async move {
            let [a, b] = p.pair(DGRAM).await;
            let stride = if arch == Arch::I386 { 32 } else { 64 };
            let vector = p.room(3 * stride);
            let at = p.bytes(b"onetwosix").await;
            for i in 0..3 {
                let header = p.header(at + 3 * i, 3, 0, 0).await;
                let bytes = p.task.read_bytes(header, stride).await.unwrap();
                p.task.write_bytes(vector + i * stride as u64, &bytes).await.unwrap();
            }
            assert_eq!(p.call(sendmmsg, &[a, vector, 3, 0]).await, Ok(3));
            p.task.write_bytes(at, b"         ").await.unwrap();
            let flags = u64::from(MsgFlags::WAITFORONE.bits());
            assert_eq!(p.call(recvmmsg, &[b, vector, 2, flags, 0]).await, Ok(2));
            assert_eq!(p.get::<[u8; 9]>(at).await, *b"onetwo   ");
            assert_eq!(p.call(recvmmsg, &[b, vector, 3, flags, 0]).await, Ok(1));
            assert_eq!(p.get::<[u8; 9]>(at).await, *b"sixtwo   ");
            let len = if arch == Arch::I386 { 28 } else { 56 };
            assert_eq!(p.get::<u32>(vector + len).await, 3);
        });
    }
}
