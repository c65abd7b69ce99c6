//! Random system calls: what no program would do must not hurt either.

use super::tests::{ip, unix};
use super::world::World;
use crate::file::open_flags;
use crate::sys::socket::*;
use crate::task::Arch;
use linux_abi::socket::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

const NONBLOCK: u64 = open_flags::NONBLOCK as u64;

/// Calls with arguments that make some sense or none: nothing panics, and every wait can be dropped.
#[test]
fn no_call_panics() {
    use crate::sys::{event, file, poll};
    macro_rules! table {
        ($($handler:path),* $(,)?) => { [$(stringify!($handler)),*].len() };
    }
    macro_rules! pick {
        ($p:ident, $i:expr, $args:expr, [$($handler:path),* $(,)?]) => {{
            let count = table!($($handler),*);
            let mut n = $i % count;
            $(
                if n == 0 {
                    let call = $p.call($handler, $args);
                    let now = $p.task.kernel.clock.monotonic();
                    let _ = $p.task.until(Some(now.after(1)), call).await;
                }
                n = n.wrapping_sub(1);
            )*
            let _ = n;
        }};
    }
    for seed in 1..40u64 {
        let world = World::new();
        let p = world.program(if seed % 2 == 0 { Arch::I386 } else { Arch::X86_64 }, (seed % 3) as u32);
        world.run(async move {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut random = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let memory = p.room(4096);
            for _ in 0..600 {
                // Memory holds small numbers, addresses of AF_UNIX, AF_INET and AF_NETLINK, and pointers into itself.
                for at in (0..512).step_by(8) {
                    let word = match random() % 6 {
                        0 => random(),
                        1 => memory + random() % 512,
                        2 => 0x0000_0061_0000_0001,
                        3 => 0x0100_007f_5000_0002,
                        4 => 16,
                        _ => random() % 20,
                    };
                    p.task.put(memory + at, &word).await.unwrap();
                }
                let mut args = [0; 6];
                for arg in &mut args {
                    *arg = match random() % 8 {
                        0 => random(),
                        1 | 2 => memory + random() % 512 / 8 * 8,
                        3 => u64::MAX,
                        4 => random() % 4096,
                        _ => random() % 16,
                    };
                }
                // The first is mostly a descriptor, and there are always some that can do something.
                if random() % 4 > 0 {
                    args[0] = random() % 12;
                }
                if random() % 4 == 0 {
                    let domain = [AF_UNIX, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK][random() as usize % 5];
                    let flags = random() % 2 * NONBLOCK;
                    let kind = [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET][random() as usize % 3];
                    let kind = u64::from(kind) | flags;
                    let handler = [false, domain == AF_UNIX][random() as usize % 2];
                    let _ = if handler {
                        p.call(socketpair, &[domain.into(), kind, 0, memory + 1024]).await
                    } else {
                        p.call(socket, &[domain.into(), kind, 0]).await
                    };
                }
                if random() % 8 == 0 {
                    let fd = random() % 12;
                    let name =
                        [unix(b"\0a"), ip(AF_INET, "127.0.0.1:5"), ip(AF_INET6, "[::]:5"), unix(b"/s")];
                    let name = &name[random() as usize % 4];
                    let deadline = Some(p.task.kernel.clock.monotonic().after(1));
                    let _ = match random() % 3 {
                        0 => p.bind(fd, name).await,
                        1 => p.call(listen, &[fd, random() % 3]).await,
                        _ => p
                            .task
                            .until(deadline, p.connect(fd, name))
                            .await
                            .map_or(Ok(0), |r| r.unwrap_or(Ok(0))),
                    };
                }
                let which = random() as usize;
                pick!(
                    p,
                    which,
                    &args,
                    [
                        socket,
                        socket,
                        socketpair,
                        socketpair,
                        bind,
                        connect,
                        listen,
                        accept4,
                        getsockname,
                        getpeername,
                        sendto,
                        send,
                        recvfrom,
                        recv,
                        sendmsg,
                        recvmsg,
                        sendmmsg,
                        recvmmsg,
                        recvmmsg_time32,
                        shutdown,
                        setsockopt,
                        getsockopt,
                        socketcall,
                        file::read,
                        file::write,
                        file::close,
                        file::dup,
                        file::ioctl,
                        poll::poll,
                        poll::ppoll,
                        poll::ppoll_time32,
                        poll::select,
                        poll::old_select,
                        poll::pselect6,
                        event::epoll_create1,
                        event::epoll_ctl,
                        event::epoll_ctl,
                        event::epoll_pwait,
                        event::eventfd2,
                        event::timerfd_create,
                        event::timerfd_settime,
                        event::timerfd_settime32,
                        event::timerfd_gettime,
                        event::signalfd4,
                        event::inotify_init1,
                        event::inotify_add_watch,
                        event::inotify_rm_watch,
                        event::pipe2,
                        event::pipe2,
                    ]
                );
                p.task.pending.discard(crate::signal::SigSet(!0));
                p.task.process.pending.discard(crate::signal::SigSet(!0));
                p.task.blocked.set(crate::signal::SigSet(0));
            }
        });
    }
}
