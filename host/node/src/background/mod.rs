//! What a plugin does beside its requests: subscribers, detached tasks, warmers and the processes that the manifest starts, under the
//! supervisor of the plugin.
//!
//! ```text
//! host                     one for one, as all of them
//! └── shop                 the plugin
//!     ├── subscribers
//!     │   ├── on_order     a loop for each subscription
//!     │   └── on_user
//!     ├── processes
//!     │   └── cart         those of a kind, with their strategy
//!     ├── tasks            the loop that works detached tasks off
//!     └── warmers
//!         └── ranking      runs on its interval
//! ```
//!
//! A loop that fails is started again; queues outlive it. What a loop runs is a call like any other, in an instance of
//! its own, and its end is told like that of any other.

use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use anyhow::Context as _;
use parking_lot::RwLock;
use skep_manifest::{Overflow, SubscriberConfig, SupervisionConfig};
use skep_pubsub::{SubscribeOptions, Subscription};
use skep_runtime::{Direction, Revision, TaskGrant};
use skep_supervision::{
    Backoff, Beyond, Child, ChildSpec, Environment, Handle, Intensity, Spec, SpecError, Supervisor,
};
use skep_types::PluginName;

use crate::durable::Durable;
use crate::guard::{Branch, Guards};
use crate::plugin::Plugin;
use crate::processes::{PROCESSES, ProcessService};
use crate::sockets::SocketService;
use crate::spec::Settings;
use crate::store::Origin;
use crate::topics::Topics;
use crate::warmers::{self, Required};

mod dead;
mod lanes;
mod listener;
mod tasks;

pub(crate) use listener::Listener;
use tasks::{TaskSettings, Tasks};

pub use listener::MESSAGES;
pub use tasks::TASKS;

const WARMERS: &str = "warmers";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(MESSAGES, "Messages of a subscription, by what became of them");
    metrics::describe_counter!(TASKS, "Detached tasks that ended, by outcome");
}

/// What plugins share that work in the background.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) topics: Arc<Topics>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) processes: Arc<ProcessService>,
    pub(crate) sockets: Arc<SocketService>,
    pub(crate) environment: Environment,
    /// The supervisor of all plugins.
    pub(crate) root: Handle,
}

/// The warmers that run.
#[derive(Default)]
struct Warming {
    names: Vec<String>,
    required: Option<Required>,
}

/// The background work of one plugin.
pub(crate) struct Background {
    name: PluginName,
    services: Services,
    guards: Arc<Guards>,
    tasks: Arc<Tasks>,
    listeners: RwLock<Vec<Arc<Listener>>>,
    warmers: RwLock<Warming>,
    // One change at a time; held over awaits, so it is tokio's. `None` while nothing is supervised.
    supervised: tokio::sync::Mutex<Option<SupervisionConfig>>,
}

impl Background {
    pub(crate) fn new(settings: &Settings, services: Services, guards: Arc<Guards>) -> Self {
        let clock = Arc::clone(&services.environment.clock);
        let tasks = Tasks::new(&settings.name, task_settings(settings), clock, Arc::clone(&guards));
        Self {
            name: settings.name.clone(),
            services,
            guards,
            tasks,
            listeners: RwLock::default(),
            warmers: RwLock::default(),
            supervised: tokio::sync::Mutex::default(),
        }
    }

    /// What the plugin's tasks may use under these settings.
    pub(crate) fn task_grant(&self, settings: &Settings) -> TaskGrant {
        let tasks = settings.config.tasks;
        TaskGrant {
            detached: Arc::<Tasks>::clone(&self.tasks),
            per_call: tasks.per_call,
            deadline: tasks.deadline,
            concurrency: tasks.concurrency,
            // What one call maps may always wait.
            queue: tasks.queue.max(tasks.per_call),
        }
    }

    /// The subscriptions of the revision in service.
    pub(crate) fn listeners(&self) -> Vec<Arc<Listener>> {
        self.listeners.read().clone()
    }

    /// Detached tasks that wait for their turn.
    pub(crate) fn tasks_waiting(&self) -> usize {
        self.tasks.waiting()
    }

    /// Whether a revision's subscriptions fit the manifest and the grants.
    ///
    /// # Errors
    /// Which does not, and what to write.
    pub(crate) fn check(&self, settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
        Durable::check(settings, revision)?;
        ProcessService::check(settings, revision)?;
        SocketService::check(settings, revision)?;
        let grants = self.services.topics.granted(settings);
        let declared = &revision.declared().subscriptions;
        for subscription in declared {
            let granted = grants.check(&self.name, &subscription.topics, Direction::Subscribe);
            granted.map_err(anyhow::Error::msg).with_context(|| format!("the subscription `{}`", subscription.name))?;
        }
        for named in settings.config.subscribers.keys() {
            let known =
                || declared.iter().map(|subscription| subscription.name.as_str()).collect::<Vec<_>>().join(", ");
            anyhow::ensure!(
                declared.iter().any(|subscription| subscription.name == *named),
                "the manifest has settings for the subscriber `{named}`, and the component has: {}",
                known()
            );
        }
        Ok(())
    }

    /// Makes what runs what the revision in service declares. A subscription that stays the same keeps its queue.
    ///
    /// # Errors
    /// When the host has as many subscriptions as it may; what could be started runs.
    pub(crate) async fn apply(
        &self,
        plugin: &Weak<Plugin>,
        settings: &Settings,
        revision: &Arc<Revision>,
    ) -> anyhow::Result<()> {
        let mut supervised = self.supervised.lock().await;
        self.tasks.configure(task_settings(settings));
        self.services.durable.apply(plugin, settings, revision)?;
        let config = settings.config.supervision;
        if *supervised != Some(config) {
            if supervised.take().is_some() {
                self.end().await;
            }
            self.begin(&config).await?;
            *supervised = Some(config);
        }
        // First those that others call, then those who may call them.
        let lives = self.live(plugin, settings, revision).await;
        self.services.sockets.apply(plugin, &self.guards, settings, revision);
        let subscribers = self.subscribers().context("the supervisor of the subscribers is gone")?;
        // A new revision is a new chance for what gave up.
        subscribers.resume().ok();
        if let Some(own) = self.own() {
            own.resume().ok();
        }
        let declared = &revision.declared().subscriptions;
        let config_of = |name| -> SubscriberConfig { settings.config.subscriber(name) };
        let running: Vec<_> = self.listeners();
        let (mut kept, mut fresh) = (Vec::new(), Vec::new());
        for subscription in declared {
            let config = config_of(&subscription.name);
            match running.iter().find(|listener| listener.fits(subscription, &config)) {
                Some(listener) => kept.push(Arc::clone(listener)),
                None => fresh.push((subscription, config)),
            }
        }
        for left in running.iter().filter(|listener| !kept.iter().any(|kept| Arc::ptr_eq(kept, listener))) {
            let _ = subscribers.terminate_child(left.name.as_str()).await;
            let _ = subscribers.delete_child(left.name.as_str()).await;
        }
        for (declared, config) in fresh {
            let source = self.subscribe(declared, &config)?;
            let clock = Arc::clone(&self.services.environment.clock);
            let guard = self.guards.handler(Branch::Subscribers, declared.name.as_str());
            let listener = Listener::new((&self.name, declared), config, source, clock, guard);
            kept.push(Arc::clone(&listener));
            *self.listeners.write() = kept.clone();
            self.start(&subscribers, plugin, listener).await?;
        }
        *self.listeners.write() = kept;
        lives?;
        self.warm(plugin, settings).await
    }

    /// There is no way back from the revision in service any more: what its processes were before is let go.
    pub(crate) fn settle(&self) {
        self.services.processes.settle(&self.name);
    }

    /// Has the processes of the revision in service live.
    async fn live(&self, plugin: &Weak<Plugin>, settings: &Settings, revision: &Arc<Revision>) -> anyhow::Result<()> {
        let back = plugin.upgrade().is_some_and(|plugin| plugin.origin() == Some(Origin::Rollback));
        let supervisor = self.own().and_then(|own| own.nested(&PROCESSES.into()));
        let supervisor = supervisor.context("the supervisor of the processes is gone")?;
        let _ = supervisor.resume();
        self.services.processes.apply(&supervisor, settings, revision, back, |config| spec(&config.supervision)).await
    }

    /// Runs the warmers for the revision in service, and no more for the one before.
    async fn warm(&self, plugin: &Weak<Plugin>, settings: &Settings) -> anyhow::Result<()> {
        let warmers = self.own().and_then(|own| own.nested(&WARMERS.into()));
        let warmers = warmers.context("the supervisor of the warmers is gone")?;
        let _ = warmers.resume();
        let before = std::mem::take(&mut *self.warmers.write());
        for name in before.names {
            // One that ended by itself is not there any more.
            let _ = warmers.terminate_child(name.as_str()).await;
            let _ = warmers.delete_child(name.as_str()).await;
        }
        let (children, required) = warmers::children(plugin, settings);
        let names = children.iter().map(|(name, _)| name.clone()).collect();
        *self.warmers.write() = Warming { names, required: Some(required) };
        for (_, child) in children {
            warmers.start_child(child).await.map_err(|refused| anyhow::anyhow!("{refused}"))?;
        }
        Ok(())
    }

    /// Waits until every required warmer of the revision in service has succeeded once.
    ///
    /// # Errors
    /// Which one has failed too often.
    pub(crate) async fn warmed(&self) -> Result<(), String> {
        let required = self.warmers.read().required.clone();
        match required {
            Some(required) => required.warmed().await,
            None => Ok(()),
        }
    }

    /// Stops everything, and waits for what is at work as long as supervisors do.
    pub(crate) async fn stop(&self) {
        self.services.durable.detach(&self.name);
        let mut supervised = self.supervised.lock().await;
        if supervised.take().is_some() {
            self.end().await;
        }
        self.services.processes.detach(&self.name);
        self.services.sockets.detach(&self.name);
    }

    async fn begin(&self, config: &SupervisionConfig) -> anyhow::Result<()> {
        let spec = spec(config);
        let tasks = Arc::clone(&self.tasks);
        let children = || -> Result<_, SpecError> {
            let subscribers = Supervisor::child(ChildSpec::supervisor(Branch::Subscribers.as_str()), spec, Vec::new())?;
            let tasks =
                Child::new(ChildSpec::worker(Branch::Tasks.as_str()), move |context| Arc::clone(&tasks).serve(context));
            let processes = Supervisor::child(ChildSpec::supervisor(PROCESSES), spec, Vec::new())?;
            let warmers = Supervisor::child(ChildSpec::supervisor(WARMERS), spec, Vec::new())?;
            Supervisor::child(
                ChildSpec::supervisor(self.name.as_str()),
                spec,
                vec![subscribers, processes, tasks, warmers],
            )
        };
        let own = children()?;
        self.services.root.start_child(own).await.map_err(|refused| anyhow::anyhow!("{refused}"))
    }

    async fn end(&self) {
        let _ = self.services.root.terminate_child(self.name.as_str()).await;
        let _ = self.services.root.delete_child(self.name.as_str()).await;
        self.services.processes.forget(&self.name).await;
        self.listeners.write().clear();
        *self.warmers.write() = Warming::default();
    }

    fn own(&self) -> Option<Handle> {
        self.services.root.nested(&self.name.as_str().into())
    }

    fn subscribers(&self) -> Option<Handle> {
        self.own()?.nested(&Branch::Subscribers.as_str().into())
    }

    fn subscribe(
        &self,
        declared: &skep_runtime::Subscription,
        config: &SubscriberConfig,
    ) -> anyhow::Result<Subscription> {
        let options = SubscribeOptions {
            queue: NonZeroUsize::new(config.queue).unwrap_or(NonZeroUsize::MIN),
            queue_bytes: config.queue_bytes,
            overflow: match config.overflow {
                Overflow::DropOldest => skep_pubsub::Overflow::DropOldest,
                Overflow::DropNewest => skep_pubsub::Overflow::DropNewest,
            },
            after: None,
        };
        let subscription = self.services.topics.pubsub.subscribe(declared.topics.clone(), &options);
        subscription.with_context(|| format!("the subscription `{}` of plugin `{}`", declared.name, self.name))
    }

    async fn start(&self, subscribers: &Handle, plugin: &Weak<Plugin>, listener: Arc<Listener>) -> anyhow::Result<()> {
        let (name, plugin) = (listener.name.to_string(), Weak::clone(plugin));
        let child = Child::new(ChildSpec::worker(name), move |context| {
            Arc::clone(&listener).serve(Weak::clone(&plugin), context)
        });
        subscribers.start_child(child).await.map_err(|refused| anyhow::anyhow!("{refused}"))
    }
}

fn task_settings(settings: &Settings) -> TaskSettings {
    TaskSettings { config: settings.config.tasks, restarts: settings.config.supervision.restarts }
}

/// As the manifest has it, for each supervisor of the plugin.
fn spec(config: &SupervisionConfig) -> Spec {
    Spec {
        intensity: Intensity { restarts: config.restarts, period: config.within },
        beyond: Beyond::Backoff(Backoff {
            first: config.backoff,
            max: config.backoff_max,
            healthy: config.healthy,
            rounds: config.rounds,
            ..Backoff::default()
        }),
        ..Spec::default()
    }
}
