//! One attempt: who performs it, and how it is told to stop.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use skep_store::Job;
use tokio_util::sync::CancellationToken;

use crate::outcome::Outcome;
use crate::time::Time;

/// Why an attempt is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// An operator, or another job, cancelled the job. What comes of the attempt is not kept.
    Cancelled,
    /// Somebody else has the job. What comes of the attempt is not kept.
    LeaseLost,
    /// The host shuts down and its grace is over. If it is done all the same that is kept, else the job is given back.
    Shutdown,
}

/// Told to an attempt that it is to stop. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    token: CancellationToken,
    reason: OnceLock<StopReason>,
}

impl Stop {
    /// Raises it. The first reason stays.
    pub(crate) fn raise(&self, reason: StopReason) {
        // The reason first, for those who wake up.
        let _ = self.0.reason.set(reason);
        self.0.token.cancel();
    }

    /// Why, if it was raised.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.0.reason.get().copied()
    }

    /// Resolves when it is raised. Cancelling the wait changes nothing.
    pub async fn raised(&self) -> StopReason {
        self.0.token.cancelled().await;
        self.reason().unwrap_or(StopReason::Shutdown)
    }

    /// For those who want to be told by a token.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0.token
    }
}

/// What an attempt is told beside its job.
#[derive(Clone, Debug)]
pub struct AttemptContext {
    /// When it is raised, the attempt has [`stop_grace`](crate::Options::stop_grace) to end; then its future is dropped.
    pub stop: Stop,
    /// The wall time that its definition gives it, if it does. Keeping it is up to the performer.
    pub timeout: Option<Duration>,
    /// From when the job could have begun until it began.
    pub waited: Duration,
}

/// An attempt under way.
pub type Performing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Does jobs. A panic is caught and counts as a crash.
pub trait Performer: Send + Sync + 'static {
    /// Performs one attempt, whose number is the job's. The future may be dropped at any await.
    fn perform(&self, job: Job, attempt: AttemptContext) -> Performing;
}

impl<F, P> Performer for F
where
    F: Fn(Job, AttemptContext) -> P + Send + Sync + 'static,
    P: Future<Output = Outcome> + Send + 'static,
{
    fn perform(&self, job: Job, attempt: AttemptContext) -> Performing {
        Box::pin(self(job, attempt))
    }
}

/// Runs an attempt to its end, which it always has: a panic is caught, and one that does not stop is dropped.
pub(crate) async fn run(
    performer: Arc<dyn Performer>,
    job: Job,
    context: AttemptContext,
    time: &Time,
    stop_grace: Duration,
) -> Outcome {
    let stop = context.stop.clone();
    // The performer, which may be a whole revision, goes with the attempt.
    let performing = AssertUnwindSafe(async move { performer.perform(job, context).await }).catch_unwind();
    let overdue = async {
        stop.raised().await;
        time.sleep(stop_grace).await;
    };
    tokio::select! {
        biased;
        outcome = performing => outcome.unwrap_or_else(|panic| Outcome::Crashed(panicked(panic.as_ref()))),
        () = overdue => Outcome::Crashed("it did not stop when it was told to".to_owned()),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the host panicked: {}", text.unwrap_or("without a word"))
}
