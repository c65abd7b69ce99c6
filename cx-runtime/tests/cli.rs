//! The command `cx` as scripts use it: streams, exit statuses, images, overlays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

mod program;

/// A directory of this test run's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A directory with the programs of [`program`].
fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = folder("tree");
        std::fs::create_dir_all(tree.join("bin")).expect("bin");
        for (name, bytes) in [("hello", program::hello()), ("cat", program::cat())] {
            executable(&tree.join("bin").join(name), &bytes);
        }
        std::fs::write(tree.join("bin/text"), "no program").expect("text");
        tree
    })
}

fn executable(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("executable");
}

/// An ext2 image of [`tree`].
fn image(name: &str) -> PathBuf {
    let image = folder(name).join("image.ext2");
    let program = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].into_iter().find(|path| Path::new(path).exists());
    let mut command = Command::new(program.unwrap_or("mke2fs"));
    command.args(["-q", "-F", "-t", "ext2", "-d"]).arg(tree()).arg(&image).arg("8M");
    assert!(command.status().expect("mke2fs of e2fsprogs").success());
    image
}

fn cx(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cx"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("cx runs");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // The program may end before it has read everything.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn streams_and_status_are_the_guests() {
    let root = tree().to_string_lossy();
    let output = cx(&["run", "--root", &root, "--", "hello"], b"");
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(7), "hello\n".into(), "error\n".into())
    );
    let bytes: Vec<u8> = (0..500_000u32).map(|i| (i % 251) as u8).collect();
    let output = cx(&["run", "--root", &root, "/bin/cat"], &bytes);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes, "{} bytes came back", output.stdout.len());
}

#[test]
fn a_reader_that_goes_away_ends_the_guest() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cx"));
    command.args(["run", "--root"]).arg(tree()).args(["--", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cx runs");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    stdin.write_all(b"x").expect("written");
    let mut byte = [0];
    stdout.read_exact(&mut byte).expect("echoed while the stream is open");
    drop(stdout);
    // The first write finds out and one after it meets a broken pipe: each waits for the one before to be read.
    let patience = Instant::now();
    while child.try_wait().expect("our child").is_none() && patience.elapsed() < Duration::from_secs(60) {
        // It may be gone already.
        let _ = stdin.write_all(b"y");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(stdin);
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + 13));
}

#[test]
fn failures_have_their_statuses() {
    let root = tree().to_string_lossy();
    let missing = folder("failures").join("none");
    let missing = missing.to_string_lossy();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["run", "--root", &root, "--", "nothing"], 127, "not found"),
        (&["run", "--root", &root, "--", "/bin/text"], 126, "permission denied"),
        (&["run", "--image", &missing, "--", "x"], 125, "No such file"),
        (&["run", "--image", env!("CARGO_MANIFEST_DIR"), "--", "x"], 125, "cx: "),
        (&["run", "--root", &missing, "--", "x"], 125, "not a directory"),
        (&["run", "--image", "http://127.0.0.1:1/x", "--", "x"], 125, "refused"),
        (&["run", "--image", "https://localhost/x", "--", "x"], 125, "https"),
        (&["run", "--engine", "jit", "--", "x"], 2, "does not run"),
        (&["run", "--unknown", "--", "x"], 2, "unknown option"),
        (&["run"], 2, "missing"),
        (&[], 2, "missing"),
    ];
    for (arguments, status, message) in cases {
        let output = cx(arguments, b"");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("cx: ") && stderr.contains(message), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
    assert!(text(&cx(&["--help"], b"").stdout).contains("--overlay"));
}

#[test]
fn mounts_bring_files_in() {
    let host = folder("mounted");
    std::fs::create_dir_all(host.join("d")).expect("d");
    executable(&host.join("d/hello"), &program::hello());
    std::os::unix::fs::symlink("hello", host.join("d/link")).expect("a link");
    let directory = format!("{}:/opt/x", host.display());
    for path in ["/opt/x/d/hello", "/opt/x/d/link"] {
        let output = cx(&["run", "--mount", &directory, "--", path], b"");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(7), "error\n".into()), "{path}");
    }
    let file = format!("{}:/usr/bin/greet", host.join("d/hello").display());
    let output = cx(&["run", "--mount", &file, "--env", "PATH=/usr/bin", "--", "greet"], b"");
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    let output = cx(&["run", "--mount", "/nonexistent:/x", "--", "x"], b"");
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn writes_go_where_they_are_told() {
    let image = image("writes");
    let name = image.to_string_lossy();
    let before = std::fs::read(&image).expect("the image");
    let payload = image.with_file_name("payload");
    std::fs::write(&payload, "payload").expect("written");
    let mount = format!("{}:/added/file", payload.display());
    let run = |options: &[&str]| {
        let arguments = [&["run", "--image", &*name, "--mount", &*mount], options, &["--", "hello"]].concat();
        let output = cx(&arguments, b"");
        assert_eq!(output.status.code(), Some(7), "{options:?}: {}", text(&output.stderr));
    };
    run(&[]);
    assert!(std::fs::read(&image).expect("the image") == before, "a scratch run changed the image");
    let overlay = image.with_file_name("overlay");
    let overlay_name = overlay.to_string_lossy();
    run(&["--overlay", &overlay_name]);
    assert!(std::fs::read(&image).expect("the image") == before, "an overlay run changed the image");
    assert!(std::fs::metadata(&overlay).expect("the overlay").len() > 4096);
    run(&["--overlay", &overlay_name]);
    run(&["--write"]);
    assert!(std::fs::read(&image).expect("the image") != before);
    let fsck = Command::new("/sbin/e2fsck")
        .arg("-fn")
        .arg(&image)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(fsck.is_ok_and(|status| status.success()), "e2fsck finds faults after --write");
    // Another base under the same overlay is refused.
    let output = cx(&["run", "--image", &name, "--overlay", &overlay_name, "--", "hello"], b"");
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
}

/// Serves one file: HEAD, and GET of one range, on connections that stay open. Gives the address.
fn serve(content: Vec<u8>, validator: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/image", listener.local_addr().expect("bound"));
    let content = Arc::new(content);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let content = content.clone();
            std::thread::spawn(move || {
                // A client that goes away ends its connection only.
                let _ = answer(&stream.expect("accepted"), &content, validator);
            });
        }
    });
    address
}

fn answer(mut stream: &TcpStream, content: &[u8], validator: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let range = request.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
        let range = range.map(|(first, last)| first.parse().unwrap_or(0)..=last.parse().unwrap_or(0));
        let (status, body) = match range {
            Some(range) => ("206 Partial Content", &content[range]),
            None => ("200 OK", content),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\naccept-ranges: bytes\r\n{validator}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        if !request.starts_with("HEAD") {
            stream.write_all(body)?;
        }
    }
}

#[test]
fn an_image_comes_over_http() {
    let content = std::fs::read(image("http")).expect("the image");
    let address = serve(content.clone(), "etag: \"1\"");
    let output = cx(&["run", "--image", &address, "--", "hello"], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(7), "error\n".into()));
    let output = cx(&["run", "--image", &address, "--write", "--", "hello"], b"");
    assert_eq!(output.status.code(), Some(125));
    let nameless = serve(content, "x-nothing: 1");
    let output = cx(&["run", "--image", &nameless, "--", "hello"], b"");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("ETag"), "{}", text(&output.stderr));
}

#[test]
fn a_terminal_works_over_pipes() {
    let root = tree().to_string_lossy();
    let output = cx(&["run", "--root", &root, "--tty", "--", "cat"], b"ab\x7fc\n");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "ab\x08 \x08c\r\nac\r\n".into()));
    let output = cx(&["run", "--root", &root, "--tty", "--", "cat"], b"\x03");
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn counters_and_traces_are_told() {
    let root = tree().to_string_lossy();
    let stats = folder("stats").join("stats.json");
    let output =
        cx(&["run", "--root", &root, "--strace", "--stats", &stats.to_string_lossy(), "--", "hello"], b"");
    assert!(text(&output.stderr).contains("write("), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "hello\n");
    let json = std::fs::read_to_string(&stats).expect("written");
    assert!(json.contains("\"syscalls\": 3"), "{json}");
}
