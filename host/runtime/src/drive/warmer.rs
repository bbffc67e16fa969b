//! `skep:plugin/cache-warmer`: a call that nobody waits for but the host.

use std::pin::pin;
use std::sync::Arc;

use skep_types::{Call, Failure, FailureKind, Phase};

use crate::fair::Fair;
use crate::instance::Running;
use crate::report::Report;
use crate::revision::{Guest, Revision, Role};
use crate::stats::CallStats;

/// What a warmer's success is counted as: it has no answer.
const DONE: u16 = 204;

impl Revision {
    /// Runs a warmer in a fresh instance, under the plugin's limits: its deadline, its fuel, its concurrency. Dropping
    /// the future cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without a result; the inner error is the guest's own refusal.
    pub async fn run_warmer(self: &Arc<Self>, call: Call, name: &str) -> Result<Result<(), String>, Failure> {
        let stats = self.stats(call, None);
        let report = Report::new(Arc::clone(self), Arc::clone(&stats));
        let deadline = tokio::time::Instant::from_std(stats.deadline);
        let work = pin!(run(self, &stats, name));
        let ended = tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| Err(self.too_late(&stats)));
        report.end(ended.as_ref().map(|_| DONE));
        ended
    }
}

async fn run(revision: &Arc<Revision>, stats: &Arc<CallStats>, name: &str) -> Result<Result<(), String>, Failure> {
    stats.enter(Phase::Queue);
    let _admitted = revision.admission().enter().await?;
    let work = async {
        let mut running = Running::start(revision, stats, name.len(), Role::Warmer).await?;
        let Some((store, Guest::Warmers(guest))) = running.parts() else {
            return Err(Failure::new(FailureKind::Internal, Phase::Handle, "not an instance of a warmer"));
        };
        let warmed = guest.skep_plugin_cache_warmer().call_warm(store, name).await;
        warmed.map_err(|error| running.failed(&error))
    };
    Fair::new(pin!(work), Arc::clone(revision.fair()), revision.party()).await
}
