//! Ranges of a file on a web server: HTTP/1.1 over plain TCP, one connection kept open.
//!
//! For servers on this machine or a trusted network; there is no TLS here.

use async_trait::async_trait;
use blockdev::{DeviceError, Fetched, RangeFetcher, RemoteInfo, Sleep};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A file on a server.
#[derive(Debug)]
pub(crate) struct HttpFile {
    /// `host:port`.
    authority: String,
    path: String,
    connection: RefCell<Option<BufReader<TcpStream>>>,
}

/// An answer's status, the headers we heed, and its body.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    length: Option<u64>,
    etag: Option<String>,
    modified: Option<String>,
    ranges: bool,
    close: bool,
    body: Vec<u8>,
}

impl Answer {
    fn validator(&self) -> Option<String> {
        self.etag.clone().or_else(|| self.modified.clone())
    }
}

impl HttpFile {
    /// A file by its address. None where that is not `http://`.
    pub(crate) fn new(url: &str) -> Option<HttpFile> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_string() } else { format!("{authority}:80") };
        Some(HttpFile { authority, path: format!("/{path}"), connection: RefCell::default() })
    }

    fn request(&self, method: &str, range: Option<(u64, usize)>) -> Result<Answer, DeviceError> {
        let kept = self.connection.borrow_mut().take();
        if let Some(connection) = kept
            && let Ok(answer) = self.exchange(connection, method, range)
        {
            return Ok(answer);
        }
        // The first request, or the server has closed the connection meanwhile.
        let failed = |error: std::io::Error| DeviceError::Io(format!("{}: {error}", self.authority));
        let stream = TcpStream::connect(&self.authority).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        self.exchange(BufReader::new(stream), method, range).map_err(failed)
    }

    fn exchange(
        &self,
        mut connection: BufReader<TcpStream>,
        method: &str,
        range: Option<(u64, usize)>,
    ) -> std::io::Result<Answer> {
        let mut text = format!("{method} {} HTTP/1.1\r\nhost: {}\r\n", self.path, self.authority);
        if let Some((offset, len)) = range {
            text.push_str(&format!("range: bytes={offset}-{}\r\n", offset + len as u64 - 1));
        }
        text.push_str("\r\n");
        connection.get_mut().write_all(text.as_bytes())?;
        let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_string());
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(bad("the server closed the connection"));
        }
        let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        let mut answer =
            Answer { status: status.ok_or_else(|| bad("not an HTTP answer"))?, ..Answer::default() };
        loop {
            line.clear();
            if connection.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.parse().ok(),
                "etag" => answer.etag = Some(value.into()),
                "last-modified" => answer.modified = Some(value.into()),
                "accept-ranges" => answer.ranges = value.eq_ignore_ascii_case("bytes"),
                "connection" => answer.close = value.eq_ignore_ascii_case("close"),
                "transfer-encoding" => return Err(bad("the server sends the file without a length")),
                _ => {}
            }
        }
        if method != "HEAD" {
            let length = answer.length.ok_or_else(|| bad("the answer has no length"))?;
            let wanted = range.map_or(u64::MAX, |(_, len)| len as u64);
            if length > wanted {
                // The whole file instead of a part: not read, and the connection is of no more use.
                answer.close = true;
            } else {
                answer.body.resize(length as usize, 0);
                connection.read_exact(&mut answer.body)?;
            }
        }
        if !answer.close {
            *self.connection.borrow_mut() = Some(connection);
        }
        Ok(answer)
    }

    fn check(&self, status: u16) -> Result<(), DeviceError> {
        match status {
            200 | 206 => Ok(()),
            404 | 410 => Err(DeviceError::NotFound(format!("http://{}{}", self.authority, self.path))),
            500..=599 => Err(DeviceError::Io(format!("the server answers {status}"))),
            other => Err(DeviceError::Unsupported(format!("the server answers {other}"))),
        }
    }
}

#[async_trait(?Send)]
impl RangeFetcher for HttpFile {
    async fn head(&self) -> Result<RemoteInfo, DeviceError> {
        let answer = self.request("HEAD", None)?;
        self.check(answer.status)?;
        if !answer.ranges {
            return Err(DeviceError::Unsupported("the server does not offer byte ranges".into()));
        }
        let size =
            answer.length.ok_or_else(|| DeviceError::Unsupported("the server tells no size".into()))?;
        Ok(RemoteInfo { size, validator: answer.validator() })
    }

    async fn fetch(&self, offset: u64, len: usize) -> Result<Fetched, DeviceError> {
        let answer = self.request("GET", Some((offset, len)))?;
        self.check(answer.status)?;
        if answer.status != 206 {
            return Err(DeviceError::Unsupported("the server ignores the range asked for".into()));
        }
        Ok(Fetched { validator: answer.validator(), bytes: answer.body })
    }
}

/// Waits by blocking: nothing else could run meanwhile.
#[derive(Debug)]
pub(crate) struct BlockingSleep;

#[async_trait(?Send)]
impl Sleep for BlockingSleep {
    async fn sleep(&self, milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(u64::from(milliseconds)));
    }
}
