//! Messages with headers (sendmsg(2), recvmsg(2)) and the control data in them (cmsg(3), unix(7)).

use super::{Extras, as_socket, get_address, receive_ranges, send_ranges};
use crate::file::{OpenFile, Result};
use crate::net::Received;
use crate::sys::args::{Args, TimeWidth};
use crate::task::{Arch, Task};
use core::mem::offset_of;
use linux_abi::Errno;
use linux_abi::socket::*;
use linux_abi::uio::UIO_MAXIOV;
use std::rc::Rc;

/// Most descriptors of one message (net/scm.h).
const SCM_MAX_FD: usize = 253;
/// Most bytes of control data (/proc/sys/net/core/optmem_max).
const MAX_CONTROL: u64 = 131_072;

/// A `struct msghdr` of either architecture.
#[derive(Clone, Copy, Debug)]
struct Header {
    name: u64,
    name_len: u32,
    iov: u64,
    iov_len: u64,
    control: u64,
    control_len: u64,
}

/// Where a header's results go, and how long it is in an array.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    name_len: u64,
    control_len: u64,
    flags: u64,
    message_len: u64,
    stride: u64,
}

const fn offsets(arch: Arch) -> Offsets {
    match arch {
        Arch::I386 => Offsets {
            name_len: offset_of!(MsghdrI386, msg_namelen) as u64,
            control_len: offset_of!(MsghdrI386, msg_controllen) as u64,
            flags: offset_of!(MsghdrI386, msg_flags) as u64,
            message_len: offset_of!(MmsghdrI386, msg_len) as u64,
            stride: size_of::<MmsghdrI386>() as u64,
        },
        Arch::X86_64 => Offsets {
            name_len: offset_of!(MsghdrX86_64, msg_namelen) as u64,
            control_len: offset_of!(MsghdrX86_64, msg_controllen) as u64,
            flags: offset_of!(MsghdrX86_64, msg_flags) as u64,
            message_len: offset_of!(MmsghdrX86_64, msg_len) as u64,
            stride: size_of::<MmsghdrX86_64>() as u64,
        },
    }
}

async fn get_header(task: &Task, addr: u64) -> Result<Header> {
    let header = match task.arch() {
        Arch::I386 => {
            let h: MsghdrI386 = task.get(addr).await?;
            Header {
                name: h.msg_name.into(),
                name_len: h.msg_namelen,
                iov: h.msg_iov.into(),
                iov_len: h.msg_iovlen.into(),
                control: h.msg_control.into(),
                control_len: h.msg_controllen.into(),
            }
        }
        Arch::X86_64 => {
            let h: MsghdrX86_64 = task.get(addr).await?;
            Header {
                name: h.msg_name,
                name_len: h.msg_namelen,
                iov: h.msg_iov,
                iov_len: h.msg_iovlen,
                control: h.msg_control,
                control_len: h.msg_controllen,
            }
        }
    };
    if header.name_len > i32::MAX as u32 {
        return Err(Errno::EINVAL);
    }
    if header.iov_len > UIO_MAXIOV as u64 {
        return Err(Errno::EMSGSIZE);
    }
    Ok(header)
}

/// Sizes of control messages: header, and what they are aligned to.
const fn cmsg_sizes(arch: Arch) -> (usize, usize) {
    match arch {
        Arch::I386 => (size_of::<CmsghdrI386>(), 4),
        Arch::X86_64 => (size_of::<CmsghdrX86_64>(), 8),
    }
}

/// A control message: level, type, data.
type Control<'a> = (i32, i32, &'a [u8]);

/// Splits control data. `EINVAL` where a length is wrong.
fn split_control(arch: Arch, mut bytes: &[u8]) -> Result<Vec<Control<'_>>> {
    let (head, align) = cmsg_sizes(arch);
    let mut found = Vec::new();
    while bytes.len() >= head {
        let (len, level, kind) = match arch {
            Arch::I386 => {
                let h: CmsghdrI386 = crate::mm::from_prefix(bytes);
                (u64::from(h.cmsg_len), h.cmsg_level, h.cmsg_type)
            }
            Arch::X86_64 => {
                let h: CmsghdrX86_64 = crate::mm::from_prefix(bytes);
                (h.cmsg_len, h.cmsg_level, h.cmsg_type)
            }
        };
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        let data = bytes.get(head..len).ok_or(Errno::EINVAL)?;
        found.push((level, kind, data));
        bytes = bytes.get(len.next_multiple_of(align)..).unwrap_or_default();
    }
    Ok(found)
}

/// Control data under construction, in the room that the program gives.
struct ControlWriter {
    arch: Arch,
    bytes: Vec<u8>,
    room: usize,
    truncated: bool,
}

impl ControlWriter {
    fn new(arch: Arch, room: u64) -> ControlWriter {
        ControlWriter { arch, bytes: Vec::new(), room: room.min(MAX_CONTROL) as usize, truncated: false }
    }

    /// Bytes of data that another message could have.
    fn space(&self) -> usize {
        (self.room - self.bytes.len()).saturating_sub(cmsg_sizes(self.arch).0)
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let (head, align) = cmsg_sizes(self.arch);
        let left = self.room - self.bytes.len();
        if left < head {
            self.truncated = true;
            return;
        }
        let part = &data[..data.len().min(left - head)];
        self.truncated |= part.len() < data.len();
        let len = head + part.len();
        match self.arch {
            Arch::I386 => {
                let h = CmsghdrI386 { cmsg_len: len as u32, cmsg_level: level, cmsg_type: kind };
                self.bytes.extend_from_slice(bytemuck::bytes_of(&h));
            }
            Arch::X86_64 => {
                let h = CmsghdrX86_64 { cmsg_len: len as u64, cmsg_level: level, cmsg_type: kind };
                self.bytes.extend_from_slice(bytemuck::bytes_of(&h));
            }
        }
        self.bytes.extend_from_slice(part);
        self.bytes.resize(self.bytes.len().next_multiple_of(align).min(self.room), 0);
    }
}

/// What a program sends along: files to pass and who it says it is.
fn parse_control(task: &Task, bytes: &[u8], extras: &mut Extras) -> Result<()> {
    for (level, kind, data) in split_control(task.arch(), bytes)? {
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => {
                let (numbers, rest) = data.as_chunks::<4>();
                if !rest.is_empty() || extras.rights.len() + numbers.len() > SCM_MAX_FD {
                    return Err(Errno::EINVAL);
                }
                for number in numbers {
                    extras.rights.push(task.files().get(i32::from_le_bytes(*number))?);
                }
            }
            (SOL_SOCKET, SCM_CREDENTIALS) => {
                if data.len() != size_of::<Ucred>() {
                    return Err(Errno::EINVAL);
                }
                let claimed: Ucred = crate::mm::from_prefix(data);
                let cred = task.cred();
                let own_uid = [cred.uid, cred.euid, cred.suid].contains(&claimed.uid);
                let own_gid = [cred.gid, cred.egid, cred.sgid].contains(&claimed.gid);
                let own = claimed.pid == task.process.pid && own_uid && own_gid;
                if !own && !cred.privileged() {
                    return Err(Errno::EPERM);
                }
                if task.kernel.process(claimed.pid).is_none() {
                    return Err(Errno::ESRCH);
                }
                extras.cred = Some(claimed);
            }
            (SOL_SOCKET, _) => return Err(Errno::EINVAL),
            // Wishes about packets (IP_PKTINFO): there is one interface.
            _ => {}
        }
    }
    Ok(())
}

async fn send_one(task: &Rc<Task>, file: &OpenFile, addr: u64, flags: MsgFlags) -> Result<u64> {
    let header = get_header(task, addr).await?;
    let ranges = task.get_iovecs(header.iov, header.iov_len).await?;
    let mut extras = Extras::default();
    if header.name != 0 && header.name_len > 0 {
        // Longer addresses are cut, not refused.
        let len = header.name_len.min(super::MAX_ADDRESS as u32);
        extras.to = Some(get_address(task, header.name, len as i32).await?);
    }
    if header.control != 0 && header.control_len > 0 {
        if header.control_len > MAX_CONTROL {
            return Err(Errno::ENOBUFS);
        }
        let control = task.read_bytes(header.control, header.control_len as usize).await?;
        parse_control(task, &control, &mut extras)?;
    }
    send_ranges(task, file, flags, ranges, extras).await
}

/// Turns what came along into control data: installs the files that fit.
fn build_control(task: &Task, received: &mut Received, room: u64, close_on_exec: bool) -> ControlWriter {
    let mut control = ControlWriter::new(task.arch(), room);
    if let Some(cred) = received.cred {
        control.push(SOL_SOCKET, SCM_CREDENTIALS, bytemuck::bytes_of(&cred));
    }
    let rights = std::mem::take(&mut received.rights);
    let fit = control.space() / size_of::<i32>();
    let mut numbers = Vec::new();
    for file in rights.iter().take(fit) {
        let Ok(fd) = task.install(file.clone(), close_on_exec) else { break };
        numbers.extend_from_slice(&fd.to_le_bytes());
    }
    control.truncated |= numbers.len() / size_of::<i32>() < rights.len();
    if !numbers.is_empty() {
        control.push(SOL_SOCKET, SCM_RIGHTS, &numbers);
    }
    control
}

async fn receive_one(task: &Rc<Task>, file: &OpenFile, addr: u64, flags: MsgFlags) -> Result<u64> {
    let header = get_header(task, addr).await?;
    let ranges = task.get_iovecs(header.iov, header.iov_len).await?;
    let (count, mut received) = receive_ranges(task, file, flags, ranges).await?;
    let offsets = offsets(task.arch());
    if header.name != 0 {
        let from = received.from.take().unwrap_or_default();
        let part = &from[..from.len().min(header.name_len as usize)];
        if !part.is_empty() {
            task.write_bytes(header.name, part).await?;
        }
        task.put(addr.wrapping_add(offsets.name_len), &(from.len() as u32)).await?;
    }
    let room = if header.control == 0 { 0 } else { header.control_len };
    let close_on_exec = flags.contains(MsgFlags::CMSG_CLOEXEC);
    let control = build_control(task, &mut received, room, close_on_exec);
    let mut result = received.flags | flags & MsgFlags::CMSG_CLOEXEC;
    if control.truncated {
        result |= MsgFlags::CTRUNC;
    }
    if !control.bytes.is_empty() {
        task.write_bytes(header.control, &control.bytes).await?;
    }
    task.put(addr.wrapping_add(offsets.flags), &result.bits()).await?;
    task.put_word(addr.wrapping_add(offsets.control_len), control.bytes.len() as u64).await?;
    Ok(count)
}

/// sendmsg(2).
pub async fn sendmsg(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    as_socket(&file)?;
    send_one(task, &file, a.word(1), MsgFlags::from_bits_retain(a.uint(2))).await
}

/// recvmsg(2).
pub async fn recvmsg(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    as_socket(&file)?;
    receive_one(task, &file, a.word(1), MsgFlags::from_bits_retain(a.uint(2))).await
}

/// sendmmsg(2): the number of messages sent, if any were.
pub async fn sendmmsg(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let file = task.file(a.int(0))?;
    as_socket(&file)?;
    let flags = MsgFlags::from_bits_retain(a.uint(3));
    let offsets = offsets(task.arch());
    let mut done = 0;
    for i in 0..u64::from(a.uint(2)).min(UIO_MAXIOV as u64) {
        let addr = a.word(1).wrapping_add(i * offsets.stride);
        let result = match send_one(task, &file, addr, flags).await {
            Ok(count) => task.put(addr.wrapping_add(offsets.message_len), &(count as u32)).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

async fn recvmmsg_of(task: &Rc<Task>, a: &Args, width: TimeWidth) -> Result<u64> {
    let until = task.get_timeout(a.word(4), width).await?;
    let file = task.file(a.int(0))?;
    as_socket(&file)?;
    let mut flags = MsgFlags::from_bits_retain(a.uint(3));
    let one_is_enough = flags.contains(MsgFlags::WAITFORONE);
    flags.remove(MsgFlags::WAITFORONE);
    let offsets = offsets(task.arch());
    let mut done = 0;
    for i in 0..u64::from(a.uint(2)).min(UIO_MAXIOV as u64) {
        let addr = a.word(1).wrapping_add(i * offsets.stride);
        let result = match receive_one(task, &file, addr, flags).await {
            Ok(count) => task.put(addr.wrapping_add(offsets.message_len), &(count as u32)).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
        if one_is_enough {
            flags |= MsgFlags::DONTWAIT;
        }
        // The timeout is looked at between messages only (recvmmsg(2), "BUGS").
        if until.is_some_and(|until| until <= task.kernel.clock.monotonic()) {
            break;
        }
    }
    if let Some(until) = until {
        let left = until.0.saturating_sub(task.kernel.clock.monotonic().0).min(i64::MAX as u64);
        task.put_timespec(a.word(4), left as i64, width).await?;
    }
    Ok(done)
}

/// recvmmsg(2), with 64-bit time (x86-64's `recvmmsg`, i386's `recvmmsg_time64`).
pub async fn recvmmsg(task: &Rc<Task>, a: &Args) -> Result<u64> {
    recvmmsg_of(task, a, TimeWidth::W64).await
}

/// recvmmsg(2) of i386 with 32-bit time.
pub async fn recvmmsg_time32(task: &Rc<Task>, a: &Args) -> Result<u64> {
    recvmmsg_of(task, a, TimeWidth::W32).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_data_goes_out_and_back() {
        for (arch, lens) in [(Arch::I386, [0, 4, 5, 12]), (Arch::X86_64, [0, 4, 5, 12])] {
            let mut writer = ControlWriter::new(arch, 4096);
            let data = [7u8; 12];
            for len in lens {
                writer.push(SOL_SOCKET, SCM_RIGHTS, &data[..len]);
            }
            let split = split_control(arch, &writer.bytes).unwrap();
            let found: Vec<_> = split.iter().map(|(level, kind, data)| (*level, *kind, data.len())).collect();
            assert_eq!(found, lens.map(|len| (SOL_SOCKET, SCM_RIGHTS, len)));
            assert!(!writer.truncated);
        }
    }

    #[test]
    fn control_data_is_cut_at_the_room() {
        #[rustfmt::skip] // room, data, bytes written, truncated
        let cases = [
            (Arch::X86_64, 24, 8, 24, false),
            (Arch::X86_64, 20, 4, 20, false),
            (Arch::X86_64, 20, 8, 20, true),
            (Arch::X86_64, 15, 4, 0, true),
            (Arch::I386, 16, 4, 16, false),
            (Arch::I386, 11, 4, 0, true),
        ];
        for (arch, room, data, written, truncated) in cases {
            let mut writer = ControlWriter::new(arch, room);
            writer.push(SOL_SOCKET, SCM_RIGHTS, &[1; 8][..data]);
            assert_eq!(
                (writer.bytes.len(), writer.truncated),
                (written, truncated),
                "{arch:?} {room} {data}"
            );
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for (len, result) in [(11, Err(Errno::EINVAL)), (12, Ok(1)), (16, Ok(1)), (17, Err(Errno::EINVAL))] {
            let h = CmsghdrI386 { cmsg_len: len, cmsg_level: SOL_SOCKET, cmsg_type: SCM_RIGHTS };
            let bytes = [bytemuck::bytes_of(&h), &[0; 4]].concat();
            assert_eq!(split_control(Arch::I386, &bytes).map(|found| found.len()), result, "{len}");
        }
    }
}
