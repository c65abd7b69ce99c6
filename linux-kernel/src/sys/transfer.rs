//! Calls that move bytes between descriptors: `sendfile`, `copy_file_range`, `splice`, `tee`, `vmsplice`.
//!
//! Nothing is shared: bytes are copied where Linux hands pages over.

use crate::file::{Blocking, Io, OpenFile, Result, open_flags};
use crate::fs::pipe::PipeEnd;
use crate::sys::Args;
use crate::sys::file::{MAX_COUNT, content_guard, io, partial, read_one, write_place};
use crate::task::{Arch, Task};
use linux_abi::Errno;
use linux_abi::uio::SpliceFlags;
use std::rc::Rc;
use vfs::FileType;

/// Moves bytes between two open files. Positions are given for seekable files used at an explicit offset.
async fn transfer(
    task: &Rc<Task>,
    input: &Rc<OpenFile>,
    output: &Rc<OpenFile>,
    in_offset: Option<u64>,
    out_offset: Option<u64>,
    count: u64,
) -> Result<u64> {
    let cursor = |file: &OpenFile, explicit: Option<u64>| {
        explicit.or_else(|| file.ops.seekable().then(|| file.position.get()))
    };
    let mut from = cursor(input, in_offset);
    let mut to = cursor(output, out_offset);
    let mut done = 0;
    let mut buf = Vec::new();
    while done < count.min(MAX_COUNT) {
        buf.resize(((count - done) as usize).min(64 << 10), 0);
        let got = match read_one(task, input, from, &mut buf).await {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) => return partial(done, error),
        };
        let written = match to {
            Some(offset) => {
                let inode = output.path.inode();
                let _changing = content_guard(&inode).await;
                let offset = write_place(output, offset);
                to = Some(offset);
                output.ops.write_at(io(task, output), offset, &buf[..got]).await
            }
            None => output.ops.write(io(task, output), &buf[..got]).await,
        };
        let written = match written {
            Ok(written) => written as u64,
            Err(error) => return partial(done, error),
        };
        done += written;
        from = from.map(|at| at + written);
        to = to.map(|at| at + written);
        if in_offset.is_none()
            && let Some(at) = from
        {
            input.position.set(at);
        }
        if out_offset.is_none()
            && let Some(at) = to
        {
            output.position.set(at);
        }
        if written < got as u64 {
            break;
        }
    }
    Ok(done)
}

async fn sendfile_at(task: &Rc<Task>, a: &Args, wide: bool) -> Result<u64> {
    let (output, input) = (task.file(a.int(0))?, task.file(a.int(1))?);
    if !input.readable() || !output.writable() {
        return Err(Errno::EBADF);
    }
    if !input.ops.seekable() || output.flags.get() & open_flags::APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let addr = a.word(2);
    if addr == 0 {
        return transfer(task, &input, &output, None, None, a.word(3)).await;
    }
    let offset = if wide { task.get::<i64>(addr).await? } else { i64::from(task.get::<i32>(addr).await?) };
    let offset = u64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    let done = transfer(task, &input, &output, Some(offset), None, a.word(3)).await?;
    if wide {
        task.put(addr, &(offset + done)).await?;
    } else {
        task.put(addr, &((offset + done) as u32)).await?;
    }
    Ok(done)
}

pub async fn sendfile(task: &Rc<Task>, a: &Args) -> Result<u64> {
    sendfile_at(task, a, task.arch() == Arch::X86_64).await
}

pub async fn sendfile64(task: &Rc<Task>, a: &Args) -> Result<u64> {
    sendfile_at(task, a, true).await
}

pub async fn copy_file_range(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let (input, output) = (task.file(a.int(0))?, task.file(a.int(2))?);
    if a.uint(5) != 0 {
        return Err(Errno::EINVAL);
    }
    if !input.readable() || !output.writable() || output.flags.get() & open_flags::APPEND != 0 {
        return Err(Errno::EBADF);
    }
    for file in [&input, &output] {
        match file.path.inode().attributes().file_type {
            FileType::Directory => return Err(Errno::EISDIR),
            FileType::Regular if file.ops.seekable() => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    let offset_at = async |addr: u64| -> Result<Option<u64>> {
        if addr == 0 { Ok(None) } else { task.get::<u64>(addr).await.map(Some) }
    };
    let (from, to) = (offset_at(a.word(1)).await?, offset_at(a.word(3)).await?);
    let start = |file: &OpenFile, explicit: Option<u64>| explicit.unwrap_or_else(|| file.position.get());
    let (begin, target) = (start(&input, from), start(&output, to));
    let same = Rc::ptr_eq(&input.path.inode(), &output.path.inode());
    if same && begin < target.saturating_add(a.word(4)) && target < begin.saturating_add(a.word(4)) {
        return Err(Errno::EINVAL);
    }
    let done = transfer(task, &input, &output, from, to, a.word(4)).await?;
    if let Some(from) = from {
        task.put(a.word(1), &(from + done)).await?;
    }
    if let Some(to) = to {
        task.put(a.word(3), &(to + done)).await?;
    }
    Ok(done)
}

/// All flags there are for `splice`, `tee` and `vmsplice`.
const SPLICE_FLAGS: SpliceFlags =
    SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK).union(SpliceFlags::MORE).union(SpliceFlags::GIFT);

/// The flags of `splice`, `tee` and `vmsplice`.
fn splice_flags(raw: u32) -> Result<SpliceFlags> {
    if raw & !SPLICE_FLAGS.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(SpliceFlags::from_bits_retain(raw))
}

/// Whether waiting for a pipe is allowed: `SPLICE_F_NONBLOCK` and `O_NONBLOCK` of a pipe both forbid it.
fn pipe_io<'a>(task: &'a Rc<Task>, file: &'a OpenFile, flags: SpliceFlags) -> Io<'a> {
    let never = flags.contains(SpliceFlags::NONBLOCK);
    Io { task, file, blocking: if never { Blocking::Never } else { file.blocking() } }
}

/// An offset argument that may be null.
async fn offset_at(task: &Task, addr: u64) -> Result<Option<u64>> {
    if addr == 0 {
        return Ok(None);
    }
    let offset = task.get::<i64>(addr).await?;
    u64::try_from(offset).map(Some).map_err(|_| Errno::EINVAL)
}

/// `splice`: one side must be a pipe; gives what can be moved without waiting twice.
pub async fn splice(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let count = a.word(4).min(MAX_COUNT);
    let flags = splice_flags(a.uint(5))?;
    if count == 0 {
        return Ok(0);
    }
    let (input, output) = (task.file(a.int(0))?, task.file(a.int(2))?);
    if !input.readable() || !output.writable() {
        return Err(Errno::EBADF);
    }
    let (from_pipe, to_pipe) = (input.ops_as::<PipeEnd>(), output.ops_as::<PipeEnd>());
    if (from_pipe.is_some() && a.word(1) != 0) || (to_pipe.is_some() && a.word(3) != 0) {
        return Err(Errno::ESPIPE);
    }
    match (from_pipe, to_pipe) {
        (Some(from), Some(to)) => {
            if from.is_same_pipe(to) {
                return Err(Errno::EINVAL);
            }
            from.until_readable(pipe_io(task, &input, flags)).await?;
            to.until_writable(pipe_io(task, &output, flags)).await?;
            let moved = from.copy_to(to, count as usize);
            from.consume(moved);
            Ok(moved as u64)
        }
        (Some(from), None) => {
            let explicit = offset_at(task, a.word(3)).await?;
            if explicit.is_some() && !output.ops.seekable() {
                return Err(Errno::EINVAL);
            }
            if output.flags.get() & open_flags::APPEND != 0 {
                return Err(Errno::EINVAL);
            }
            from.until_readable(pipe_io(task, &input, flags)).await?;
            let data = from.peek(count as usize);
            let position = explicit.or_else(|| output.ops.seekable().then(|| output.position.get()));
            let done = match position {
                _ if data.is_empty() => 0,
                Some(offset) => output.ops.write_at(io(task, &output), offset, &data).await?,
                None => output.ops.write(io(task, &output), &data).await?,
            };
            from.consume(done);
            advance(task, &output, position, a.word(3), done as u64).await
        }
        (None, Some(to)) => {
            let explicit = offset_at(task, a.word(1)).await?;
            if explicit.is_some() && !input.ops.seekable() {
                return Err(Errno::EINVAL);
            }
            to.until_writable(pipe_io(task, &output, flags)).await?;
            let position = explicit.or_else(|| input.ops.seekable().then(|| input.position.get()));
            let mut data = vec![0; (count as usize).min(to.page_room())];
            let got = read_one(task, &input, position, &mut data).await?;
            let done = to.put_pages(&data[..got]);
            advance(task, &input, position, a.word(1), done as u64).await
        }
        (None, None) => Err(Errno::EINVAL),
    }
}

/// Moves the position that a splice used on by what it moved: the argument's where one was given, else the file's.
async fn advance(task: &Task, file: &OpenFile, position: Option<u64>, addr: u64, done: u64) -> Result<u64> {
    let Some(position) = position else { return Ok(done) };
    if addr == 0 {
        file.position.set(position + done);
    } else {
        task.put(addr, &(position + done)).await?;
    }
    Ok(done)
}

/// `tee`: what one pipe holds is put into another, and stays.
pub async fn tee(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let count = a.word(2).min(MAX_COUNT);
    let flags = splice_flags(a.uint(3))?;
    if count == 0 {
        return Ok(0);
    }
    let (input, output) = (task.file(a.int(0))?, task.file(a.int(1))?);
    if !input.readable() || !output.writable() {
        return Err(Errno::EBADF);
    }
    let (Some(from), Some(to)) = (input.ops_as::<PipeEnd>(), output.ops_as::<PipeEnd>()) else {
        return Err(Errno::EINVAL);
    };
    if from.is_same_pipe(to) {
        return Err(Errno::EINVAL);
    }
    from.until_readable(pipe_io(task, &input, flags)).await?;
    to.until_writable(pipe_io(task, &output, flags)).await?;
    Ok(from.copy_to(to, count as usize) as u64)
}

/// `vmsplice`: a list of buffers goes into a pipe, a page of the pipe for each page or part of one; or, at the end to
/// read from, comes out of it.
pub async fn vmsplice(task: &Rc<Task>, a: &Args) -> Result<u64> {
    let flags = splice_flags(a.uint(3))?;
    let file = task.file(a.int(0))?;
    let pipe = file.ops_as::<PipeEnd>().ok_or(Errno::EBADF)?;
    let vectors = task.get_iovecs(a.word(1), a.word(2)).await?;
    let total: u64 = vectors.iter().map(|(_, len)| *len).sum();
    if total == 0 {
        return Ok(0);
    }
    // Unlike the others it does not look at O_NONBLOCK.
    let blocking = if flags.contains(SpliceFlags::NONBLOCK) { Blocking::Never } else { Blocking::Wait };
    let io = Io { task, file: &file, blocking };
    let mut done = 0;
    if !file.writable() {
        pipe.until_readable(io).await?;
        for (base, len) in vectors {
            let data = pipe.peek(len as usize);
            task.write_bytes(base, &data).await?;
            pipe.consume(data.len());
            done += data.len() as u64;
        }
        return Ok(done);
    }
    pipe.until_writable(io).await?;
    for (base, len) in vectors {
        let mut used = 0;
        while used < len {
            let at = base.wrapping_add(used);
            let piece = (len - used).min(guest_mem::PAGE_BYTES - at % guest_mem::PAGE_BYTES);
            let data = match task.read_bytes(at, piece as usize).await {
                Ok(data) => data,
                Err(error) => return partial(done, error),
            };
            let put = pipe.put_pages(&data) as u64;
            if put == 0 {
                return Ok(done);
            }
            used += put;
            done += put;
        }
    }
    Ok(done)
}
