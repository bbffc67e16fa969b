//! Calls of guests on their way. A panic in one is a crash of its channel, and not of the socket.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use crate::port::{Action, Body, Channel, ChannelHandler, Crash, Joined, RawAction, Working};
use crate::wire::Ref;

/// A call, and the channel that is busy with it.
pub(crate) struct Running {
    pub(crate) serial: u32,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Join { reference: Ref, work: Working<Result<Joined, Body>> },
    Act { reference: Option<Ref>, work: Working<Vec<Action>> },
    Raw(Working<Vec<RawAction>>),
    End(JoinHandle<()>),
}

/// What came of a call.
pub(crate) struct Done {
    pub(crate) serial: u32,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    Join { reference: Ref, result: Result<Result<Joined, Body>, Crash> },
    Act { reference: Option<Ref>, result: Result<Vec<Action>, Crash> },
    Raw(Result<Vec<RawAction>, Crash>),
    End,
}

impl Future for Running {
    type Output = Done;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let outcome = match &mut self.work {
            Work::Join { reference, work } => {
                let result = ready!(guarded(work, cx));
                Outcome::Join { reference: std::mem::take(reference), result }
            }
            Work::Act { reference, work } => {
                let result = ready!(guarded(work, cx));
                Outcome::Act { reference: reference.take(), result }
            }
            Work::Raw(work) => Outcome::Raw(ready!(guarded(work, cx))),
            Work::End(task) => {
                // However it ended: nothing hangs on it.
                _ = ready!(Pin::new(task).poll(cx));
                Outcome::End
            }
        };
        Poll::Ready(Done { serial: self.serial, outcome })
    }
}

fn guarded<T>(work: &mut Working<T>, cx: &mut Context<'_>) -> Poll<Result<T, Crash>> {
    catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))).unwrap_or_else(|_| Poll::Ready(Err(panicked())))
}

/// Makes the future of a call; one that panics already while it is made crashes as any other.
pub(crate) fn begin<T: Send + 'static>(call: impl FnOnce() -> Working<T>) -> Working<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Box::pin(std::future::ready(Err(panicked()))))
}

fn panicked() -> Crash {
    Crash::new("the host's own code panicked")
}

/// Tells a handler that a channel has ended. What it says does not matter any more.
pub(crate) async fn terminate(handler: Arc<dyn ChannelHandler>, channel: Channel, reason: String) {
    let id = channel.id;
    let told = AssertUnwindSafe(async { handler.terminate(channel, reason).await }).catch_unwind().await;
    if let Ok(Err(crash)) = told {
        tracing::debug!(channel = %id, %crash, "a channel's end was told to nobody");
    }
}
