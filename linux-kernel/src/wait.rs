//! Wait queues: how anything in the kernel waits for anything else.
//!
//! The pattern is `loop { if condition { break } queue.wait().await }`. Nothing runs between the test and the
//! wait, so no wake-up is lost.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Something that changes, and those who wait for it.
#[derive(Default)]
pub struct WaitQueue {
    sequence: Cell<u64>,
    waiters: RefCell<Vec<Waker>>,
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WaitQueue(#{}, {} waiting)", self.sequence.get(), self.waiters.borrow().len())
    }
}

impl WaitQueue {
    /// A queue nobody waits on.
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }

    /// Something changed: everybody looks again.
    pub fn wake_all(&self) {
        self.sequence.set(self.sequence.get() + 1);
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        for waker in waiters {
            waker.wake();
        }
    }

    /// Number of changes so far. Edge-triggered epoll compares it.
    pub fn sequence(&self) -> u64 {
        self.sequence.get()
    }

    /// Completes at the next [`WaitQueue::wake_all`] after this call.
    pub fn wait(&self) -> Wait<'_> {
        Wait { queue: self, seen: self.sequence.get() }
    }

    /// Wakes this waker at the next change. For futures that wait on several queues.
    pub fn register(&self, waker: &Waker) {
        let mut waiters = self.waiters.borrow_mut();
        if !waiters.iter().any(|known| known.will_wake(waker)) {
            waiters.push(waker.clone());
        }
    }
}

/// Future of [`WaitQueue::wait`].
#[derive(Debug)]
pub struct Wait<'a> {
    queue: &'a WaitQueue,
    seen: u64,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.queue.sequence.get() != self.seen {
            return Poll::Ready(());
        }
        self.queue.register(cx.waker());
        Poll::Pending
    }
}

/// Waits until any of several queues changes.
pub async fn wait_any(queues: &[&WaitQueue]) {
    let seen: Vec<u64> = queues.iter().map(|queue| queue.sequence()).collect();
    std::future::poll_fn(|cx| {
        if queues.iter().zip(&seen).any(|(queue, seen)| queue.sequence() != *seen) {
            return Poll::Ready(());
        }
        queues.iter().for_each(|queue| queue.register(cx.waker()));
        Poll::Pending
    })
    .await;
}
