//! A small HTTP/1.1 server for local use: files, ranges, validators, keep-alive.
//!
//! What a static file server on the internet does (RFC 9110 sections 13 and 14), and no more.

use crate::args::Args;
use crate::process::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

const HELP: &str = "usage: cargo xtask serve [--port N] DIR [/NAME=FILE]…
Serves a directory on this machine, with ranges and validators, and single files under names of their own.";

pub(crate) fn main(mut args: Args) -> Result<ExitCode> {
    if args.help(HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let port = args.number("--port")?;
    let mut routes = Vec::new();
    let mut folders = Vec::new();
    for argument in args.positional()? {
        match argument.split_once('=') {
            Some((name, file)) if name.starts_with('/') => {
                routes.push(Route::file(name, PathBuf::from(file)))
            }
            _ => folders.push(Route::folder("/", PathBuf::from(argument))),
        }
    }
    routes.append(&mut folders);
    if routes.is_empty() {
        return Err("give a directory to serve".into());
    }
    let server = Server::bind(port)?;
    println!("{}", server.address());
    server.run(routes)
}

/// What a path of the server leads to. The first route that has the file counts.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    prefix: String,
    target: PathBuf,
    is_file: bool,
}

impl Route {
    pub(crate) fn file(name: &str, target: PathBuf) -> Route {
        Route { prefix: name.into(), target, is_file: true }
    }

    pub(crate) fn folder(prefix: &str, target: PathBuf) -> Route {
        Route { prefix: prefix.into(), target, is_file: false }
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        if self.is_file {
            return (path == self.prefix).then(|| self.target.clone());
        }
        let relative = path.strip_prefix(&self.prefix)?;
        // Nothing outside the directory: no component may climb or be absolute.
        let inside =
            Path::new(relative).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let mut file = if inside { self.target.join(relative) } else { return None };
        if file.is_dir() {
            file.push("index.html");
        }
        file.is_file().then_some(file)
    }
}

/// A listening server.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
}

impl Server {
    /// Listens on loopback: on the given port, or on 8080 or the next free one.
    pub(crate) fn bind(port: Option<u64>) -> Result<Server> {
        let ports = match port {
            Some(port) => {
                let port = u16::try_from(port).context(|| format!("port {port}"))?;
                port..=port
            }
            None => 8080..=8180,
        };
        let mut last = None;
        for port in ports {
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => return Ok(Server { listener }),
                Err(error) => last = Some(format!("port {port}: {error}")),
            }
        }
        Err(last.unwrap_or_default().into())
    }

    pub(crate) fn address(&self) -> String {
        let port = self.listener.local_addr().map_or(0, |address| address.port());
        format!("http://localhost:{port}/")
    }

    /// Serves until the process ends.
    pub(crate) fn run(self, routes: Vec<Route>) -> Result<ExitCode> {
        let routes = Arc::new(routes);
        for stream in self.listener.incoming() {
            let routes = routes.clone();
            let stream = stream?;
            std::thread::spawn(move || {
                // A client that goes away is no failure of ours.
                let _ = serve_connection(&stream, &routes);
            });
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The parts of a request that we heed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    range: Option<String>,
    if_range: Option<String>,
    if_none_match: Option<String>,
    /// Ways of compression that it takes, as [`ENCODINGS`] names them.
    takes: Vec<&'static str>,
    close: bool,
}

/// Content codings (RFC 9110, 8.4.1) and how the names of such files end, the best first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Those of them that an Accept-Encoding header names.
fn encodings(header: &str) -> Vec<&'static str> {
    let named: Vec<&str> =
        header.split(',').filter_map(|part| part.split(';').next()).map(str::trim).collect();
    ENCODINGS.iter().map(|(name, _)| *name).filter(|name| named.contains(name)).collect()
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut request = Request { method: words.next().unwrap_or_default().into(), ..Request::default() };
    let target = words.next().unwrap_or("/");
    request.path = percent_decoded(target.split(['?', '#']).next().unwrap_or("/"));
    request.close = words.next() == Some("HTTP/1.0");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(request));
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_string();
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value),
            "if-range" => request.if_range = Some(value),
            "if-none-match" => request.if_none_match = Some(value),
            "accept-encoding" => request.takes = encodings(&value),
            "connection" => request.close |= value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What to send of a file of `size` bytes.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// First byte and length.
    Range(u64, u64),
    Unsatisfiable,
}

/// One range is honoured; several, or what we do not understand, give the whole file (RFC 9110 section 14.2).
fn part_of(range: Option<&str>, size: u64) -> Part {
    let Some((first, last)) = range.and_then(|r| r.strip_prefix("bytes=")).and_then(|r| r.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Part::Unsatisfiable,
        (Ok(first), Ok(last)) if last >= first => Part::Range(first, last.min(size - 1) - first + 1),
        (Ok(first), Err(_)) if last.is_empty() => Part::Range(first, size - first),
        (Err(_), Ok(0)) if first.is_empty() => Part::Unsatisfiable,
        (Err(_), Ok(suffix)) if first.is_empty() && size > 0 => {
            Part::Range(size - suffix.min(size), suffix.min(size))
        }
        _ => Part::Whole,
    }
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "list" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn serve_connection(stream: &TcpStream, routes: &[Route]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        answer(stream, routes, &request)?;
        if request.close {
            break;
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, routes: &[Route], request: &Request) -> std::io::Result<()> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return status_only(stream, "405 Method Not Allowed", "allow: GET, HEAD\r\n");
    }
    let Some(path) = routes.iter().find_map(|route| route.resolve(&request.path)) else {
        return status_only(stream, "404 Not Found", "");
    };
    // A compressed copy beside it (`x.br`, `x.gz`) serves those who want all of it.
    let packed =
        ENCODINGS.iter().filter(|(name, _)| request.takes.contains(name)).find_map(|(name, ending)| {
            let packed = PathBuf::from(format!("{}{ending}", path.display()));
            (request.range.is_none() && packed.is_file()).then_some((*name, packed))
        });
    let Ok(mut file) = File::open(packed.as_ref().map_or(&path, |(_, packed)| packed)) else {
        return status_only(stream, "404 Not Found", "");
    };
    let meta = file.metadata()?;
    let size = meta.len();
    let modified =
        meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let etag = format!("\"{size:x}-{:x}\"", modified.as_nanos());
    if request.if_none_match.as_deref().is_some_and(|known| known.contains(&etag)) {
        return status_only(stream, "304 Not Modified", &format!("etag: {etag}\r\n"));
    }
    let same = request.if_range.as_deref().is_none_or(|known| known == etag);
    let (status, first, len) = match part_of(request.range.as_deref().filter(|_| same), size) {
        Part::Whole => ("200 OK", 0, size),
        Part::Range(first, len) => ("206 Partial Content", first, len),
        Part::Unsatisfiable => {
            let range = format!("content-range: bytes */{size}\r\n");
            return status_only(stream, "416 Range Not Satisfiable", &range);
        }
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {}\r\ncontent-length: {len}\r\netag: {etag}\r\n\
         accept-ranges: bytes\r\ncache-control: no-cache\r\nvary: accept-encoding\r\n",
        media_type(&path)
    );
    if let Some((encoding, _)) = packed {
        head.push_str(&format!("content-encoding: {encoding}\r\n"));
    }
    if status.starts_with("206") {
        head.push_str(&format!("content-range: bytes {first}-{}/{size}\r\n", first + len - 1));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    if request.method == "GET" {
        file.seek(SeekFrom::Start(first))?;
        std::io::copy(&mut file.take(len), &mut stream)?;
    }
    Ok(())
}

fn status_only(mut stream: &TcpStream, status: &str, headers: &str) -> std::io::Result<()> {
    let body = if status.starts_with("304") { "" } else { status };
    let text = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Part, Route, Server, part_of, percent_decoded};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn ranges() {
        let cases = [
            (None, Part::Whole),
            (Some("bytes=0-9"), Part::Range(0, 10)),
            (Some("bytes=90-"), Part::Range(90, 10)),
            (Some("bytes=90-1000"), Part::Range(90, 10)),
            (Some("bytes=-5"), Part::Range(95, 5)),
            (Some("bytes=-500"), Part::Range(0, 100)),
            (Some("bytes=100-"), Part::Unsatisfiable),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=5-2"), Part::Whole),
            (Some("bytes=0-1,5-6"), Part::Whole),
            (Some("pages=1-2"), Part::Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(part_of(range, 100), expected, "{range:?}");
        }
        assert_eq!(percent_decoded("/a%20b%2"), "/a b%2");
    }

    fn ask(port: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(port).unwrap();
        stream.write_all(format!("{request}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_file_is_served_in_parts_and_nothing_outside() {
        let folder = std::env::temp_dir().join(format!("xtask-serve-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.wasm"), "0123456789").unwrap();
        let server = Server { listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap() };
        let at = server.listener.local_addr().unwrap().to_string();
        let routes = vec![Route::folder("/", folder.clone())];
        std::thread::spawn(move || server.run(routes));

        let whole = ask(&at, "GET /a.wasm HTTP/1.1");
        assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("0123456789"), "{whole}");
        assert!(whole.contains("application/wasm"));
        let etag = whole.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_string();
        std::fs::write(folder.join("a.wasm.gz"), "packed").unwrap();
        let gzip = ask(&at, "GET /a.wasm HTTP/1.1\r\nAccept-Encoding: gzip, br");
        assert!(gzip.contains("content-encoding: gzip") && gzip.ends_with("packed"), "{gzip}");
        assert!(!gzip.contains(&etag) && gzip.contains("application/wasm"), "{gzip}");
        std::fs::write(folder.join("a.wasm.br"), "smaller").unwrap();
        let br = ask(&at, "GET /a.wasm HTTP/1.1\r\nAccept-Encoding: gzip;q=1, br;q=0.9");
        assert!(br.contains("content-encoding: br") && br.ends_with("smaller"), "{br}");
        let gzip = ask(&at, "GET /a.wasm HTTP/1.1\r\nAccept-Encoding: gzip");
        assert!(gzip.contains("content-encoding: gzip") && gzip.ends_with("packed"), "{gzip}");
        let part = ask(&at, "GET /a.wasm?x HTTP/1.1\r\nRange: bytes=2-4");
        assert!(
            part.contains("206") && part.contains("bytes 2-4/10") && part.ends_with("\r\n\r\n234"),
            "{part}"
        );
        assert!(ask(&at, "GET /a.wasm HTTP/1.1\r\nRange: bytes=10-").contains("416"));
        assert!(ask(&at, &format!("GET /a.wasm HTTP/1.1\r\nIf-None-Match: {etag}")).contains("304"));
        assert!(ask(&at, "GET /a.wasm HTTP/1.1\r\nRange: bytes=2-4\r\nIf-Range: \"old\"").contains(" 200 "));
        assert!(ask(&at, "HEAD /a.wasm HTTP/1.1").ends_with("\r\n\r\n"));
        for outside in ["/../etc/passwd", "//etc/passwd", "/%2e%2e/x", "/none", "/"] {
            assert!(ask(&at, &format!("GET {outside} HTTP/1.1")).contains("404"), "{outside}");
        }
        assert!(ask(&at, "POST /a.wasm HTTP/1.1").contains("405"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
