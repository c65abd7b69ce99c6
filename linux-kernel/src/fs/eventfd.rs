//! Event counters (eventfd(2)).

use crate::file::{Blocking, FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use linux_abi::Errno;
use linux_abi::eventfd::EventfdFlags;
use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use vfs::FileType;

/// The largest count; a write that would pass it waits.
const MAX: u64 = u64::MAX - 1;

/// A counter that readers take and writers add to.
#[derive(Debug)]
pub struct EventFd {
    count: Cell<u64>,
    semaphore: bool,
    /// Writers that wait for room: only they need to hear of reads.
    blocked: Cell<usize>,
    changed: WaitQueue,
}

impl EventFd {
    /// An open eventfd; `flags` checked by the caller.
    pub fn open(kernel: &Kernel, initial: u32, flags: EventfdFlags) -> Rc<OpenFile> {
        let event = EventFd {
            count: Cell::new(u64::from(initial)),
            semaphore: flags.contains(EventfdFlags::SEMAPHORE),
            blocked: Cell::new(0),
            changed: WaitQueue::new(),
        };
        let path = kernel.anonymous_path("anon_inode:[eventfd]", FileType::Regular);
        let status = flags.bits() & open_flags::NONBLOCK;
        OpenFile::new(Rc::new(event), open_flags::RDWR | status, path)
    }

    fn take(&self) -> Option<u64> {
        let count = self.count.get();
        let taken = if self.semaphore { count.min(1) } else { count };
        if taken == 0 {
            return None;
        }
        self.count.set(count - taken);
        if self.blocked.get() > 0 || count >= MAX {
            self.changed.wake_all();
        }
        Some(taken)
    }

    fn add(&self, value: u64) -> Option<()> {
        let sum = self.count.get().checked_add(value).filter(|sum| *sum <= MAX)?;
        self.count.set(sum);
        if value > 0 {
            self.changed.wake_all();
        }
        Some(())
    }
}

/// Counts a blocked writer, also when a signal drops the wait.
struct BlockedWriter<'a>(&'a Cell<usize>);

impl<'a> BlockedWriter<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        BlockedWriter(count)
    }
}

impl Drop for BlockedWriter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[async_trait(?Send)]
impl FileOps for EventFd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn ignores_seek(&self) -> bool {
        true
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        let out = buf.first_chunk_mut::<8>().ok_or(Errno::EINVAL)?;
        let value = match (self.take(), io.blocking) {
            (Some(value), _) => value,
            (None, Blocking::Never) => return Err(Errno::EAGAIN),
            (None, Blocking::Wait) => io.task.wait_until(&self.changed, || self.take()).await?,
        };
        *out = value.to_le_bytes();
        Ok(8)
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        let value = u64::from_le_bytes(*data.first_chunk::<8>().ok_or(Errno::EINVAL)?);
        if value == u64::MAX {
            return Err(Errno::EINVAL);
        }
        if self.add(value).is_none() {
            if io.blocking == Blocking::Never {
                return Err(Errno::EAGAIN);
            }
            let _blocked = BlockedWriter::new(&self.blocked);
            io.task.wait_until(&self.changed, || self.add(value)).await?;
        }
        Ok(8)
    }

    fn ready(&self) -> Ready {
        Ready::when(self.count.get() > 0, self.count.get() < MAX)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }

    fn fdinfo(&self) -> String {
        format!("eventfd-count: {:16x}\n", self.count.get())
    }
}
