//! Pipes and FIFOs (pipe(7), fifo(7)): one buffer, and ends that read, write, or both.
//!
//! A pipe has two wait queues, one for who waits for data and one for who waits for room: a reader with
//! edge-triggered epoll is not told of its own reads.

use crate::file::{Blocking, FileOps, Io, OpenFile, Ready, Result, open_flags};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::send::{self, Origin};
use crate::task::Task;
use crate::wait::WaitQueue;
use async_trait::async_trait;
use hashbrown::HashMap;
use linux_abi::Errno;
use linux_abi::fcntl::F_SETPIPE_SZ;
use linux_abi::ioctl::FIONREAD;
use linux_abi::limits::{PIPE_DEFAULT_SIZE, PIPE_MAX_SIZE};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};
use vfs::FileType;
use vfs::namespace::Path;

/// Bytes of a page, which is what a pipe is made of: 16 pages are full when each holds one byte.
const PAGE: usize = 4096;

/// A page of the buffer.
#[derive(Debug, Default)]
struct Page {
    data: Vec<u8>,
    /// Bytes already read.
    start: usize,
    /// Written in packet mode (`O_DIRECT`): a read stops at its end.
    packet: bool,
    /// Whether later bytes may be added.
    open: bool,
}

impl Page {
    fn unread(&self) -> &[u8] {
        &self.data[self.start..]
    }
}

/// The buffer between the ends.
#[derive(Debug)]
struct Pipe {
    pages: RefCell<VecDeque<Page>>,
    /// Pages there can be.
    page_limit: Cell<usize>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// Ends that do both, which watch only the `data` queue.
    both: Cell<usize>,
    /// Opens for reading so far: a FIFO's writer waits for the next.
    reader_openings: Cell<u64>,
    /// Opens for writing so far.
    writer_openings: Cell<u64>,
    /// Data, or the end of it.
    data: WaitQueue,
    /// Room, or the end of all readers.
    space: WaitQueue,
}

fn bump(cell: &Cell<u64>) {
    cell.set(cell.get().wrapping_add(1));
}

impl Pipe {
    fn new() -> Rc<Pipe> {
        Rc::new(Pipe {
            pages: RefCell::default(),
            page_limit: Cell::new(PIPE_DEFAULT_SIZE / PAGE),
            readers: Cell::new(0),
            writers: Cell::new(0),
            both: Cell::new(0),
            reader_openings: Cell::new(0),
            writer_openings: Cell::new(0),
            data: WaitQueue::new(),
            space: WaitQueue::new(),
        })
    }

    /// Bytes to read.
    fn len(&self) -> usize {
        self.pages.borrow().iter().map(|page| page.unread().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.pages.borrow().is_empty()
    }

    /// Pages not in use.
    fn free_pages(&self) -> usize {
        self.page_limit.get().saturating_sub(self.pages.borrow().len())
    }

    /// Room for an atomic write.
    fn is_writable(&self) -> bool {
        self.free_pages() > 0
    }

    fn wake_space(&self) {
        self.space.wake_all();
        if self.both.get() > 0 {
            self.data.wake_all();
        }
    }

    fn take(&self, buf: &mut [u8]) -> usize {
        let was_writable = self.is_writable();
        let mut done = 0;
        {
            let mut pages = self.pages.borrow_mut();
            while done < buf.len() {
                let Some(page) = pages.front_mut() else { break };
                let rest = &mut buf[done..];
                let count = rest.len().min(page.unread().len());
                rest[..count].copy_from_slice(&page.unread()[..count]);
                page.start += count;
                done += count;
                // What a packet has beyond the buffer is lost (pipe(2), O_DIRECT).
                let packet = page.packet;
                if packet || page.unread().is_empty() {
                    pages.pop_front();
                }
                if packet {
                    break;
                }
            }
        }
        if !was_writable {
            self.wake_space();
        }
        done
    }

    /// Puts as much as there is room for, after what is there where the first part of it fits into the last page.
    /// Gives the number of bytes put; for up to `PIPE_BUF` bytes that is all or none.
    fn put(&self, data: &[u8], packet: bool) -> usize {
        let mut done = 0;
        {
            let mut pages = self.pages.borrow_mut();
            let first = data.len() % PAGE;
            match pages.back_mut() {
                Some(last) if !packet && last.open && last.data.len() + first <= PAGE => {
                    last.data.extend_from_slice(&data[..first]);
                    done = first;
                }
                _ => {}
            }
        }
        done + self.put_pages(&data[done..], packet, true)
    }

    /// Puts bytes into pages of their own, as many as there are.
    fn put_pages(&self, data: &[u8], packet: bool, open: bool) -> usize {
        let free = self.free_pages();
        let mut pages = self.pages.borrow_mut();
        let mut done = 0;
        for piece in data.chunks(PAGE).take(free) {
            // Small writes follow each other: room for them without moving.
            let mut page = Vec::with_capacity(if open { PAGE } else { piece.len() });
            page.extend_from_slice(piece);
            pages.push_back(Page { data: page, start: 0, packet, open: open && !packet });
            done += piece.len();
        }
        done
    }
}

/// Copies the first bytes of a ring to a slice of at most its length.
pub(crate) fn copy_out(ring: &VecDeque<u8>, out: &mut [u8]) {
    let (first, second) = ring.as_slices();
    let split = first.len().min(out.len());
    out[..split].copy_from_slice(&first[..split]);
    let rest = out.len() - split;
    out[split..].copy_from_slice(&second[..rest]);
}

/// One end of a pipe or FIFO, as a descriptor holds it.
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    reads: bool,
    writes: bool,
    /// Writers that had come before this reader: they make no hang-up.
    writers_before: Cell<u64>,
}

impl fmt::Debug for PipeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PipeEnd(reads {}, writes {}, {} bytes)", self.reads, self.writes, self.pipe.len())
    }
}

impl PipeEnd {
    fn new(pipe: &Rc<Pipe>, reads: bool, writes: bool) -> PipeEnd {
        if reads {
            pipe.readers.set(pipe.readers.get() + 1);
            bump(&pipe.reader_openings);
        }
        if writes {
            pipe.writers.set(pipe.writers.get() + 1);
            bump(&pipe.writer_openings);
        }
        if reads && writes {
            pipe.both.set(pipe.both.get() + 1);
        }
        pipe.data.wake_all();
        pipe.space.wake_all();
        PipeEnd { pipe: pipe.clone(), reads, writes, writers_before: Cell::new(0) }
    }

    /// `F_GETPIPE_SZ`: bytes the pipe holds.
    pub fn capacity(&self) -> usize {
        self.pipe.page_limit.get() * PAGE
    }

    /// `F_SETPIPE_SZ` (fcntl(2)): gives the size set, which is rounded up to a power of two of pages.
    pub fn set_capacity(&self, bytes: u64) -> Result<usize> {
        if bytes > 1 << 31 {
            return Err(Errno::EINVAL);
        }
        let size = usize::try_from(bytes).map_err(|_| Errno::EINVAL)?.max(4096).next_power_of_two();
        // Not for root either: the host's memory is the limit.
        if size > PIPE_MAX_SIZE {
            return Err(Errno::EPERM);
        }
        if self.pipe.pages.borrow().len() > size / PAGE {
            return Err(Errno::EBUSY);
        }
        self.pipe.page_limit.set(size / PAGE);
        self.pipe.wake_space();
        Ok(size)
    }
}

/// `F_GETPIPE_SZ` and `F_SETPIPE_SZ` on any file.
pub fn fcntl_size(file: &OpenFile, command: u32, arg: u64) -> Result<u64> {
    let end = file.ops_as::<PipeEnd>().ok_or(Errno::EBADF)?;
    let size = if command == F_SETPIPE_SZ { end.set_capacity(arg & 0xffff_ffff)? } else { end.capacity() };
    Ok(size as u64)
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let pipe = &self.pipe;
        if self.reads {
            pipe.readers.set(pipe.readers.get() - 1);
        }
        if self.writes {
            pipe.writers.set(pipe.writers.get() - 1);
        }
        if self.reads && self.writes {
            pipe.both.set(pipe.both.get() - 1);
        }
        if pipe.readers.get() == 0 && pipe.writers.get() == 0 {
            // A FIFO that nobody holds open forgets its data (fifo(7)).
            pipe.pages.borrow_mut().clear();
        }
        pipe.data.wake_all();
        pipe.space.wake_all();
    }
}

#[async_trait(?Send)]
impl FileOps for PipeEnd {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn read(&self, io: Io<'_>, buf: &mut [u8]) -> Result<usize> {
        if !self.reads {
            return Err(Errno::EBADF);
        }
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.pipe.is_empty() {
                return Ok(self.pipe.take(buf));
            }
            if self.pipe.writers.get() == 0 {
                return Ok(0);
            }
            if io.blocking == Blocking::Never {
                return Err(Errno::EAGAIN);
            }
            io.task.interruptible(self.pipe.data.wait()).await?;
        }
    }

    async fn write(&self, io: Io<'_>, data: &[u8]) -> Result<usize> {
        if !self.writes {
            return Err(Errno::EBADF);
        }
        let packet = io.file.flags.get() & open_flags::DIRECT != 0;
        let mut done = 0;
        while done < data.len() {
            if self.pipe.readers.get() == 0 {
                send::to_task(io.task, Signal::PIPE, Origin::of(io.task));
                return if done > 0 { Ok(done) } else { Err(Errno::EPIPE) };
            }
            // Up to PIPE_BUF is written together or not at all (pipe(7)); so is a packet.
            let count = self.pipe.put(&data[done..], packet);
            if count > 0 {
                self.pipe.data.wake_all();
                done += count;
                continue;
            }
            let waited = match io.blocking {
                Blocking::Never => Err(Errno::EAGAIN),
                Blocking::Wait => io.task.interruptible(self.pipe.space.wait()).await,
            };
            if let Err(error) = waited {
                return if done > 0 { Ok(done) } else { Err(error) };
            }
        }
        Ok(done)
    }

    fn ready(&self) -> Ready {
        let pipe = &self.pipe;
        let mut ready = Ready::when(self.reads && !pipe.is_empty(), self.writes && pipe.is_writable());
        let writers_came = pipe.writer_openings.get() != self.writers_before.get();
        if self.reads && pipe.writers.get() == 0 && writers_came {
            ready = ready.union(Ready::HUP);
        }
        if self.writes && pipe.readers.get() == 0 {
            ready = ready.union(Ready::ERR);
        }
        ready
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(if self.reads { &self.pipe.data } else { &self.pipe.space })
    }

    async fn ioctl(&self, io: Io<'_>, request: u32, arg: u64) -> Result<u64> {
        match request {
            FIONREAD => io.task.put(arg, &(self.pipe.len() as i32)).await.map(|()| 0),
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// A pipe as pipe2(2) makes it: the end to read and the end to write. `flags` may hold `O_NONBLOCK` and `O_DIRECT`.
pub fn new_pipe(kernel: &Kernel, flags: u32) -> (Rc<OpenFile>, Rc<OpenFile>) {
    let path = kernel.anonymous_path("pipe:[INO]", FileType::Fifo);
    // In the table too: `/proc/PID/fd/N` and `/dev/fd/N` open the same pipe anew.
    let pipe = kernel.fifos.get(&path);
    let status = flags & (open_flags::NONBLOCK | open_flags::DIRECT);
    let reader = OpenFile::new(Rc::new(PipeEnd::new(&pipe, true, false)), status, path.clone());
    let writer = OpenFile::new(Rc::new(PipeEnd::new(&pipe, false, true)), status | open_flags::WRONLY, path);
    (reader, writer)
}

/// FIFOs in use, by device and inode number.
#[derive(Debug, Default)]
pub struct FifoTable {
    pipes: RefCell<HashMap<(u64, u64), Weak<Pipe>>>,
}

impl FifoTable {
    fn key(path: &Path) -> (u64, u64) {
        let inode = path.inode();
        (inode.device(), inode.attributes().ino)
    }

    fn get(&self, path: &Path) -> Rc<Pipe> {
        if let Some(pipe) = self.pipes.borrow().get(&FifoTable::key(path)).and_then(Weak::upgrade) {
            return pipe;
        }
        let pipe = Pipe::new();
        self.add(path, &pipe);
        pipe
    }

    fn add(&self, path: &Path, pipe: &Rc<Pipe>) {
        let mut pipes = self.pipes.borrow_mut();
        // Before the table grows: forgotten ones first.
        if pipes.len() == pipes.capacity() {
            pipes.retain(|_, pipe| pipe.strong_count() > 0);
        }
        pipes.insert(FifoTable::key(path), Rc::downgrade(pipe));
    }
}

/// Opens a FIFO (fifo(7)): an end for reading or writing alone waits for the other, `O_RDWR` does not.
pub async fn open_fifo(task: &Rc<Task>, path: &Path, flags: u32) -> Result<Rc<dyn FileOps>> {
    let pipe = task.kernel.fifos.get(path);
    let blocking = flags & open_flags::NONBLOCK == 0;
    // A pipe without a name, reached through /proc, is opened as it is: nobody else could come.
    let anonymous = Rc::ptr_eq(&path.mount, task.kernel.anon.mount());
    match flags & open_flags::ACCMODE {
        open_flags::RDWR => Ok(Rc::new(PipeEnd::new(&pipe, true, true))),
        open_flags::WRONLY => {
            if !blocking && pipe.readers.get() == 0 && !anonymous {
                return Err(Errno::ENXIO);
            }
            let end = PipeEnd::new(&pipe, false, true);
            if pipe.readers.get() == 0 && !anonymous {
                wait_for_opening(task, &pipe, &pipe.reader_openings).await?;
            }
            Ok(Rc::new(end))
        }
        _ => {
            let end = PipeEnd::new(&pipe, true, false);
            if pipe.writers.get() == 0 && !anonymous {
                if blocking {
                    wait_for_opening(task, &pipe, &pipe.writer_openings).await?;
                } else {
                    end.writers_before.set(pipe.writer_openings.get());
                }
            }
            Ok(Rc::new(end))
        }
    }
}

/// Waits for the next opening of the other side, which may be gone again by then.
async fn wait_for_opening(task: &Rc<Task>, pipe: &Pipe, openings: &Cell<u64>) -> Result<()> {
    let before = openings.get();
    task.wait_until(&pipe.data, || (openings.get() != before).then_some(())).await
}

/// What splice(2), tee(2) and vmsplice(2) do with an end.
impl PipeEnd {
    /// Whether both ends are those of one pipe.
    pub fn is_same_pipe(&self, other: &PipeEnd) -> bool {
        Rc::ptr_eq(&self.pipe, &other.pipe)
    }

    /// Waits until there is something to read, or nobody left to write.
    pub async fn until_readable(&self, io: Io<'_>) -> Result<()> {
        while self.pipe.is_empty() && self.pipe.writers.get() > 0 {
            if io.blocking == Blocking::Never {
                return Err(Errno::EAGAIN);
            }
            io.task.interruptible(self.pipe.data.wait()).await?;
        }
        Ok(())
    }

    /// Waits for a free page. `EPIPE` and its signal where nobody reads.
    pub async fn until_writable(&self, io: Io<'_>) -> Result<()> {
        loop {
            if self.pipe.readers.get() == 0 {
                send::to_task(io.task, Signal::PIPE, Origin::of(io.task));
                return Err(Errno::EPIPE);
            }
            if self.pipe.is_writable() {
                return Ok(());
            }
            if io.blocking == Blocking::Never {
                return Err(Errno::EAGAIN);
            }
            io.task.interruptible(self.pipe.space.wait()).await?;
        }
    }

    /// The first bytes, at most `max`, which stay.
    pub fn peek(&self, max: usize) -> Vec<u8> {
        let mut data = Vec::new();
        for page in self.pipe.pages.borrow().iter() {
            let rest = max - data.len();
            data.extend_from_slice(&page.unread()[..page.unread().len().min(rest)]);
        }
        data
    }

    /// Takes bytes that were seen by [`PipeEnd::peek`] or copied.
    pub fn consume(&self, count: usize) {
        let mut left = count;
        let was_writable = self.pipe.is_writable();
        let mut pages = self.pipe.pages.borrow_mut();
        while let Some(page) = pages.front_mut().filter(|_| left > 0) {
            let part = left.min(page.unread().len());
            page.start += part;
            left -= part;
            if page.unread().is_empty() {
                pages.pop_front();
            }
        }
        drop(pages);
        if !was_writable {
            self.pipe.wake_space();
        }
    }

    /// Bytes that free pages hold.
    pub fn page_room(&self) -> usize {
        self.pipe.free_pages() * PAGE
    }

    /// Puts bytes into pages of their own, to which no later write is added. Gives the number of bytes put.
    pub fn put_pages(&self, data: &[u8]) -> usize {
        let done = self.pipe.put_pages(data, false, false);
        if done > 0 {
            self.pipe.data.wake_all();
        }
        done
    }

    /// Copies up to `max` bytes into another pipe, page by page, as long as that has free ones.
    pub fn copy_to(&self, to: &PipeEnd, max: usize) -> usize {
        let mut done = 0;
        for page in self.pipe.pages.borrow().iter() {
            let piece = &page.unread()[..page.unread().len().min(max - done)];
            if piece.is_empty() || to.pipe.put_pages(piece, page.packet, false) == 0 {
                break;
            }
            done += piece.len();
        }
        if done > 0 {
            to.pipe.data.wake_all();
        }
        done
    }
}

/// What the host does with an end that it holds itself. No guest thread stands behind these, so none of them waits.
impl PipeEnd {
    /// Takes what is there, at most `max` bytes.
    pub fn pull(&self, max: usize) -> Vec<u8> {
        let mut piece = vec![0; max.min(self.pipe.len())];
        let count = if self.reads { self.pipe.take(&mut piece) } else { 0 };
        piece.truncate(count);
        piece
    }

    /// Puts as much as there is room for. Gives the number of bytes taken.
    pub fn push(&self, data: &[u8]) -> usize {
        let count = if self.writes { self.pipe.put(data, false) } else { 0 };
        if count > 0 {
            self.pipe.data.wake_all();
        }
        count
    }

    /// Whether anybody can still read.
    pub fn has_readers(&self) -> bool {
        self.pipe.readers.get() > 0
    }

    /// Whether anybody can still write.
    pub fn has_writers(&self) -> bool {
        self.pipe.writers.get() > 0
    }

    /// Changes when data comes, or the last writer goes.
    pub fn data_queue(&self) -> &WaitQueue {
        &self.pipe.data
    }

    /// Changes when room comes, or the last reader goes.
    pub fn room_queue(&self) -> &WaitQueue {
        &self.pipe.space
    }
}
