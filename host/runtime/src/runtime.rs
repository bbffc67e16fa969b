//! The runtime: engines, linkers and pools of a host, and the way from a file to a revision.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use skep_channels::Channels;
use skep_manifest::Grants;
use skep_types::{Instances, Limits, PluginName, RevisionId, SharedObserver};
use tokio::sync::Semaphore;

use crate::admission::{Doors, Pool};
use crate::cache::{CodeCache, Origin};
use crate::capability::cache::GrantedBucket;
use crate::capability::process::ProcessGrants;
use crate::capability::sql::GrantedDatabase;
use crate::capability::store::StoreGrants;
use crate::capability::tasks::{NoTasks, TaskGrant};
use crate::capability::topics::TopicGrants;
use crate::engine::{EngineKind, EngineOptions, Engines};
use crate::fair::FairShare;
use crate::home::Home;
use crate::inspect::{Shape, inspect};
use crate::linked::Linked;
use crate::linker::Linkers;
use crate::outbound::{Internal, OutboundPolicy};
use crate::resting::Resting;
use crate::revision::{Parts, Revision};
use crate::state::GuestEnv;
use crate::warm::{Warm, WarmBudget};

/// Components that are compiled at once. One uses every core while it lasts.
const COMPILATIONS: usize = 1;
/// How often a long compilation says that it is still at it.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What a host is built from.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// The node's name, for guests.
    pub node: String,
    /// Instances that may run at once. Default 1,000.
    pub instances: u32,
    /// Instances beside those that processes may have at once, of which each keeps its own. Default 2,000.
    pub processes: u32,
    /// The largest memory that any plugin may have.
    pub memory_max: usize,
    /// Where compiled code is kept.
    pub cache: CodeCache,
}

/// Handlers that a component must export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is needed or not, independent of the others")]
pub struct Needs {
    /// Any of those for HTTP requests.
    pub http: bool,
    /// The one that opens event streams.
    pub event_streams: bool,
    /// The one that hears messages.
    pub subscribers: bool,
    /// The one that does jobs.
    pub jobs: bool,
    /// The one with channels.
    pub channels: bool,
    /// The one that decides over sockets.
    pub sockets: bool,
    /// The one with processes.
    pub processes: bool,
    /// The one that fills caches.
    pub warmers: bool,
    /// The one that speaks over raw WebSockets.
    pub websockets: bool,
}

/// What a revision is built from.
#[derive(Clone)]
pub struct PluginSpec {
    /// The plugin's name.
    pub name: PluginName,
    /// The component.
    pub wasm: Bytes,
    /// Its limits.
    pub limits: Limits,
    /// Fresh or reused instances.
    pub instances: Instances,
    /// Its environment, secrets included.
    pub env: Vec<(String, String)>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its `wasi:config` values, secrets included.
    pub config: Vec<(String, String)>,
    /// What it may do.
    pub grants: Grants,
    /// The cache buckets that it may open.
    pub buckets: Vec<GrantedBucket>,
    /// The databases that it may open.
    pub databases: Vec<GrantedDatabase>,
    /// The handlers that the manifest has a use for, which the component must then export.
    pub needs: Needs,
    /// The engines behind its topics, and what it may do there.
    pub topics: TopicGrants,
    /// The durable store, and what it may do there. None where there is no store.
    pub store: Option<StoreGrants>,
    /// The processes of the host, and which of others it may reach. None where there are none.
    pub processes: Option<ProcessGrants>,
    /// The sockets of the host. None where there are none.
    pub channels: Option<Channels>,
    /// What its tasks may use.
    pub tasks: TaskGrant,
    /// Everything besides the component that makes a revision a different one.
    pub fingerprint: String,
    /// Told about the end of every call.
    pub observer: SharedObserver,
}

impl PluginSpec {
    /// A plugin that is given nothing, under the default limits.
    #[must_use]
    pub fn new(name: PluginName, wasm: Bytes, observer: SharedObserver) -> Self {
        Self {
            name,
            wasm,
            limits: Limits::default(),
            instances: Instances::default(),
            env: Vec::new(),
            args: Vec::new(),
            config: Vec::new(),
            grants: Grants::default(),
            buckets: Vec::new(),
            databases: Vec::new(),
            needs: Needs::default(),
            topics: TopicGrants::apart(),
            store: None,
            processes: None,
            channels: None,
            tasks: TaskGrant {
                detached: Arc::new(NoTasks),
                per_call: 100,
                deadline: Duration::from_secs(60),
                concurrency: 10,
                queue: 1000,
            },
            fingerprint: String::new(),
            observer,
        }
    }
}

/// Engines, linkers and pools of one host.
pub struct Runtime {
    node: String,
    engines: Engines,
    sync: EngineSide,
    concurrent: EngineSide,
    cache: CodeCache,
    compiling: Semaphore,
    fair: Arc<FairShare>,
    parties: AtomicU64,
}

/// What each engine has of its own.
struct EngineSide {
    linkers: Linkers,
    pool: Arc<Pool>,
    warm: Arc<WarmBudget>,
    processes: Arc<Resting>,
}

impl EngineSide {
    fn new(engines: &Engines, kind: EngineKind, processes: usize) -> anyhow::Result<Self> {
        let linkers = Linkers::new(engines.get(kind), kind).map_err(anyhow::Error::from).context("linking the host")?;
        let all = engines.instances(kind) as usize;
        let processes = processes.min(all);
        let total = all - processes;
        // Idle warm instances sit in slots of the pool without being admitted: a quarter of the slots is theirs.
        let warm = total / 4;
        Ok(Self {
            linkers,
            pool: Pool::new((total - warm).max(1)),
            warm: WarmBudget::new(warm),
            processes: Resting::new(processes),
        })
    }
}

impl Runtime {
    /// Builds engines and pools. Must be called inside the tokio runtime that will run the guests.
    ///
    /// # Errors
    /// When no engine can be built on this machine.
    pub fn new(options: RuntimeOptions) -> anyhow::Result<Self> {
        let wanted = options.instances.saturating_add(options.processes).max(1);
        let engines = Engines::new(&EngineOptions { instances: wanted, memory_max: options.memory_max })?;
        // Where the kernel gives less than was asked for, calls and processes have the less in the same measure.
        let share = |kind| {
            let granted = u64::from(engines.instances(kind)) * u64::from(options.processes) / u64::from(wanted);
            usize::try_from(granted).unwrap_or(usize::MAX)
        };
        Ok(Self {
            node: options.node,
            sync: EngineSide::new(&engines, EngineKind::Sync, share(EngineKind::Sync))?,
            concurrent: EngineSide::new(&engines, EngineKind::Concurrent, share(EngineKind::Concurrent))?,
            engines,
            cache: options.cache,
            compiling: Semaphore::new(COMPILATIONS),
            fair: FairShare::new(Home::here()),
            parties: AtomicU64::new(1),
        })
    }

    /// Where calls run that are not short.
    #[must_use]
    pub fn home(&self) -> &Home {
        self.fair.home()
    }

    /// How many instances processes may have at once on this machine, of components without WASI 0.3.
    #[must_use]
    pub fn process_places(&self) -> usize {
        self.sync.processes.free()
    }

    /// How many instances rest that processes have left.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.sync.processes.count() + self.concurrent.processes.count()
    }

    /// How instances get their memory.
    #[must_use]
    pub fn allocation(&self) -> crate::engine::Allocation {
        self.engines.allocation()
    }

    /// Compiles (off the async workers, or from the cache), links and checks a component. The new revision shares the
    /// queue and the instance count of `previous` where their limits allow it.
    ///
    /// # Errors
    /// When the file is not a component, does not compile, imports what this host does not offer, or exports no
    /// handler. The error says which.
    pub async fn load(
        &self,
        spec: PluginSpec,
        internal: Internal,
        previous: Option<&Revision>,
    ) -> anyhow::Result<Arc<Revision>> {
        let shape = inspect(&spec.wasm)?;
        check_exports(&spec, &shape)?;
        let side = self.side(shape.engine)?;
        let content = blake3::hash(&spec.wasm).to_hex();
        let id = revision_id(&spec, content.as_str());
        let component = self.compile(&spec, shape.engine, content.as_str().to_owned()).await?;
        let pre = side
            .linkers
            .of(&spec.buckets)
            .instantiate_pre(&component)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("plugin `{}` imports something that this host does not offer", spec.name))?;
        let linked = Linked::new(&pre, &shape)?;
        let previous_doors = previous.filter(|previous| previous.engine_kind() == shape.engine).map(Revision::doors);
        let doors = Doors::new(&side.pool, &spec, previous_doors);
        let party = previous.map_or_else(|| self.parties.fetch_add(1, Ordering::Relaxed), Revision::party);
        let assemble = |this: &Weak<Revision>| {
            let env = GuestEnv {
                plugin: spec.name.to_string(),
                revision: id.to_string(),
                node: self.node.clone(),
                env: spec.env,
                args: spec.args,
                files: spec.grants.files.clone(),
                config: spec.config.into_iter().collect(),
                outbound: Arc::new(OutboundPolicy::new(spec.name.clone(), &spec.grants, &spec.limits, internal)),
                header_bytes_max: spec.limits.response_headers.as_usize(),
                handles_max: spec.limits.handles,
                this: Weak::clone(this),
                topics: spec.topics,
                store: spec.store,
                processes: spec.processes,
                channels: spec.channels,
                tasks: spec.tasks,
                buckets: spec.buckets,
                databases: spec.databases,
                answer_bytes_max: spec.limits.host_memory.as_usize(),
            };
            Revision::new(Parts {
                id,
                name: spec.name,
                engine_kind: shape.engine,
                engine: self.engines.get(shape.engine).clone(),
                linked,
                limits: spec.limits,
                instances: spec.instances,
                env: Arc::new(env),
                doors,
                fair: Arc::clone(&self.fair),
                party,
                warm: Warm::new(Arc::clone(&side.warm), side.processes.shelf()),
                observer: spec.observer,
            })
        };
        Ok(Arc::new_cyclic(assemble))
    }

    fn side(&self, kind: EngineKind) -> anyhow::Result<&EngineSide> {
        match kind {
            EngineKind::Sync => Ok(&self.sync),
            EngineKind::Concurrent if cfg!(feature = "p3") => Ok(&self.concurrent),
            EngineKind::Concurrent => {
                anyhow::bail!("the component needs WASI 0.3, and this skep is built without its `p3` feature")
            }
        }
    }

    async fn compile(
        &self,
        spec: &PluginSpec,
        kind: EngineKind,
        content: String,
    ) -> anyhow::Result<wasmtime::component::Component> {
        let _turn = self.compiling.acquire().await.context("the runtime is shutting down")?;
        let (engine, cache, wasm) = (self.engines.get(kind).clone(), self.cache.clone(), spec.wasm.clone());
        let mut work = tokio::task::spawn_blocking(move || cache.load(&engine, kind, &wasm, &content));
        let started = tokio::time::Instant::now();
        let (component, origin) = loop {
            tokio::select! {
                done = &mut work => break done.context("the compiler panicked")?.map_err(anyhow::Error::from),
                () = tokio::time::sleep(PROGRESS_EVERY) => {
                    let seconds = started.elapsed().as_secs();
                    tracing::info!(plugin = %spec.name, bytes = spec.wasm.len(), seconds, "still compiling");
                }
            }
        }
        .with_context(|| format!("compiling plugin `{}`", spec.name))?;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match origin {
            Origin::Cache => tracing::debug!(plugin = %spec.name, millis, "compiled code found in the cache"),
            Origin::Compiled => {
                tracing::info!(plugin = %spec.name, bytes = spec.wasm.len(), millis, "compiled");
            }
        }
        Ok(component)
    }
}

/// The hash of a component and of every setting that changes how it behaves.
fn revision_id(spec: &PluginSpec, content: &str) -> RevisionId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(content.as_bytes());
    hasher.update(spec.fingerprint.as_bytes());
    for (key, value) in &spec.env {
        hasher.update(key.as_bytes()).update(b"=").update(value.as_bytes()).update(b"\0");
    }
    RevisionId::from_hex(hasher.finalize().to_hex().as_str())
}

/// Whether the component exports what the manifest has a use for.
fn check_exports(spec: &PluginSpec, shape: &Shape) -> anyhow::Result<()> {
    let exports = if shape.exports.is_empty() { "nothing".to_owned() } else { shape.exports.join(", ") };
    anyhow::ensure!(
        shape.handles_something(),
        "the component exports no handler: export `skep:plugin/http-handler@0.1.0`, \
         `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x` to answer HTTP requests, or another handler of \
         `skep:plugin` (it exports {exports})"
    );
    let needs = &spec.needs;
    for (needed, exported, what, export) in [
        (
            needs.http,
            shape.http.is_some(),
            "has routes",
            "no HTTP handler: `skep:plugin/http-handler@0.1.0`, `wasi:http/incoming-handler@0.2.x` or \
             `wasi:http/handler@0.3.x`",
        ),
        (
            needs.event_streams,
            shape.handlers.event_streams,
            "has routes with `sse` that ask the plugin",
            "no `skep:plugin/event-stream-handler@0.1.0`",
        ),
        (
            needs.subscribers,
            shape.handlers.subscribers,
            "has settings for subscribers",
            "no `skep:plugin/subscriber@0.1.0`",
        ),
        (
            needs.processes,
            shape.handlers.processes,
            "has settings for processes",
            "no `skep:plugin/process-handler@0.1.0`",
        ),
        (
            needs.channels,
            shape.handlers.channels,
            "has settings for channels",
            "no `skep:plugin/channel-handler@0.1.0`",
        ),
        (
            needs.sockets,
            shape.handlers.sockets,
            "has sockets that ask the plugin",
            "no `skep:plugin/socket-handler@0.1.0`: export it, or write `connect = \"anyone\"`",
        ),
        (
            needs.websockets,
            shape.handlers.websockets,
            "has routes with `websocket`",
            "no `skep:plugin/websocket-handler@0.1.0`",
        ),
        (needs.jobs, shape.handlers.jobs, "schedules jobs", "no `skep:plugin/job-handler@0.1.0`"),
        (needs.warmers, shape.handlers.warmers, "names warmers", "no `skep:plugin/cache-warmer@0.1.0`"),
    ] {
        anyhow::ensure!(
            !needed || exported,
            "the manifest {what}, and the component exports {export} (it exports {exports})"
        );
    }
    Ok(())
}
