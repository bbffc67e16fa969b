//! The node: its plugins, its front, manifest reloads, shutdown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use skep_admin::api::Deployed;
use skep_admin::{Endpoint, LogHub};
use skep_manifest::{Machine, Manifest};
use skep_runtime::{
    CallBody, CodeCache, GrantedBucket, GrantedDatabase, Internal, InternalCalls, RequestBody, Runtime, RuntimeOptions,
};
use skep_supervision::{Bus, Environment, Spec, Supervisor};
use skep_types::{ByteSize, Call, Clock, Failure, FailureKind, Phase, PluginName, RequestId};
use skep_web::errors::ErrorStyle;
use skep_web::{Front, FrontOptions, Server, ServerOptions, TlsFiles, TrustedProxies};
use tokio_util::task::AbortOnDropHandle;

use crate::background::Services;
use crate::build;
use crate::caches::Buckets;
use crate::databases::Databases;
use crate::durable::Durable;
use crate::guard::probation::Prepared;
use crate::guard::{self, follow::follow};
use crate::machine;
use crate::meter::{self, Meter};
use crate::plugin::{Absence, Plugin};
use crate::processes::{self, ProcessService};
use crate::rate::Rates;
use crate::sockets::SocketService;
use crate::spec::{Given, Settings};
use crate::store::{Entry, Origin, Pin, PluginStore, content_hash, unix_ms, write_durably};
use crate::topics::Topics;

mod recover;
mod reload;

/// The pool's slots hold at least this much memory each, so that a later manifest may ask for more than today's.
const MEMORY_MIN: u64 = 1 << 30;
/// How often what ended in caches is freed.
const UPKEEP_EVERY: Duration = Duration::from_secs(3);
/// How long buckets may be written to the store at the end, where the drain time is not longer.
const FLUSH_MIN: Duration = Duration::from_secs(5);

/// How the node treats its plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `skep up`: build first; a plugin that fails is shown while the others serve; error answers tell authors all.
    Development,
    /// `skep serve`: no build; nothing serves unless everything does; error answers tell clients only a code.
    Production,
}

/// What a node is started from.
pub struct NodeOptions {
    /// The manifest, checked.
    pub manifest: Manifest,
    /// How plugins are treated.
    pub mode: Mode,
    /// Where to listen instead of the manifest's addresses, if anywhere.
    pub listen: Vec<SocketAddr>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where guests' log lines come by.
    pub logs: LogHub,
    /// Renders the metrics of this process.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

type Plugins = BTreeMap<PluginName, Arc<Plugin>>;

/// A running host.
pub struct Node {
    pub(crate) runtime: Runtime,
    pub(crate) front: Arc<Front>,
    pub(crate) buckets: Buckets,
    pub(crate) databases: Databases,
    pub(crate) topics: Arc<Topics>,
    pub(crate) services: Services,
    rates: Rates,
    plugins: ArcSwap<Plugins>,
    pub(crate) manifest: ArcSwap<Manifest>,
    mode: Mode,
    clock: Arc<dyn Clock>,
    started: Instant,
    _follow: AbortOnDropHandle<()>,
    pub(crate) logs: LogHub,
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
    server: Mutex<Option<Server>>,
    addresses: ArcSwap<Vec<SocketAddr>>,
    ready: AtomicBool,
    // One manifest reload at a time; held over awaits, so it is tokio's.
    reloading: tokio::sync::Mutex<()>,
    this: Weak<Node>,
}

impl Node {
    /// Builds (in development), loads and tries out all plugins, then listens.
    ///
    /// # Errors
    /// When an address cannot be bound, two routes clash, or, in production, any plugin does not load.
    pub async fn start(options: NodeOptions) -> anyhow::Result<Arc<Self>> {
        let NodeOptions { manifest, mode, listen, clock, logs, metrics } = options;
        let host = &manifest.host;
        let addresses = if listen.is_empty() { host.listen.clone() } else { listen };
        // Before anything is compiled for minutes.
        Server::try_addresses(&addresses)?;
        check_tls(&manifest)?;
        let memory = manifest.plugins.values().map(|plugin| plugin.limits.memory.0).max().unwrap_or_default();
        let runtime =
            Runtime::new(RuntimeOptions {
                node: host.name.clone(),
                instances: host.instances,
                processes: processes::places(host.processes.live_on(
                    Machine { maps: machine::maps(), memory: machine::memory().map(ByteSize) },
                    host.instances,
                )),
                memory_max: usize::try_from(memory.max(MEMORY_MIN)).unwrap_or(usize::MAX),
                cache: CodeCache::new(host.data.join("cache")),
            })?;
        meter::describe();
        crate::bucket_meter::describe();
        crate::second_meter::describe();
        crate::database_meter::describe();
        crate::warmers::describe();
        crate::topics::describe();
        crate::streams::describe();
        crate::background::describe();
        crate::durable::describe();
        processes::describe();
        crate::sockets::describe();
        guard::describe();
        let topics = Arc::new(Topics::new(&manifest, Arc::clone(&clock)));
        let environment = Environment { clock: Arc::clone(&clock), bus: Bus::default() };
        let root = Supervisor::start(guard::ROOT, Spec::default(), Vec::new(), environment.clone())?;
        let durable = Durable::open(host, Arc::clone(&clock), topics.pubsub.clone()).await?;
        let buckets = Buckets::new(&manifest, Arc::clone(&clock), Arc::clone(&durable.store));
        let databases = Databases::new(&host.data, Arc::clone(&clock));
        let (places, keeper) = (runtime.process_places(), durable.keeper());
        let processes = ProcessService::open(host, places, keeper, topics.pubsub.clone(), &environment)?;
        durable.deliver_to(&processes.processes);
        let (durable, processes) = (Arc::new(durable), Arc::new(processes));
        let (pubsub, presence) = (topics.pubsub.clone(), topics.presence.clone());
        let sockets = SocketService::new(Arc::clone(&clock), pubsub, presence, processes.processes.clone());
        let sockets = Arc::new(sockets);
        let services = Services { topics: Arc::clone(&topics), durable, processes, sockets, environment, root };
        let rates = Rates::new(Arc::clone(&clock));
        let front = Front::new(FrontOptions {
            proxies: TrustedProxies::new(host.http.trusted_proxies.clone()),
            errors: if mode == Mode::Development { ErrorStyle::Development } else { ErrorStyle::Production },
            access_log: host.access_log,
            clock: Arc::clone(&clock),
        });
        let server_options = server_options(&manifest);
        let node = Arc::new_cyclic(|this: &Weak<Self>| Self {
            runtime,
            front: Arc::clone(&front),
            buckets,
            databases,
            topics,
            _follow: follow(&services.environment.bus),
            services,
            rates,
            plugins: ArcSwap::default(),
            manifest: ArcSwap::from_pointee(manifest),
            mode,
            started: clock.now(),
            clock,
            logs,
            metrics,
            server: Mutex::default(),
            addresses: ArcSwap::default(),
            ready: AtomicBool::new(false),
            reloading: tokio::sync::Mutex::new(()),
            this: Weak::clone(this),
        });
        node.load_all().await?;
        node.services.durable.publish_left();
        node.warm().await?;
        let server = Server::start(front, &addresses, server_options).await?;
        node.addresses.store(Arc::new(server.addresses().to_vec()));
        *node.server.lock() = Some(server);
        tokio::spawn(upkeep(Arc::downgrade(&node)));
        node.ready.store(true, Ordering::Release);
        Ok(node)
    }

    /// What waits for a time looks at the clock at once. For clocks that are set by hand.
    pub fn look(&self) {
        self.services.durable.jobs.look();
        self.services.processes.processes.look();
    }

    /// How long it has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.load_full()
    }

    /// Whether it serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether clients speak TLS to it.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.manifest.load().host.tls.is_some()
    }

    /// Its plugins, by name.
    #[must_use]
    pub fn plugins(&self) -> Arc<Plugins> {
        self.plugins.load_full()
    }

    /// A plugin by name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<Arc<Plugin>> {
        let name = PluginName::new(name).ok()?;
        self.plugins.load().get(&name).cloned()
    }

    /// Leaves address and token where the command line finds them, for the owner only.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub fn announce(&self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let data = self.manifest.load().host.data.clone();
        let creating = || format!("writing to the data directory {}", data.display());
        std::fs::create_dir_all(&data).with_context(creating)?;
        // A temporary file is its owner's only, and keeps that when it is renamed.
        write_durably(&data.join(Endpoint::FILE), &serde_json::to_vec_pretty(endpoint)?).with_context(creating)
    }

    /// Stops listening, lets calls finish for the drain time, writes and saves the buckets that outlive the process, and tells
    /// whether all calls finished.
    pub async fn shutdown(&self) -> bool {
        self.ready.store(false, Ordering::Release);
        let drain = self.drain();
        // Streams never end by themselves; their clients come back to whoever serves next.
        for plugin in self.plugins.load().values() {
            plugin.streams().close();
        }
        self.services.sockets.drain(drain).await;
        // What it looks after, such as connections to upstreams, others need to the end.
        let server = self.server.lock().take();
        let drained = match &server {
            Some(server) => server.shutdown(drain).await,
            None => true,
        };
        // Jobs, subscribers and tasks have their own time to end what they are at. The supervisors are before the processes, whose
        // ends they would hear of.
        self.services.durable.stop_jobs().await;
        self.services.root.stop().await;
        self.services.processes.stop().await;
        // What is still open is cut off with its reason instead of being dropped with the process.
        for plugin in self.plugins.load().values() {
            if let Some(revision) = plugin.current() {
                revision.retire();
            }
        }
        // Nobody writes to a bucket any more, and the store still takes what is behind.
        self.keep_caches(drain.max(FLUSH_MIN)).await;
        self.services.durable.close().await;
        drained
    }

    /// Saves the buckets that persist, and writes those that are behind to the store; `shutdown` does it too, after its drain.
    /// What cannot be saved is in the log.
    pub async fn save_caches(&self) {
        self.keep_caches(FLUSH_MIN).await;
    }

    async fn keep_caches(&self, within: Duration) {
        self.buckets.flush(within).await;
        self.buckets.save_all().await;
    }

    fn drain(&self) -> Duration {
        self.manifest.load().host.drain
    }

    fn internal(&self) -> Internal {
        let this: Weak<Self> = Weak::clone(&self.this);
        this
    }

    fn store_of(&self, manifest: &Manifest, name: &PluginName) -> PluginStore {
        PluginStore::new(&manifest.host.data, name, manifest.host.keep_revisions)
    }

    fn new_plugin(&self, settings: Settings, store: PluginStore, meter: Arc<Meter>) -> Arc<Plugin> {
        Plugin::new(settings, store, meter, self.services.clone())
    }

    async fn load_all(&self) -> anyhow::Result<()> {
        let manifest = self.manifest.load_full();
        // Before the first plugin is loaded, so that it never sees a bucket without its entries of the last time.
        self.buckets.put_in_place(self.buckets.prepare(&manifest).await?)?;
        self.databases.put_in_place(self.databases.prepare(&manifest).await?);
        let mut plugins = Plugins::new();
        for (name, config) in &manifest.plugins {
            let settings = Settings::read(name.clone(), config.clone())?;
            let meter = Meter::new(name.clone(), manifest.host.access_log);
            let plugin = self.new_plugin(settings.clone(), self.store_of(&manifest, name), meter);
            plugins.insert(name.clone(), Arc::clone(&plugin));
            if let Err(absence) = self.first_revision(&plugin, &settings, &manifest).await {
                match (&absence, self.mode) {
                    (Absence::Failed(why), Mode::Production) => anyhow::bail!("plugin `{name}` does not start: {why}"),
                    (Absence::Failed(why), Mode::Development) => tracing::error!(plugin = %name, "{why}"),
                    (Absence::Skipped(why), _) => tracing::warn!(plugin = %name, "skipped: {why}"),
                }
                plugin.absent(absence);
            }
        }
        let (table, limiters) = self.routes(&plugins)?;
        self.front.swap(table);
        self.rates.put_in_place(limiters);
        self.plugins.store(Arc::new(plugins));
        Ok(())
    }

    /// Waits for the required warmers: nobody is served from cold caches.
    async fn warm(&self) -> anyhow::Result<()> {
        for plugin in self.plugins.load_full().values() {
            if let Err(why) = plugin.warmed().await {
                anyhow::ensure!(self.mode == Mode::Development, why);
                tracing::error!("{why}");
            }
        }
        Ok(())
    }

    async fn first_revision(&self, plugin: &Plugin, settings: &Settings, manifest: &Manifest) -> Result<(), Absence> {
        let failed = |error: anyhow::Error| Absence::Failed(format!("{error:#}"));
        if self.mode == Mode::Development {
            self.build(settings, &manifest.dir).await?;
        } else if let Some(program) = build::missing_program(&settings.config.needs)
            && !settings.config.source.exists()
        {
            return Err(Absence::Skipped(format!("needs {program}")));
        }
        let (wasm, origin) = self.component(plugin, settings).map_err(failed)?;
        let opens = (self.buckets.granted(settings), self.databases.granted(settings));
        let revision = self.prepare(plugin, settings, wasm.clone(), opens).await.map_err(failed)?;
        let _claim = self.services.sockets.claim([(settings, &*revision.revision)], |_| true).map_err(failed)?;
        self.databases.migrate(&settings.name).await.map_err(failed)?;
        self.keep(plugin, settings, &wasm, &revision, origin, false).map_err(failed)?;
        plugin.swap(&revision, settings.clone(), origin, manifest.host.drain, &self.this);
        plugin.listen().await;
        Ok(())
    }

    /// Runs the build command, if there is one and its programs are there.
    pub(crate) async fn build(&self, settings: &Settings, dir: &Path) -> Result<(), Absence> {
        if let Some(program) = build::missing_program(&settings.config.needs) {
            return Err(Absence::Skipped(format!("needs {program}")));
        }
        match &settings.config.build {
            Some(command) => {
                let built = build::run(&settings.name, command, dir).await;
                built.map_err(|error| Absence::Failed(format!("{error:#}")))
            }
            None => Ok(()),
        }
    }

    /// The component to start with: what was deployed by command for this very entry, else the source.
    fn component(&self, plugin: &Plugin, settings: &Settings) -> anyhow::Result<(Bytes, Origin)> {
        let history = plugin.store.history();
        if let Some(pin) = history.pinned
            && pin.manifest == settings.manifest_hash()
            && !is_replaced(&pin, settings)
        {
            match plugin.store.component(&pin.content) {
                Ok(wasm) => return Ok((wasm, Origin::Deploy)),
                Err(error) => tracing::warn!(
                    plugin = %settings.name,
                    error = format!("{error:#}"),
                    "what was deployed cannot be read, the source is served"
                ),
            }
        }
        Ok((read_source(settings)?, Origin::Source))
    }

    /// Compiles, links and tries out a component, beside what serves now.
    pub(crate) async fn prepare(
        &self,
        plugin: &Plugin,
        settings: &Settings,
        wasm: Bytes,
        (buckets, databases): (Vec<GrantedBucket>, Vec<GrantedDatabase>),
    ) -> anyhow::Result<Prepared> {
        let (observer, calls) = plugin.observer();
        let (topics, store) = (self.topics.granted(settings), self.services.durable.granted(settings));
        let (processes, tasks) = (self.services.processes.granted(settings), plugin.background().task_grant(settings));
        let channels = self.services.sockets.channels.clone();
        let given = Given { buckets, databases, topics, store, processes, channels, tasks };
        let spec = settings.for_runtime(wasm, given, observer);
        let previous = plugin.current();
        let revision = self.runtime.load(spec, self.internal(), previous.as_deref()).await?;
        let call = Call {
            id: RequestId::from_bits(0),
            client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            secure: false,
            captures: Vec::new(),
            hops: 0,
        };
        let tried = revision.try_out(call.clone()).await;
        tried.map_err(|failure| anyhow::anyhow!("the component does not start: {failure}"))?;
        let declared = revision.declare(&call).await;
        declared.map_err(|failure| anyhow::anyhow!("the component's own description is not valid: {failure}"))?;
        plugin.background().check(settings, &revision)?;
        Ok(Prepared { revision, calls })
    }

    fn keep(
        &self,
        plugin: &Plugin,
        settings: &Settings,
        wasm: &[u8],
        prepared: &Prepared,
        origin: Origin,
        pin: bool,
    ) -> anyhow::Result<()> {
        let content = content_hash(wasm);
        let kept = plugin.store.history().pinned.filter(|_| origin == Origin::Deploy && !pin);
        let pin = pin
            .then(|| Pin { content: content.clone(), manifest: settings.manifest_hash(), instead_of: None })
            .or(kept);
        let revision = prepared.revision.id().to_string();
        let entry = Entry { revision, content, origin, at_ms: unix_ms(self.clock.wall()) };
        plugin.store.keep(wasm, entry, pin)
    }

    /// Puts a component in service: check, try out, keep, swap, drain. Nothing is changed by one that does not fit.
    ///
    /// # Errors
    /// What is wrong with the component, or with the disk.
    pub async fn deploy(&self, plugin: &Plugin, wasm: Bytes, origin: Origin) -> anyhow::Result<Deployed> {
        let _turn = plugin.deploying.lock().await;
        let settings = plugin.settings();
        let previous = plugin.current();
        let opens = (self.buckets.granted(&settings), self.databases.granted(&settings));
        let prepared = self.prepare(plugin, &settings, wasm.clone(), opens).await?;
        let _claim = self.services.sockets.claim([(&*settings, &*prepared.revision)], |_| true)?;
        // What can fail of the component has not failed. What serves goes on with the new schema until the swap, and so does what
        // a rollback goes back to.
        self.databases.migrate(&settings.name).await?;
        let revision = prepared.revision.id().clone();
        let deployed = Deployed {
            plugin: settings.name.to_string(),
            revision: revision.to_string(),
            previous: previous.as_ref().filter(|old| *old.id() != revision).map(|old| old.id().to_string()),
        };
        self.keep(plugin, &settings, &wasm, &prepared, origin, origin != Origin::Source)?;
        if previous.is_none_or(|old| *old.id() != revision) {
            plugin.swap(&prepared, Settings::clone(&settings), origin, self.drain(), &self.this);
            plugin.listen().await;
        } else {
            plugin.healed();
        }
        Ok(deployed)
    }

    /// Goes back to an earlier component, under today's settings.
    ///
    /// # Errors
    /// When there is none, or it does not load any more.
    pub async fn rollback(&self, plugin: &Plugin, to: Option<&str>) -> anyhow::Result<Deployed> {
        let history = plugin.store.history();
        let current = plugin.current().map(|revision| revision.id().to_string());
        let serving = history.entries.iter().find(|entry| Some(&entry.revision) == current.as_ref());
        let serving = serving.map(|entry| entry.content.clone());
        let target = match to {
            Some(wanted) => history.entries.iter().find(|entry| entry.revision.starts_with(wanted)),
            None => history.entries.iter().find(|entry| Some(&entry.content) != serving.as_ref()),
        };
        let target = target.with_context(|| match to {
            Some(wanted) => format!("no kept revision begins with `{wanted}`"),
            None => "there is no earlier revision to go back to".to_owned(),
        })?;
        let wasm = plugin.store.component(&target.content)?;
        self.deploy(plugin, wasm, Origin::Rollback).await
    }
}

/// Frees what ended in caches and limiters, for as long as the node is there.
async fn upkeep(node: Weak<Node>) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        let Some(node) = node.upgrade() else { return };
        node.buckets.upkeep();
        node.databases.measure();
        node.topics.upkeep();
        node.rates.sweep();
        node.services.durable.measure().await;
        node.services.processes.measure(node.runtime.resting());
        node.services.sockets.measure();
    }
}

/// Whether there is another source by now than the one that a pin stands in for.
fn is_replaced(pin: &Pin, settings: &Settings) -> bool {
    let bad = pin.instead_of.as_ref();
    bad.is_some_and(|bad| read_source(settings).is_ok_and(|source| content_hash(&source) != *bad))
}

/// Reads a plugin's component from where the manifest says.
pub(crate) fn read_source(settings: &Settings) -> anyhow::Result<Bytes> {
    let source = &settings.config.source;
    let wasm = std::fs::read(source).map_err(|error| {
        let hint = match &settings.config.build {
            _ if error.kind() != std::io::ErrorKind::NotFound => "the host's user must be able to read it".to_owned(),
            Some(command) => format!("build it with `skep build` (`{command}`)"),
            None => "check `source` in skep.toml".to_owned(),
        };
        anyhow::Error::new(error).context(format!("no component at {}: {hint}", source.display()))
    })?;
    Ok(wasm.into())
}

fn tls_files(manifest: &Manifest) -> Option<TlsFiles> {
    let tls = manifest.host.tls.as_ref()?;
    Some(TlsFiles { cert: tls.cert.clone(), key: tls.key.clone() })
}

/// Whether the certificate and the key of a manifest can be used, if it names any. It blocks.
///
/// # Errors
/// What is wrong with them.
pub fn check_tls(manifest: &Manifest) -> anyhow::Result<()> {
    tls_files(manifest).map_or(Ok(()), |files| files.check().context("the certificate of `host.tls`"))
}

fn server_options(manifest: &Manifest) -> ServerOptions {
    let host = &manifest.host;
    ServerOptions {
        tls: tls_files(manifest),
        header_timeout: host.http.header_timeout,
        keep_alive: host.http.keep_alive,
        max_connections: host.http.max_connections,
        max_headers: host.http.max_headers,
        max_header_bytes: host.http.max_header_bytes.as_usize(),
        max_streams: host.http.max_streams,
    }
}

impl InternalCalls for Node {
    fn call(
        &self,
        plugin: PluginName,
        call: Call,
        request: Request<RequestBody>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<CallBody>, Failure>> + Send>> {
        let revision = self.plugins.load().get(&plugin).and_then(|plugin| plugin.current());
        Box::pin(async move {
            match revision {
                Some(revision) => revision.handle(call, request).await,
                None => Err(Failure::new(FailureKind::NotRunning, Phase::Queue, format!("`{plugin}` is not running"))),
            }
        })
    }
}
