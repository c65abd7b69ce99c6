//! Programs on the machine against the same programs run natively.
//!
//! Each case of `differential/*.cases` is a bash script. It runs under chroot in the tree that an image was made of, in
//! namespaces of its own with a fresh /tmp, and by `cx` on the image. Standard output and exit status must be equal.
//! The oracle is the kernel of the machine that runs the tests. Images come from `xtask image`, built where missing.
//!
//! A case is `=== name`, then its script. What begins with `#` before the first case is comment; `image NAME` there
//! names the preset.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any case takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// The same on both sides.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("TERM", "xterm"),
    ("LANG", "C.UTF-8"),
    ("USER", "root"),
];

/// Mounts what programs expect, and becomes the program: `$1` is the root, `$2` the script.
const ENTER: &str = r#"
mount -t proc proc "$1/proc" && mount -t tmpfs -o mode=1777 tmpfs "$1/tmp" &&
mount -t tmpfs -o mode=755 tmpfs "$1/dev" && mkdir "$1/dev/shm" "$1/dev/pts" &&
for node in null zero full random urandom tty; do
    touch "$1/dev/$node" && mount --bind "/dev/$node" "$1/dev/$node" || exit 125
done &&
ln -s /proc/self/fd "$1/dev/fd" && ln -s /proc/self/fd/0 "$1/dev/stdin" &&
ln -s /proc/self/fd/1 "$1/dev/stdout" && ln -s /proc/self/fd/2 "$1/dev/stderr" &&
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$1/dev/pts" &&
ln -s pts/ptmx "$1/dev/ptmx" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" && mount -t tmpfs -o mode=700 tmpfs "$1/root" || exit 125
exec chroot "$1" /bin/bash -c "cd /tmp; $2"
"#;

#[derive(Debug)]
struct Case {
    name: String,
    script: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn cases(file: &str) -> (String, Vec<Case>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential").join(file);
    let text = std::fs::read_to_string(&path).expect("a case file");
    let mut image = None;
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case { name: name.trim().into(), script: String::new() });
        } else if let Some(case) = cases.last_mut() {
            case.script.push_str(line);
            case.script.push('\n');
        } else if let Some(name) = line.strip_prefix("image ") {
            image = Some(name.trim().to_string());
        }
    }
    (image.expect("an `image` line"), cases)
}

/// The image of a preset and the tree it was made of.
fn image(preset: &str) -> (PathBuf, PathBuf) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--", "image", "--preset", preset]);
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "xtask image --preset {preset} failed");
    let image = PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim());
    let tree = image.with_extension("root");
    (image, tree)
}

/// Whether namespaces and mounts may be made here.
fn may_chroot() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn native(tree: &Path, script: &str) -> Outcome {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"])
        .arg(tree)
        .arg(script);
    command.env_clear().envs(ENVIRONMENT);
    outcome(command)
}

/// `cx`, or what `CX_HOST` names: `node` or `chromium`, for which the web package must be built.
fn guest(image: &Path, script: &str) -> Outcome {
    let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cx-web/drivers");
    let mut command = match std::env::var("CX_HOST").as_deref() {
        Ok("node") => {
            let mut command = Command::new("node");
            command.arg(drivers.join("node.mjs"));
            command
        }
        Ok("chromium") => {
            let mut command = Command::new("node");
            command.arg(drivers.join("browser.mjs")).args(["--browser", "chromium"]);
            command
        }
        _ => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cx"));
            command.arg("run");
            command
        }
    };
    command.arg("--image").arg(image);
    command.args(["--", "/bin/bash", "-c", &format!("cd /tmp; {script}")]);
    outcome(command)
}

fn outcome(mut command: Command) -> Outcome {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let status = wait(&mut child);
    let text = |thread: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
    };
    Outcome { status, stdout: text(stdout), stderr: text(stderr) }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut stream) = stream {
            // A stream that breaks leaves what came before.
            let _ = stream.read_to_end(&mut all);
        }
        all
    })
}

/// The exit status; none where the program had to be ended.
fn wait(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status.code();
        }
        if started.elapsed() > LIMIT {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check(file: &str) {
    if !may_chroot() {
        eprintln!("{file}: no root or no namespaces here, so there is nothing to compare with");
        return;
    }
    let only = std::env::var("CASE").unwrap_or_default();
    let (preset, cases) = cases(file);
    let (image, tree) = image(&preset);
    let mut failed = Vec::new();
    let mut count = 0;
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        count += 1;
        let started = Instant::now();
        let expected = native(&tree, &case.script);
        let native_time = started.elapsed();
        assert_ne!(expected.status, Some(125), "{}: the native side failed: {}", case.name, expected.stderr);
        let got = guest(&image, &case.script);
        let guest_time = started.elapsed() - native_time;
        eprintln!(
            "{file}: {}: {:.1} s, native {:.1} s",
            case.name,
            guest_time.as_secs_f32(),
            native_time.as_secs_f32()
        );
        if (got.status, &got.stdout) != (expected.status, &expected.stdout) {
            eprintln!(
                "=== {}\n{}--- native, status {:?}\n{}{}--- guest, status {:?}\n{}{}",
                case.name,
                case.script,
                expected.status,
                expected.stdout,
                expected.stderr,
                got.status,
                got.stdout,
                got.stderr
            );
            failed.push(case.name.as_str());
        }
    }
    assert!(failed.is_empty(), "{file}: {} of {count} cases differ: {}", failed.len(), failed.join(", "));
    eprintln!("{file}: {count} cases are the same");
}

#[test]
fn coreutils() {
    check("coreutils.cases");
}

#[test]
fn bash() {
    check("bash.cases");
}

#[test]
fn text_tools() {
    check("text.cases");
}

#[test]
fn processes() {
    check("processes.cases");
}

#[test]
fn development() {
    check("development.cases");
}

#[test]
fn python() {
    check("python.cases");
}
