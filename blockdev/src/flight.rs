//! One piece of work that several tasks wait for, and that any of them drives.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

enum State<T> {
    Running(Pin<Box<dyn Future<Output = T>>>),
    /// Being polled further up the stack.
    Busy,
    Done(T),
}

/// A shared future of one thread. Whoever waits polls it; when a waiter goes away the others go on, and when all go
/// it stays where it was until somebody waits again. So work that must not stop half way survives its caller.
pub struct Flight<T> {
    state: RefCell<State<T>>,
    waiters: RefCell<Vec<(u64, Waker)>>,
    next_waiter: Cell<u64>,
}

impl<T: Clone + 'static> Flight<T> {
    /// Work that nobody drives yet.
    pub fn new(work: impl Future<Output = T> + 'static) -> Rc<Flight<T>> {
        Rc::new(Flight {
            state: RefCell::new(State::Running(Box::pin(work))),
            waiters: RefCell::new(Vec::new()),
            next_waiter: Cell::new(0),
        })
    }

    /// Whether the result is there.
    pub fn is_done(&self) -> bool {
        matches!(*self.state.borrow(), State::Done(_))
    }

    /// Drives the work one step if nobody waits for it (who waits drives it anyway).
    pub fn poke(&self) {
        if self.waiters.borrow().is_empty() {
            let _ = self.poll_work(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Drives the work to its end and gives the result.
    pub fn wait(self: &Rc<Self>) -> impl Future<Output = T> + use<T> {
        let number = self.next_waiter.get();
        self.next_waiter.set(number.wrapping_add(1));
        Wait { flight: self.clone(), number }
    }

    fn poll_work(&self, cx: &mut Context<'_>) -> Poll<T> {
        let taken = core::mem::replace(&mut *self.state.borrow_mut(), State::Busy);
        let (next, result) = match taken {
            State::Running(mut work) => match work.as_mut().poll(cx) {
                Poll::Ready(value) => {
                    drop(work);
                    (State::Done(value.clone()), Poll::Ready(value))
                }
                Poll::Pending => (State::Running(work), Poll::Pending),
            },
            State::Done(value) => (State::Done(value.clone()), Poll::Ready(value)),
            State::Busy => (State::Busy, Poll::Pending),
        };
        *self.state.borrow_mut() = next;
        result
    }

    fn wake_all(&self) {
        let waiters = core::mem::take(&mut *self.waiters.borrow_mut());
        waiters.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state.try_borrow().as_deref() {
            Ok(State::Done(_)) => "Flight(done)",
            _ => "Flight(running)",
        })
    }
}

struct Wait<T: Clone + 'static> {
    flight: Rc<Flight<T>>,
    number: u64,
}

impl<T: Clone + 'static> Future for Wait<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // The work remembers the waker of its last poll only. That task wakes the rest, at the end or when it leaves.
        {
            let mut waiters = self.flight.waiters.borrow_mut();
            match waiters.iter_mut().find(|(number, _)| *number == self.number) {
                Some((_, waker)) => waker.clone_from(cx.waker()),
                None => waiters.push((self.number, cx.waker().clone())),
            }
        }
        let result = self.flight.poll_work(cx);
        if result.is_ready() {
            self.flight.waiters.borrow_mut().retain(|(number, _)| *number != self.number);
            self.flight.wake_all();
        }
        result
    }
}

impl<T: Clone + 'static> Drop for Wait<T> {
    fn drop(&mut self) {
        let was_waiting = {
            let mut waiters = self.flight.waiters.borrow_mut();
            let before = waiters.len();
            waiters.retain(|(number, _)| *number != self.number);
            waiters.len() != before
        };
        if was_waiting {
            self.flight.wake_all();
        }
    }
}
