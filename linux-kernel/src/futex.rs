//! Futexes: waiting on a word of memory (futex(2)).

use crate::file::Result;
use crate::task::{Restart, Task};
use crate::time::Monotonic;
use guest_mem::MappableId;
use linux_abi::Errno;
use linux_abi::futex::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// What identifies the word, whoever maps it where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Memory of one address space: its identity and the address.
    Private(usize, u64),
    /// A shared object and the offset in it.
    Shared(MappableId, u64),
}

#[derive(Debug)]
struct Waiter {
    mask: u32,
    /// Who becomes the owner when a lock is passed on (`FUTEX_LOCK_PI`); 0 for ordinary waiters.
    heir: u32,
    key: Cell<Key>,
    woken: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Who waits where.
#[derive(Debug, Default)]
pub struct FutexTable {
    queues: RefCell<HashMap<Key, Vec<Rc<Waiter>>>>,
}

impl FutexTable {
    fn add(&self, key: Key, mask: u32, heir: u32) -> Rc<Waiter> {
        let (woken, waker) = (Cell::new(false), RefCell::new(None));
        let waiter = Rc::new(Waiter { mask, heir, key: Cell::new(key), woken, waker });
        self.queues.borrow_mut().entry(key).or_default().push(waiter.clone());
        waiter
    }

    fn remove(&self, waiter: &Rc<Waiter>) {
        let mut queues = self.queues.borrow_mut();
        if let Some(queue) = queues.get_mut(&waiter.key.get()) {
            queue.retain(|other| !Rc::ptr_eq(other, waiter));
            if queue.is_empty() {
                queues.remove(&waiter.key.get());
            }
        }
    }

    /// Wakes up to `count` waiters whose mask meets `mask`, oldest first.
    pub fn wake(&self, key: Key, count: u32, mask: u32) -> u32 {
        let mut woken = 0;
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(&key) else { return 0 };
        queue.retain(|waiter| {
            if woken >= count || waiter.mask & mask == 0 {
                return true;
            }
            woken += 1;
            waiter.woken.set(true);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
            false
        });
        if queue.is_empty() {
            queues.remove(&key);
        }
        woken
    }

    /// Takes out and wakes the one who waits longest for a lock that is passed on: its id, and whether more wait.
    fn next_owner(&self, key: Key) -> Option<(u32, bool)> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.get_mut(&key)?;
        let at = queue.iter().position(|waiter| waiter.heir != 0)?;
        let waiter = queue.remove(at);
        let more = queue.iter().any(|waiter| waiter.heir != 0);
        if queue.is_empty() {
            queues.remove(&key);
        }
        waiter.woken.set(true);
        if let Some(waker) = waiter.waker.take() {
            waker.wake();
        }
        Some((waiter.heir, more))
    }

    /// Wakes `wake` waiters and moves up to `requeue` more to another word.
    pub fn requeue(&self, from: Key, to: Key, wake: u32, requeue: u32) -> (u32, u32) {
        let woken = self.wake(from, wake, u32::MAX);
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(&from) else { return (woken, 0) };
        let moving = queue.len().min(requeue as usize);
        let moved: Vec<Rc<Waiter>> = queue.drain(..moving).collect();
        if queue.is_empty() {
            queues.remove(&from);
        }
        moved.iter().for_each(|waiter| waiter.key.set(to));
        queues.entry(to).or_default().extend(moved);
        (woken, moving as u32)
    }
}

struct Waiting<'a> {
    table: &'a FutexTable,
    waiter: Rc<Waiter>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.waiter.woken.get() {
            self.table.remove(&self.waiter);
        }
    }
}

/// The identity of a futex word.
pub fn key_of(task: &Task, addr: u64, private: bool) -> Key {
    let mm = task.mm();
    let shared = if private { None } else { mm.space.shared_identity(addr) };
    match shared {
        Some((object, offset)) => Key::Shared(object, offset),
        None => Key::Private(Rc::as_ptr(&mm) as usize, addr),
    }
}

/// `FUTEX_WAIT` and `FUTEX_WAIT_BITSET`.
pub async fn wait(
    task: &Rc<Task>,
    addr: u64,
    expected: u32,
    mask: u32,
    private: bool,
    deadline: Option<Monotonic>,
    restartable: bool,
) -> Result<u64> {
    if mask == 0 || !addr.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    // The word is compared and the waiter queued with nothing in between.
    let found: u32 = task.get(addr).await?;
    if found != expected {
        return Err(Errno::EAGAIN);
    }
    match sleep(task, key_of(task, addr, private), mask, 0, deadline).await {
        Ok(()) => Ok(0),
        Err(Errno::ETIMEDOUT) => Err(Errno::ETIMEDOUT),
        Err(errno) => match deadline {
            Some(until) if restartable => {
                let value = expected;
                task.restart.set(Some(Restart::Futex { addr, value, mask, private, until }));
                Err(Errno::ERESTART_RESTARTBLOCK)
            }
            _ => Err(errno),
        },
    }
}

/// Waits for a wake-up, which is not lost where it comes together with a signal or the end of the time.
async fn sleep(task: &Rc<Task>, key: Key, mask: u32, heir: u32, deadline: Option<Monotonic>) -> Result<()> {
    let table = &task.kernel.futexes;
    let waiting = Waiting { table, waiter: table.add(key, mask, heir) };
    let woken = std::future::poll_fn(|cx| {
        if waiting.waiter.woken.get() {
            return Poll::Ready(());
        }
        *waiting.waiter.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    });
    match task.until(deadline, woken).await {
        Ok(Some(())) => Ok(()),
        _ if waiting.waiter.woken.get() => Ok(()),
        Ok(None) => Err(Errno::ETIMEDOUT),
        Err(errno) => Err(errno),
    }
}

/// Whether a lock that is held is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// `FUTEX_TRYLOCK_PI`.
    Refuse,
    /// `FUTEX_LOCK_PI`.
    Wait(Option<Monotonic>),
}

/// Takes a lock whose word names its owner. There are no priorities that could be inherited: the longest waiter is next.
pub async fn lock_pi(task: &Rc<Task>, addr: u64, private: bool, held: Held) -> Result<u64> {
    let own = task.tid as u32;
    let word: u32 = task.get(addr).await?;
    match word & FUTEX_TID_MASK {
        0 => {
            let flags = word & (FUTEX_WAITERS | FUTEX_OWNER_DIED);
            return task.put(addr, &(own | flags)).await.map(|()| 0);
        }
        owner if owner == own => return Err(Errno::EDEADLK),
        owner if task.kernel.task(owner as i32).is_none() => return Err(Errno::ESRCH),
        _ => {}
    }
    let Held::Wait(deadline) = held else { return Err(Errno::EAGAIN) };
    task.put(addr, &(word | FUTEX_WAITERS)).await?;
    // Whoever wakes us has made us the owner.
    let key = key_of(task, addr, private);
    sleep(task, key, u32::MAX, own, deadline).await.map(|()| 0).map_err(|errno| match errno {
        Errno::ERESTARTSYS => Errno::ERESTARTNOINTR,
        other => other,
    })
}

/// Gives the lock to the longest waiter, or to nobody.
pub async fn unlock_pi(task: &Task, addr: u64, private: bool) -> Result<u64> {
    let word: u32 = task.get(addr).await?;
    if word & FUTEX_TID_MASK != task.tid as u32 {
        return Err(Errno::EPERM);
    }
    let next = task.kernel.futexes.next_owner(key_of(task, addr, private));
    task.put(addr, &word_of(next)).await?;
    Ok(0)
}

fn word_of(next: Option<(u32, bool)>) -> u32 {
    next.map_or(0, |(tid, more)| if more { tid | FUTEX_WAITERS } else { tid })
}

/// The owner of a robust lock died: its word after that, where somebody waits to be the next owner.
pub(crate) fn pass_on_after_death(task: &Task, addr: u64) -> Option<u32> {
    let table = &task.kernel.futexes;
    let next =
        table.next_owner(key_of(task, addr, true)).or_else(|| table.next_owner(key_of(task, addr, false)))?;
    Some(word_of(Some(next)) | FUTEX_OWNER_DIED)
}

/// Wakes waiters of a word of this program's memory.
pub fn wake(task: &Task, addr: u64, count: u32, mask: u32, private: bool) -> u32 {
    task.kernel.futexes.wake(key_of(task, addr, private), count, mask)
}

/// Wakes whoever waits on a word, however they named it: for the kernel's own wake-ups at thread exit.
pub fn wake_any(task: &Task, addr: u64, count: u32) -> u32 {
    let woken = wake(task, addr, count, u32::MAX, true);
    if woken > 0 { woken } else { wake(task, addr, count, u32::MAX, false) }
}
