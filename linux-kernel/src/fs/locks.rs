//! Advisory file locks: `flock` (by open file description) and `fcntl` (by process, or by description for `F_OFD_*`).

use crate::file::{OpenFile, Result};
use crate::task::{Pid, Process, Task};
use crate::wait::WaitQueue;
use linux_abi::Errno;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process (`F_SETLK`).
    Process(Pid),
    /// An open file description (`flock`, `F_OFD_SETLK`), by address.
    Description(usize),
}

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `F_RDLCK`, `LOCK_SH`.
    Shared,
    /// `F_WRLCK`, `LOCK_EX`.
    Exclusive,
}

/// A held range; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Holder.
    pub owner: Owner,
    /// Shared or exclusive.
    pub kind: Kind,
    /// First byte.
    pub start: u64,
    /// One past the last byte; `u64::MAX` is "to the end".
    pub end: u64,
}

/// Which of the two independent families of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `flock`.
    Flock,
    /// `fcntl`.
    Range,
}

/// Device, inode number and family.
type Key = (u64, u64, Family);

/// All locks of a machine.
#[derive(Debug, Default)]
pub struct LockTable {
    held: RefCell<HashMap<Key, Vec<Held>>>,
    /// What processes wait for now.
    waiting: RefCell<Vec<(Key, Held)>>,
    changed: WaitQueue,
}

/// A process that waits, for as long as this lives.
struct Waiting<'a>(&'a LockTable, Key, Held);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.borrow_mut();
        if let Some(index) = waiting.iter().position(|known| *known == (self.1, self.2)) {
            waiting.swap_remove(index);
        }
    }
}

/// Identity of a file for locks.
fn key_of(file: &OpenFile, family: Family) -> Key {
    let inode = file.path.inode();
    (inode.device(), inode.attributes().ino, family)
}

/// The owner that an open file description is.
pub fn description_owner(file: &OpenFile) -> Owner {
    Owner::Description(std::ptr::from_ref(file) as usize)
}

impl LockTable {
    /// A lock that stands in the way.
    pub fn conflict(&self, file: &OpenFile, family: Family, wanted: Held) -> Option<Held> {
        self.conflict_at(key_of(file, family), wanted)
    }

    fn conflict_at(&self, key: Key, wanted: Held) -> Option<Held> {
        let held = self.held.borrow();
        held.get(&key)?.iter().copied().find(|lock| {
            lock.owner != wanted.owner
                && lock.start < wanted.end
                && wanted.start < lock.end
                && (lock.kind == Kind::Exclusive || wanted.kind == Kind::Exclusive)
        })
    }

    /// Gives up a range; what was held around it stays.
    pub fn release(&self, file: &OpenFile, family: Family, owner: Owner, start: u64, end: u64) {
        self.cut(key_of(file, family), owner, start, end);
        self.changed.wake_all();
    }

    fn cut(&self, key: Key, owner: Owner, start: u64, end: u64) {
        let mut held = self.held.borrow_mut();
        let Some(locks) = held.get_mut(&key) else { return };
        let mut kept = Vec::with_capacity(locks.len() + 1);
        for lock in locks.drain(..) {
            if lock.owner != owner || lock.end <= start || end <= lock.start {
                kept.push(lock);
                continue;
            }
            if lock.start < start {
                kept.push(Held { end: start, ..lock });
            }
            if lock.end > end {
                kept.push(Held { start: end, ..lock });
            }
        }
        if kept.is_empty() {
            held.remove(&key);
        } else {
            *locks = kept;
        }
    }

    /// Takes a lock, or gives `EAGAIN`.
    pub fn try_acquire(&self, file: &OpenFile, family: Family, wanted: Held) -> Result<()> {
        if self.conflict(file, family, wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        let key = key_of(file, family);
        self.cut(key, wanted.owner, wanted.start, wanted.end);
        let mut held = self.held.borrow_mut();
        let locks = held.entry(key).or_default();
        let mut joined = wanted;
        // Neighbours of one kind are one lock (fcntl(2), "coalescing"): F_GETLK shows it.
        locks.retain(|lock| {
            let joins = lock.owner == wanted.owner
                && lock.kind == wanted.kind
                && (lock.end == wanted.start || lock.start == wanted.end);
            if joins {
                joined.start = joined.start.min(lock.start);
                joined.end = joined.end.max(lock.end);
            }
            !joins
        });
        // By position, as F_GETLK gives the first in the way.
        let at = locks.partition_point(|lock| lock.start <= joined.start);
        locks.insert(at, joined);
        drop(held);
        self.changed.wake_all();
        Ok(())
    }

    /// Whether the process that waits for this lock waits for itself, through others that wait.
    fn deadlocks(&self, key: Key, wanted: Held) -> bool {
        let mut step = self.conflict_at(key, wanted);
        // As many steps as there are processes that wait: then it is a ring that we are not in.
        for _ in 0..=self.waiting.borrow().len() {
            let Some(blocker) = step else { return false };
            let next = self.waiting.borrow().iter().copied().find(|(_, lock)| lock.owner == blocker.owner);
            let Some((key, lock)) = next else { return false };
            step = self.conflict_at(key, lock);
            if step.is_some_and(|blocker| blocker.owner == wanted.owner) {
                return true;
            }
        }
        false
    }

    /// Takes a lock, waiting for it. `EDEADLK` where processes would wait for each other (fcntl(2)).
    pub async fn acquire(
        &self,
        task: &Rc<Task>,
        file: &OpenFile,
        family: Family,
        wanted: Held,
    ) -> Result<()> {
        if self.try_acquire(file, family, wanted).is_ok() {
            return Ok(());
        }
        let key = key_of(file, family);
        // Only what a process owns is looked into: a description may be let go by anybody who has it.
        let owned = matches!(wanted.owner, Owner::Process(_));
        if owned && self.deadlocks(key, wanted) {
            return Err(Errno::EDEADLK);
        }
        let _waiting = owned.then(|| {
            self.waiting.borrow_mut().push((key, wanted));
            Waiting(self, key, wanted)
        });
        task.wait_until(&self.changed, || self.try_acquire(file, family, wanted).ok()).await
    }

    /// A process closed a descriptor of a file: all its `fcntl` locks on it go (fcntl(2)).
    pub fn closed_by(&self, process: &Process, file: &OpenFile) {
        if self.held.borrow().is_empty() {
            return;
        }
        self.cut(key_of(file, Family::Range), Owner::Process(process.pid), 0, u64::MAX);
        self.changed.wake_all();
    }

    /// The last descriptor of a description went.
    pub fn description_gone(&self, file: &OpenFile) {
        if self.held.borrow().is_empty() {
            return;
        }
        let owner = description_owner(file);
        self.cut(key_of(file, Family::Flock), owner, 0, u64::MAX);
        self.cut(key_of(file, Family::Range), owner, 0, u64::MAX);
        self.changed.wake_all();
    }

    /// A process ended.
    pub fn process_gone(&self, pid: Pid) {
        let mut held = self.held.borrow_mut();
        held.values_mut().for_each(|locks| locks.retain(|lock| lock.owner != Owner::Process(pid)));
        held.retain(|_, locks| !locks.is_empty());
        drop(held);
        self.changed.wake_all();
    }
}
