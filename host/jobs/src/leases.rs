//! Extends the leases of live attempts, and takes jobs over whose workers are dead.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::{Core, Phase};

/// The most leases of one step.
const STEP: usize = 1000;
/// Between two looks at most a third of a lease passes, and at least this.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Runs until the last worker has ended, since what runs while the host drains keeps its leases too.
///
/// Own leases are extended before those of others are looked at, and nothing is taken over while that fails, so that a live
/// attempt is never taken for a dead one by its own host, however long the host was stopped.
pub(crate) async fn run(core: Arc<Core>) {
    let nobody = Notify::new();
    loop {
        let third = (core.options.lease / 3).max(PAUSE_MIN);
        let pause = match keep(&core).await {
            Ok(next) => next.map_or(third, |next| next.clamp(PAUSE_MIN, third)),
            Err(error) => {
                tracing::warn!(%error, "leases cannot be extended");
                if !core.options.alone {
                    core.held.stop_expired(core.time.wall());
                }
                third.min(Duration::from_millis(500))
            }
        };
        if !core.pause(pause, &nobody, &core.stopped).await {
            return;
        }
    }
}

/// One look; answers when the next lease of anybody runs out.
async fn keep(core: &Core) -> Result<Option<Duration>, skep_store::Error> {
    let now = core.time.wall();
    // Those that were extended at the last look but one, or earlier.
    let before = now.saturating_add(core.lease_ms() / 3 * 2).saturating_add(1);
    for leases in core.held.ending(before).chunks(STEP) {
        let now = core.time.wall();
        let until = now.saturating_add(core.lease_ms());
        let lost = core.store.heartbeat(leases.to_vec(), now, until).await?;
        core.held.extended(leases, &lost, until);
    }
    if core.phase() != Phase::Running {
        return Ok(None);
    }
    loop {
        let (reclaimed, next) = core.store.reclaim(core.time.wall(), STEP).await?;
        for id in &reclaimed {
            tracing::warn!(job = %id, "a worker is dead: its job is taken over");
        }
        if !reclaimed.is_empty() {
            // One that had its last attempt is not available again, and yet its place in a capped queue came free.
            core.wake_all();
        }
        if reclaimed.len() < STEP {
            return Ok(next.map(|at| core.time.until(at).saturating_add(Duration::from_millis(1))));
        }
    }
}
