//! `execve`: from a path to a program about to run its first instruction.

pub mod elf;
mod stack;
pub mod vdso;

use crate::cred::{Cred, Want};
use crate::file::Result;
use crate::kernel::Kernel;
use crate::lifecycle;
use crate::mm::Mm;
use crate::signal::{AltStack, Signal};
use crate::task::Task;
use linux_abi::Errno;
use std::cell::RefCell;
use std::rc::Rc;
use vfs::namespace::{LastSymlink, Path, Walker};
use vfs::{FileType, Inode};
use x86_cpu::{CpuState, gpr};

/// Interpreters followed from script to script (fs/exec.c).
const MAX_SCRIPTS: usize = 5;
/// Longest `#!` line looked at (linux/binfmts.h `BINPRM_BUF_SIZE`).
const HEAD: usize = 256;

/// Finds a program from the thread's directories.
pub(crate) async fn find(task: &Task, path: &[u8]) -> Result<Path> {
    let fs = task.fs();
    let cred = task.cred();
    let walker =
        Walker { root: &fs.root, start: &fs.cwd, may_search: &|attributes| cred.may(attributes, Want::EXEC) };
    task.kernel.namespace.find(&walker, path, LastSymlink::Follow).await
}

/// Replaces the program of a thread (execve(2)). On an error the old program is untouched.
pub async fn execve(task: &Rc<Task>, path: &[u8], argv: Vec<Vec<u8>>, env: Vec<Vec<u8>>) -> Result<()> {
    let file = find(task, path).await?;
    execve_file(task, file, path, argv, env).await
}

/// `#!interpreter argument` (execve(2), "Interpreter scripts").
fn parse_script(head: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !is_blank(byte))?;
    let line = &line[start..];
    let end = line.iter().rposition(|byte| !is_blank(byte) && *byte != 0)? + 1;
    let line = &line[..end];
    let split = line.iter().position(is_blank).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(split);
    let argument = rest.iter().position(|byte| !is_blank(byte)).map(|at| rest[at..].to_vec());
    Some((interpreter.to_vec(), argument))
}

fn check_executable(cred: &Cred, file: &Path) -> Result<()> {
    let attributes = file.inode().attributes();
    if attributes.file_type != FileType::Regular || !cred.may(&attributes, Want::EXEC) {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// A file is either run or written to (`ETXTBSY`, execve(2) and open(2)).
fn same_file(a: &Rc<dyn Inode>, b: &Rc<dyn Inode>) -> bool {
    a.device() == b.device() && a.attributes().ino == b.attributes().ino
}

/// Whether somebody has the file open for writing.
fn is_being_written(kernel: &Kernel, inode: &Rc<dyn Inode>) -> bool {
    kernel.processes().iter().filter_map(|process| process.any_thread()).any(|task| {
        let files = task.files();
        let mut open = files.numbers().into_iter().filter_map(|fd| files.get(fd).ok());
        open.any(|file| file.writable() && same_file(&file.path.inode(), inode))
    })
}

/// Whether somebody runs the file.
pub(crate) fn is_being_run(kernel: &Kernel, inode: &Rc<dyn Inode>) -> bool {
    kernel.processes().iter().filter_map(|process| process.any_thread()).any(|task| {
        let exe = task.mm().exe.borrow().clone();
        exe.is_some_and(|exe| same_file(&exe.inode(), inode))
    })
}

async fn read_head(inode: &Rc<dyn Inode>) -> Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let got = inode.read_at(0, &mut head).await?;
    head.truncate(got);
    Ok(head)
}

/// As [`execve`], the program already found. `name` is what `AT_EXECFN` and scripts are told.
pub(crate) async fn execve_file(
    task: &Rc<Task>,
    mut file: Path,
    name: &[u8],
    mut argv: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
) -> Result<()> {
    // The name as given, of a script the script's: not what a symlink leads to (prctl(2), PR_SET_NAME).
    let comm = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name).to_vec();
    let mut name = name.to_vec();
    let cred = task.cred();
    for depth in 0.. {
        if depth > MAX_SCRIPTS {
            return Err(Errno::ELOOP);
        }
        check_executable(&cred, &file)?;
        if is_being_written(&task.kernel, &file.inode()) {
            return Err(Errno::ETXTBSY);
        }
        let head = read_head(&file.inode()).await?;
        if !head.starts_with(b"#!") {
            break;
        }
        let (interpreter, argument) = parse_script(&head).ok_or(Errno::ENOEXEC)?;
        let rest = if argv.is_empty() { argv } else { argv.split_off(1) };
        argv = vec![interpreter.clone()];
        argv.extend(argument);
        argv.push(std::mem::replace(&mut name, interpreter.clone()));
        argv.extend(rest);
        file = find(task, &interpreter).await?;
    }
    if argv.is_empty() {
        // An empty argument list becomes one empty string, as since Linux 5.18.
        argv.push(Vec::new());
    }
    let new_cred = credentials_after(task, &cred, &file);
    let secure = new_cred.uid != new_cred.euid || new_cred.gid != new_cred.egid;
    let program = elf::load(task, &file).await?;
    let sp = stack::build(task, &program, &new_cred, secure, &argv, &env, &name).await?;
    lifecycle::end_other_threads(task).await?;
    install(task, program, sp, new_cred, &comm, &file).await;
    Ok(())
}

/// Set-user-id and set-group-id (execve(2)).
fn credentials_after(task: &Task, cred: &Rc<Cred>, file: &Path) -> Cred {
    let attributes = file.inode().attributes();
    let mut new = (**cred).clone();
    if !task.no_new_privs.get() {
        if attributes.permissions & 0o4000 != 0 {
            new.euid = attributes.uid;
        }
        if attributes.permissions & 0o2010 == 0o2010 {
            new.egid = attributes.gid;
        }
    }
    (new.suid, new.fsuid) = (new.euid, new.euid);
    (new.sgid, new.fsgid) = (new.egid, new.egid);
    new.reset_capabilities_for_exec();
    new
}

async fn install(task: &Rc<Task>, program: elf::Program, sp: u64, cred: Cred, comm: &[u8], file: &Path) {
    let elf::Program { mm, entry, .. } = program;
    *mm.exe.borrow_mut() = Some(file.clone());
    // The old memory tells whoever waits on the thread's tid that it is gone (mm_release).
    let clear = task.clear_child_tid.replace(0);
    if clear != 0 && task.put(clear, &0u32).await.is_ok() {
        crate::futex::wake_any(task, clear, 1);
    }
    let arch = mm.arch;
    *task.mm.borrow_mut() = Rc::new(mm);
    {
        let mut cpu = task.cpu.borrow_mut();
        let tsc = cpu.tsc;
        *cpu = CpuState::new(elf::mode(arch));
        cpu.tsc = tsc;
        cpu.rip = entry;
        cpu.gpr[gpr::RSP] = sp;
    }
    let process = &task.process;
    process.dumpable.set(if cred.uid == cred.euid { 1 } else { 0 });
    process.execed.set(true);
    process.exit_signal.set(Signal::CHLD.number());
    process.timers.clear_posix();
    *task.cred.borrow_mut() = Rc::new(cred);
    *task.comm.borrow_mut() = comm[..comm.len().min(15)].to_vec();
    let actions = Rc::new(task.actions().after_exec());
    *task.actions.borrow_mut() = actions;
    task.alt_stack.set(AltStack::DISABLED);
    task.keep_caps.set(false);
    task.robust_lists.set([0; 2]);
    task.restart.set(None);
    // A table shared with CLONE_FILES becomes our own.
    let files = task.files();
    let own = if Rc::strong_count(&files) > 2 { Rc::new(files.duplicate()) } else { files };
    *task.files.borrow_mut() = own.clone();
    for file in own.take_close_on_exec() {
        crate::sys::file::close_file(task, file);
    }
    let fs = task.fs();
    *task.fs.borrow_mut() = Rc::new(RefCell::new(fs));
    process.lifecycle.wake_all();
}

/// What both loaders and the stack builder need to know of a new program's memory.
pub(crate) fn new_memory(task: &Task, arch: crate::task::Arch) -> Mm {
    Mm::new(&task.kernel.pool, arch)
}
