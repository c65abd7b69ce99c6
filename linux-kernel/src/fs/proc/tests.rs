//! `/proc` and `/sys` as programs read them.

use crate::file::Result;
use crate::fs::{proc, sys};
use crate::net::world::{Program, World};
use crate::sys::path::{mkdir, open, readlink};
use crate::task::Arch;
use linux_abi::Errno;
use linux_abi::fcntl::OFlags;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use vfs::{FileType, Inode};

async fn mounted(p: &Program) {
    let kernel = &p.task.kernel;
    let places: [(&str, Rc<dyn vfs::FileSystem>); 2] =
        [("/proc", proc::new(kernel)), ("/sys", sys::new(kernel))];
    for (path, fs) in places {
        let at = p.bytes(format!("{path}\0").as_bytes()).await;
        p.call(mkdir, &[at, 0o555]).await.expect("an empty root");
        kernel.mount(path.as_bytes(), fs, path.trim_start_matches('/')).await.expect("a directory");
    }
    calls(p);
}

/// Says that this program makes the next calls.
fn calls(p: &Program) {
    p.task.kernel.caller.set((p.task.process.pid, p.task.tid));
}

async fn open_file(p: &Program, path: &str, flags: OFlags) -> Result<u64> {
    let at = p.bytes(format!("{path}\0").as_bytes()).await;
    p.call(open, &[at, u64::from(flags.bits())]).await
}

async fn text(p: &Program, path: &str) -> Result<String> {
    let fd = open_file(p, path, OFlags::empty()).await?;
    let mut all = Vec::new();
    loop {
        // Small pieces: they must come from one text.
        let part = p.read(fd, 7).await?;
        if part.is_empty() {
            p.close(fd).await;
            return Ok(String::from_utf8_lossy(&all).into_owned());
        }
        all.extend(part);
    }
}

async fn link(p: &Program, path: &str) -> Result<String> {
    let (at, room) = (p.bytes(format!("{path}\0").as_bytes()).await, p.room(4096));
    let len = p.call(readlink, &[at, room, 4096]).await?;
    let bytes = p.task.read_bytes(room, len as usize).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn run<F: Future<Output = ()> + 'static>(test: impl FnOnce(Program, Program) -> F) {
    let world = World::new();
    let (p, other) = (world.program(Arch::X86_64, 0), world.program(Arch::I386, 1000));
    *p.task.comm.borrow_mut() = b"a (b) c".to_vec();
    let first = p.clone();
    let test = test(p, other);
    world.run(async move {
        mounted(&first).await;
        test.await;
    });
}

/// Every entry of a directory, read one at a time.
async fn entries(dir: &Rc<dyn Inode>) -> Vec<vfs::DirEntry> {
    let mut all: Vec<vfs::DirEntry> = Vec::new();
    loop {
        let from = all.last().map_or(0, |entry| entry.next);
        let got = RefCell::new(None);
        let mut take = |entry| {
            let first = got.borrow().is_none();
            if first {
                *got.borrow_mut() = Some(entry);
            }
            first
        };
        dir.readdir(from, &mut take).await.expect("a directory lists");
        let Some(entry) = got.take() else { return all };
        all.push(entry);
    }
}

#[test]
fn everything_that_is_listed_is_there_and_reads() {
    run(|p, _| async move {
        for fs in [proc::new(&p.task.kernel), sys::new(&p.task.kernel)] {
            let mut seen = BTreeMap::new();
            let mut count = 0;
            let mut left = vec![(String::new(), fs.root.clone())];
            while let Some((path, dir)) = left.pop() {
                for entry in entries(&dir).await {
                    if matches!(entry.name.as_slice(), b"." | b"..") {
                        continue;
                    }
                    let path = format!("{path}/{}", String::from_utf8_lossy(&entry.name));
                    let inode =
                        dir.lookup(&entry.name).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                    let attributes = inode.attributes();
                    // What all processes share is the same directory, with a number of its own.
                    if !path.ends_with("/net") {
                        assert_eq!(
                            (attributes.ino, attributes.file_type),
                            (entry.ino, entry.file_type),
                            "{path}"
                        );
                    }
                    count += 1;
                    match attributes.file_type {
                        FileType::Directory if path.ends_with("/net") && path.contains("task") => {}
                        FileType::Directory => left.push((path.clone(), inode)),
                        FileType::Symlink => _ = inode.read_link().await,
                        _ if path.ends_with("/mem") => {}
                        _ => {
                            let mut buf = [0; 100];
                            inode
                                .read_at(0, &mut buf)
                                .await
                                .unwrap_or_else(|error| panic!("{path}: {error:?}"));
                        }
                    }
                    let shared = path.contains("/net");
                    if let Some(other) = seen.insert(attributes.ino, path.clone()).filter(|_| !shared) {
                        panic!("{path} and {other} have one number");
                    }
                }
            }
            assert!(count > 50, "{count} files");
        }
    });
}

#[test]
fn stat_has_its_52_fields() {
    run(|p, _| async move {
        let line = text(&p, "/proc/self/stat").await.expect("a text");
        let rest = line.strip_prefix("1 (a (b) c) R 0 1 1 0 -1 ").unwrap_or_else(|| panic!("{line}"));
        assert_eq!(rest.split_ascii_whitespace().count(), 52 - 8);
        assert!(line.ends_with('\n'));
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        assert_eq!((fields[9], fields[14]), ("20", "16777216"), "priority and size: {line}");
        assert_eq!(text(&p, "/proc/1/task/1/stat").await.map(|line| line.len()), Ok(line.len()));
        assert_eq!(text(&p, "/proc/thread-self/comm").await.as_deref(), Ok("a (b) c\n"));
    });
}

#[test]
fn status_shows_ids_and_memory() {
    run(|p, _| async move {
        let status = text(&p, "/proc/2/status").await.expect("a text");
        for line in
            ["Pid:\t2", "PPid:\t0", "Uid:\t1000\t1000\t1000\t1000", "VmSize:\t   16384 kB", "Threads:\t1"]
        {
            assert!(status.lines().any(|l| l == line), "{line}: {status}");
        }
        assert!(status.contains("CapEff:\t0000000000000000\n"));
        assert!(text(&p, "/proc/1/status").await.expect("a text").contains("CapEff:\t000001ffffffffff\n"));
        assert_eq!(text(&p, "/proc/3/status").await, Err(Errno::ENOENT));
    });
}

#[test]
fn a_zombie_keeps_its_name() {
    run(|p, other| async move {
        let process = &other.task.process;
        *process.remains.borrow_mut() = Some((b"gone".to_vec(), other.task.cred()));
        process.threads.borrow_mut().clear();
        process.zombie.set(true);
        let line = text(&p, "/proc/2/stat").await.expect("a text");
        assert!(line.starts_with("2 (gone) Z 0 2 2 0 -1 "), "{line}");
        let status = text(&p, "/proc/2/status").await.expect("a text");
        assert!(status.contains("State:\tZ (zombie)\n") && status.contains("Uid:\t1000\t"), "{status}");
        assert_eq!(text(&p, "/proc/2/maps").await.as_deref(), Ok(""));
        assert_eq!(link(&p, "/proc/2/cwd").await, Err(Errno::ENOENT));
        assert_eq!(text(&p, "/proc/2/cmdline").await.as_deref(), Ok(""));
    });
}

#[test]
fn links_lead_to_files() {
    run(|p, _| async move {
        assert_eq!(link(&p, "/proc/self").await.as_deref(), Ok("1"));
        assert_eq!(link(&p, "/proc/self/cwd").await.as_deref(), Ok("/"));
        assert_eq!(link(&p, "/proc/self/ns/pid").await.as_deref(), Ok("pid:[4026531836]"));
        assert_eq!(link(&p, "/proc/self/exe").await, Err(Errno::ENOENT));
        let fd = open_file(&p, "/proc/uptime", OFlags::CLOEXEC).await.expect("a file");
        assert_eq!(link(&p, &format!("/proc/self/fd/{fd}")).await.as_deref(), Ok("/proc/uptime"));
        p.read(fd, 4).await.expect("a text");
        let info = text(&p, &format!("/proc/self/fdinfo/{fd}")).await.expect("a text");
        assert!(info.starts_with("pos:\t4\nflags:\t02000000\nmnt_id:\t"), "{info}");
        let again = text(&p, &format!("/proc/self/fd/{fd}")).await.expect("the file itself");
        assert_eq!(again, text(&p, "/proc/uptime").await.expect("a text"));
        p.close(fd).await;
        assert_eq!(link(&p, &format!("/proc/self/fd/{fd}")).await, Err(Errno::ENOENT));
    });
}

#[test]
fn others_may_not_look_inside() {
    run(|p, other| async move {
        for path in ["/proc/2/environ", "/proc/2/maps", "/proc/2/mem"] {
            assert!(open_file(&p, path, OFlags::empty()).await.is_ok(), "{path}");
        }
        calls(&other);
        for path in ["/proc/1/environ", "/proc/1/maps", "/proc/1/mem", "/proc/1/fd"] {
            assert_eq!(open_file(&other, path, OFlags::empty()).await, Err(Errno::EACCES), "{path}");
        }
        assert_eq!(link(&other, "/proc/1/cwd").await, Err(Errno::EACCES));
        assert!(text(&other, "/proc/1/stat").await.is_ok());
        assert!(text(&other, "/proc/self/maps").await.is_ok());
    });
}

#[test]
fn settings_are_written() {
    run(|p, other| async move {
        let comm = open_file(&p, "/proc/self/comm", OFlags::WRONLY | OFlags::TRUNC).await.expect("its own");
        assert_eq!(p.write(comm, b"a name that is too long\n").await, Ok(24));
        assert_eq!(text(&p, "/proc/self/comm").await.as_deref(), Ok("a name that is \n"));
        let name = open_file(&p, "/proc/sys/kernel/hostname", OFlags::WRONLY).await.expect("for root");
        assert_eq!(p.write(name, b"box\n").await, Ok(4));
        assert_eq!(text(&p, "/proc/sys/kernel/hostname").await.as_deref(), Ok("box\n"));
        let score = open_file(&other, "/proc/2/oom_score_adj", OFlags::RDWR).await.expect("its own");
        calls(&other);
        assert_eq!(other.write(score, b"500").await, Ok(3));
        assert_eq!(other.write(score, b"100").await, Err(Errno::EACCES));
        assert_eq!(other.write(score, b"5000").await, Err(Errno::EINVAL));
        assert_eq!(open_file(&other, "/proc/sys/vm/swappiness", OFlags::WRONLY).await, Err(Errno::EACCES));
    });
}

#[test]
fn memory_is_shown_and_read() {
    run(|p, _| async move {
        let maps = text(&p, "/proc/self/maps").await.expect("a text");
        assert_eq!(maps, "00100000-01100000 rw-p 00000000 00:00 0 \n");
        let at = p.bytes(b"program\0-x\0HOME=/\0").await;
        p.task.mm().args.set((at, at + 11));
        p.task.mm().env.set((at + 11, at + 18));
        assert_eq!(text(&p, "/proc/self/cmdline").await.as_deref(), Ok("program\0-x\0"));
        assert_eq!(text(&p, "/proc/self/environ").await.as_deref(), Ok("HOME=/\0"));
        // setproctitle: no NUL where the arguments ended.
        p.task.write_bytes(at, b"program: new title\0").await.expect("own memory");
        assert_eq!(text(&p, "/proc/self/cmdline").await.as_deref(), Ok("program: new title"));
        let mem = open_file(&p, "/proc/self/mem", OFlags::RDWR).await.expect("its own");
        let room = p.room(16);
        assert_eq!(p.call(crate::sys::file::pread64, &[mem, room, 7, at]).await, Ok(7));
        assert_eq!(p.task.read_bytes(room, 7).await.as_deref(), Ok(&b"program"[..]));
        assert_eq!(p.call(crate::sys::file::pread64, &[mem, room, 7, 8]).await, Err(Errno::EIO));
    });
}

#[test]
fn mounts_are_listed() {
    run(|p, _| async move {
        let mounts = text(&p, "/proc/mounts").await.expect("a text");
        assert_eq!(
            mounts,
            "root / tmpfs rw,noatime 0 0\nproc /proc proc rw,noatime 0 0\nsys /sys sysfs rw,noatime 0 0\n"
        );
        let info = text(&p, "/proc/self/mountinfo").await.expect("a text");
        let proc = info.lines().nth(1).expect("three lines");
        assert!(proc.ends_with(" 0:21 / /proc rw,noatime - proc proc rw"), "{proc}");
        let numbers: Vec<&str> = proc.split(' ').take(2).collect();
        let root: Vec<&str> = info.split(' ').take(1).collect();
        assert_eq!(numbers[1], root[0], "mounted on the root");
    });
}
