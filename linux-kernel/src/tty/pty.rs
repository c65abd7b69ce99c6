//! Pseudo-terminals (pty(7)): the table of them, and the master side as an open file.

use super::file::{self, HangUp};
use super::{INCOMING, Kind, Tty, ioctl};
use crate::file::{Blocking, FileOps, Io, Ready, Result};
use crate::kernel::Kernel;
use crate::task::{Pid, Task};
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::fs::UNIX98_PTY_SLAVE_MAJOR;
use linux_abi::ioctl::TIOCPKT_DATA;
use linux_abi::stat::makedev;
use linux_abi::termios::{ControlFlags, Termios, Winsize};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};
use vfs::Timestamp;

/// Most pseudo-terminals at a time (`/proc/sys/kernel/pty/max`).
pub const PTY_MAX: u32 = 4096;

/// What a pseudo-terminal has beyond a [`Tty`].
pub(super) struct Pair {
    pub(super) index: u32,
    /// `TIOCSPTLCK`: the slave cannot be opened. So it begins.
    pub(super) locked: Cell<bool>,
    /// The last slave was closed: the master reads `EIO`.
    pub(super) slave_closed: Cell<bool>,
    /// The master was closed.
    pub(super) closed: Cell<bool>,
    /// `TIOCPKT`.
    pub(super) packet: Cell<bool>,
    /// What the next read in packet mode tells.
    pub(super) packet_status: Cell<u8>,
    /// Something changed for the master.
    pub(super) master_changed: WaitQueue,
}

impl Pair {
    /// Tells a master in packet mode of a change.
    pub(super) fn note_packet(&self, clear: u8, set: u8) {
        if self.packet.get() {
            self.packet_status.set(self.packet_status.get() & !clear | set);
            self.master_changed.wake_all();
        }
    }
}

/// Owner and mode of a slave's node in `/dev/pts`.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Who opened the master, until changed.
    pub uid: u32,
    /// The group of terminals.
    pub gid: u32,
    /// Low 12 bits of the mode.
    pub permissions: u32,
    /// When the pair was made or its attributes changed.
    pub changed: Timestamp,
}

/// A pseudo-terminal whose master is open.
#[derive(Debug)]
pub struct Pty {
    /// The slave.
    pub tty: Rc<Tty>,
    /// Its node.
    pub node: Cell<Node>,
    /// The inode, once somebody has looked.
    pub inode: RefCell<Weak<crate::fs::devpts::PtsInode>>,
}

/// The pseudo-terminals of a machine.
#[derive(Debug, Default)]
pub struct PtyTable {
    slots: RefCell<BTreeMap<u32, Rc<Pty>>>,
    /// Sessions whose terminal hung up, and what was in its foreground: told when the leader ends.
    foregrounds: RefCell<BTreeMap<Pid, Pid>>,
}

impl PtyTable {
    /// A pseudo-terminal by number.
    pub fn get(&self, index: u32) -> Option<Rc<Pty>> {
        self.slots.borrow().get(&index).cloned()
    }

    /// Numbers in use, ascending.
    pub fn numbers(&self) -> Vec<u32> {
        self.slots.borrow().keys().copied().collect()
    }

    pub(super) fn remember_foreground(&self, session: Pid, group: Pid) {
        self.foregrounds.borrow_mut().insert(session, group);
    }

    pub(super) fn take_foreground(&self, session: Pid) -> Option<Pid> {
        self.foregrounds.borrow_mut().remove(&session)
    }

    /// Opens `/dev/ptmx`: a new pair, of which this is the master.
    pub fn open_master(&self, task: &Rc<Task>) -> Result<Rc<PtyMaster>> {
        const TTY_GROUP: u32 = 5;
        let mut slots = self.slots.borrow_mut();
        let index = (0..PTY_MAX).find(|index| !slots.contains_key(index)).ok_or(Errno::ENOSPC)?;
        let pair = Pair {
            index,
            locked: Cell::new(true),
            slave_closed: Cell::new(false),
            closed: Cell::new(false),
            packet: Cell::new(false),
            packet_status: Cell::new(0),
            master_changed: WaitQueue::new(),
        };
        let mut termios = ioctl::with_speeds(&Termios::STANDARD);
        termios.c_cflag &= !ControlFlags::HUPCL.bits();
        let device = makedev(UNIX98_PTY_SLAVE_MAJOR, index);
        let tty =
            Rc::new(Tty::new(device, format!("pts/{index}"), Kind::Pty(pair), termios, Winsize::default()));
        let now = task.kernel.clock.timestamp();
        tty.used.set((now, now));
        let node = Node { uid: task.cred().fsuid, gid: TTY_GROUP, permissions: 0o620, changed: now };
        slots.insert(
            index,
            Rc::new(Pty { tty: tty.clone(), node: Cell::new(node), inode: RefCell::default() }),
        );
        Ok(Rc::new(PtyMaster { tty, kernel: Rc::downgrade(&task.kernel) }))
    }

    /// Opens a slave by number: `EIO` where its master is closed or has it locked.
    pub fn open_slave(&self, task: &Rc<Task>, index: u32, flags: u32) -> Result<Rc<dyn FileOps>> {
        let pty = self.get(index).ok_or(Errno::EIO)?;
        match &pty.tty.kind {
            Kind::Pty(pair) if !pair.locked.get() => file::open(task, &pty.tty, HangUp::Obeys, flags),
            _ => Err(Errno::EIO),
        }
    }
}

/// An open master.
pub struct PtyMaster {
    tty: Rc<Tty>,
    kernel: Weak<Kernel>,
}

impl fmt::Debug for PtyMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PtyMaster({:?})", self.tty)
    }
}

impl PtyMaster {
    fn pair(&self) -> &Pair {
        match &self.tty.kind {
            Kind::Pty(pair) => pair,
            Kind::Console(_) => unreachable!("masters are made with a pair"),
        }
    }

    fn has_status(&self) -> bool {
        self.pair().packet.get() && self.pair().packet_status.get() != 0
    }

    /// What can be read now: a byte of packet status, or output (behind a zero byte in packet mode).
    fn take(&self, buf: &mut [u8]) -> Option<usize> {
        let pair = self.pair();
        let mut start = 0;
        if self.has_status() {
            *buf.first_mut()? = pair.packet_status.replace(0);
            return Some(1);
        }
        let mut output = self.tty.output.borrow_mut();
        if output.is_empty() {
            return None;
        }
        if pair.packet.get() {
            *buf.first_mut()? = TIOCPKT_DATA;
            start = 1;
        }
        let mut count = start;
        for (slot, byte) in buf.iter_mut().skip(start).zip(output.iter()) {
            *slot = *byte;
            count += 1;
        }
        output.drain(..count - start);
        Some(count)
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        kernel.ptys.slots.borrow_mut().remove(&self.pair().index);
        self.pair().closed.set(true);
        self.tty.hang_up(&kernel);
    }
}

#[async_trait(?Send)]
impl FileOps for PtyMaster {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(count) = self.take(buf) {
                self.tty.changed.wake_all();
                return Ok(count);
            }
            if self.pair().slave_closed.get() {
                return Err(Errno::EIO);
            }
            if io.blocking == Blocking::Never {
                return Err(Errno::EAGAIN);
            }
            io.task.interruptible(self.pair().master_changed.wait()).await?;
        }
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        let mut count = 0;
        loop {
            let room = INCOMING.saturating_sub(self.tty.incoming.borrow().len());
            let rest = data.get(count..).unwrap_or_default();
            let part = rest.get(..room).unwrap_or(rest);
            self.tty.receive(&io.task.kernel, part);
            count += part.len();
            if count >= data.len() {
                return Ok(count);
            }
            if !part.is_empty() {
                continue;
            }
            let waited = match io.blocking {
                Blocking::Never => Err(Errno::EAGAIN),
                Blocking::Wait => io.task.interruptible(self.pair().master_changed.wait()).await,
            };
            if let Err(error) = waited {
                return if count > 0 { Ok(count) } else { Err(error) };
            }
        }
    }

    fn ready(&self) -> Ready {
        let status = self.has_status();
        let readable = status || !self.tty.output.borrow().is_empty();
        let mut ready = Ready::when(readable, self.tty.incoming.borrow().len() < INCOMING);
        if status {
            ready = ready.union(Ready::PRI);
        }
        if self.pair().slave_closed.get() {
            ready = ready.union(Ready::HUP);
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.pair().master_changed)
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        ioctl::master_side(&self.tty, self.pair(), io, request, arg).await
    }
}
