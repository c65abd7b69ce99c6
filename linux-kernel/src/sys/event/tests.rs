use super::*;
use crate::net::world::{EPOCH, Program, World, sleep};
use crate::signal::Signal;
use crate::signal::send::{Origin, to_process};
use crate::sys::poll::{old_select, ppoll, select};
use crate::task::Arch;
use linux_abi::epoll::EpollEvents;
use linux_abi::fcntl::{F_GETPIPE_SZ, F_SETPIPE_SZ, OFlags};
use linux_abi::inotify::InotifyEvent;
use linux_abi::poll::{PollEvents, SelectArgsI386};
use linux_abi::signalfd::SignalfdSiginfo;

const IN: u16 = PollEvents::IN.bits();
const OUT: u16 = PollEvents::OUT.bits();
const ERR: u16 = PollEvents::ERR.bits();
const HUP: u16 = PollEvents::HUP.bits();
const NVAL: u16 = PollEvents::NVAL.bits();
const NONBLOCK: u64 = open_flags::NONBLOCK as u64;

async fn new_pipe(p: &Program, flags: u64) -> (u64, u64) {
    let at = p.room(8);
    p.call(pipe2, &[at, flags]).await.unwrap();
    let [reader, writer] = p.get::<[i32; 2]>(at).await;
    (reader as u64, writer as u64)
}

#[test]
fn a_pipe_carries_bytes_and_ends() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let (r, w) = new_pipe(&p, NONBLOCK).await;
        assert_eq!(p.read(r, 10).await, Err(Errno::EAGAIN));
        assert_eq!(p.write(w, b"hello").await, Ok(5));
        assert_eq!(p.write(w, b" you").await, Ok(4));
        assert_eq!(p.read(r, 7).await.unwrap(), b"hello y");
        assert_eq!(p.write(r, b"x").await, Err(Errno::EBADF));
        assert_eq!(p.read(w, 1).await, Err(Errno::EBADF));
        assert_eq!(p.poll(r, IN, 0).await, IN);
        p.close(w).await;
        assert_eq!(p.poll(r, IN, 0).await, IN | HUP);
        assert_eq!(p.read(r, 7).await.unwrap(), b"ou");
        assert_eq!(p.read(r, 7).await.unwrap(), b"");
        assert_eq!(p.poll(r, IN, 0).await, HUP);
        let (r, w) = new_pipe(&p, 0).await;
        p.close(r).await;
        assert_eq!(p.poll(w, OUT, 0).await, OUT | ERR);
        assert_eq!(p.write(w, b"x").await, Err(Errno::EPIPE));
        assert!(p.take_signal(Signal::PIPE));
    });
}

#[test]
fn a_full_pipe_takes_all_or_waits() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    let q = p.clone();
    world.run(async move {
        let (r, w) = new_pipe(&p, NONBLOCK).await;
        assert_eq!(p.call(crate::sys::fcntl::fcntl, &[w, F_SETPIPE_SZ as u64, 5000]).await, Ok(8192));
        assert_eq!(p.call(crate::sys::fcntl::fcntl, &[r, F_GETPIPE_SZ as u64]).await, Ok(8192));
        assert_eq!(
            p.call(crate::sys::fcntl::fcntl, &[r, F_SETPIPE_SZ as u64, 1 << 21]).await,
            Err(Errno::EPERM)
        );
        assert_eq!(p.write(w, &[1; 10000]).await, Ok(8192));
        assert_eq!(p.write(w, &[1; 1]).await, Err(Errno::EAGAIN));
        assert_eq!(
            p.call(crate::sys::fcntl::fcntl, &[w, F_SETPIPE_SZ as u64, 4096]).await,
            Err(Errno::EBUSY)
        );
        assert_eq!(p.read(r, 4000).await.unwrap().len(), 4000);
        // A page with 96 bytes left is in use: nothing goes in, as natively (`guest/files.c`, `pipes`).
        assert_eq!(p.poll(w, OUT, 0).await, 0);
        assert_eq!(p.write(w, &[1; 4096]).await, Err(Errno::EAGAIN));
        assert_eq!(p.write(w, &[1; 5000]).await, Err(Errno::EAGAIN));
        assert_eq!(p.read(r, 96).await.unwrap().len(), 96);
        assert_eq!(p.poll(w, OUT, 0).await, OUT);
        assert_eq!(p.write(w, &[1; 5000]).await, Ok(4096));
        // A waiting write takes all.
        let (r, w) = new_pipe(&p, 0).await;
        let big = vec![7; 200_000];
        let (written, read) = futures::join!(q.write(w, &big), async {
            let mut got = 0;
            while got < 200_000 {
                got += p.read(r, 30_000).await.unwrap().len();
            }
            got
        });
        assert_eq!((written, read), (Ok(200_000), 200_000));
    });
}

#[test]
fn a_packet_pipe_keeps_writes_apart() {
    let world = World::new();
    let p = world.program(Arch::I386, 0);
    world.run(async move {
        let (r, w) = new_pipe(&p, NONBLOCK | u64::from(open_flags::DIRECT)).await;
        for data in [&b"abc"[..], b"de", b"f"] {
            p.write(w, data).await.unwrap();
        }
        assert_eq!(p.read(r, 10).await.unwrap(), b"abc");
        assert_eq!(p.read(r, 1).await.unwrap(), b"d");
        assert_eq!(p.read(r, 10).await.unwrap(), b"f");
        assert_eq!(p.read(r, 10).await, Err(Errno::EAGAIN));
    });
}

#[test]
fn signals_end_waits() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        p.task.actions().set(Signal::ALRM, crate::signal::Action { handler: 4096, ..Default::default() });
        let (r, w) = new_pipe(&p, 0).await;
        let alarm = async || {
            sleep(&p, 5).await;
            to_process(&p.task.process, Signal::ALRM, Origin::Kernel);
        };
        let (result, ()) = futures::join!(p.read(r, 1), alarm());
        assert_eq!(result, Err(Errno::ERESTARTSYS));
        assert!(p.take_signal(Signal::ALRM));
        // What was written before the signal counts.
        let (result, ()) = futures::join!(p.write(w, &[0; 100_000]), alarm());
        assert_eq!(result, Ok(65536));
        assert!(p.take_signal(Signal::ALRM));
        // epoll_wait is never restarted, poll parks itself.
        let epoll = p.call(epoll_create1, &[0]).await.unwrap();
        let events = p.room(120);
        let (result, ()) =
            futures::join!(async { p.call(epoll_wait, &[epoll, events, 10, u64::MAX]).await }, alarm());
        assert_eq!(result, Err(Errno::EINTR));
        assert!(p.take_signal(Signal::ALRM));
        let (result, ()) =
            futures::join!(async { p.call(crate::sys::poll::poll, &[0, 0, 100]).await }, alarm());
        assert_eq!(result, Err(Errno::ERESTART_RESTARTBLOCK));
        assert!(p.take_signal(Signal::ALRM));
        assert!(p.task.restart.take().is_some());
    });
}

#[test]
fn a_temporary_mask_lets_a_blocked_signal_in() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        p.task.actions().set(Signal::ALRM, crate::signal::Action { handler: 4096, ..Default::default() });
        let blocked = SigSet::of(Signal::ALRM);
        p.task.blocked.set(blocked);
        to_process(&p.task.process, Signal::ALRM, Origin::Kernel);
        let none = p.value(0u64).await;
        let zero = p.value([0i64; 2]).await;
        assert_eq!(p.call(ppoll, &[0, 0, zero, 0, 0]).await, Ok(0));
        assert_eq!(p.call(ppoll, &[0, 0, 0, none, 4]).await, Err(Errno::EINVAL));
        assert_eq!(p.call(ppoll, &[0, 0, 0, none, 8]).await, Err(Errno::ERESTARTNOHAND));
        assert_eq!((p.task.blocked.get(), p.task.saved_mask.take()), (SigSet(0), Some(blocked)));
        assert!(p.take_signal(Signal::ALRM));
        assert_eq!(p.call(ppoll, &[0, 0, zero, none, 8]).await, Ok(0));
        assert_eq!(p.task.saved_mask.take(), None);
    });
}

#[test]
fn poll_and_select_time_out_and_find() {
    let world = World::new();
    let (p, q) = (world.program(Arch::X86_64, 0), world.program(Arch::I386, 0));
    world.run(async move {
        let clock = &p.task.kernel.clock;
        let (r, w) = new_pipe(&p, 0).await;
        assert_eq!(p.poll(r, IN, 20).await, 0);
        assert_eq!(clock.monotonic().0, 20_000_000);
        assert_eq!(p.poll(99, IN, -1).await, NVAL);
        let (found, _) = futures::join!(p.poll(r, IN, 1000), async {
            sleep(&p, 7).await;
            p.write(w, b"x").await
        });
        assert_eq!((found, clock.monotonic().0), (IN, 27_000_000));
        // select: the sets are replaced by what was found, the time by what is left.
        let sets = p.value([[1u64 << r | 1 << w, 0], [1 << r | 1 << w, 0], [1 << r, 0]]).await;
        let time = p.value([1i64, 0]).await;
        let args = [w + 1, sets, sets + 16, sets + 32, time];
        assert_eq!(p.call(select, &args).await, Ok(2));
        assert_eq!(p.get::<[[u64; 2]; 3]>(sets).await, [[1 << r, 0], [1 << w, 0], [0, 0]]);
        assert_eq!(p.get::<[i64; 2]>(time).await, [1, 0]);
        let none = p.value(1u64 << 63).await;
        assert_eq!(p.call(select, &[64, none, 0, 0, time]).await, Err(Errno::EBADF));
        assert_eq!(p.call(select, &[u64::MAX, 0, 0, 0, time]).await, Err(Errno::EINVAL));
        assert_eq!(p.call(select, &[0, 0, 0, 0, time]).await, Ok(0));
        assert_eq!(p.get::<[i64; 2]>(time).await, [0, 0]);
        // i386 82: arguments in memory, 32-bit time.
        let (r, w) = new_pipe(&q, 0).await;
        q.write(w, b"x").await.unwrap();
        let (set, time) = (q.value(1u32 << r).await, q.value([0i32, 5000]).await);
        let block = SelectArgsI386 { n: r as u32 + 1, inp: set as u32, outp: 0, exp: 0, tvp: time as u32 };
        let block = q.value(block).await;
        assert_eq!(q.call(old_select, &[block]).await, Ok(1));
        assert_eq!((q.get::<u32>(set).await, q.get::<[i32; 2]>(time).await), (1 << r, [0, 5000]));
    });
}

async fn control(p: &Program, epoll: u64, operation: u32, fd: u64, events: EpollEvents) -> Result<u64> {
    let event = p.value(EpollEvent { events: events.bits(), data: 1000 + fd }).await;
    p.call(epoll_ctl, &[epoll, operation as u64, fd, event]).await
}

/// Events found at once, as (data - 1000, events).
async fn found(p: &Program, epoll: u64, max: u64) -> Vec<(u64, u32)> {
    let at = p.room(12 * max as usize);
    let count = p.call(epoll_wait, &[epoll, at, max, 0]).await.unwrap();
    let mut events = Vec::new();
    for i in 0..count {
        let event: EpollEvent = p.get(at + 12 * i).await;
        events.push(({ event.data } - 1000, event.events));
    }
    events
}

#[test]
fn epoll_levels_edges_and_shots() {
    const E_IN: u32 = EpollEvents::IN.bits();
    let world = World::new();
    let p = world.program(Arch::I386, 0);
    world.run(async move {
        let epoll = p.call(epoll_create1, &[0]).await.unwrap();
        let (level, level_w) = new_pipe(&p, 0).await;
        let (edge, edge_w) = new_pipe(&p, 0).await;
        let (once, once_w) = new_pipe(&p, 0).await;
        for (fd, mode) in
            [(level, EpollEvents::empty()), (edge, EpollEvents::ET), (once, EpollEvents::ONESHOT)]
        {
            control(&p, epoll, EPOLL_CTL_ADD, fd, EpollEvents::IN | mode).await.unwrap();
        }
        assert_eq!(control(&p, epoll, EPOLL_CTL_ADD, level, EpollEvents::IN).await, Err(Errno::EEXIST));
        assert_eq!(found(&p, epoll, 9).await, []);
        for fd in [level_w, edge_w, once_w] {
            p.write(fd, b"ab").await.unwrap();
        }
        assert_eq!(found(&p, epoll, 9).await, [(level, E_IN), (edge, E_IN), (once, E_IN)]);
        assert_eq!(found(&p, epoll, 9).await, [(level, E_IN)]);
        // Reading a part is no edge (epoll(7)); new data is.
        p.read(edge, 1).await.unwrap();
        assert_eq!(found(&p, epoll, 9).await, [(level, E_IN)]);
        p.write(edge_w, b"c").await.unwrap();
        assert_eq!(found(&p, epoll, 9).await, [(level, E_IN), (edge, E_IN)]);
        // A spent one-shot entry lives on.
        control(&p, epoll, EPOLL_CTL_MOD, once, EpollEvents::IN | EpollEvents::ONESHOT).await.unwrap();
        p.read(level, 2).await.unwrap();
        assert_eq!(found(&p, epoll, 9).await, [(once, E_IN)]);
        assert_eq!(found(&p, epoll, 9).await, []);
        // Entries go with their file.
        p.close(once).await;
        assert_eq!(control(&p, epoll, EPOLL_CTL_DEL, once, EpollEvents::IN).await, Err(Errno::EBADF));
        p.write(level_w, b"x").await.unwrap();
        control(&p, epoll, EPOLL_CTL_DEL, level, EpollEvents::empty()).await.unwrap();
        assert_eq!(control(&p, epoll, EPOLL_CTL_DEL, level, EpollEvents::empty()).await, Err(Errno::ENOENT));
        assert_eq!(found(&p, epoll, 9).await, []);
        // A wait ends when something comes.
        let at = p.room(24);
        let (count, _) = futures::join!(async { p.call(epoll_wait, &[epoll, at, 2, 1000]).await }, async {
            sleep(&p, 3).await;
            p.close(edge_w).await;
        });
        let event: EpollEvent = p.get(at).await;
        assert_eq!((count, event.events), (Ok(1), E_IN | EpollEvents::HUP.bits()));
        assert_eq!(p.task.kernel.clock.monotonic().0, 3_000_000);
    });
}

#[test]
fn epoll_is_fair_and_nests() {
    const E_IN: u32 = EpollEvents::IN.bits();
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let mut epolls = Vec::new();
        for _ in 0..6 {
            epolls.push(p.call(epoll_create, &[1]).await.unwrap());
        }
        let mut pipes = Vec::new();
        for _ in 0..3 {
            let (r, w) = new_pipe(&p, 0).await;
            control(&p, epolls[0], EPOLL_CTL_ADD, r, EpollEvents::IN).await.unwrap();
            p.write(w, b"x").await.unwrap();
            pipes.push(r);
        }
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.extend(found(&p, epolls[0], 2).await.iter().map(|(fd, _)| *fd));
        }
        let [a, b, c] = pipes[..] else { unreachable!() };
        assert_eq!(seen, [a, b, c, a, b, c, a, b]);
        // Five levels at most, and no circle.
        for i in 1..5 {
            control(&p, epolls[i], EPOLL_CTL_ADD, epolls[i - 1], EpollEvents::IN).await.unwrap();
        }
        assert_eq!(
            control(&p, epolls[5], EPOLL_CTL_ADD, epolls[4], EpollEvents::IN).await,
            Err(Errno::ELOOP)
        );
        assert_eq!(
            control(&p, epolls[0], EPOLL_CTL_ADD, epolls[1], EpollEvents::IN).await,
            Err(Errno::ELOOP)
        );
        assert_eq!(
            control(&p, epolls[0], EPOLL_CTL_ADD, epolls[0], EpollEvents::IN).await,
            Err(Errno::EINVAL)
        );
        assert_eq!(found(&p, epolls[4], 9).await, [(epolls[3], E_IN)]);
        assert_eq!(p.poll(epolls[4], IN, 0).await, IN);
        for r in pipes {
            p.read(r, 1).await.unwrap();
        }
        assert_eq!(p.poll(epolls[4], IN, 0).await, 0);
        // EXCLUSIVE is for files alone; a pipe is no epoll.
        let bad = EpollEvents::IN | EpollEvents::EXCLUSIVE | EpollEvents::ONESHOT;
        assert_eq!(control(&p, epolls[5], EPOLL_CTL_ADD, a, bad).await, Err(Errno::EINVAL));
        let good = EpollEvents::IN | EpollEvents::EXCLUSIVE;
        assert_eq!(control(&p, epolls[5], EPOLL_CTL_ADD, a, good).await, Ok(0));
        assert_eq!(control(&p, epolls[5], EPOLL_CTL_MOD, a, EpollEvents::IN).await, Err(Errno::EINVAL));
        assert_eq!(control(&p, a, EPOLL_CTL_ADD, b, EpollEvents::IN).await, Err(Errno::EINVAL));
        assert_eq!(p.call(epoll_wait, &[epolls[0], 4096, 0, 0]).await, Err(Errno::EINVAL));
    });
}

#[test]
fn eventfd_counts() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let one = 1u64.to_le_bytes();
        let fd = p.call(eventfd2, &[3, NONBLOCK]).await.unwrap();
        assert_eq!(p.write(fd, &one).await, Ok(8));
        assert_eq!(p.read(fd, 8).await.unwrap(), 4u64.to_le_bytes());
        assert_eq!(p.read(fd, 8).await, Err(Errno::EAGAIN));
        assert_eq!(p.read(fd, 7).await, Err(Errno::EINVAL));
        assert_eq!(p.write(fd, &u64::MAX.to_le_bytes()).await, Err(Errno::EINVAL));
        assert_eq!(p.write(fd, &(u64::MAX - 1).to_le_bytes()).await, Ok(8));
        assert_eq!(p.write(fd, &one).await, Err(Errno::EAGAIN));
        assert_eq!(p.poll(fd, IN | OUT, 0).await, IN);
        let semaphore = u64::from(EventfdFlags::SEMAPHORE.bits());
        let fd = p.call(eventfd2, &[2, semaphore | NONBLOCK]).await.unwrap();
        assert_eq!(p.read(fd, 8).await.unwrap(), one);
        assert_eq!(p.read(fd, 8).await.unwrap(), one);
        assert_eq!(p.read(fd, 8).await, Err(Errno::EAGAIN));
        // A writer waits for room.
        let fd = p.call(eventfd, &[0]).await.unwrap();
        p.write(fd, &(u64::MAX - 1).to_le_bytes()).await.unwrap();
        let (written, _) = futures::join!(p.write(fd, &one), async {
            sleep(&p, 1).await;
            p.read(fd, 8).await
        });
        assert_eq!((written, p.read(fd, 8).await.unwrap()), (Ok(8), one.to_vec()));
    });
}

#[test]
fn timerfd_expires() {
    let world = World::new();
    let (p, q) = (world.program(Arch::X86_64, 0), world.program(Arch::I386, 0));
    world.run(async move {
        let clock = p.task.kernel.clock.monotonic().0;
        let fd = p.call(timerfd_create, &[CLOCK_MONOTONIC as u64, 0]).await.unwrap();
        // Interval 10 ms, first after 25 ms.
        let spec = p.value([0i64, 10_000_000, 0, 25_000_000]).await;
        p.call(timerfd_settime, &[fd, 0, spec, 0]).await.unwrap();
        assert_eq!(p.poll(fd, IN, 0).await, 0);
        sleep(&p, 5).await;
        let old = p.room(32);
        p.call(timerfd_gettime, &[fd, old]).await.unwrap();
        assert_eq!(p.get::<[i64; 4]>(old).await, [0, 10_000_000, 0, 20_000_000]);
        assert_eq!(p.read(fd, 8).await.unwrap(), 1u64.to_le_bytes());
        assert_eq!(p.task.kernel.clock.monotonic().0 - clock, 25_000_000);
        sleep(&p, 31).await;
        assert_eq!(p.poll(fd, IN, 0).await, IN);
        assert_eq!(p.read(fd, 8).await.unwrap(), 3u64.to_le_bytes());
        let disarm = p.value([0i64; 4]).await;
        p.call(timerfd_settime, &[fd, 0, disarm, old]).await.unwrap();
        assert_eq!(p.get::<[i64; 4]>(old).await, [0, 10_000_000, 0, 9_000_000]);
        assert_eq!(p.poll(fd, IN, 100).await, 0);
        let bad = p.value([0i64, 0, 0, 1_000_000_000]).await;
        assert_eq!(p.call(timerfd_settime, &[fd, 0, bad, 0]).await, Err(Errno::EINVAL));
        assert_eq!(p.call(timerfd_create, &[2, 0]).await, Err(Errno::EINVAL));
        // Absolute real time, in the past by 2.5 periods; i386 with 32-bit time.
        let fd = q.call(timerfd_create, &[0, NONBLOCK]).await.unwrap();
        let at = EPOCH + q.task.kernel.clock.monotonic().0 as i64 - 2_500_000_000;
        let spec = q.value([1i32, 0, (at / 1_000_000_000) as i32, (at % 1_000_000_000) as i32]).await;
        q.call(timerfd_settime32, &[fd, 1, spec, 0]).await.unwrap();
        assert_eq!(q.read(fd, 8).await.unwrap(), 3u64.to_le_bytes());
        assert_eq!(q.read(fd, 8).await, Err(Errno::EAGAIN));
        let left = q.room(16);
        q.call(timerfd_gettime32, &[fd, left]).await.unwrap();
        assert_eq!(q.get::<[i32; 4]>(left).await, [1, 0, 0, 500_000_000]);
    });
}

#[test]
fn signalfd_takes_signals_of_the_reader() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let wanted = SigSet::of(Signal::ALRM).with(SigSet::of(Signal::HUP));
        p.task.blocked.set(wanted);
        let mask = p.value(wanted.0).await;
        let fd = p.call(signalfd4, &[u64::MAX, mask, 8, NONBLOCK]).await.unwrap();
        assert_eq!(p.call(signalfd4, &[u64::MAX, mask, 4, 0]).await, Err(Errno::EINVAL));
        assert_eq!(p.read(fd, 128).await, Err(Errno::EAGAIN));
        let epoll = p.call(epoll_create1, &[0]).await.unwrap();
        control(&p, epoll, EPOLL_CTL_ADD, fd, EpollEvents::IN).await.unwrap();
        let at = p.room(12);
        let (count, _) = futures::join!(async { p.call(epoll_wait, &[epoll, at, 1, 1000]).await }, async {
            sleep(&p, 2).await;
            to_process(&p.task.process, Signal::HUP, Origin::User { pid: 77, uid: 5 });
        });
        assert_eq!(count, Ok(1));
        assert_eq!(p.poll(fd, IN, 0).await, IN);
        to_process(&p.task.process, Signal::ALRM, Origin::Kernel);
        let bytes = p.read(fd, 1000).await.unwrap();
        let infos: Vec<SignalfdSiginfo> = bytes.chunks(128).map(bytemuck::pod_read_unaligned).collect();
        let shown: Vec<_> = infos.iter().map(|info| (info.ssi_signo, info.ssi_pid, info.ssi_uid)).collect();
        assert_eq!(shown, [(1, 77, 5), (14, 0, 0)]);
        // Another mask on the same descriptor.
        let none = p.value(0u64).await;
        assert_eq!(p.call(signalfd, &[fd, none, 8]).await, Ok(fd));
        to_process(&p.task.process, Signal::HUP, Origin::Kernel);
        assert_eq!(p.read(fd, 128).await, Err(Errno::EAGAIN));
    });
}

#[test]
fn fifos_wait_for_the_other_end() {
    let world = World::new();
    let (p, q) = (world.program(Arch::X86_64, 0), world.program(Arch::X86_64, 0));
    world.run(async move {
        let name = p.bytes(b"/fifo\0").await;
        let other = q.bytes(b"/fifo\0").await;
        p.call(crate::sys::path::mknod, &[name, 0o010_644, 0]).await.unwrap();
        let open = crate::sys::path::open;
        let write_only = u64::from(OFlags::WRONLY.bits());
        assert_eq!(p.call(open, &[name, write_only | NONBLOCK]).await, Err(Errno::ENXIO));
        let r = p.call(open, &[name, NONBLOCK]).await.unwrap();
        // No writer has come yet: nothing, not even a hang-up.
        assert_eq!(p.read(r, 1).await.unwrap(), b"");
        assert_eq!(p.poll(r, IN, 0).await, 0);
        let w = q.call(open, &[other, write_only]).await.unwrap();
        assert_eq!(p.read(r, 1).await, Err(Errno::EAGAIN));
        q.write(w, b"data").await.unwrap();
        q.close(w).await;
        assert_eq!(p.poll(r, IN, 0).await, IN | HUP);
        p.close(r).await;
        // Nobody had it open: the data is gone. Both ends wait for each other.
        let (r, w) = futures::join!(async { p.call(open, &[name, 0]).await }, async {
            sleep(&q, 4).await;
            q.call(open, &[other, write_only]).await
        });
        let (r, w) = (r.unwrap(), w.unwrap());
        q.write(w, b"new").await.unwrap();
        assert_eq!(p.read(r, 10).await.unwrap(), b"new");
        let both = p.call(open, &[name, u64::from(OFlags::RDWR.bits())]).await.unwrap();
        p.write(both, b"self").await.unwrap();
        assert_eq!(p.read(both, 10).await.unwrap(), b"self");
    });
}

#[test]
fn inotify_tells_of_names() {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    world.run(async move {
        let fd = p.call(inotify_init1, &[NONBLOCK]).await.unwrap();
        let root = p.bytes(b"/\0").await;
        let wd = p.call(inotify_add_watch, &[fd, root, u64::from(InotifyMask::CREATE.bits())]).await.unwrap();
        assert_eq!(p.call(inotify_add_watch, &[fd, root, 0]).await, Err(Errno::EINVAL));
        let none = p.bytes(b"/none\0").await;
        assert_eq!(p.call(inotify_add_watch, &[fd, none, 2]).await, Err(Errno::ENOENT));
        assert_eq!(p.read(fd, 100).await, Err(Errno::EAGAIN));
        let name = p.bytes(b"/made\0").await;
        p.call(crate::sys::path::mkdir, &[name, 0o755]).await.unwrap();
        assert_eq!(p.read(fd, 20).await, Err(Errno::EINVAL));
        let bytes = p.read(fd, 100).await.unwrap();
        let head: InotifyEvent = crate::mm::from_prefix(&bytes);
        let mask = (InotifyMask::CREATE | InotifyMask::ISDIR).bits();
        assert_eq!((head.wd as u64, head.mask, head.len), (wd, mask, 16));
        assert_eq!(&bytes[16..], b"made\0\0\0\0\0\0\0\0\0\0\0\0");
        p.call(inotify_rm_watch, &[fd, wd]).await.unwrap();
        let head: InotifyEvent = crate::mm::from_prefix(&p.read(fd, 100).await.unwrap());
        assert_eq!(head.mask, InotifyMask::IGNORED.bits());
    });
}
