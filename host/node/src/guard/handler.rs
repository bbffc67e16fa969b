//! The guard of one handler: its breaker, and what it tells operators.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use metrics::{Counter, Gauge};
use skep_supervision::breaker::{BreakerState, Change};
use skep_supervision::{Breaker, BreakerOptions, Bus, EventKind, Outcome, Permit as Admitted, Rejected};
use skep_types::{Clock, Failure, FailureKind, Phase, PluginName};

use crate::guard::judge::Judge;
use crate::guard::{BREAKER_CHANGES, BREAKER_OPEN, BREAKER_REJECTED, ROOT};

/// What the guards of a plugin share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bus: Bus,
    pub(crate) judge: Arc<Judge>,
}

/// The guard of one handler. It stays the same object through all revisions and settings of its plugin.
pub(crate) struct HandlerGuard {
    path: Arc<str>,
    plugin: String,
    handler: String,
    shared: Arc<Shared>,
    /// The breaker in force; none where the manifest turns breakers off. Replaced and never changed, so that a call
    /// which was admitted by one cannot judge another.
    live: ArcSwapOption<Live>,
    open: Gauge,
    rejected: Counter,
    this: Weak<Self>,
}

/// A breaker, and what a call needs to report to it.
struct Live {
    breaker: Breaker,
    shared: Arc<Shared>,
    guard: Weak<HandlerGuard>,
}

/// A breaker that a permit holds.
#[derive(Clone)]
struct Held(Arc<Live>);

impl Deref for Held {
    type Target = Breaker;

    fn deref(&self) -> &Breaker {
        &self.0.breaker
    }
}

impl HandlerGuard {
    /// A guard for a handler, by its path below the plugin, such as `http/GET /orders`.
    pub(crate) fn new(
        plugin: &PluginName,
        handler: String,
        options: Option<BreakerOptions>,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        let labels = [("plugin", plugin.to_string()), ("handler", handler.clone())];
        let guard = Arc::new_cyclic(|this| Self {
            path: format!("{ROOT}/{plugin}/{handler}").into(),
            plugin: plugin.to_string(),
            open: metrics::gauge!(BREAKER_OPEN, &labels),
            rejected: metrics::counter!(BREAKER_REJECTED, &labels),
            handler,
            shared,
            live: ArcSwapOption::empty(),
            this: Weak::clone(this),
        });
        guard.open.set(0.0);
        guard.live.store(guard.breaker(options));
        guard
    }

    /// Lets a call through, which reports its end by the permit.
    ///
    /// Costs a load and an `Arc` while the breaker is closed.
    ///
    /// # Errors
    /// `breaker-open`, with the time to come back at, while the breaker is open or another call is its probe.
    pub(crate) fn admit(&self) -> Result<Permit, Failure> {
        let Some(live) = self.live.load_full() else { return Ok(Permit(None)) };
        let admitted = Breaker::admit_at(Held(live), || self.shared.clock.now());
        let permit = admitted.map_err(|rejected| self.rejected(rejected))?;
        if permit.is_probe() {
            self.tell(EventKind::BreakerHalfOpen, "half-open");
        }
        Ok(Permit(Some(permit)))
    }

    /// Whether calls are rejected, or let through one at a time.
    pub(crate) fn is_open(&self) -> bool {
        self.state().is_some_and(|state| state != BreakerState::Closed)
    }

    /// What its breaker is doing, if it has one.
    pub(crate) fn state(&self) -> Option<BreakerState> {
        self.live.load().as_ref().map(|live| live.breaker.state())
    }

    /// Replaces the breaker by a closed one with these settings, or by none.
    pub(crate) fn replace(&self, options: Option<BreakerOptions>) {
        let was_open = self.is_open();
        self.live.store(self.breaker(options));
        if was_open {
            self.tell(EventKind::BreakerClosed, "closed");
        }
    }

    fn breaker(&self, options: Option<BreakerOptions>) -> Option<Arc<Live>> {
        options.map(|options| {
            Arc::new(Live {
                breaker: Breaker::new(options, self.shared.clock.now()),
                shared: Arc::clone(&self.shared),
                guard: Weak::clone(&self.this),
            })
        })
    }

    #[cold]
    fn rejected(&self, Rejected { retry_after }: Rejected) -> Failure {
        self.rejected.increment(1);
        let detail = format!("`{}` failed too often, its breaker is open", self.handler);
        // Whole seconds, rounded up, or a client that does as it is told would come too soon.
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        Failure::new(FailureKind::BreakerOpen, Phase::Queue, detail).retry_after(Duration::from_secs(seconds))
    }

    fn changed(&self, by: &Held, change: Change) {
        let in_force = self.live.load();
        if !in_force.as_ref().is_some_and(|live| Arc::ptr_eq(live, &by.0)) {
            return; // A call that began before the breaker was replaced.
        }
        match change {
            Change::Opened { cool_down } => self.tell(EventKind::BreakerOpened { cool_down }, "open"),
            Change::Closed => self.tell(EventKind::BreakerClosed, "closed"),
        }
    }

    fn tell(&self, kind: EventKind, to: &'static str) {
        let (plugin, handler) = (self.plugin.clone(), self.handler.clone());
        metrics::counter!(BREAKER_CHANGES, "plugin" => plugin, "handler" => handler, "to" => to).increment(1);
        // As it is by now: two changes may be told by two calls at once.
        self.open.set(if self.is_open() { 1.0 } else { 0.0 });
        self.shared.bus.publish(self.shared.clock.wall(), Arc::clone(&self.path), kind);
    }
}

impl Drop for HandlerGuard {
    fn drop(&mut self) {
        self.open.set(0.0);
    }
}

/// A call that was admitted. Dropped without [`done`](Self::done) it counts as ignored: its client went away, or its
/// task was cancelled.
#[must_use = "dropping it lets the call go uncounted"]
pub(crate) struct Permit(Option<Admitted<Held>>);

impl Permit {
    /// Reports how the call ended, now. See [`Judge::outcome`] for what is a failure; `client` is who asked, if anybody
    /// did.
    pub(crate) fn done(self, outcome: Result<(), &Failure>, client: Option<IpAddr>) {
        let Some(permit) = self.0 else { return };
        let shared = &permit.breaker().0.shared;
        let (now, judged) = (shared.clock.now(), shared.judge.outcome(outcome, client));
        if judged == Outcome::Ok && !permit.is_probe() {
            permit.done(now, judged);
            return;
        }
        let held = permit.breaker().clone();
        let change = permit.done(now, judged);
        if let (Some(change), Some(guard)) = (change, held.0.guard.upgrade()) {
            guard.changed(&held, change);
        }
    }
}

#[cfg(test)]
mod tests;
