//! The loopback interface as programs see it, and the requests of netdevice(7) about it.

use crate::file::Result;
use crate::task::{Arch, Task};
use bytemuck::Zeroable;
use core::net::Ipv4Addr;
use linux_abi::Errno;
use linux_abi::inet::SockaddrIn;
use linux_abi::netdevice::*;
use linux_abi::socket::{AF_INET, AF_NETLINK, AF_UNIX};
use std::rc::Rc;

/// Its name.
pub const NAME: &[u8] = b"lo";
/// Its number.
pub const INDEX: i32 = 1;
/// Its largest packet.
pub const MTU: u32 = super::inet::LOOPBACK_MTU as u32;
/// Packets its queue holds.
pub const TX_QUEUE_LEN: u32 = 1000;
/// Its flags.
pub const FLAGS: IffFlags =
    IffFlags::UP.union(IffFlags::LOOPBACK).union(IffFlags::RUNNING).union(IffFlags::LOWER_UP);

/// Where the union of an `ifreq` begins.
const UNION: u64 = IFNAMSIZ as u64;

const fn ifreq_size(arch: Arch) -> usize {
    match arch {
        Arch::I386 => size_of::<IfreqI386>(),
        Arch::X86_64 => size_of::<IfreqX86_64>(),
    }
}

fn ipv4(address: Ipv4Addr) -> [u8; 16] {
    let raw = SockaddrIn { sin_family: AF_INET, sin_addr: address.octets(), ..SockaddrIn::zeroed() };
    bytemuck::cast(raw)
}

/// An ioctl on a socket of a family.
pub async fn ioctl(task: &Rc<Task>, domain: u16, request: u32, arg: u64) -> Result<u64> {
    match request {
        SIOCGIFCONF if domain != AF_NETLINK => return list(task, arg).await,
        SIOCGIFNAME => return name_of(task, arg).await,
        SIOCGSTAMP_OLD | SIOCGSTAMPNS_OLD => return Err(Errno::ENOENT),
        SIOCSIFFLAGS | SIOCSIFADDR | SIOCSIFNETMASK | SIOCSIFMTU | SIOCSIFTXQLEN | SIOCADDRT | SIOCDELRT => {
            // What there is cannot be changed.
            return Err(if task.cred().privileged() { Errno::EOPNOTSUPP } else { Errno::EPERM });
        }
        SIOCGIFFLAGS..=SIOCGIFTXQLEN | SIOCETHTOOL | SIOCGIFMAP => {}
        _ => return Err(Errno::ENOTTY),
    }
    let mut answer = [0; 16];
    let mut number = |value: u32| answer[..4].copy_from_slice(&value.to_le_bytes());
    match request {
        // Addresses are IPv4's alone.
        SIOCGIFADDR | SIOCGIFDSTADDR | SIOCGIFBRDADDR | SIOCGIFNETMASK if domain == AF_UNIX => {
            return Err(Errno::ENOTTY);
        }
        SIOCGIFFLAGS => number(FLAGS.bits() & 0xffff),
        SIOCGIFADDR | SIOCGIFDSTADDR => answer = ipv4(Ipv4Addr::LOCALHOST),
        SIOCGIFBRDADDR => answer = ipv4(Ipv4Addr::UNSPECIFIED),
        SIOCGIFNETMASK => answer = ipv4(Ipv4Addr::new(255, 0, 0, 0)),
        SIOCGIFMTU => number(MTU),
        SIOCGIFINDEX => number(INDEX as u32),
        SIOCGIFTXQLEN => number(TX_QUEUE_LEN),
        SIOCGIFMETRIC => number(0),
        SIOCGIFHWADDR => number(u32::from(ARPHRD_LOOPBACK)),
        SIOCGIFMAP => {}
        SIOCETHTOOL => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENOTTY),
    }
    let name = task.read_bytes(arg, IFNAMSIZ as usize).await?;
    if name.split(|byte| *byte == 0).next() != Some(NAME) {
        return Err(Errno::ENODEV);
    }
    let union_size = ifreq_size(task.arch()) - IFNAMSIZ as usize;
    let len = match request {
        SIOCGIFFLAGS => 2,
        SIOCGIFMAP => union_size.min(24),
        SIOCGIFMTU | SIOCGIFINDEX | SIOCGIFTXQLEN | SIOCGIFMETRIC => 4,
        _ => 16,
    };
    let mut bytes = answer.to_vec();
    bytes.resize(len, 0);
    task.write_bytes(arg.wrapping_add(UNION), &bytes).await.map(|()| 0)
}

fn padded_name() -> [u8; IFNAMSIZ as usize] {
    let mut name = [0; IFNAMSIZ as usize];
    name[..NAME.len()].copy_from_slice(NAME);
    name
}

async fn name_of(task: &Task, arg: u64) -> Result<u64> {
    if task.get::<i32>(arg.wrapping_add(UNION)).await? != INDEX {
        return Err(Errno::ENODEV);
    }
    task.write_bytes(arg, &padded_name()).await.map(|()| 0)
}

/// `SIOCGIFCONF`: the interfaces with an IPv4 address; a null buffer asks for the size.
async fn list(task: &Task, arg: u64) -> Result<u64> {
    let size = ifreq_size(task.arch());
    let space: i32 = task.get(arg).await?;
    let word = task.arch().word_size() as u64;
    let buffer = task.get_word(arg.wrapping_add(word)).await?;
    let mut len = size as i32;
    if buffer != 0 {
        if space < len {
            len = 0;
        } else {
            let mut entry = padded_name().to_vec();
            entry.extend_from_slice(&ipv4(Ipv4Addr::LOCALHOST));
            entry.resize(size, 0);
            task.write_bytes(buffer, &entry).await?;
        }
    }
    task.put(arg, &len).await.map(|()| 0)
}
