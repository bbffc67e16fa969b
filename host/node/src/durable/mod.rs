//! What outlives the process: the store, and the jobs in it.
//!
//! | module | holds |
//! |---|---|
//! | `lock` | the data directory is one host's |
//! | `open` | which store: a file in the data directory, or a PostgreSQL |
//! | `hearing` | what a commit changed goes to whom it concerns: jobs begin, messages leave |
//! | `perform` | an attempt at a job is a call like any other |
//! | `settings` | from the manifest and a component's definitions to queues and schedules |
//! | `meter` | counters and gauges |
//!
//! A job belongs to its plugin and not to a revision: each attempt is performed by the revision in service when it begins.

use std::sync::{Arc, Weak};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use parking_lot::Mutex;
use skep_jobs::{Ear, Jobs, Retention};
use skep_manifest::{HostConfig, StoreAccess};
use skep_process::{Keeper, Processes};
use skep_pubsub::PubSub;
use skep_runtime::{Access, GrantedSpace, Revision, StoreGrants};
use skep_store::{Publish, Store, Timestamp};
use skep_types::{ByteSize, Clock, PluginName};

use crate::plugin::Plugin;
use crate::spec::Settings;

mod hearing;
mod lock;
mod meter;
mod open;
mod perform;
mod settings;

pub(crate) use meter::describe;
pub use open::copy_store;

/// The largest value that any manifest can allow; what a plugin may is checked where it asks.
const VALUE_MAX: ByteSize = ByteSize::mib(64);

/// The store of a host, and who works on its jobs.
pub(crate) struct Durable {
    pub(crate) store: Arc<dyn Store>,
    keeper: Arc<dyn Keeper>,
    pub(crate) jobs: Jobs,
    clock: Arc<dyn Clock>,
    hearing: Arc<hearing::Hearing>,
    left: Mutex<Vec<Publish>>,
    // Until the store has let go of its files.
    lock: Mutex<Option<lock::DataLock>>,
}

impl Durable {
    /// Opens the store. Jobs begin when their plugins are there.
    ///
    /// # Errors
    /// When another host has the data directory, or the store cannot be used; the message says what to do.
    pub(crate) async fn open(host: &HostConfig, clock: Arc<dyn Clock>, pubsub: PubSub) -> anyhow::Result<Self> {
        let ear = Ear::new();
        let hearing = Arc::new(hearing::Hearing::new(Arc::clone(&ear), pubsub));
        let opened = open::store(host, Arc::<hearing::Hearing>::clone(&hearing)).await?;
        let open::Opened { lock, store, keeper, alone } = opened;
        let left = Mutex::new(hearing.opened());
        let config = host.jobs;
        let options = skep_jobs::Options {
            node: host.name.clone(),
            lease: config.lease,
            grace: config.shutdown_grace,
            retention: Retention {
                completed: config.keep_completed,
                cancelled: config.keep_failed,
                discarded: config.keep_failed,
            },
            limits: skep_jobs::Limits {
                args_bytes_max: VALUE_MAX,
                output_bytes_max: VALUE_MAX,
                ..skep_jobs::Limits::default()
            },
            alone,
            observer: Arc::new(meter::Counted::default()),
            ..skep_jobs::Options::default()
        };
        let jobs = Jobs::start(Arc::clone(&store), &ear, Arc::clone(&clock), options)?;
        Ok(Self { store, keeper, jobs, clock, hearing, left, lock: Mutex::new(Some(lock)) })
    }

    /// Publishes what the host before had committed and had no time to publish. For when the plugins listen.
    pub(crate) fn publish_left(&self) {
        let left = std::mem::take(&mut *self.left.lock());
        if !left.is_empty() {
            tracing::info!(messages = left.len(), "messages of commits before the last stop are published");
        }
        self.hearing.publish(left);
    }

    /// What a plugin may do with the store under these settings.
    pub(crate) fn granted(&self, settings: &Settings) -> StoreGrants {
        let others = settings.config.grants.store.iter().map(|(keys, access)| GrantedSpace {
            keys: keys.clone(),
            access: match access {
                StoreAccess::Read => Access::Read,
                StoreAccess::ReadWrite => Access::ReadWrite,
            },
        });
        StoreGrants {
            store: Arc::clone(&self.store),
            jobs: self.jobs.clone(),
            clock: Arc::clone(&self.clock),
            others: others.collect(),
            value_bytes_max: settings.config.store.value_bytes.as_usize(),
        }
    }

    /// Whether a revision's jobs fit the manifest.
    ///
    /// # Errors
    /// What does not fit, and what to write.
    pub(crate) fn check(settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
        settings::jobs(settings, revision)?.check().context("the plugin's jobs")
    }

    /// Makes what is done of a plugin's jobs what its revision in service and its settings say.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn apply(&self, plugin: &Weak<Plugin>, settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
        self.store.set_quota(settings.name.clone(), settings.config.store.quota.0);
        let performer = perform::PluginJobsPerformer::new(plugin);
        self.jobs.configure(&settings.name, settings::jobs(settings, revision)?, Arc::new(performer))?;
        Ok(())
    }

    /// Nothing of a plugin begins any more; its jobs wait for it to come back.
    pub(crate) fn detach(&self, plugin: &PluginName) {
        self.jobs.detach(plugin);
    }

    /// Wall time, as the store counts it: in milliseconds since 1970.
    pub(crate) fn now(&self) -> Timestamp {
        let wall = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_millis()).unwrap_or(Timestamp::MAX)
    }

    /// Brings the gauges up to date, before they are read.
    pub(crate) async fn measure(&self) {
        meter::measure(&*self.store).await;
    }

    /// Where processes are kept.
    pub(crate) fn keeper(&self) -> Arc<dyn Keeper> {
        Arc::clone(&self.keeper)
    }

    /// Whoever runs processes hears of mail from now on.
    pub(crate) fn deliver_to(&self, processes: &Processes) {
        self.hearing.deliver_to(processes);
    }

    /// Lets jobs end for their grace, and gives back those that do not.
    pub(crate) async fn stop_jobs(&self) {
        let stopped = self.jobs.stop().await;
        if stopped.interrupted > 0 {
            tracing::info!(
                jobs = stopped.interrupted,
                "jobs were interrupted by the shutdown; they begin anew at the next start"
            );
        }
        if stopped.left > 0 {
            tracing::warn!(
                jobs = stopped.left,
                "the ends of jobs could not be written; they are done again at the next start"
            );
        }
    }

    /// Closes the store, and lets go of the data directory.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "closing the store");
        }
        drop(self.lock.lock().take());
    }
}
