//! Programs that the host starts.

use crate::machine::Machine;
use crate::reply::Reply;
use crate::stdio::{OutputPort, StdinPort, Stdio};
use linux_abi::Errno;
use linux_kernel::Kernel;
use linux_kernel::cred::Cred;
use linux_kernel::file::{OpenFile, open_flags};
use linux_kernel::lifecycle::{self, Spawn};
use linux_kernel::signal::Signal;
use linux_kernel::signal::send::{self, Origin};
use linux_kernel::task::{Process, WaitStatus};
use linux_kernel::tty::file::{HangUp, TtyFile};
use std::fmt;
use std::rc::Rc;
use vfs::FileType;
use vfs::namespace::{LastSymlink, Walker};

/// A program to start.
#[derive(Debug)]
pub struct SpawnRequest {
    /// Path of the program inside the machine; PATH is the caller's business.
    pub path: Vec<u8>,
    /// `argv[0]`; by default the path.
    pub arg0: Option<Vec<u8>>,
    /// Further arguments.
    pub args: Vec<Vec<u8>>,
    /// `NAME=VALUE`s.
    pub env: Vec<Vec<u8>>,
    /// Working directory.
    pub cwd: Vec<u8>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Standard streams.
    pub stdio: Stdio,
}

impl SpawnRequest {
    /// A program of root's, in `/`, without arguments and environment.
    pub fn new(path: &str, stdio: Stdio) -> SpawnRequest {
        SpawnRequest {
            path: path.as_bytes().to_vec(),
            arg0: None,
            args: Vec::new(),
            env: Vec::new(),
            cwd: b"/".to_vec(),
            uid: 0,
            gid: 0,
            stdio,
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this.
    Exited(u8),
    /// A signal ended it.
    Killed {
        /// Number of the signal.
        signal: u8,
    },
}

impl ExitStatus {
    /// What a shell shows: the exit status, or 128 and the signal.
    pub fn shell_code(self) -> u8 {
        match self {
            ExitStatus::Exited(code) => code,
            ExitStatus::Killed { signal } => 128 | (signal & 127),
        }
    }
}

/// A program that was started.
pub struct ProcessHandle {
    process: Rc<Process>,
    stdin: Option<StdinPort>,
    outputs: Vec<OutputPort>,
}

impl fmt::Debug for ProcessHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessHandle({}, {:?})", self.pid(), self.status())
    }
}

impl ProcessHandle {
    /// Process id inside the machine.
    pub fn pid(&self) -> i32 {
        self.process.pid
    }

    /// How it ended; none while it lives.
    pub fn status(&self) -> Option<ExitStatus> {
        status_of(&self.process)
    }

    /// Waits for the end. The future holds the process, not this handle.
    pub fn wait(&self) -> impl Future<Output = ExitStatus> + 'static {
        let process = self.process.clone();
        async move {
            loop {
                if let Some(status) = status_of(&process) {
                    return status;
                }
                process.lifecycle.wait().await;
            }
        }
    }

    /// Sends a signal by number. `EINVAL` where there is no such signal, `ESRCH` where the process has ended.
    pub fn kill(&self, signal: u32) -> Result<(), Errno> {
        if self.status().is_some() {
            return Err(Errno::ESRCH);
        }
        let signal = Signal::new(signal).ok_or(Errno::EINVAL)?;
        send::to_process(&self.process, signal, Origin::Kernel);
        Ok(())
    }

    /// Standard input, unless it is the console.
    pub fn stdin(&self) -> Option<&StdinPort> {
        self.stdin.as_ref()
    }

    /// Standard output, unless it is the console.
    pub fn stdout(&self) -> Option<&OutputPort> {
        self.outputs.first()
    }

    /// Standard error, unless it is the console.
    pub fn stderr(&self) -> Option<&OutputPort> {
        self.outputs.get(1)
    }

    /// Gives the sinks everything that was printed so far. To be called once the program has ended, before what it
    /// printed is taken as complete.
    pub fn drain(&self) {
        self.outputs.iter().for_each(OutputPort::drain);
    }
}

fn status_of(process: &Process) -> Option<ExitStatus> {
    if !process.zombie.get() {
        return None;
    }
    match process.exit_status.get() {
        Some(WaitStatus::Killed { signal, .. }) => Some(ExitStatus::Killed { signal }),
        Some(WaitStatus::Exited(code)) => Some(ExitStatus::Exited(code)),
        _ => Some(ExitStatus::Exited(0)),
    }
}

impl Machine {
    /// Starts a program. The first one is process 1, later ones are its children. Fails as execve(2) does.
    pub fn spawn(&self, request: SpawnRequest) -> Reply<Result<ProcessHandle, Errno>> {
        let kernel = self.kernel().clone();
        self.job(async move { start(&kernel, request).await })
    }
}

async fn start(kernel: &Rc<Kernel>, request: SpawnRequest) -> Result<ProcessHandle, Errno> {
    let mut handle_stdin = None;
    let mut outputs = Vec::new();
    let on_console = matches!(request.stdio, Stdio::Console);
    let files = match request.stdio {
        Stdio::Console => {
            let console = open_console(kernel).await;
            vec![console.clone(), console.clone(), console]
        }
        Stdio::Streams { stdout, stderr } => {
            let (port, stdin) = StdinPort::new(kernel);
            handle_stdin = Some(port);
            let (port, stdout) = OutputPort::new(kernel, stdout);
            outputs.push(port);
            let (port, stderr) = OutputPort::new(kernel, stderr);
            outputs.push(port);
            vec![stdin, stdout, stderr]
        }
    };
    let mut argv = vec![request.arg0.unwrap_or_else(|| request.path.clone())];
    argv.extend(request.args);
    let spawn = Spawn {
        path: request.path,
        argv,
        env: request.env,
        cwd: request.cwd,
        cred: Cred::user(request.uid, request.gid),
        files,
        new_session: on_console,
    };
    let process = lifecycle::spawn(kernel, spawn).await?;
    Ok(ProcessHandle { process, stdin: handle_stdin, outputs })
}

/// The console as login programs open it, once for all three descriptors.
async fn open_console(kernel: &Rc<Kernel>) -> Rc<OpenFile> {
    let ops = TtyFile::new(kernel, &kernel.console, HangUp::Obeys);
    let walker = Walker { root: &kernel.root, start: &kernel.root, may_search: &|_| true };
    let name = format!("/dev/{}", kernel.console.name());
    let path = match kernel.namespace.find(&walker, name.as_bytes(), LastSymlink::Follow).await {
        Ok(path) => path,
        // Without /dev mounted the terminal has no name.
        Err(_) => kernel.anonymous_path("console:[INO]", FileType::CharDevice),
    };
    OpenFile::new(ops, open_flags::RDWR, path)
}
