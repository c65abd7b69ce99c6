//! What every socket has: its kind, a pending error, a wait queue, and the options of SOL_SOCKET (socket(7)).

use crate::file::{Blocking, Io, Result};
use crate::task::{Arch, Task};
use crate::wait::WaitQueue;
use hashbrown::HashMap;
use linux_abi::Errno;
use linux_abi::socket::{Linger, SOL_SOCKET, Ucred};
use linux_abi::sockopt::*;
use std::cell::{Cell, RefCell};
use std::fmt;

/// /proc/sys/net/core/{r,w}mem_default and _max.
const DEFAULT_BUFFER: usize = 212_992;
/// Least send buffer, as the kernel counts (net/sock.h `SOCK_MIN_SNDBUF`).
const MIN_SEND_BUFFER: usize = 4608;
/// Least receive buffer (`SOCK_MIN_RCVBUF`).
const MIN_RECEIVE_BUFFER: usize = 2304;

/// Options that are kept and shown but change nothing here, with their value before they are set.
#[rustfmt::skip] // One option a line, in the header's order.
const KEPT: &[(i32, i32)] = &[
    (SO_DEBUG, 0),
    (SO_DONTROUTE, 0),
    (SO_BROADCAST, 0),
    (SO_KEEPALIVE, 0),
    (SO_OOBINLINE, 0),
    (SO_NO_CHECK, 0),
    (SO_PRIORITY, 0),
    (SO_RCVLOWAT, 1),
    (SO_TIMESTAMP_OLD, 0),
    (SO_PASSSEC, 0),
    (SO_TIMESTAMPNS_OLD, 0),
    (SO_MARK, 0),
    (SO_TIMESTAMPING_OLD, 0),
    (SO_RXQ_OVFL, 0),
    (SO_WIFI_STATUS, 0),
    (SO_PEEK_OFF, -1),
    (SO_NOFCS, 0),
    (SO_SELECT_ERR_QUEUE, 0),
    (SO_BUSY_POLL, 0),
    (SO_INCOMING_CPU, 0),
    (SO_ZEROCOPY, 0),
    (SO_TIMESTAMP_NEW, 0),
    (SO_TIMESTAMPNS_NEW, 0),
    (SO_TIMESTAMPING_NEW, 0),
    (SO_PREFER_BUSY_POLL, 0),
    (SO_BUSY_POLL_BUDGET, 0),
    (SO_BINDTOIFINDEX, 0),
];

/// State common to sockets of all families.
pub struct SocketBase {
    /// `AF_*`.
    pub domain: u16,
    /// `SOCK_*` without flags.
    pub kind: u32,
    /// As `SO_PROTOCOL` shows it.
    pub protocol: i32,
    /// Changes whenever readiness may have.
    pub changed: WaitQueue,
    /// After listen(2).
    pub listening: Cell<bool>,
    /// `SO_PASSCRED`.
    pub pass_cred: Cell<bool>,
    /// `SO_REUSEADDR`.
    pub reuse_address: Cell<bool>,
    /// `SO_REUSEPORT`.
    pub reuse_port: Cell<bool>,
    /// `SO_SNDBUF`, bytes.
    pub send_buffer: Cell<usize>,
    /// `SO_RCVBUF`, bytes.
    pub receive_buffer: Cell<usize>,
    /// `SO_SNDTIMEO`, nanoseconds; none for ever.
    pub send_timeout: Cell<Option<u64>>,
    /// `SO_RCVTIMEO`, nanoseconds; none for ever.
    pub receive_timeout: Cell<Option<u64>>,
    error: Cell<Option<Errno>>,
    linger: Cell<Linger>,
    numbers: RefCell<HashMap<(i32, i32), i32>>,
}

impl fmt::Debug for SocketBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain {}, kind {}, protocol {}", self.domain, self.kind, self.protocol)
    }
}

/// The `int` of an option.
pub fn int_of(value: &[u8]) -> Result<i32> {
    value.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes)).ok_or(Errno::EINVAL)
}

/// An `int` or another integer as an option's bytes.
pub fn int(value: impl TryInto<i32>) -> Result<Vec<u8>> {
    Ok(value.try_into().unwrap_or(i32::MAX).to_le_bytes().to_vec())
}

impl SocketBase {
    /// A new socket's.
    pub fn new(domain: u16, kind: u32, protocol: i32) -> SocketBase {
        SocketBase {
            domain,
            kind,
            protocol,
            changed: WaitQueue::new(),
            listening: Cell::new(false),
            pass_cred: Cell::new(false),
            reuse_address: Cell::new(false),
            reuse_port: Cell::new(false),
            send_buffer: Cell::new(DEFAULT_BUFFER),
            receive_buffer: Cell::new(DEFAULT_BUFFER),
            send_timeout: Cell::new(None),
            receive_timeout: Cell::new(None),
            error: Cell::new(None),
            linger: Cell::new(Linger::default()),
            numbers: RefCell::default(),
        }
    }

    /// Takes over the options of a listening socket (accept(2)).
    pub fn inherit(&self, listener: &SocketBase) {
        self.pass_cred.set(listener.pass_cred.get());
        self.reuse_address.set(listener.reuse_address.get());
        self.reuse_port.set(listener.reuse_port.get());
        self.send_buffer.set(listener.send_buffer.get());
        self.receive_buffer.set(listener.receive_buffer.get());
        self.send_timeout.set(listener.send_timeout.get());
        self.receive_timeout.set(listener.receive_timeout.get());
        self.linger.set(listener.linger.get());
        let numbers = listener.numbers.borrow().clone();
        *self.numbers.borrow_mut() = numbers;
    }

    /// Sets the error that the next call gives, and wakes who waits.
    pub fn set_error(&self, error: Errno) {
        self.error.set(Some(error));
        self.changed.wake_all();
    }

    /// Takes the pending error.
    pub fn take_error(&self) -> Option<Errno> {
        self.error.take()
    }

    /// Whether an error is pending (`POLLERR`).
    pub fn has_error(&self) -> bool {
        self.error.get().is_some()
    }

    /// Whether close(2) is to reset the connection (`SO_LINGER` on, with no time).
    pub fn lingers_zero(&self) -> bool {
        let linger = self.linger.get();
        linger.l_onoff != 0 && linger.l_linger == 0
    }

    /// Waits for a test to give something, looking again whenever `queue` changes. `EAGAIN` where the call may not
    /// wait, or its timeout (nanoseconds) passed.
    pub async fn wait<T>(
        &self,
        io: Io<'_>,
        queue: &WaitQueue,
        timeout: Option<u64>,
        mut test: impl FnMut() -> Option<Result<T>>,
    ) -> Result<T> {
        if let Some(result) = test() {
            return result;
        }
        if io.blocking == Blocking::Never {
            return Err(Errno::EAGAIN);
        }
        let deadline = timeout.map(|timeout| io.task.kernel.clock.monotonic().after(timeout));
        loop {
            match io.task.until(deadline, queue.wait()).await {
                Ok(Some(())) => {}
                Ok(None) => return Err(Errno::EAGAIN),
                // With a timeout the call is not restarted: it would wait for longer (signal(7)).
                Err(_) if timeout.is_some() => return Err(Errno::EINTR),
                Err(error) => return Err(error),
            }
            if let Some(result) = test() {
                return result;
            }
        }
    }

    /// A number kept for an option that another level has, or its default.
    pub fn number(&self, level: i32, name: i32, default: i32) -> i32 {
        self.numbers.borrow().get(&(level, name)).copied().unwrap_or(default)
    }

    /// Keeps a number.
    pub fn set_number(&self, level: i32, name: i32, value: i32) {
        self.numbers.borrow_mut().insert((level, name), value);
    }

    /// getsockopt(2) at SOL_SOCKET.
    pub fn get(&self, arch: Arch, level: i32, name: i32) -> Result<Vec<u8>> {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        match name {
            SO_TYPE => int(self.kind),
            SO_DOMAIN => int(self.domain),
            SO_PROTOCOL => int(self.protocol),
            SO_ERROR => int(self.take_error().map_or(0, |error| error.0)),
            SO_ACCEPTCONN => int(self.listening.get()),
            SO_REUSEADDR => int(self.reuse_address.get()),
            SO_REUSEPORT => int(self.reuse_port.get()),
            SO_PASSCRED => int(self.pass_cred.get()),
            SO_SNDBUF => int(self.send_buffer.get()),
            SO_RCVBUF => int(self.receive_buffer.get()),
            SO_SNDLOWAT => int(1),
            SO_INCOMING_NAPI_ID | SO_BPF_EXTENSIONS | SO_BUF_LOCK => int(0),
            SO_LINGER => Ok(bytemuck::bytes_of(&self.linger.get()).to_vec()),
            SO_PEERCRED => Ok(bytemuck::bytes_of(&Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX }).to_vec()),
            SO_RCVTIMEO_OLD | SO_RCVTIMEO_NEW => Ok(timeval(self.receive_timeout.get(), is_wide(arch, name))),
            SO_SNDTIMEO_OLD | SO_SNDTIMEO_NEW => Ok(timeval(self.send_timeout.get(), is_wide(arch, name))),
            SO_BINDTODEVICE => Ok(Vec::new()),
            _ => match KEPT.iter().find(|(kept, _)| *kept == name) {
                Some((_, default)) => int(self.number(level, name, *default)),
                None => Err(Errno::ENOPROTOOPT),
            },
        }
    }

    /// setsockopt(2) at SOL_SOCKET.
    pub fn set(&self, task: &Task, level: i32, name: i32, value: &[u8]) -> Result<()> {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        if name == SO_BINDTODEVICE {
            // Only loopback is there, and binding to it changes nothing.
            let device = value.split(|byte| *byte == 0).next().unwrap_or_default();
            return if matches!(device, b"" | b"lo") { Ok(()) } else { Err(Errno::ENODEV) };
        }
        let number = int_of(value)?;
        let on = number != 0;
        let doubled =
            |least: usize, most: usize| (usize::try_from(number).unwrap_or(most).min(most) * 2).max(least);
        match name {
            SO_TYPE | SO_DOMAIN | SO_PROTOCOL | SO_ERROR | SO_ACCEPTCONN | SO_SNDLOWAT | SO_PEERCRED => {
                return Err(Errno::ENOPROTOOPT);
            }
            SO_REUSEADDR => self.reuse_address.set(on),
            SO_REUSEPORT => self.reuse_port.set(on),
            SO_PASSCRED => self.pass_cred.set(on),
            SO_SNDBUF => self.send_buffer.set(doubled(MIN_SEND_BUFFER, DEFAULT_BUFFER)),
            SO_RCVBUF => self.receive_buffer.set(doubled(MIN_RECEIVE_BUFFER, DEFAULT_BUFFER)),
            SO_SNDBUFFORCE | SO_RCVBUFFORCE if !task.cred().privileged() => return Err(Errno::EPERM),
            // Root may ask for more, up to what the host can be asked to hold.
            SO_SNDBUFFORCE => self.send_buffer.set(doubled(MIN_SEND_BUFFER, 16 << 20)),
            SO_RCVBUFFORCE => self.receive_buffer.set(doubled(MIN_RECEIVE_BUFFER, 16 << 20)),
            SO_MARK | SO_DEBUG if on && !task.cred().privileged() => {
                return Err(if name == SO_DEBUG { Errno::EACCES } else { Errno::EPERM });
            }
            SO_PRIORITY if !(0..=6).contains(&number) && !task.cred().privileged() => {
                return Err(Errno::EPERM);
            }
            SO_LINGER => {
                if value.len() < size_of::<Linger>() {
                    return Err(Errno::EINVAL);
                }
                self.linger.set(crate::mm::from_prefix(value));
            }
            SO_RCVTIMEO_OLD | SO_RCVTIMEO_NEW => {
                self.receive_timeout.set(timeout_of(value, is_wide(task.arch(), name))?);
            }
            SO_SNDTIMEO_OLD | SO_SNDTIMEO_NEW => {
                self.send_timeout.set(timeout_of(value, is_wide(task.arch(), name))?);
            }
            SO_RCVLOWAT => self.set_number(level, name, if number < 0 { i32::MAX } else { number.max(1) }),
            SO_PRIORITY | SO_MARK | SO_PEEK_OFF | SO_INCOMING_CPU | SO_BINDTOIFINDEX
            | SO_TIMESTAMPING_OLD | SO_TIMESTAMPING_NEW => self.set_number(level, name, number),
            _ if KEPT.iter().any(|(kept, _)| *kept == name) => self.set_number(level, name, i32::from(on)),
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }
}

/// Whether a timeout option has 64-bit seconds: only i386's old ones have not.
fn is_wide(arch: Arch, name: i32) -> bool {
    arch == Arch::X86_64 || matches!(name, SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW)
}

fn timeval(timeout: Option<u64>, wide: bool) -> Vec<u8> {
    let nanoseconds = timeout.unwrap_or(0);
    let (s, u) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 1000);
    if wide {
        bytemuck::cast_slice(&[s as i64, u as i64]).to_vec()
    } else {
        bytemuck::cast_slice(&[s as i32, u as i32]).to_vec()
    }
}

/// Zero is "for ever"; a negative time has passed already.
fn timeout_of(value: &[u8], wide: bool) -> Result<Option<u64>> {
    let (s, u) = if wide {
        let bytes = value.first_chunk::<16>().ok_or(Errno::EINVAL)?;
        let [s, u] = bytemuck::pod_read_unaligned::<[i64; 2]>(bytes);
        (s, u)
    } else {
        let bytes = value.first_chunk::<8>().ok_or(Errno::EINVAL)?;
        let [s, u] = bytemuck::pod_read_unaligned::<[i32; 2]>(bytes);
        (i64::from(s), i64::from(u))
    };
    if !(0..1_000_000).contains(&u) {
        return Err(Errno::EDOM);
    }
    Ok(match (s, u) {
        (0, 0) => None,
        (s, _) if s < 0 => Some(0),
        (s, u) => Some((s as u64).saturating_mul(1_000_000_000).saturating_add(u as u64 * 1000)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_two_widths() {
        for (s, u, expected) in [
            (0, 0, Ok(None)),
            (1, 500_000, Ok(Some(1_500_000_000))),
            (-1, 0, Ok(Some(0))),
            (0, 1_000_000, Err(Errno::EDOM)),
            (0, -1, Err(Errno::EDOM)),
        ] {
            let wide: Vec<u8> = bytemuck::cast_slice(&[s as i64, u as i64]).to_vec();
            let narrow: Vec<u8> = bytemuck::cast_slice(&[s, u]).to_vec();
            assert_eq!(timeout_of(&wide, true), expected);
            assert_eq!(timeout_of(&narrow, false), expected);
            assert_eq!(timeout_of(&narrow[..7], false), Err(Errno::EINVAL));
            if let Ok(Some(timeout)) = expected.map(|t| t.filter(|t| *t > 0)) {
                assert_eq!((timeval(Some(timeout), true), timeval(Some(timeout), false)), (wide, narrow));
            }
        }
    }
}
