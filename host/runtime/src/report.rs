//! The end of a call, told once.

use std::sync::Arc;

use skep_types::{Failure, FailureKind, Usage};

use crate::body::now;
use crate::revision::Revision;
use crate::stats::CallStats;

/// Reports the end of a call when it is told, or as a client that left when it is dropped.
pub(crate) struct Report {
    revision: Arc<Revision>,
    stats: Arc<CallStats>,
    told: bool,
    gone: &'static str,
}

impl Report {
    pub(crate) fn new(revision: Arc<Revision>, stats: Arc<CallStats>) -> Self {
        Self { revision, stats, told: false, gone: "the client closed the connection" }
    }

    /// The same for a call that no client waits for: what it means when it is dropped.
    pub(crate) fn or_gone(mut self, gone: &'static str) -> Self {
        self.gone = gone;
        self
    }

    /// Whose call it is.
    pub(crate) fn revision(&self) -> &Arc<Revision> {
        &self.revision
    }

    pub(crate) fn end(mut self, outcome: Result<u16, &Failure>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<u16, &Failure>) {
        self.told = true;
        let dropped = self.stats.log_dropped();
        if dropped > 0 {
            tracing::warn!(
                plugin = %self.stats.plugin(),
                request_id = %self.stats.request_id(),
                limit = "log",
                "the call's log is over {}, {dropped} bytes are dropped",
                self.revision.limits().log
            );
        }
        let usage = Usage {
            fuel: self.stats.fuel_used(),
            memory: self.stats.memory_peak(),
            wall: now().saturating_duration_since(self.stats.started),
        };
        self.revision.observer().ended(self.stats.call(), outcome, usage);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.told {
            let failure = Failure::new(FailureKind::ClientGone, self.stats.phase(), self.gone);
            self.tell(Err(&failure));
        }
    }
}
