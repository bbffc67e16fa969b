//! `[plugins.NAME]`: one plugin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use skep_types::{BucketName, DatabaseName, HandlerName, Instances, Limits, TopicName, TopicPattern};
use toml::Value;

use crate::caches::{self, CacheConfig};
use crate::channels::{self, ChannelConfig, Mount, SocketConfig};
use crate::cors::Cors;
use crate::cron::{self, CronConfig};
use crate::fingerprint;
use crate::grants::Grants;
use crate::jobs::{self, JobsConfig, QueueConfig};
use crate::limits;
use crate::processes::{self, ProcessConfig};
use crate::rate_limit::RateLimit;
use crate::read::{Item, Read, Section, join};
use crate::route::Route;
use crate::scalar::Text;
use crate::secret::SecretRef;
use crate::sql::{self, SqlConfig};
use crate::store::StoreConfig;
use crate::subscribers::{self, SubscriberConfig};
use crate::supervision::{BreakerConfig, ProbationConfig, SupervisionConfig};
use crate::tasks::TasksConfig;
use crate::topics::{self, TopicConfig};
use crate::warmers::{self, WarmerConfig, WarmerName};
use crate::watch::Watch;

/// A plugin's entry: a component, and everything that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginConfig {
    /// The component. Required.
    pub source: PathBuf,
    /// A shell command that makes the component, run in the manifest's folder. Default: none.
    pub build: Option<String>,
    /// Programs that must be on the PATH; without them the plugin is skipped. Default: none.
    pub needs: Vec<String>,
    /// Files whose change runs `build` again. Default: none.
    pub watch: Watch,
    /// Requests that go to the plugin. Default: none, it is reached by other plugins and by messages only.
    pub routes: Vec<Route>,
    /// Whether a call gets an instance of its own. Default: it does.
    pub instances: Instances,
    /// The environment of the guest. Default: empty.
    pub env: BTreeMap<String, String>,
    /// What the guest reads by `wasi:config`. Default: empty.
    pub config: BTreeMap<String, String>,
    /// Secrets, which the guest gets in its environment and by `wasi:config`. Default: none.
    pub secrets: BTreeMap<String, SecretRef>,
    /// The guest's arguments. Default: none.
    pub args: Vec<String>,
    /// Whether the host compresses answers for clients that ask for it. Default false.
    pub compression: bool,
    /// Which pages of other origins may call the plugin. Default: none.
    pub cors: Option<Cors>,
    /// How often each client may use the plugin's routes; a route's own limit takes its place. Default: no limit.
    pub rate_limit: Option<RateLimit>,
    /// Its buckets in the host's memory. Default: none.
    pub caches: BTreeMap<BucketName, CacheConfig>,
    /// What it fills ahead of time. Default: nothing.
    pub warmers: BTreeMap<WarmerName, WarmerConfig>,
    /// What the host keeps of its topics. Default: nothing.
    pub topics: BTreeMap<TopicPattern, TopicConfig>,
    /// Where Phoenix clients open sockets. Default: nowhere.
    pub sockets: BTreeMap<Mount, SocketConfig>,
    /// Its channels. Default: each has the defaults.
    pub channels: BTreeMap<TopicPattern, ChannelConfig>,
    /// How messages wait for its subscriptions, by the component's names for them. Default: each has the defaults.
    pub subscribers: BTreeMap<HandlerName, SubscriberConfig>,
    /// What bounds its tasks.
    pub tasks: TasksConfig,
    /// What bounds what it keeps.
    pub store: StoreConfig,
    /// Its databases. Default: none.
    pub sql: BTreeMap<DatabaseName, SqlConfig>,
    /// What bounds its jobs.
    pub jobs: JobsConfig,
    /// How much of its queues is done at once. Default: each has the defaults.
    pub queues: BTreeMap<HandlerName, QueueConfig>,
    /// Jobs that the calendar inserts. Default: none.
    pub cron: BTreeMap<HandlerName, CronConfig>,
    /// Its kinds of processes. Default: each has the defaults.
    pub processes: BTreeMap<HandlerName, ProcessConfig>,
    /// How often what crashes is started again.
    pub supervision: SupervisionConfig,
    /// When a handler that fails is left alone.
    pub breaker: BreakerConfig,
    /// When a new revision that fails is rolled back.
    pub probation: ProbationConfig,
    /// What bounds the plugin.
    pub limits: Limits,
    /// What the plugin may reach. Default: nothing.
    pub grants: Grants,
}

impl PluginConfig {
    /// A plugin with this component and the defaults for all else.
    #[must_use]
    pub fn new(source: PathBuf) -> Self {
        Self {
            source,
            build: None,
            needs: Vec::new(),
            watch: Watch::default(),
            routes: Vec::new(),
            instances: Instances::default(),
            env: BTreeMap::new(),
            config: BTreeMap::new(),
            secrets: BTreeMap::new(),
            args: Vec::new(),
            compression: false,
            cors: None,
            rate_limit: None,
            caches: BTreeMap::new(),
            warmers: BTreeMap::new(),
            topics: BTreeMap::new(),
            sockets: BTreeMap::new(),
            channels: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            tasks: TasksConfig::default(),
            store: StoreConfig::default(),
            sql: BTreeMap::new(),
            jobs: JobsConfig::default(),
            queues: BTreeMap::new(),
            cron: BTreeMap::new(),
            processes: BTreeMap::new(),
            supervision: SupervisionConfig::default(),
            breaker: BreakerConfig::default(),
            probation: ProbationConfig::default(),
            limits: Limits::default(),
            grants: Grants::default(),
        }
    }

    /// What changes the behaviour of the code, in a form that is equal for equal settings, now and in later versions of
    /// the host that have the same ones: for the hash of a revision. Folders count by their absolute path; references
    /// to secrets are in it, their values are not.
    #[must_use]
    pub fn settings_fingerprint(&self) -> String {
        fingerprint::of(self)
    }

    /// What the host keeps of a topic of this plugin: as the most exact pattern says that matches it.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> TopicConfig {
        topics::of(&self.topics, name)
    }

    /// What holds for a channel, by the component's pattern for it.
    #[must_use]
    pub fn channel(&self, topics: &TopicPattern) -> ChannelConfig {
        self.channels.get(topics).cloned().unwrap_or_default()
    }

    /// How messages wait for a subscription, by the component's name for it.
    #[must_use]
    pub fn subscriber(&self, name: &HandlerName) -> SubscriberConfig {
        self.subscribers.get(name).copied().unwrap_or_default()
    }

    /// How much of a queue is done at once.
    #[must_use]
    pub fn queue(&self, name: &HandlerName) -> QueueConfig {
        self.queues.get(name).copied().unwrap_or_default()
    }

    /// How processes of a kind live, by the component's name for it.
    #[must_use]
    pub fn process(&self, kind: &HandlerName) -> ProcessConfig {
        self.processes.get(kind).cloned().unwrap_or_else(|| ProcessConfig::of(&self.limits, self.supervision))
    }

    fn check_names(&self, path: &str, item: &Item<'_>) {
        let report = |table: &str, key: &str, message: String| {
            item.reading.report(&join(&join(path, table), key), message);
        };
        for key in self.env.keys() {
            if key.is_empty() || key.contains(['=', '\0']) {
                report("env", key, "is not the name of an environment variable".to_owned());
            }
        }
        for key in self.secrets.keys() {
            let letters = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !letters || key.bytes().next().is_none_or(|b| b.is_ascii_digit()) {
                report("secrets", key, "must be letters, digits and `_`, not starting with a digit".to_owned());
            }
            for (table, names) in [("env", &self.env), ("config", &self.config)] {
                if names.contains_key(key) {
                    report("secrets", key, format!("is in `{table}` too, where the secret goes as well"));
                }
            }
        }
    }
}

impl Read for PluginConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let source = table.require("source", "missing; write the path of the plugin's component, a .wasm file");
        // The rest is read either way, so that all its problems are told.
        let mut plugin = Self::new(source.clone().unwrap_or_default());
        plugin.build = table.get("build");
        table.set("needs", &mut plugin.needs);
        table.set("watch", &mut plugin.watch);
        table.set("routes", &mut plugin.routes);
        if let Some(instances) = table.item("instances") {
            plugin.instances = read_instances(&instances).unwrap_or_default();
        }
        plugin.env = texts(&mut table, "env");
        plugin.config = texts(&mut table, "config");
        table.set("secrets", &mut plugin.secrets);
        table.set("args", &mut plugin.args);
        table.set("compression", &mut plugin.compression);
        plugin.cors = Cors::read(table.section("cors"));
        plugin.rate_limit = table.get("rate_limit");
        if let Some(buckets) = table.item("caches") {
            plugin.caches = caches::read(&buckets).unwrap_or_default();
        }
        if let Some(warmers) = table.item("warmers") {
            plugin.warmers = warmers::read(&warmers).unwrap_or_default();
        }
        if let Some(databases) = table.item("sql") {
            plugin.sql = sql::read(&databases).unwrap_or_default();
        }
        if let Some(patterns) = table.item("topics") {
            plugin.topics = topics::read(&patterns).unwrap_or_default();
        }
        if let Some(mounts) = table.item("sockets") {
            plugin.sockets = channels::read_sockets(&mounts).unwrap_or_default();
        }
        if let Some(patterns) = table.item("channels") {
            plugin.channels = channels::read(&patterns).unwrap_or_default();
        }
        if let Some(subscribers) = table.item("subscribers") {
            plugin.subscribers = subscribers::read(&subscribers).unwrap_or_default();
        }
        if let Some(queues) = table.item("queues") {
            plugin.queues = jobs::read_queues(&queues).unwrap_or_default();
        }
        if let Some(entries) = table.item("cron") {
            plugin.cron = cron::read(&entries).unwrap_or_default();
        }
        let (store, store_keys) = StoreConfig::read(table.section("store"));
        let (jobs, job_keys) = JobsConfig::read(table.section("jobs"));
        (plugin.store, plugin.jobs) = (store, jobs);
        let (tasks, task_keys) = TasksConfig::read(table.section("tasks"));
        let (supervision, supervision_keys) = SupervisionConfig::read(table.section("supervision"));
        let (breaker, breaker_keys) = BreakerConfig::read(table.section("breaker"));
        let (probation, probation_keys) = ProbationConfig::read(table.section("probation"));
        (plugin.tasks, plugin.supervision, plugin.breaker, plugin.probation) = (tasks, supervision, breaker, probation);
        let (limits, limit_keys) = limits::read(table.section("limits"));
        let (grants, grant_keys) = Grants::read(table.section("grants"));
        (plugin.limits, plugin.grants) = (limits, grants);
        // Behind limits and supervision: what a kind does not say is said there.
        if let Some(kinds) = table.item("processes") {
            let default = ProcessConfig::of(&plugin.limits, plugin.supervision);
            plugin.processes = processes::read(&kinds, &default).unwrap_or_default();
        }
        if plugin.build.as_ref().is_some_and(|build| build.trim().is_empty()) {
            item.reading.report(&join(&item.path, "build"), "is empty; leave it away where there is nothing to build");
        }
        plugin.check_names(&item.path, item);
        // The limits go first: their names are the ones that are most likely meant.
        table.finish_with(&[
            ("limits", limit_keys),
            ("grants", grant_keys),
            ("supervision", supervision_keys),
            ("breaker", breaker_keys),
            ("tasks", task_keys),
            ("store", store_keys),
            ("jobs", job_keys),
            ("probation", probation_keys),
        ]);
        source.map(|_| plugin)
    }
}

fn texts(table: &mut Section<'_>, key: &'static str) -> BTreeMap<String, String> {
    let texts: BTreeMap<String, Text> = table.get(key).unwrap_or_default();
    texts.into_iter().map(|(key, Text(text))| (key, text)).collect()
}

fn read_instances(item: &Item<'_>) -> Option<Instances> {
    const HOW: &str = "\"fresh\" or { reuse = 1000 }";
    match item.value {
        Value::String(text) if text == "fresh" => Some(Instances::Fresh),
        Value::String(text) => item.fail(format!("`{text}` is not known here; write {HOW}")),
        Value::Table(_) => {
            let mut table = item.section()?;
            let missing = "missing; write how many calls an instance may serve";
            if table.item("reuse").is_none() {
                table.reading.report(&join(&table.path, "reuse"), missing);
            }
            let mut calls = 1;
            table.bounded("reuse", &mut calls, 1..=1_000_000);
            table.finish();
            Some(Instances::Reuse(calls))
        }
        _ => item.expected(HOW),
    }
}
