//! Who is there: plugins, their queues and schedules.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use skep_store::{QueueRef, QueueState};
use skep_types::{HandlerName, PluginName};

use crate::attempt::Performer;
use crate::definition::{Definitions, PluginJobs, QueueOptions};
use crate::queue::{Queue, Setup};
use crate::schedules::Scheduled;

/// Who is there. Bounded by the plugins of the host, and what each may have.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) plugins: BTreeMap<PluginName, Plugin>,
    pub(crate) queues: HashMap<QueueRef, Arc<Queue>>,
    /// What operators said; none until it is read.
    operators: Option<HashMap<QueueRef, QueueState>>,
    /// Plugins whose jobs of known names are to be brought back.
    pub(crate) to_resume: HashSet<PluginName>,
}

/// A plugin whose jobs are done here.
pub(crate) struct Plugin {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) performer: Arc<dyn Performer>,
    /// Its queues by name. Others are served while the store has jobs in them.
    pub(crate) queues: BTreeMap<HandlerName, QueueOptions>,
    pub(crate) schedules: BTreeMap<HandlerName, Scheduled>,
}

impl Plugin {
    pub(crate) fn setup(&self, options: QueueOptions) -> Arc<Setup> {
        let (definitions, performer) = (Arc::clone(&self.definitions), Arc::clone(&self.performer));
        Arc::new(Setup { options, definitions, performer })
    }
}

impl Registry {
    /// Whether it is known what operators said.
    pub(crate) fn is_ready(&self) -> bool {
        self.operators.is_some()
    }

    pub(crate) fn operator(&self, queue: &QueueRef) -> QueueState {
        self.operators.as_ref().and_then(|operators| operators.get(queue).copied()).unwrap_or_default()
    }

    pub(crate) fn set_operator(&mut self, queue: QueueRef, state: QueueState) {
        if let Some(operators) = &mut self.operators {
            operators.insert(queue, state);
        }
    }

    /// What the store has of operators' words.
    pub(crate) fn set_operators(&mut self, states: Vec<(QueueRef, QueueState)>) {
        let states: HashMap<_, _> = states.into_iter().collect();
        for (id, queue) in &self.queues {
            queue.operate(states.get(id).copied().unwrap_or_default());
        }
        self.operators = Some(states);
    }

    /// A revision takes the place of another: schedules that stay the same go on.
    pub(crate) fn put(&mut self, name: &PluginName, jobs: PluginJobs, performer: Arc<dyn Performer>) {
        let before = self.plugins.remove(name);
        let mut known = before.map(|plugin| plugin.schedules).unwrap_or_default();
        let queues = jobs.all_queues();
        let schedules = jobs.schedules.into_iter().map(|(name, schedule)| {
            let scheduled = match known.remove(&name) {
                Some(known) => known.changed(schedule),
                None => Scheduled::new(schedule),
            };
            (name, scheduled)
        });
        let definitions = Arc::new(Definitions::new(jobs.definitions));
        let plugin = Plugin { definitions, performer, queues, schedules: schedules.collect() };
        self.plugins.insert(name.clone(), plugin);
    }
}
