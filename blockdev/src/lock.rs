//! A lock for tasks of one thread.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Excludes tasks of one thread from one another across awaits. Holds no data, takes waiters in order, and allocates
/// only where somebody waits. A waiter that gives up is skipped.
#[derive(Default)]
pub struct AsyncLock {
    held: Cell<bool>,
    waiters: RefCell<VecDeque<(u64, Waker)>>,
    next_ticket: Cell<u64>,
}

impl AsyncLock {
    /// A lock that nobody holds.
    pub fn new() -> AsyncLock {
        AsyncLock::default()
    }

    /// Waits until it is this caller's turn.
    pub fn lock(&self) -> impl Future<Output = AsyncLockGuard<'_>> {
        Acquire { lock: self, ticket: None }
    }

    fn wake_first(&self) {
        let first = self.waiters.borrow().front().map(|(_, waker)| waker.clone());
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

impl fmt::Debug for AsyncLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncLock({})", if self.held.get() { "held" } else { "free" })
    }
}

/// Possession of an [`AsyncLock`]; given up when dropped.
#[derive(Debug)]
pub struct AsyncLockGuard<'a>(&'a AsyncLock);

impl Drop for AsyncLockGuard<'_> {
    fn drop(&mut self) {
        self.0.held.set(false);
        self.0.wake_first();
    }
}

struct Acquire<'a> {
    lock: &'a AsyncLock,
    ticket: Option<u64>,
}

impl<'a> Future for Acquire<'a> {
    type Output = AsyncLockGuard<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AsyncLockGuard<'a>> {
        let lock = self.lock;
        let mut waiters = lock.waiters.borrow_mut();
        let my_turn = match (waiters.front(), self.ticket) {
            (None, _) => true,
            (Some((first, _)), Some(mine)) => *first == mine,
            (Some(_), None) => false,
        };
        if my_turn && !lock.held.get() {
            if self.ticket.take().is_some() {
                waiters.pop_front();
            }
            lock.held.set(true);
            return Poll::Ready(AsyncLockGuard(lock));
        }
        match self.ticket {
            Some(mine) => {
                if let Some((_, waker)) = waiters.iter_mut().find(|(ticket, _)| *ticket == mine) {
                    waker.clone_from(cx.waker());
                }
            }
            None => {
                let mine = lock.next_ticket.get();
                lock.next_ticket.set(mine.wrapping_add(1));
                waiters.push_back((mine, cx.waker().clone()));
                drop(waiters);
                self.ticket = Some(mine);
            }
        }
        Poll::Pending
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if let Some(mine) = self.ticket {
            self.lock.waiters.borrow_mut().retain(|(ticket, _)| *ticket != mine);
            if !self.lock.held.get() {
                self.lock.wake_first();
            }
        }
    }
}
