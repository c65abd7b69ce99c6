//! Running other programs, and failing with a sentence.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a task failed, for whoever called it.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Failure {
        Failure(text.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure(error.to_string())
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Adds what was attempted to an error.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("{}: {error}", what())))
    }
}

/// A command line for people.
pub(crate) fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs to the end with our own standard streams, output moved to standard error so that a task's standard output
/// stays its result.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status().context(|| show(command))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", show(command)).into()) }
}

/// Runs and gives standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context(|| show(command))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", show(command), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs, showing each line of its standard error as progress with the time passed. Gives all of those lines; as an
/// error where the program failed.
pub(crate) fn run_with_progress(
    command: &mut Command,
    clock: &Progress,
) -> std::result::Result<String, Failure> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.context(|| show(command))?;
    let mut all = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).trim_end().to_string();
            clock.line(&line);
            all.push_str(&line);
            all.push('\n');
        }
    }
    clock.settle();
    let status = child.wait()?;
    if status.success() { Ok(all) } else { Err(Failure(all)) }
}

/// Tells the time passed with each step.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    terminal: bool,
}

impl Progress {
    pub(crate) fn start() -> Progress {
        Progress { started: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A step.
    pub(crate) fn step(&self, what: &str) {
        self.settle();
        eprintln!("[{:>4}s] {what}", self.elapsed().as_secs());
    }

    /// A detail: on a terminal it replaces the one before.
    fn line(&self, what: &str) {
        if self.terminal {
            let short: String = what.chars().take(100).collect();
            eprint!("\r\x1b[K[{:>4}s] {short}", self.elapsed().as_secs());
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("[{:>4}s] {what}", self.elapsed().as_secs());
        }
    }

    fn settle(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// PATH and the administrators' directories, where mke2fs and chroot live: the PATH of a plain user, or of a service,
/// lacks them.
pub(crate) fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    // A folder with a colon in its name cannot be told apart in PATH: then there is only what was given.
    std::env::join_paths(std::env::split_paths(&path).chain(standard)).unwrap_or(path)
}

/// A program of [`search_path`].
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let folders = search_path();
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// A program that [`crate::setup`] has made sure of, which finds its own helpers.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(find_program(name).unwrap_or_else(|| PathBuf::from(name)));
    command.env("PATH", search_path());
    command
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether we may do anything.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
