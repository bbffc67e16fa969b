//! Makes jobs available whose time has come.

use std::sync::Arc;

use crate::core::Core;
use crate::retry::Retry;

/// The most jobs of one step, so that others get to the store in between.
const STEP: usize = 1000;

/// Runs until the service stops. It waits for the time of the next job, which the store tells, or for word of an earlier one;
/// and looks now and then, because another node may have put one off.
pub(crate) async fn run(core: Arc<Core>) {
    let mut retry = Retry::default();
    loop {
        // Word that comes from now on is of what this step may not have seen.
        *core.wakes.due.lock() = None;
        let pause = match core.store.stage(core.time.wall(), STEP).await {
            Ok((_, next)) => {
                retry.succeeded();
                let heard = *core.wakes.due.lock();
                let next = next.into_iter().chain(heard).min();
                next.map_or(core.options.poll, |at| core.time.until(at).min(core.options.poll))
            }
            Err(error) => {
                let pause = retry.failed();
                tracing::warn!(%error, again_in = ?pause, "due jobs cannot be made available");
                if !core.rest(pause).await {
                    return;
                }
                continue;
            }
        };
        if !core.pause(pause, &core.wakes.staging, &core.stopping).await {
            return;
        }
    }
}
