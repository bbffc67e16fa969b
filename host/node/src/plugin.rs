//! One plugin of a node: its current revision, the swap to the next one, the drain of the last.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::request::Parts;
use parking_lot::Mutex;
use skep_runtime::{Opened, Opening, Revision};
use skep_types::{Call, Failure, FailureKind, Phase, PluginName, RevisionId, SharedObserver};
use tokio::task::AbortHandle;

use crate::background::{Background, Services};
use crate::guard::Guards;
use crate::guard::calls::{RevisionCalls, Watched};
use crate::guard::probation::{OnProbation, Predecessor, Prepared, probation};
use crate::meter::{Meter, Tally};
use crate::node::Node;
use crate::spec::Settings;
use crate::store::{Origin, PluginStore};
use crate::streams::Streams;

/// How often a draining revision is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Why a plugin has no revision in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// A program that it needs is not there.
    Skipped(String),
    /// Its component does not build or load.
    Failed(String),
}

/// A plugin. It stays the same object through all its revisions, so that routes never change with a deploy.
pub struct Plugin {
    name: PluginName,
    current: ArcSwapOption<Revision>,
    settings: ArcSwap<Settings>,
    pub(crate) store: PluginStore,
    meter: Arc<Meter>,
    guards: Arc<Guards>,
    /// How the calls of the revision in service went.
    calls: Mutex<Arc<RevisionCalls>>,
    probation: Mutex<Option<OnProbation>>,
    // One deploy at a time; held over awaits, so it is tokio's.
    pub(crate) deploying: tokio::sync::Mutex<()>,
    note: Mutex<Note>,
    streams: Arc<Streams>,
    background: Background,
    this: Weak<Self>,
}

#[derive(Clone, Debug, Default)]
struct Note {
    origin: Option<Origin>,
    absence: Option<Absence>,
    /// Since when its revision serves, or is absent.
    since: Option<Instant>,
    /// Why the newest build is not in service, while an older one is.
    problem: Option<String>,
}

impl Plugin {
    /// A plugin without a revision.
    #[must_use]
    pub(crate) fn new(settings: Settings, store: PluginStore, meter: Arc<Meter>, services: Services) -> Arc<Self> {
        let guards = Arc::new(Guards::new(settings.name.clone(), settings.config.breaker, &services.environment));
        Arc::new_cyclic(|this| Self {
            name: settings.name.clone(),
            calls: Mutex::default(),
            probation: Mutex::default(),
            streams: Streams::new(&settings.name),
            background: Background::new(&settings, services, Arc::clone(&guards)),
            guards,
            current: ArcSwapOption::empty(),
            settings: ArcSwap::from_pointee(settings),
            store,
            meter,
            deploying: tokio::sync::Mutex::new(()),
            note: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &PluginName {
        &self.name
    }

    /// How its calls went, over all revisions.
    pub(crate) fn tally(&self) -> Tally {
        self.meter.tally()
    }

    /// What it does beside its requests.
    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    /// Has the subscribers of the revision in service listen and its warmers run. To be called after each swap.
    pub(crate) async fn listen(&self) {
        let Some(revision) = self.current() else { return };
        if let Err(error) = self.background.apply(&self.this, &self.settings(), &revision).await {
            tracing::error!(plugin = %self.name, error = format!("{error:#}"), "not all of the plugin's background work runs");
        }
        // After a rollback those that sleep are still to become what they were before.
        if self.probation.lock().is_none() && self.origin() != Some(Origin::Rollback) {
            self.background.settle();
        }
    }

    /// Its event streams.
    pub(crate) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// The guards of its handlers.
    pub(crate) fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Who hears of the calls of a new revision, and the count that it keeps.
    pub(crate) fn observer(&self) -> (SharedObserver, Arc<RevisionCalls>) {
        let calls = Arc::<RevisionCalls>::default();
        let observer = Watched {
            meter: Arc::clone(&self.meter),
            calls: Arc::clone(&calls),
            judge: Arc::clone(self.guards.judge()),
            clock: Arc::clone(self.guards.clock()),
        };
        (Arc::new(observer), calls)
    }

    /// Asks the revision in service whether a client may listen.
    pub(crate) async fn open_stream(&self, call: Call, parts: &Parts, opening: &Opening) -> Result<Opened, Failure> {
        let revision = self.serving()?;
        revision.open_stream(call, parts, opening).await
    }

    /// The revision in service, or why there is none.
    pub(crate) fn serving(&self) -> Result<Arc<Revision>, Failure> {
        self.current.load_full().ok_or_else(|| {
            let why = self.note().unwrap_or_else(|| "nothing is deployed".to_owned());
            Failure::new(FailureKind::NotRunning, Phase::Queue, why)
        })
    }

    /// Its entry in the manifest.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The revision in service.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Revision>> {
        self.current.load_full()
    }

    /// Puts a revision in service. Calls in flight finish on the old one, for up to `drain`.
    ///
    /// A new revision is on probation, unless it is the first or an operator or the host goes back to it; the one before
    /// it is kept until there is a verdict. A probation that was under way ends without one.
    pub(crate) fn swap(&self, next: &Prepared, settings: Settings, origin: Origin, drain: Duration, node: &Weak<Node>) {
        drop(self.probation.lock().take());
        let (settings, before) = (Arc::new(settings), self.settings.load_full());
        let (revision, serving) = (next.revision.id().clone(), self.current.load_full());
        let is_new = serving.as_ref().is_some_and(|old| *old.id() != revision);
        let calls = std::mem::replace(&mut *self.calls.lock(), Arc::clone(&next.calls));
        let watched = if is_new && origin != Origin::Rollback {
            probation(&settings.config.probation, &calls, self.guards.clock().now())
        } else {
            None
        };
        let is_watched = watched.is_some();
        match watched {
            // Before the swap, so that no call is missed.
            Some(watched) => next.calls.watch(watched),
            None if !is_new => next.calls.inherit(calls.record()),
            None => {}
        }
        self.settings.store(Arc::clone(&settings));
        let old = self.current.swap(Some(Arc::clone(&next.revision)));
        self.guards.renew(settings.config.breaker, is_new);
        *self.note.lock() = Note { origin: Some(origin), since: Some(self.guards.clock().now()), ..Note::default() };
        let Some(old) = old else {
            tracing::info!(plugin = %self.name, %revision, ?origin, "serving");
            return;
        };
        tracing::info!(plugin = %self.name, %revision, previous = %old.id(), ?origin, "reloaded");
        let kept = Arc::new(());
        let draining = retire(&old, drain, Arc::downgrade(&kept));
        if is_watched {
            let predecessor = Predecessor {
                prepared: Prepared { revision: old, calls },
                settings: before,
                drain: draining,
                _kept: kept,
            };
            let watch = OnProbation::start(next, predecessor, Weak::clone(&self.this), Weak::clone(node));
            *self.probation.lock() = Some(watch);
        }
    }

    /// Takes up an entry of the manifest that the revision in service runs as before.
    pub(crate) fn adopt(&self, settings: Settings) {
        self.guards.renew(settings.config.breaker, false);
        self.settings.store(Arc::new(settings));
    }

    /// Ends the probation of a revision, if it is on one; gives what served before.
    pub(crate) fn end_probation(&self, revision: &RevisionId) -> Option<Predecessor> {
        let ended = self.probation.lock().take_if(|on_probation| on_probation.revision == *revision);
        ended.map(|on_probation| on_probation.predecessor)
    }

    /// Waits until every required warmer of the revision in service has succeeded once.
    ///
    /// # Errors
    /// Which one has failed too often.
    pub(crate) async fn warmed(&self) -> Result<(), String> {
        self.background.warmed().await
    }

    /// Takes the plugin out of service.
    pub(crate) async fn stop(&self, drain: Duration) {
        self.background.stop().await;
        drop(self.probation.lock().take());
        self.streams.close();
        if let Some(old) = self.current.swap(None) {
            retire(&old, drain, Weak::new());
        }
    }

    /// Notes why there is nothing to serve; a revision that is in service stays.
    pub(crate) fn absent(&self, absence: Absence) {
        let mut note = self.note.lock();
        if self.current.load().is_some() {
            let (Absence::Skipped(why) | Absence::Failed(why)) = absence;
            note.problem = Some(why);
        } else {
            note.absence = Some(absence);
            note.since = Some(self.guards.clock().now());
        }
    }

    /// Notes what operators should know of the revision in service.
    pub(crate) fn trouble(&self, what: String) {
        self.note.lock().problem = Some(what);
    }

    /// The newest build is what serves already: a problem of an earlier one is over.
    pub(crate) fn healed(&self) {
        self.note.lock().problem = None;
    }

    /// `running`, `skipped` or `failed`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.current.load().is_some() {
            return "running";
        }
        match self.note.lock().absence {
            Some(Absence::Skipped(_)) => "skipped",
            Some(Absence::Failed(_)) | None => "failed",
        }
    }

    /// Since when it is in that state.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.note.lock().since
    }

    /// Why it does not run, or why its newest build does not.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let note = self.note.lock();
        match &note.absence {
            Some(Absence::Skipped(why) | Absence::Failed(why)) => Some(why.clone()),
            None => note.problem.clone(),
        }
    }

    /// Where the revision in service came from.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.note.lock().origin
    }
}

/// Lets a revision finish its calls. It goes when the last one ends; what is left after `drain` is cut off. While
/// somebody holds `kept` it only stays without calls, ready to come back.
fn retire(old: &Arc<Revision>, drain: Duration, kept: Weak<()>) -> AbortHandle {
    let (plugin, revision) = (old.plugin().clone(), old.id().clone());
    let left: Weak<Revision> = Arc::downgrade(old);
    let task = tokio::spawn(async move {
        let over = tokio::time::Instant::now() + drain;
        let mut cut_off = false;
        loop {
            tokio::time::sleep(DRAIN_LOOK).await;
            // Before the revision is counted: who keeps it lets go of both at once.
            let is_kept = kept.strong_count() > 0;
            if left.strong_count() == 0 {
                tracing::debug!(%plugin, %revision, "drained");
                return;
            }
            let busy = left.strong_count() > usize::from(is_kept);
            if tokio::time::Instant::now() < over || (cut_off && is_kept) {
                continue;
            }
            let Some(old) = left.upgrade() else { continue };
            if busy && !cut_off {
                tracing::warn!(%plugin, %revision, "the drain time is over, open streams are closed");
            }
            if !is_kept {
                old.retire();
                return;
            }
            old.cut_off();
            cut_off = true;
        }
    });
    task.abort_handle()
}
