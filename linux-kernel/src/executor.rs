//! A deterministic single-threaded executor: guest threads and kernel services are its futures.
//!
//! Ready tasks run in the order in which they became ready. Nothing here reads a clock or blocks the host.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Job = Pin<Box<dyn Future<Output = ()>>>;

#[derive(Default)]
struct ReadyQueue(Mutex<VecDeque<u64>>);

impl ReadyQueue {
    fn push(&self, id: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
    }

    fn pop(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct JobWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<ReadyQueue>,
}

impl Wake for JobWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.push(self.id);
        }
    }
}

struct Slot {
    /// Taken out while it runs.
    job: Option<Job>,
    wake: Arc<JobWaker>,
    waker: Waker,
}

/// The executor.
#[derive(Default)]
pub(crate) struct Executor {
    slots: RefCell<HashMap<u64, Slot>>,
    ready: Arc<ReadyQueue>,
    next_id: Cell<u64>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executor({} jobs)", self.slots.borrow().len())
    }
}

impl Executor {
    /// Adds a job; it runs at the next turn.
    pub(crate) fn spawn(&self, job: impl Future<Output = ()> + 'static) {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let wake = Arc::new(JobWaker { id, queued: AtomicBool::new(true), ready: self.ready.clone() });
        let waker = Waker::from(wake.clone());
        self.slots.borrow_mut().insert(id, Slot { job: Some(Box::pin(job)), wake, waker });
        self.ready.push(id);
    }

    /// Polls one ready job. False where none is ready.
    pub(crate) fn run_one(&self) -> bool {
        let Some(id) = self.ready.pop() else { return false };
        let taken = self.slots.borrow_mut().get_mut(&id).and_then(|slot| {
            slot.wake.queued.store(false, Ordering::Relaxed);
            Some((slot.job.take()?, slot.waker.clone()))
        });
        let Some((mut job, waker)) = taken else { return true };
        let done = job.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(());
        if done {
            let slot = self.slots.borrow_mut().remove(&id);
            drop(job);
            drop(slot);
        } else if let Some(slot) = self.slots.borrow_mut().get_mut(&id) {
            slot.job = Some(job);
        }
        true
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Drops every job.
    pub(crate) fn clear(&self) {
        let slots = std::mem::take(&mut *self.slots.borrow_mut());
        drop(slots);
    }
}

/// Lets every other ready job run first.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
