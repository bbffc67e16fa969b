//! The guards of one plugin, by handler.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_manifest::BreakerConfig;
use skep_supervision::breaker::BreakerState;
use skep_supervision::{BreakerOptions, Bus, Environment};
use skep_types::{Clock, PluginName};

use crate::guard::handler::{HandlerGuard, Shared};
use crate::guard::judge::Judge;

/// The branch of the plugin's tree that a handler is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Branch {
    /// A route, by its text in the manifest.
    Http,
    /// A mount of sockets, by its text in the manifest: who may connect.
    Sockets,
    /// Channels, by the component's pattern for them.
    Channels,
    /// A subscription, by the component's name for it.
    Subscribers,
    /// A job, by the component's name for it.
    Jobs,
    /// A task, by the component's name for it.
    Tasks,
}

impl Branch {
    /// Its name in paths.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sockets => "sockets",
            Self::Channels => "channels",
            Self::Subscribers => "subscribers",
            Self::Jobs => "jobs",
            Self::Tasks => "tasks",
        }
    }
}

/// The guards of one plugin.
///
/// A guard is kept through all revisions: what a handler did a second ago says something of it now. But an *open*
/// breaker is closed by a new revision, because a deploy is an operator's act, and its author should not have to wait
/// for a cool-down to see whether it helped. Other breaker settings put a new, closed breaker in place.
pub(crate) struct Guards {
    plugin: PluginName,
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

struct Inner {
    config: BreakerConfig,
    // As many as the manifest has routes and the component has subscriptions and tasks, over a few reloads.
    handlers: BTreeMap<(Branch, String), Arc<HandlerGuard>>,
}

impl Guards {
    /// The guards of a plugin, none yet.
    pub(crate) fn new(plugin: PluginName, config: BreakerConfig, environment: &Environment) -> Self {
        let Environment { clock, bus } = environment.clone();
        let shared = Arc::new(Shared { clock, bus, judge: Arc::default() });
        Self { plugin, shared, inner: Mutex::new(Inner { config, handlers: BTreeMap::new() }) }
    }

    /// The guard of a handler, always the same for the same name while somebody holds it.
    pub(crate) fn handler(&self, branch: Branch, name: &str) -> Arc<HandlerGuard> {
        let mut inner = self.inner.lock();
        let options = options(&inner.config);
        let guard = inner.handlers.entry((branch, name.to_owned())).or_insert_with(|| {
            let handler = format!("{}/{name}", branch.as_str());
            HandlerGuard::new(&self.plugin, handler, options, Arc::clone(&self.shared))
        });
        Arc::clone(guard)
    }

    /// What the breaker of a handler is doing, if breakers are on. One that nobody has called yet is closed.
    pub(crate) fn breaker(&self, branch: Branch, name: &str) -> Option<BreakerState> {
        let inner = self.inner.lock();
        match inner.handlers.get(&(branch, name.to_owned())) {
            Some(guard) => guard.state(),
            None => inner.config.enabled.then_some(BreakerState::Closed),
        }
    }

    /// Another entry of the manifest, or another revision, is in service.
    pub(crate) fn renew(&self, config: BreakerConfig, new_revision: bool) {
        let mut inner = self.inner.lock();
        let changed = inner.config != config;
        inner.config = config;
        for guard in inner.handlers.values() {
            if changed || (new_revision && guard.is_open()) {
                guard.replace(options(&config));
            }
        }
        // Routes that are gone. One that is only away while its table is made anew loses no more than a window.
        inner.handlers.retain(|_, guard| Arc::strong_count(guard) > 1);
    }

    /// What judges calls, for whoever counts them too.
    pub(crate) fn judge(&self) -> &Arc<Judge> {
        &self.shared.judge
    }

    /// The clock that the breakers go by.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Where events go.
    pub(crate) fn bus(&self) -> &Bus {
        &self.shared.bus
    }
}

fn options(config: &BreakerConfig) -> Option<BreakerOptions> {
    config.enabled.then(|| BreakerOptions {
        ratio: config.ratio.get(),
        calls: u64::from(config.calls),
        window: config.window,
        clients: usize::try_from(config.clients).unwrap_or(usize::MAX),
        cool_down: config.cool_down,
        cool_down_max: config.cool_down_max,
    })
}
