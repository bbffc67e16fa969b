//! Who watches a new revision, and what is kept meanwhile to go back to.

use std::sync::{Arc, Weak};
use std::time::Duration;

use skep_manifest::ProbationConfig;
use skep_runtime::Revision;
use skep_supervision::{EventKind, Probation, ProbationOptions, Verdict};
use skep_types::RevisionId;
use tokio::task::AbortHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::guard::calls::RevisionCalls;
use crate::guard::plugin_path;
use crate::node::Node;
use crate::plugin::Plugin;
use crate::spec::Settings;

/// How often the time is looked at. Bad revisions are noticed at the failure that decides.
const LOOK: Duration = Duration::from_millis(250);

/// A revision that may be put in service, and the count of its calls.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) revision: Arc<Revision>,
    pub(crate) calls: Arc<RevisionCalls>,
}

/// The revision that served before, ready to come back at once: nothing has to be compiled.
pub(crate) struct Predecessor {
    pub(crate) prepared: Prepared,
    pub(crate) settings: Arc<Settings>,
    /// Its drain, which must not go on once it is back.
    pub(crate) drain: AbortHandle,
    /// While this is held, the drain takes it for kept.
    pub(crate) _kept: Arc<()>,
}

/// A revision on probation. Dropping it ends the probation without a verdict, and lets the predecessor go.
pub(crate) struct OnProbation {
    pub(crate) revision: RevisionId,
    pub(crate) predecessor: Predecessor,
    _watch: AbortOnDropHandle<()>,
}

/// The engine for a revision that takes over now, if the manifest wants it watched.
pub(crate) fn probation(config: &ProbationConfig, old: &RevisionCalls, now: std::time::Instant) -> Option<Probation> {
    let ProbationConfig { enabled, time, calls } = *config;
    let options = ProbationOptions { length: time, calls: u64::from(calls), ..ProbationOptions::default() };
    enabled.then(|| Probation::new(options, old.record(), now))
}

impl OnProbation {
    /// Watches a revision until there is a verdict.
    pub(crate) fn start(new: &Prepared, predecessor: Predecessor, plugin: Weak<Plugin>, node: Weak<Node>) -> Self {
        let revision = new.revision.id().clone();
        let watch = watch(revision.clone(), Arc::clone(&new.calls), plugin, node);
        Self { revision, predecessor, _watch: AbortOnDropHandle::new(tokio::spawn(watch)) }
    }
}

async fn watch(revision: RevisionId, calls: Arc<RevisionCalls>, plugin: Weak<Plugin>, node: Weak<Node>) {
    loop {
        tokio::select! {
            () = calls.alarm() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let (Some(plugin), Some(node)) = (plugin.upgrade(), node.upgrade()) else { return };
        match calls.verdict(plugin.guards().clock().now()) {
            Verdict::Undecided => {}
            Verdict::Good => {
                // This ends the task at its next await, and there is none.
                drop(plugin.end_probation(&revision));
                plugin.background().settle();
                let (guards, passed) = (plugin.guards(), EventKind::ProbationPassed { revision: revision.to_string() });
                guards.bus().publish(guards.clock().wall(), plugin_path(plugin.name()), passed);
                return;
            }
            Verdict::Bad { new_ratio, old_ratio } => {
                // A task of its own: the rollback ends the probation, and this task with it.
                tokio::spawn(async move { node.take_back(&plugin, &revision, new_ratio, old_ratio).await });
                return;
            }
        }
    }
}
