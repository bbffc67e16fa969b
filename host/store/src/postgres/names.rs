//! Plugins and queues by their numbers, which never become another's.

use foldhash::{HashMap, HashSet};
use parking_lot::RwLock;
use skep_types::{HandlerName, PluginName};
use tokio_postgres::types::Type;

use super::batch::{Answers, Batch, Sql, get, params};
use super::fault::Fault;
use super::session::{Part, Session};
use crate::job::QueueRef;
use crate::limits::QUEUES_MAX;

/// What is known of them; others may have come into being.
#[derive(Default)]
pub(super) struct Names {
    plugins: HashMap<PluginName, i64>,
    plugin_names: HashMap<i64, PluginName>,
    queues: HashMap<QueueRef, i64>,
    queue_names: HashMap<i64, QueueRef>,
    queues_of: HashMap<i64, usize>,
}

/// The names that the writer, the readers and whoever hears of others share.
pub(super) type SharedNames = RwLock<Names>;

/// Names that have no number yet, as far as it is known.
#[derive(Default)]
pub(super) struct Unnamed {
    pub(super) plugins: HashSet<PluginName>,
    pub(super) queues: HashSet<QueueRef>,
}

impl Unnamed {
    pub(super) fn is_empty(&self) -> bool {
        self.plugins.is_empty() && self.queues.is_empty()
    }
}

impl Names {
    pub(super) fn plugin(&self, name: &PluginName) -> Option<i64> {
        self.plugins.get(name).copied()
    }

    pub(super) fn plugin_name(&self, id: i64) -> Option<&PluginName> {
        self.plugin_names.get(&id)
    }

    pub(super) fn queue(&self, queue: &QueueRef) -> Option<i64> {
        self.queues.get(queue).copied()
    }

    pub(super) fn queue_name(&self, id: i64) -> Option<&QueueRef> {
        self.queue_names.get(&id)
    }

    /// How many queues the plugin has.
    pub(super) fn queues_of(&self, plugin: i64) -> usize {
        self.queues_of.get(&plugin).copied().unwrap_or(0)
    }

    fn add_plugin(&mut self, id: i64, name: PluginName) {
        self.plugin_names.insert(id, name.clone());
        self.plugins.insert(name, id);
    }

    fn add_queue(&mut self, id: i64, queue: QueueRef) {
        let Some(plugin) = self.plugin(&queue.plugin) else { return };
        if self.queue_names.insert(id, queue.clone()).is_none() {
            *self.queues_of.entry(plugin).or_default() += 1;
        }
        self.queues.insert(queue, id);
    }

    fn read(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let unreadable = |text: &str| Fault::Failed(format!("`{text}` is no name"));
        for row in answers.rows() {
            let text: &str = get(&row, 1)?;
            self.add_plugin(get(&row, 0)?, PluginName::new(text).map_err(|_| unreadable(text))?);
        }
        for row in answers.rows() {
            let text: &str = get(&row, 2)?;
            let Some(plugin) = self.plugin_names.get(&get(&row, 1)?).cloned() else { continue };
            let queue = HandlerName::new(text).map_err(|_| unreadable(text))?;
            self.add_queue(get(&row, 0)?, QueueRef { plugin, queue });
        }
        Ok(())
    }
}

static PLUGINS: Sql = Sql { text: "SELECT id, name FROM plugins", types: &[] };
static QUEUES: Sql = Sql { text: "SELECT id, plugin, name FROM queues", types: &[] };
static ADD_PLUGINS: Sql = Sql {
    text: "INSERT INTO plugins(name) SELECT name FROM unnest($1::text[]) AS new(name)
           WHERE NOT EXISTS (SELECT 1 FROM plugins WHERE plugins.name = new.name)
           ORDER BY name ON CONFLICT DO NOTHING",
    types: &[Type::TEXT_ARRAY],
};
static ADD_QUEUES: Sql = Sql {
    text: "INSERT INTO queues(plugin, name)
           SELECT plugins.id, new.name FROM unnest($1::text[], $2::text[]) AS new(plugin, name)
           JOIN plugins ON plugins.name = new.plugin
           WHERE NOT EXISTS (SELECT 1 FROM queues WHERE queues.plugin = plugins.id AND queues.name = new.name)
           ORDER BY 1, 2 ON CONFLICT DO NOTHING",
    types: &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
};

/// Learns all names that there are. `part`: the transaction that it is in, if there is one.
pub(super) async fn refresh(session: &Session, names: &SharedNames, part: Part) -> Result<(), Fault> {
    let mut batch = Batch::of(&PLUGINS, params![]);
    batch.ask(&QUEUES, params![]);
    let mut answers = session.run(&batch, part).await?;
    names.write().read(&mut answers)
}

/// Gives names their numbers, in a transaction of its own: a name that nothing is written under in the end does no harm. Where a
/// plugin would have more queues than it may have, it gets none of them: whoever wants them sees to it.
pub(super) async fn ensure(session: &Session, names: &SharedNames, unnamed: Unnamed) -> Result<(), Fault> {
    let mut queues: Vec<QueueRef> = {
        let names = names.read();
        let mut more: HashMap<&PluginName, usize> = HashMap::default();
        for queue in &unnamed.queues {
            *more.entry(&queue.plugin).or_default() += 1;
        }
        more.retain(|plugin, more| {
            names.plugin(plugin).map_or(0, |plugin| names.queues_of(plugin)) + *more <= QUEUES_MAX
        });
        unnamed.queues.iter().filter(|queue| more.contains_key(&queue.plugin)).cloned().collect()
    };
    queues.sort_unstable();
    let mut plugins: Vec<String> = unnamed.plugins.iter().map(ToString::to_string).collect();
    plugins.extend(queues.iter().map(|queue| queue.plugin.to_string()));
    plugins.sort_unstable();
    plugins.dedup();
    let (of, name): (Vec<String>, Vec<String>) =
        queues.iter().map(|queue| (queue.plugin.to_string(), queue.queue.to_string())).unzip();
    let mut batch = Batch::of(&ADD_PLUGINS, params![plugins]);
    batch.ask(&ADD_QUEUES, params![of, name]);
    batch.ask(&PLUGINS, params![]);
    batch.ask(&QUEUES, params![]);
    let mut answers = session.run(&batch, Part::Whole).await.map_err(Fault::harmless)?;
    answers.rows();
    answers.rows();
    names.write().read(&mut answers)
}
