//! A child as a future, and the guard that reports its end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::handle::{Environment, Handle};
use super::inbox::{Inbox, Letter};
use super::signal::Signal;
use crate::exit::ExitReason;
use crate::tree::{ChildSpec, Run};

type ChildFuture = Pin<Box<dyn Future<Output = Result<(), ExitReason>> + Send>>;
type Factory = Arc<dyn Fn(ChildContext) -> ChildFuture + Send + Sync>;

/// A child: how it is supervised, and how it is made each time that it is started.
#[derive(Clone)]
pub struct Child {
    pub(super) spec: ChildSpec,
    pub(super) factory: Factory,
    pub(super) announces: bool,
}

impl Child {
    /// A child that counts as started at once. `Ok` ends it as `Normal`, or as `Shutdown` once it was told to stop.
    pub fn new<F, R>(spec: ChildSpec, make: F) -> Self
    where
        F: Fn(ChildContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        Self { spec, factory: Arc::new(move |context| Box::pin(make(context))), announces: false }
    }

    /// The same, but it counts as started when it calls [`ChildContext::ready`], and an end before that as a failed
    /// start. Its supervisor starts the next child only then, as OTP waits for `init`; a shutdown does not wait.
    #[must_use]
    pub fn announces(self) -> Self {
        Self { announces: true, ..self }
    }
}

/// What a child is given.
#[derive(Clone)]
pub struct ChildContext {
    pub(super) run: Run,
    pub(super) stop: Signal,
    pub(super) inbox: Arc<Inbox>,
    pub(super) environment: Environment,
    pub(super) path: Arc<str>,
    /// Where a nested supervisor leaves its handle.
    pub(super) nested: Arc<Mutex<Option<Handle>>>,
}

impl ChildContext {
    /// Waits until the child is told to stop. It then has the time of its spec to end.
    pub async fn stopping(&self) {
        self.stop.raised().await;
    }

    /// Whether the child was told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_raised()
    }

    /// Says that the child has started, for one that [`announces`](Child::announces). Once is enough.
    pub fn ready(&self) {
        // Refused only when the supervisor is gone, and with it whoever waited.
        let _ = self.inbox.post(Letter::Started(self.run));
    }

    /// The child's name from the root.
    #[must_use]
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Clock and bus.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// The task of a child: its future, and the duty to report its end.
pub(super) struct Guarded {
    future: Option<ChildFuture>,
    run: Run,
    stop: Signal,
    inbox: Arc<Inbox>,
    reported: bool,
}

impl Guarded {
    pub(super) fn new(factory: Factory, context: ChildContext) -> Self {
        let (run, stop, inbox) = (context.run, context.stop.clone(), Arc::clone(&context.inbox));
        // The factory runs inside of the future, so that its panic is one of the child.
        let future: ChildFuture = Box::pin(async move { factory(context).await });
        Self { future: Some(future), run, stop, inbox, reported: false }
    }

    /// Drops the future, then reports. A panic while dropping outweighs what the future returned.
    fn report(&mut self, reason: ExitReason) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let future = self.future.take();
        let reason = match catch_unwind(AssertUnwindSafe(|| drop(future))) {
            Ok(()) => reason,
            Err(panic) => panicked(panic.as_ref()),
        };
        // Refused only when the supervisor is gone; it tells those who monitor.
        let _ = self.inbox.post(Letter::Over(self.run, reason));
    }
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(future) = self.future.as_mut() else { return Poll::Ready(()) };
        let reason = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) if self.stop.is_raised() => ExitReason::Shutdown,
            Ok(Poll::Ready(Ok(()))) => ExitReason::Normal,
            Ok(Poll::Ready(Err(reason))) => reason,
            Err(panic) => panicked(panic.as_ref()),
        };
        self.report(reason);
        Poll::Ready(())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.report(ExitReason::Killed);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> ExitReason {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
    ExitReason::Panicked { message: message.unwrap_or_else(|| "(no message)".to_owned()) }
}
