//! Deletes what has ended.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{Error, JobState};

use crate::core::Core;
use crate::time::millis;

/// The most rows of one step, so that others get to the store in between.
const STEP: usize = 1000;
/// The most steps of one kind in a round; what is left is for the next one, which comes at once.
const STEPS: usize = 100;

/// Runs until the service stops.
pub(crate) async fn run(core: Arc<Core>) {
    while core.rest(core.options.prune_every).await {
        loop {
            match round(&core).await {
                Ok(true) if core.rest(Duration::ZERO).await => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "what has ended cannot be deleted; it is tried again later");
                    break;
                }
            }
        }
    }
}

/// Whether there is more.
async fn round(core: &Core) -> Result<bool, Error> {
    let retention = core.options.retention;
    let kinds = [
        (JobState::Completed, retention.completed),
        (JobState::Cancelled, retention.cancelled),
        (JobState::Discarded, retention.discarded),
    ];
    let mut more = false;
    for (state, stays) in kinds {
        let before = core.time.wall().saturating_sub(millis(stays));
        more |= steps(core, || core.store.prune(state, before, STEP)).await?;
    }
    more |= steps(core, || core.store.expire(core.time.wall(), STEP)).await?;
    Ok(more)
}

/// Whether there is more.
async fn steps(core: &Core, step: impl Fn() -> skep_store::StoreFuture<u64>) -> Result<bool, Error> {
    for _ in 0..STEPS {
        if core.stopping.is_cancelled() || step().await? < STEP as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}
