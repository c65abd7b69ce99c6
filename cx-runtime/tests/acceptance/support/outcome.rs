//! What a run printed and how it ended, and how two of them differ.

use std::fmt::Write as _;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Exit status as a shell gives it; none where the time ran out.
    pub(crate) status: Option<i32>,
}

/// Runs a command with empty standard input, and ends it where it takes too long.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Outcome {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let status = wait(&mut child, limit);
    // The machine's own log goes to standard error too.
    let stderr = lines_without(join(stderr), |line| line.starts_with(b"cx: "));
    Outcome { stdout: join(stdout), stderr: without_job_pids(&stderr), status }
}

fn lines_without(text: Vec<u8>, unwanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == b'\n').filter(|line| !unwanted(line)).collect::<Vec<_>>().concat()
}

/// bash tells of a killed job as `case: line 3:    17 Killed   command`: the number is nobody's doing.
fn without_job_pids(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let told = line.windows(6).position(|word| word == b": line").and_then(|at| {
            let start = at + 7 + line[at + 7..].iter().position(|byte| *byte == b':')? + 1;
            let blank = line[start..].iter().take_while(|byte| **byte == b' ').count();
            let digits = line[start + blank..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            (digits > 0).then_some((start, start + blank + digits))
        });
        match told {
            Some((start, end)) => {
                out.extend_from_slice(&line[..start]);
                out.extend_from_slice(b" PID");
                out.extend_from_slice(&line[end..]);
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn join(handle: thread::JoinHandle<Vec<u8>>) -> Vec<u8> {
    handle.join().unwrap_or_default()
}

fn reader(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn wait(child: &mut Child, limit: Duration) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

impl Outcome {
    /// How the engine's outcome differs from the native one; none where it does not.
    pub(crate) fn difference(native: &Outcome, engine: &Outcome) -> Option<String> {
        // Standard error names pids, times and the tools' own paths: it is shown where the rest differs.
        if native.stdout == engine.stdout && native.status == engine.status && native.status.is_some() {
            return None;
        }
        let mut text = String::new();
        let told =
            |status: Option<i32>| status.map_or_else(|| "out of time".into(), |status| status.to_string());
        if native.status != engine.status || native.status.is_none() {
            let _ =
                writeln!(text, "  status: native {}, engine {}", told(native.status), told(engine.status));
        }
        compare("stdout", &native.stdout, &engine.stdout, &mut text);
        compare("stderr", &native.stderr, &engine.stderr, &mut text);
        Some(text)
    }

    /// Everything, for people.
    pub(crate) fn show(&self) -> String {
        let out = String::from_utf8_lossy(&self.stdout);
        let err = String::from_utf8_lossy(&self.stderr);
        format!("status {:?}\n--- stdout\n{out}--- stderr\n{err}---\n", self.status)
    }
}

/// Lines shown of a difference.
const SHOWN: usize = 12;

fn compare(what: &str, native: &[u8], engine: &[u8], text: &mut String) {
    if native == engine {
        return;
    }
    let native: Vec<&[u8]> = native.split(|byte| *byte == b'\n').collect();
    let engine: Vec<&[u8]> = engine.split(|byte| *byte == b'\n').collect();
    let same = native.iter().zip(&engine).take_while(|(left, right)| left == right).count();
    let _ = writeln!(text, "  {what} differs from line {}:", same + 1);
    for (sign, lines) in [('-', &native), ('+', &engine)] {
        for line in lines.iter().skip(same).take(SHOWN) {
            let _ = writeln!(text, "    {sign} {}", String::from_utf8_lossy(line));
        }
    }
}
