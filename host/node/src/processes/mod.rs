//! Stateful processes of plugins: the engine is `skep-process`, and what they do is the plugins' revisions.
//!
//! | module | holds |
//! |---|---|
//! | `topics` | what is published goes to the processes that listen |
//! | `kinds` | from a component's definitions and the manifest to kinds of the engine |
//! | `children` | those that the manifest starts, under the plugin's supervisor |
//! | `meter` | metrics, events and log lines |

use std::collections::HashMap;
use std::sync::Arc;

use skep_manifest::{HostConfig, ProcessConfig};
use skep_process::{Keeper, Limits, Options, Processes};
use skep_pubsub::PubSub;
use skep_runtime::{ProcessGrants, Revision};
use skep_supervision::{Environment, Handle, Spec};
use skep_types::PluginName;

use crate::spec::Settings;

mod children;
mod kinds;
mod meter;
mod topics;

pub(crate) use children::PROCESSES;
pub(crate) use kinds::persistence;
pub(crate) use meter::describe;

/// The instances that so many live processes need: beside theirs, some for what cannot sleep, and as many for upgrades, which
/// have two of a process for a moment.
pub(crate) fn places(live: u32) -> u32 {
    live.saturating_add((live / 8).clamp(1, 1000).saturating_mul(2))
}

/// How many of these places are for processes that can sleep, and how many for each of the others: [`places`] backwards.
fn shared_out(places: usize) -> (usize, usize) {
    let spare = (places / 10).clamp(1, 1000);
    (places.saturating_sub(2 * spare).max(1), spare)
}

/// The processes of a host.
pub(crate) struct ProcessService {
    pub(crate) processes: Processes,
    kinds: kinds::Kinds,
    topics: Arc<topics::ProcessTopics>,
    limits: Limits,
    // Which kinds of a plugin have supervised processes, and how. Held over awaits, so it is tokio's.
    supervised: tokio::sync::Mutex<HashMap<PluginName, Vec<(String, ProcessConfig)>>>,
}

impl ProcessService {
    /// Starts the engine. `places`: instances that may be processes at once, [`places`] of them where the machine has so many.
    pub(crate) fn open(
        host: &HostConfig,
        places: usize,
        keeper: Arc<dyn Keeper>,
        pubsub: PubSub,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let topics = topics::ProcessTopics::new(pubsub);
        let told = meter::Told::new(environment.bus.clone(), Arc::clone(&environment.clock));
        let (live, spare) = shared_out(places);
        let limits = Limits {
            live_max: live,
            unsaved_max: spare,
            upgrading_max: Limits::default().upgrading_max.min(spare),
            state_bytes_max: host.processes.state_memory,
            processes_max: usize::try_from(host.processes.max).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        let options = Options {
            limits,
            observer: Arc::new(told),
            topics: Arc::<topics::ProcessTopics>::clone(&topics),
            ..Options::default()
        };
        let processes = Processes::open(Arc::clone(&environment.clock), Some(keeper), options)?;
        topics.serve(&processes);
        let (kinds, supervised) = (kinds::Kinds::default(), tokio::sync::Mutex::default());
        Ok(Self { processes, kinds, topics, limits, supervised })
    }

    /// What bounds all of them together.
    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// What a plugin may do with processes under these settings.
    pub(crate) fn granted(&self, settings: &Settings) -> ProcessGrants {
        let others = &settings.config.grants.processes;
        ProcessGrants {
            processes: self.processes.clone(),
            others: others.iter().map(|(selector, access)| (selector.clone(), *access)).collect(),
        }
    }

    /// Whether a revision's kinds fit the manifest.
    ///
    /// # Errors
    /// What does not fit, and what to write.
    pub(crate) fn check(settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
        kinds::check(settings, revision)
    }

    /// Makes the plugin's kinds, and the processes that the manifest starts, what the revision in service and its settings
    /// say.
    ///
    /// # Errors
    /// What does not fit; what does is in place.
    pub(crate) async fn apply(
        &self,
        supervisor: &Handle,
        settings: &Settings,
        revision: &Arc<Revision>,
        back: bool,
        spec: impl Fn(&ProcessConfig) -> Spec,
    ) -> anyhow::Result<()> {
        self.kinds.apply(&self.processes, settings, revision, back)?;
        let mut supervised = self.supervised.lock().await;
        let before = supervised.remove(&settings.name).unwrap_or_default();
        let now = children::apply(supervisor, &self.processes, settings, &before, spec).await?;
        supervised.insert(settings.name.clone(), now);
        Ok(())
    }

    /// The supervisors of a plugin were stopped, and its processes with them.
    pub(crate) async fn forget(&self, plugin: &PluginName) {
        self.supervised.lock().await.remove(plugin);
    }

    /// The plugin goes.
    pub(crate) fn detach(&self, plugin: &PluginName) {
        self.kinds.detach(&self.processes, plugin);
    }

    /// There is no way back from the plugin's revision any more.
    pub(crate) fn settle(&self, plugin: &PluginName) {
        self.processes.settle_upgrade(plugin);
    }

    /// Brings the gauges up to date, before they are read. `resting`: instances that processes have left.
    pub(crate) fn measure(&self, resting: usize) {
        meter::measure(&self.processes, resting);
    }

    /// Lets what is in hand end, writes what is to be kept, and stops.
    pub(crate) async fn stop(&self) {
        self.topics.close();
        self.processes.close().await;
    }
}
