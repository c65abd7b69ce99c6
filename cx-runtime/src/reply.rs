//! Results that come while the host turns the machine.

use futures::channel::oneshot;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The result of a job of the machine, some turns from now. A host that has an executor awaits it; one that has a loop
/// looks with [`Reply::take`] between turns. Dropping it does not stop the job.
pub struct Reply<T>(oneshot::Receiver<T>);

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// The machine was shut down before the job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the machine was shut down")
    }
}

impl std::error::Error for ShutDown {}

impl<T> Reply<T> {
    pub(crate) fn new(receiver: oneshot::Receiver<T>) -> Reply<T> {
        Reply(receiver)
    }

    /// The result if it is there: none before, and none once taken.
    pub fn take(&mut self) -> Result<Option<T>, ShutDown> {
        self.0.try_recv().map_err(|_| ShutDown)
    }
}

impl<T> Future for Reply<T> {
    type Output = Result<T, ShutDown>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| ShutDown)
    }
}
