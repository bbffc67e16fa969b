//! Where a call runs: on the event loop of its client's connection while it is short, else at home, on workers that share their tasks.
//!
//! A loop answers short calls fastest, and nobody helps one that is busy. So a call that uses up a slice of fuel goes home with its
//! guest, as does what outlives an answer: there the next free worker takes it, and the loop goes on with its other clients.

use std::pin::Pin;
use std::task::{Context, Poll};

use skep_types::{Failure, FailureKind, Phase};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// A runtime whose workers share their tasks.
#[derive(Clone, Debug)]
pub struct Home(Handle);

/// What runs at home for somebody elsewhere. Dropping it cancels it.
pub struct AtHome<T>(AbortOnDropHandle<Result<T, Failure>>);

impl Home {
    /// The runtime that this is called in.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Whether this is called there.
    pub(crate) fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.0.id())
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.0.metrics().num_workers()
    }

    /// For what nobody waits for.
    pub(crate) fn handle(&self) -> &Handle {
        &self.0
    }

    /// Has somebody's work done there.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T, Failure>> + Send + 'static) -> AtHome<T> {
        AtHome(AbortOnDropHandle::new(self.0.spawn(work)))
    }
}

impl<T> Future for AtHome<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|ended| {
            ended.unwrap_or_else(|error| Err(Failure::new(FailureKind::Internal, Phase::Handle, error.to_string())))
        })
    }
}
