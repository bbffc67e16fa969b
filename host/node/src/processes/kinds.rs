//! From a component's definitions and the manifest to kinds of the engine.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use anyhow::Context as _;
use parking_lot::Mutex;
use skep_manifest::{ProcessConfig, ProcessRestart};
use skep_process::{Behaviour, KindOptions, Persistence, Processes};
use skep_runtime::{ProcessDefinition, Revision, WasmBehaviour};
use skep_supervision::{Backoff, Intensity, Restart};
use skep_types::{HandlerName, PluginName, RevisionId};

use crate::spec::Settings;

/// What the engine was told.
#[derive(Default)]
pub(super) struct Kinds {
    // Held for a moment, over no await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<PluginName, BTreeSet<String>>,
    /// Of each revision: a rollback is told by its behaviour being the same object again. The engine keeps it for as long as a
    /// process may need it.
    behaviours: HashMap<(PluginName, RevisionId, String), Weak<WasmBehaviour>>,
}

/// Whether a revision's kinds fit the manifest.
pub(super) fn check(settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
    let declared = &revision.declared().processes;
    for (kind, config) in &settings.config.processes {
        let names = || declared.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>().join(", ");
        let Some(definition) = declared.iter().find(|one| one.kind == kind.as_str()) else {
            anyhow::bail!("the manifest has settings for the processes `{kind}`, and the component has: {}", names());
        };
        let persistence = persistence(config);
        anyhow::ensure!(
            definition.saves || !persistence.is_kept(),
            "the processes `{kind}` are to be kept, and the component cannot save them: `persistence` can be \"none\""
        );
        anyhow::ensure!(
            definition.replays || !matches!(persistence, Persistence::EventLog { .. }),
            "the processes `{kind}` are to be kept as an event log, and the component cannot replay events"
        );
    }
    Ok(())
}

impl Kinds {
    /// Makes the engine's kinds of a plugin those of the revision in service. `back`: an operator or the host went back to it.
    pub(super) fn apply(
        &self,
        processes: &Processes,
        settings: &Settings,
        revision: &Arc<Revision>,
        back: bool,
    ) -> anyhow::Result<()> {
        let plugin = &settings.name;
        let mut now = BTreeSet::new();
        for definition in &revision.declared().processes {
            let name = HandlerName::new(&definition.kind)?;
            let config = settings.config.process(&name);
            let behaviour: Arc<dyn Behaviour> = self.behaviour(revision, definition, &config);
            let (kind, options) = (&definition.kind, options(&config));
            let set = if back {
                processes.roll_back_kind(plugin, kind, options, behaviour)
            } else {
                processes.set_kind(plugin, kind, options, behaviour)
            };
            set.with_context(|| format!("the processes `{kind}`"))?;
            now.insert(definition.kind.clone());
        }
        let before = {
            let mut state = self.state.lock();
            state.behaviours.retain(|_, behaviour| behaviour.strong_count() > 0);
            state.known.insert(plugin.clone(), now.clone()).unwrap_or_default()
        };
        for gone in before.difference(&now) {
            processes.remove_kind(plugin, gone);
        }
        Ok(())
    }

    /// The plugin goes.
    pub(super) fn detach(&self, processes: &Processes, plugin: &PluginName) {
        let gone = self.state.lock().known.remove(plugin).unwrap_or_default();
        for kind in gone {
            processes.remove_kind(plugin, &kind);
        }
    }

    fn behaviour(
        &self,
        revision: &Arc<Revision>,
        definition: &ProcessDefinition,
        config: &ProcessConfig,
    ) -> Arc<WasmBehaviour> {
        let key = (revision.plugin().clone(), revision.id().clone(), definition.kind.clone());
        let mut state = self.state.lock();
        // The same component under the same settings does the same, though it was loaded anew: whoever is on it stays.
        if let Some(known) = state.behaviours.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let (persistence, deadline, fuel) = (persistence(config), config.deadline, config.fuel);
        let new = Arc::new(WasmBehaviour::new(Arc::clone(revision), definition.clone(), persistence, deadline, fuel));
        state.behaviours.insert(key, Arc::downgrade(&new));
        new
    }
}

pub(crate) fn persistence(config: &ProcessConfig) -> Persistence {
    match config.persistence {
        skep_manifest::Persistence::None => Persistence::None,
        skep_manifest::Persistence::Snapshot { every_messages, every } => {
            Persistence::Snapshot { every_messages, every }
        }
        skep_manifest::Persistence::Durable => Persistence::Durable,
        skep_manifest::Persistence::EventLog { snapshot_every } => Persistence::EventLog { snapshot_every },
    }
}

fn options(config: &ProcessConfig) -> KindOptions {
    let supervision = &config.supervision;
    KindOptions {
        restart: match config.restart {
            ProcessRestart::Transient => Restart::Transient,
            ProcessRestart::Permanent => Restart::Permanent,
            ProcessRestart::Temporary => Restart::Temporary,
        },
        intensity: Intensity { restarts: supervision.restarts, period: supervision.within },
        backoff: Backoff {
            first: supervision.backoff,
            max: supervision.backoff_max,
            healthy: supervision.healthy,
            rounds: supervision.rounds,
            ..Backoff::default()
        },
        persistence: persistence(config),
        hibernate_after: config.hibernate_after,
        mailbox: config.mailbox,
        max: usize::try_from(config.max).unwrap_or(usize::MAX),
        deadline: config.deadline,
    }
}
