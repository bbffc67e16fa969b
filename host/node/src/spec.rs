//! From a manifest's entry to what the runtime and the front need.

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use skep_manifest::{Allowed, PluginConfig, Route, SocketConnect, SseOpen};
use skep_runtime::{
    GrantedBucket, GrantedDatabase, Needs, PluginSpec, ProcessGrants, StoreGrants, TaskGrant, TopicGrants,
};
use skep_types::{PluginName, SharedObserver};
use skep_web::{Layers, Pattern};

/// What a revision is given of the node.
pub struct Given {
    /// The buckets that it may open.
    pub buckets: Vec<GrantedBucket>,
    /// The databases that it may open.
    pub databases: Vec<GrantedDatabase>,
    /// The engines behind its topics, and what it may do there.
    pub topics: TopicGrants,
    /// The durable store, and what it may do there.
    pub store: StoreGrants,
    /// The processes of the host, and which of them it may reach.
    pub processes: ProcessGrants,
    /// The sockets of the host.
    pub channels: skep_channels::Channels,
    /// What its tasks may use.
    pub tasks: TaskGrant,
}

/// A plugin's entry with its secrets read.
#[derive(Clone)]
pub struct Settings {
    /// The plugin's name.
    pub name: PluginName,
    /// Its entry.
    pub config: PluginConfig,
    /// The values of its secrets, in the order of their names.
    secrets: Vec<(String, String)>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.config == other.config && self.secrets == other.secrets
    }
}

impl Settings {
    /// Whether the other differs at most in what the host does about failures, so that the same revision serves under
    /// both.
    #[must_use]
    pub fn runs_as(&self, other: &Self) -> bool {
        let PluginConfig { supervision, breaker, probation, .. } = self.config;
        let config = PluginConfig { supervision, breaker, probation, ..other.config.clone() };
        self.name == other.name && self.config == config && self.secrets == other.secrets
    }

    /// Reads the secrets of an entry.
    ///
    /// # Errors
    /// When one cannot be read; the message names the secret and never its value.
    pub fn read(name: PluginName, config: PluginConfig) -> anyhow::Result<Self> {
        let mut secrets = Vec::with_capacity(config.secrets.len());
        for (key, reference) in &config.secrets {
            let value = reference.resolve().with_context(|| format!("the secret `{key}` of plugin `{name}`"))?;
            secrets.push((key.clone(), value.expose().to_owned()));
        }
        Ok(Self { name, config, secrets })
    }

    /// What makes a deploy by command obsolete when it changes: the whole entry, but not the values of its secrets.
    #[must_use]
    pub fn manifest_hash(&self) -> String {
        let entry = format!("{:?}{}", self.config.source, self.config.settings_fingerprint());
        blake3::hash(entry.as_bytes()).to_hex().as_str().to_owned()
    }

    /// What the runtime needs for a component under these settings, which may use what it is given here.
    #[must_use]
    pub fn for_runtime(&self, wasm: Bytes, given: Given, observer: SharedObserver) -> PluginSpec {
        let config = &self.config;
        let values = |values: &std::collections::BTreeMap<String, String>| {
            let plain = values.iter().map(|(key, value)| (key.clone(), value.clone()));
            plain.chain(self.secrets.iter().cloned()).collect::<Vec<_>>()
        };
        let sse = || config.routes.iter().filter_map(|route| route.sse.as_ref());
        PluginSpec {
            limits: config.limits.clone(),
            instances: config.instances,
            env: values(&config.env),
            args: config.args.clone(),
            config: values(&config.config),
            grants: config.grants.clone(),
            buckets: given.buckets,
            databases: given.databases,
            topics: given.topics,
            store: Some(given.store),
            processes: Some(given.processes),
            channels: Some(given.channels),
            tasks: given.tasks,
            needs: Needs {
                http: config.routes.iter().any(|route| route.sse.is_none() && route.websocket.is_none()),
                event_streams: sse().any(|sse| sse.open == SseOpen::Handler),
                subscribers: !config.subscribers.is_empty(),
                jobs: !config.cron.is_empty(),
                channels: !config.channels.is_empty(),
                sockets: config.sockets.values().any(|socket| socket.connect == SocketConnect::Handler),
                processes: !config.processes.is_empty(),
                warmers: !config.warmers.is_empty(),
                websockets: config.routes.iter().any(|route| route.websocket.is_some()),
            },
            fingerprint: config.settings_fingerprint(),
            ..PluginSpec::new(self.name.clone(), wasm, observer)
        }
    }

    /// The layers in front of the plugin.
    ///
    /// # Errors
    /// When a cross-origin rule is not a valid header.
    pub fn layers(&self) -> anyhow::Result<Layers> {
        let cors = self.config.cors.as_ref().map(|cors| -> anyhow::Result<_> {
            Ok(skep_web::handler::Cors {
                origins: parsed(&cors.origins, |text| HeaderValue::from_str(text).ok())?.unwrap_or_else(any),
                methods: parsed(&cors.methods, |text| Method::from_bytes(text.as_bytes()).ok())?,
                headers: parsed(&cors.headers, |text| HeaderName::from_bytes(text.as_bytes()).ok())?,
                credentials: cors.credentials,
                max_age: Some(cors.max_age),
            })
        });
        Ok(Layers { compression: self.config.compression, cors: cors.transpose()? })
    }
}

/// A route, as the front matches it.
#[must_use]
pub fn pattern(route: &Route) -> Pattern {
    Pattern {
        host: route.host.as_ref().map(ToString::to_string),
        methods: route.methods.iter().flatten().filter_map(|name| name.parse().ok()).collect(),
        path: route.path.clone(),
    }
}

fn any() -> Vec<HeaderValue> {
    vec![HeaderValue::from_static("*")]
}

/// The list, or `None` for anything.
fn parsed<T>(allowed: &Allowed, parse: impl Fn(&str) -> Option<T>) -> anyhow::Result<Option<Vec<T>>> {
    match allowed {
        Allowed::Any => Ok(None),
        Allowed::Only(list) => list
            .iter()
            .map(|text| parse(text).with_context(|| format!("`{text}` is not valid in a cross-origin rule")))
            .collect::<anyhow::Result<Vec<_>>>()
            .map(Some),
    }
}
