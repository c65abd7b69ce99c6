//! Terminals as programs see them: pseudo-terminals, job control, hang-up, the console.

use super::console::VIRTUAL_TERMINAL;
use crate::file::Result;
use crate::fs::dev::DevFs;
use crate::fs::devpts::DevPts;
use crate::net::world::{Program, World, sleep};
use crate::signal::{Action, Signal};
use crate::sys::file::ioctl;
use crate::sys::path::{mkdir, open, readlink};
use crate::task::Arch;
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use linux_abi::ioctl::*;
use linux_abi::poll::PollEvents;
use linux_abi::termios::{LocalFlags, Termios, VMIN, VTIME, Winsize};
use std::cell::RefCell;
use std::rc::Rc;

const RDWR: u32 = OFlags::RDWR.bits();
const NOCTTY: u32 = OFlags::NOCTTY.bits();
const NONBLOCK: u32 = OFlags::NONBLOCK.bits();
const IN: u16 = PollEvents::IN.bits();
const OUT: u16 = PollEvents::OUT.bits();
const HUP: u16 = PollEvents::HUP.bits();
const ERR: u16 = PollEvents::ERR.bits();

async fn open_file(p: &Program, path: &str, flags: u32) -> Result<u64> {
    let at = p.bytes(format!("{path}\0").as_bytes()).await;
    p.call(open, &[at, u64::from(flags)]).await
}

/// A request whose argument is an `int` in memory; gives what stands there afterwards.
async fn int_ioctl(p: &Program, fd: u64, request: u32, value: i32) -> Result<i32> {
    let at = p.value(value).await;
    p.call(ioctl, &[fd, u64::from(request), at]).await?;
    Ok(p.get(at).await)
}

async fn termios(p: &Program, fd: u64) -> Termios {
    let at = p.value(Termios::default()).await;
    p.call(ioctl, &[fd, u64::from(TCGETS), at]).await.expect("a terminal");
    p.get(at).await
}

async fn set_termios(p: &Program, fd: u64, modes: Termios) -> Result<u64> {
    let at = p.value(modes).await;
    p.call(ioctl, &[fd, u64::from(TCSETS), at]).await
}

/// A machine with `/dev`, and its first program.
async fn devices(p: &Program) {
    let kernel = &p.task.kernel;
    let at = p.bytes(b"/dev\0").await;
    p.call(mkdir, &[at, 0o755]).await.expect("an empty root");
    kernel.mount(b"/dev", DevFs::new(kernel.clock.timestamp()), "dev").await.expect("a directory");
    kernel.mount(b"/dev/pts", DevPts::new(kernel), "devpts").await.expect("a directory");
}

/// A master, and its slave opened without taking it as controlling terminal.
async fn pair(p: &Program) -> (u64, u64) {
    let master = open_file(p, "/dev/ptmx", RDWR | NOCTTY).await.expect("a master");
    int_ioctl(p, master, TIOCSPTLCK, 0).await.expect("an unlocked slave");
    let index = int_ioctl(p, master, TIOCGPTN, -1).await.expect("a number");
    let slave = open_file(p, &format!("/dev/pts/{index}"), RDWR | NOCTTY).await.expect("a slave");
    (master, slave)
}

/// Makes `child` a member of a group of its own in the session of `leader`, as a shell's job.
fn as_job(leader: &Program, child: &Program) {
    let process = &child.task.process;
    *process.session.borrow_mut() = leader.task.process.session.borrow().clone();
    *process.parent.borrow_mut() = Rc::downgrade(&leader.task.process);
}

fn run<F: Future<Output = ()> + 'static>(test: impl FnOnce(Program) -> F) {
    let world = World::new();
    let p = world.program(Arch::X86_64, 0);
    let devices_of = p.clone();
    let test = test(p);
    world.run(async move {
        devices(&devices_of).await;
        test.await;
    });
}

#[test]
fn a_pair_carries_lines_and_output() {
    run(|p| async move {
        let master = open_file(&p, "/dev/ptmx", RDWR | NOCTTY | NONBLOCK).await.expect("a master");
        assert_eq!(open_file(&p, "/dev/pts/0", RDWR).await, Err(Errno::EIO), "locked");
        int_ioctl(&p, master, TIOCSPTLCK, 0).await.expect("unlocks");
        let slave = open_file(&p, "/dev/pts/0", RDWR | NOCTTY | NONBLOCK).await.expect("a slave");
        assert_eq!(open_file(&p, "/dev/pts/1", RDWR).await, Err(Errno::ENOENT));
        assert_eq!(p.read(master, 10).await, Err(Errno::EAGAIN));
        assert_eq!(p.write(slave, b"hello\n").await, Ok(6));
        assert_eq!(p.poll(master, IN, 0).await, IN);
        assert_eq!(p.read(master, 100).await.as_deref(), Ok(&b"hello\r\n"[..]));
        assert_eq!(p.write(master, b"wor\x7f\x7fho\r").await, Ok(8));
        assert_eq!(p.poll(slave, IN | OUT, 0).await, IN | OUT);
        assert_eq!(int_ioctl(&p, slave, FIONREAD, 0).await, Ok(4));
        assert_eq!(p.read(slave, 100).await.as_deref(), Ok(&b"who\n"[..]));
        assert_eq!(p.read(slave, 100).await, Err(Errno::EAGAIN));
        assert_eq!(p.read(master, 100).await.as_deref(), Ok(&b"wor\x08 \x08\x08 \x08ho\r\n"[..]));
        p.write(master, b"\x04").await.expect("an end of file");
        assert_eq!(p.read(slave, 100).await.as_deref(), Ok(&b""[..]));
        assert_eq!(int_ioctl(&p, master, TIOCGPGRP, -1).await, Ok(0));
        assert_eq!(int_ioctl(&p, slave, TIOCGPGRP, -1).await, Err(Errno::ENOTTY));
        assert_eq!(termios(&p, master).await, termios(&p, slave).await);
    });
}

#[test]
fn the_peer_of_a_master_has_its_name() {
    run(|p| async move {
        let proc = crate::fs::proc::new(&p.task.kernel);
        let at = p.bytes(b"/proc\0").await;
        p.call(mkdir, &[at, 0o555]).await.expect("a directory");
        p.task.kernel.mount(b"/proc", proc, "proc").await.expect("a directory");
        p.task.kernel.caller.set((p.task.process.pid, p.task.tid));
        let master = open_file(&p, "/dev/ptmx", RDWR | NOCTTY).await.expect("a master");
        let request = u64::from(TIOCGPTPEER);
        assert_eq!(
            p.call(ioctl, &[master, request, u64::from(RDWR | NOCTTY)]).await,
            Err(Errno::EIO),
            "locked"
        );
        int_ioctl(&p, master, TIOCSPTLCK, 0).await.expect("unlocks");
        let slave = p.call(ioctl, &[master, request, u64::from(RDWR | NOCTTY)]).await.expect("a slave");
        let (name, room) = (p.bytes(format!("/proc/self/fd/{slave}\0").as_bytes()).await, p.room(100));
        let len = p.call(readlink, &[name, room, 100]).await.expect("a link");
        assert_eq!(p.task.read_bytes(room, len as usize).await.as_deref(), Ok(&b"/dev/pts/0"[..]));
    });
}

#[test]
fn a_read_waits_and_a_full_pair_holds_the_writer() {
    run(|p| async move {
        let q = p.clone();
        let (master, slave) = pair(&p).await;
        let (line, ()) = futures::join!(p.read(slave, 100), async {
            sleep(&q, 5).await;
            q.write(master, b"x\r").await.expect("room");
        });
        assert_eq!(line.as_deref(), Ok(&b"x\n"[..]));
        assert_eq!(p.read(master, 10).await.as_deref(), Ok(&b"x\r\n"[..]));
        let text = vec![b'a'; 100_000];
        let (written, read) = futures::join!(p.write(slave, &text), async {
            let mut got = 0;
            while got < 100_000 {
                got += q.read(master, 4096).await.expect("output").len();
            }
            got
        });
        assert_eq!((written, read), (Ok(100_000), 100_000));
        // The other way, raw: nothing is lost.
        let mut raw = termios(&p, slave).await;
        raw.c_lflag = 0;
        set_termios(&p, slave, raw).await.expect("sets");
        let (written, read) = futures::join!(p.write(master, &text), async {
            let mut got = 0;
            while got < 100_000 {
                got += q.read(slave, 3000).await.expect("input").len();
            }
            got
        });
        assert_eq!((written, read), (Ok(100_000), 100_000));
    });
}

#[test]
fn vmin_and_vtime() {
    run(|p| async move {
        let q = p.clone();
        let clock = || p.task.kernel.clock.monotonic().0 / 1_000_000;
        let (master, slave) = pair(&p).await;
        let set = async |min: u8, time: u8| {
            let mut raw = termios(&p, slave).await;
            raw.c_lflag &= !(LocalFlags::ICANON | LocalFlags::ECHO).bits();
            (raw.c_cc[VMIN], raw.c_cc[VTIME]) = (min, time);
            set_termios(&p, slave, raw).await.expect("sets");
        };
        set(0, 0).await;
        assert_eq!(p.read(slave, 10).await.as_deref(), Ok(&b""[..]), "polls");
        set(0, 3).await;
        let start = clock();
        assert_eq!(p.read(slave, 10).await.as_deref(), Ok(&b""[..]));
        assert_eq!(clock() - start, 300, "the time of one read");
        set(3, 0).await;
        let (bytes, ()) = futures::join!(p.read(slave, 10), async {
            q.write(master, b"a").await.expect("room");
            sleep(&q, 50).await;
            q.write(master, b"bcd").await.expect("room");
        });
        assert_eq!(bytes.as_deref(), Ok(&b"abcd"[..]), "as many as that");
        set(10, 2).await;
        let start = clock();
        let (bytes, ()) = futures::join!(p.read(slave, 10), async {
            sleep(&q, 1000).await;
            q.write(master, b"x").await.expect("room");
            sleep(&q, 150).await;
            q.write(master, b"y").await.expect("room");
        });
        assert_eq!((bytes.as_deref(), clock() - start), (Ok(&b"xy"[..]), 1350), "the time between bytes");
    });
}

#[test]
fn the_last_slave_to_close_tells_the_master() {
    run(|p| async move {
        let (master, slave) = pair(&p).await;
        p.write(slave, b"bye").await.expect("room");
        p.close(slave).await;
        assert_eq!(p.poll(master, IN, 0).await, IN | HUP);
        assert_eq!(p.read(master, 10).await.as_deref(), Ok(&b"bye"[..]));
        assert_eq!(p.read(master, 10).await, Err(Errno::EIO));
        let again = open_file(&p, "/dev/pts/0", RDWR | NOCTTY).await.expect("the master is open");
        assert_eq!(p.poll(master, IN, 0).await, 0);
        p.close(again).await;
    });
}

#[test]
fn closing_the_master_hangs_the_session_up() {
    let world = World::new();
    let (p, leader) = (world.program(Arch::X86_64, 0), world.program(Arch::I386, 1000));
    world.run(async move {
        devices(&p).await;
        let (master, own) = pair(&p).await;
        p.close(own).await;
        let node = p.task.kernel.ptys.get(0).expect("an open pair");
        node.node.set(crate::tty::pty::Node { uid: 1000, ..node.node.get() });
        assert_eq!(open_file(&leader, "/dev/tty", RDWR).await, Err(Errno::ENXIO));
        let slave = open_file(&leader, "/dev/pts/0", RDWR).await.expect("its own");
        let pid = leader.task.process.pid;
        assert_eq!(int_ioctl(&leader, slave, TIOCGPGRP, 0).await, Ok(pid));
        assert_eq!(int_ioctl(&leader, slave, TIOCGSID, 0).await, Ok(pid));
        let controlling = open_file(&leader, "/dev/tty", RDWR).await.expect("opening made it so");
        leader.write(controlling, b"x").await.expect("room");
        let (read, ()) = futures::join!(leader.read(slave, 10), async {
            sleep(&p, 1).await;
            // Process 1 takes no SIGHUP that it does not handle, but this is process 2.
            leader.task.blocked.set(crate::signal::SigSet(!0));
            p.close(master).await;
        });
        // Who waits hears of it, as natively (`guest/terminals.c`, `ends`).
        assert_eq!(read, Err(Errno::EIO));
        assert!(leader.take_signal(Signal::HUP) && leader.take_signal(Signal::CONT));
        assert_eq!(leader.read(slave, 10).await.as_deref(), Ok(&b""[..]));
        assert_eq!(leader.write(slave, b"x").await, Err(Errno::EIO));
        assert_eq!(int_ioctl(&leader, slave, TIOCGPGRP, 0).await, Err(Errno::EIO));
        assert_eq!(leader.poll(slave, IN | OUT, 0).await, IN | OUT | ERR | HUP);
        assert_eq!(open_file(&leader, "/dev/tty", RDWR).await, Err(Errno::ENXIO));
        assert_eq!(open_file(&leader, "/dev/pts/0", RDWR).await, Err(Errno::ENOENT));
    });
}

#[test]
fn a_background_job_must_wait_for_its_turn() {
    let world = World::new();
    let (p, job) = (world.program(Arch::X86_64, 0), world.program(Arch::X86_64, 0));
    world.run(async move {
        devices(&p).await;
        let master = open_file(&p, "/dev/ptmx", RDWR | NOCTTY).await.expect("a master");
        int_ioctl(&p, master, TIOCSPTLCK, 0).await.expect("unlocks");
        let slave = open_file(&p, "/dev/pts/0", RDWR).await.expect("a slave");
        as_job(&p, &job);
        let own = open_file(&job, "/dev/tty", RDWR).await.expect("the session's");
        let ignore =
            |signal, handler| job.task.actions().set(signal, Action { handler, ..Action::default() });
        p.write(master, b"line\r").await.expect("room");
        assert_eq!(job.read(own, 10).await, Err(Errno::ERESTARTSYS));
        assert!(job.take_signal(Signal::TTIN));
        ignore(Signal::TTIN, 1);
        assert_eq!(job.read(own, 10).await, Err(Errno::EIO));
        assert_eq!(job.write(own, b"may\n").await, Ok(4));
        let modes = termios(&job, own).await;
        assert_eq!(set_termios(&job, own, modes).await, Err(Errno::ERESTARTSYS));
        assert!(job.take_signal(Signal::TTOU));
        let stops = Termios { c_lflag: modes.c_lflag | LocalFlags::TOSTOP.bits(), ..modes };
        set_termios(&p, slave, stops).await.expect("in the foreground");
        assert_eq!(job.write(own, b"no\n").await, Err(Errno::ERESTARTSYS));
        assert!(job.take_signal(Signal::TTOU));
        ignore(Signal::TTOU, 1);
        assert_eq!(job.write(own, b"but\n").await, Ok(4));
        // The shell gives it the terminal; it may also take it, ignoring SIGTTOU.
        assert_eq!(int_ioctl(&p, slave, TIOCSPGRP, 12345).await, Err(Errno::ESRCH));
        let group = job.task.process.group.get();
        int_ioctl(&p, slave, TIOCSPGRP, group).await.expect("a group of the session");
        ignore(Signal::TTIN, 0);
        assert_eq!(job.read(own, 10).await.as_deref(), Ok(&b"line\n"[..]));
        p.write(master, b"\x03").await.expect("room");
        assert!(job.take_signal(Signal::INT) && !p.take_signal(Signal::INT));
        // An orphan gets no signal but an error.
        *job.task.process.parent.borrow_mut() = std::rc::Weak::new();
        int_ioctl(&job, own, TIOCSPGRP, p.task.process.group.get()).await.expect("back");
        assert_eq!(job.read(own, 10).await, Err(Errno::EIO));
    });
}

#[test]
fn the_end_of_a_leader_frees_the_terminal() {
    let world = World::new();
    let (p, job) = (world.program(Arch::X86_64, 0), world.program(Arch::X86_64, 0));
    world.run(async move {
        devices(&p).await;
        let (master, slave) = pair(&p).await;
        p.call(ioctl, &[slave, u64::from(TIOCSCTTY), 0]).await.expect("a leader without a terminal");
        as_job(&p, &job);
        int_ioctl(&p, slave, TIOCSPGRP, job.task.process.group.get()).await.expect("its job");
        super::session_leader_exit(&p.task.process);
        assert!(job.take_signal(Signal::HUP));
        assert_eq!(int_ioctl(&p, master, TIOCGPGRP, -1).await, Ok(0));
        assert_eq!(open_file(&job, "/dev/tty", RDWR).await, Err(Errno::ENXIO));
    });
}

#[test]
fn a_new_size_is_told() {
    run(|p| async move {
        let (master, slave) = pair(&p).await;
        p.call(ioctl, &[slave, u64::from(TIOCSCTTY), 0]).await.expect("a leader without a terminal");
        p.task.actions().set(Signal::WINCH, Action { handler: 4096, ..Action::default() });
        let window = Winsize { ws_row: 40, ws_col: 100, ..Winsize::default() };
        let at = p.value(window).await;
        p.call(ioctl, &[master, u64::from(TIOCSWINSZ), at]).await.expect("a size");
        assert!(p.take_signal(Signal::WINCH));
        let other = p.value(Winsize::default()).await;
        p.call(ioctl, &[slave, u64::from(TIOCGWINSZ), other]).await.expect("a size");
        assert_eq!(p.get::<Winsize>(other).await, window);
        p.call(ioctl, &[slave, u64::from(TIOCSWINSZ), at]).await.expect("the same size");
        assert!(!p.take_signal(Signal::WINCH));
    });
}

#[test]
fn packet_mode_tells_of_flushes_and_stops() {
    run(|p| async move {
        let (master, slave) = pair(&p).await;
        int_ioctl(&p, master, TIOCPKT, 1).await.expect("packets");
        p.write(slave, b"x").await.expect("room");
        assert_eq!(p.read(master, 10).await.as_deref(), Ok(&b"\0x"[..]));
        p.write(master, b"\x13").await.expect("room");
        assert_eq!(p.poll(master, IN | PollEvents::PRI.bits(), 0).await, IN | PollEvents::PRI.bits());
        assert_eq!(p.read(master, 10).await, Ok(vec![TIOCPKT_STOP]));
        assert_eq!(p.poll(slave, OUT, 0).await, 0);
        p.write(master, b"\x11").await.expect("room");
        assert_eq!(p.read(master, 10).await, Ok(vec![TIOCPKT_START]));
        let modes = termios(&p, slave).await;
        set_termios(&p, slave, Termios { c_iflag: 0, ..modes }).await.expect("sets");
        assert_eq!(p.read(master, 10).await, Ok(vec![TIOCPKT_NOSTOP]));
        p.call(ioctl, &[slave, u64::from(TCFLSH), 2]).await.expect("flushes");
        assert_eq!(p.read(master, 10).await, Ok(vec![TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE]));
    });
}

#[test]
fn the_console_shows_and_keeps_what_is_typed() {
    run(|p| async move {
        let kernel = &p.task.kernel;
        let early = open_file(&p, "/dev/console", RDWR).await.expect("a console");
        assert_eq!(open_file(&p, "/dev/tty", RDWR).await, Err(Errno::ENXIO), "not by opening /dev/console");
        p.write(early, b"boot\n").await.expect("never waits");
        let shown: Rc<RefCell<Vec<u8>>> = Rc::default();
        let sink = shown.clone();
        kernel.console.set_sink(Box::new(move |bytes| sink.borrow_mut().extend_from_slice(bytes)));
        let tty = open_file(&p, &format!("/dev/tty{VIRTUAL_TERMINAL}"), RDWR).await.expect("a terminal");
        let controlling = open_file(&p, "/dev/tty", RDWR).await.expect("by opening it");
        p.write(controlling, b"hi").await.expect("never waits");
        assert_eq!(String::from_utf8_lossy(&shown.borrow()), "boot\r\nhi");
        let line = [&[b'x'; 99][..], b"\r"].concat();
        kernel.console.input(kernel, &line.repeat(1000));
        for _ in 0..1000 {
            assert_eq!(p.read(tty, 4096).await.map(|line| line.len()), Ok(100));
        }
        p.task.actions().set(Signal::WINCH, Action { handler: 4096, ..Action::default() });
        kernel.console.resize(kernel, 132, 50);
        assert!(p.take_signal(Signal::WINCH));
        assert_eq!(open_file(&p, "/dev/tty2", RDWR).await, Err(Errno::ENXIO));
        // The session ends: its files are dead, the console's are not.
        super::session_leader_exit(&p.task.process);
        assert_eq!(p.write(tty, b"x").await, Err(Errno::EIO));
        assert_eq!(p.write(early, b"x").await, Ok(1));
        assert_eq!(kernel.console.session_id(), 0);
    });
}

#[test]
fn memory_devices() {
    run(|p| async move {
        let null = open_file(&p, "/dev/null", RDWR).await.expect("null");
        assert_eq!((p.write(null, b"abc").await, p.read(null, 5).await), (Ok(3), Ok(vec![])));
        assert_eq!(p.call(ioctl, &[null, u64::from(TCGETS), p.room(64)]).await, Err(Errno::ENOTTY));
        let zero = open_file(&p, "/dev/zero", RDWR).await.expect("zero");
        assert_eq!(p.read(zero, 5).await, Ok(vec![0; 5]));
        let full = open_file(&p, "/dev/full", RDWR).await.expect("full");
        assert_eq!(p.write(full, b"abc").await, Err(Errno::ENOSPC));
        let random = open_file(&p, "/dev/urandom", RDWR).await.expect("urandom");
        assert_eq!(p.read(random, 300).await.map(|bytes| bytes.len()), Ok(300));
        let kmsg = open_file(&p, "/dev/kmsg", RDWR | NONBLOCK).await.expect("kmsg");
        assert_eq!((p.write(kmsg, b"<6>hello\n").await, p.read(kmsg, 9).await), (Ok(9), Err(Errno::EAGAIN)));
    });
}
