//! What a guest's store holds.

use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skep_bindings::context;
use skep_channels::Channels;
use skep_manifest::FileGrant;
use skep_pubsub::SubscriptionId;
use wasmtime::AsContextMut as _;
use wasmtime::component::{Access, HasSelf, ResourceTable};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::IoView;

use crate::body::now;
use crate::capability::Held;
use crate::capability::cache::GrantedBucket;
use crate::capability::process::{ProcessGrants, Turning};
use crate::capability::sql::GrantedDatabase;
use crate::capability::store::StoreGrants;
use crate::capability::tasks::TaskGrant;
use crate::capability::topics::TopicGrants;
use crate::logs::LogStream;
use crate::memory::MemoryBudget;
use crate::outbound::{OutboundHooks, OutboundPolicy};
use crate::revision::Revision;
use crate::stats::CallStats;

/// What a guest may ask of `wasi:random` in one call: enough for any key, too little to fill the host's memory.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// What the manifest gives to every instance of a revision.
pub(crate) struct GuestEnv {
    pub(crate) plugin: String,
    pub(crate) revision: String,
    pub(crate) node: String,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) args: Vec<String>,
    pub(crate) files: Vec<FileGrant>,
    pub(crate) config: WasiConfigVariables,
    pub(crate) outbound: Arc<OutboundPolicy>,
    pub(crate) header_bytes_max: usize,
    pub(crate) handles_max: usize,
    /// The revision that this belongs to.
    pub(crate) this: Weak<Revision>,
    /// The engines behind its topics, and what it may do there.
    pub(crate) topics: TopicGrants,
    /// The durable store, and what it may do there. None where there is no store.
    pub(crate) store: Option<StoreGrants>,
    /// The processes of the host, and which of them it may reach. None where there are none.
    pub(crate) processes: Option<ProcessGrants>,
    /// The sockets of the host. None where there are none.
    pub(crate) channels: Option<Channels>,
    /// What its tasks may use.
    pub(crate) tasks: TaskGrant,
    /// Buckets by the index that is a guest's handle.
    pub(crate) buckets: Vec<GrantedBucket>,
    /// Databases by the index that is a guest's handle.
    pub(crate) databases: Vec<GrantedDatabase>,
    /// The most bytes that one answer of a host function may have.
    pub(crate) answer_bytes_max: usize,
}

/// The data of one store. What belongs to a call is in `stats` and is replaced for the next call.
pub(crate) struct CallState {
    // Most guests of the fast path never call WASI, so its context is built at the first use.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: OutboundHooks,
    pub(crate) memory: MemoryBudget,
    pub(crate) env: Arc<GuestEnv>,
    pub(crate) stats: Arc<CallStats>,
    /// Fuel that the guest has used for host functions and that is still in its store.
    pub(crate) owed: u64,
    pub(crate) held: Held,
    /// The subscription whose messages the call handles, if it is one of a subscriber.
    pub(crate) serving: Option<SubscriptionId>,
    /// The process whose call it is, if it is one of a process.
    pub(crate) process: Option<Box<Turning>>,
    /// 0, or, if the call is a task, how many tasks wait for what it maps: itself and those that wait for it.
    pub(crate) task_level: usize,
}

impl CallState {
    pub(crate) fn new(env: Arc<GuestEnv>, stats: Arc<CallStats>, memory_limit: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(env.handles_max);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(env.header_bytes_max);
        Self {
            wasi: None,
            table,
            http,
            hooks: OutboundHooks::new(Arc::clone(&env.outbound), Arc::clone(&stats)),
            memory: MemoryBudget::new(memory_limit),
            env,
            stats,
            owed: 0,
            held: Held::default(),
            serving: None,
            process: None,
            task_level: 0,
        }
    }

    /// Binds a reused instance to its next call.
    pub(crate) fn start_call(&mut self, stats: &Arc<CallStats>) {
        // The streams of the WASI context name the call that they log for. A guest that kept a stream open from an
        // earlier call goes on logging under that call's id and against its limit.
        self.wasi = None;
        self.hooks.start_call(Arc::clone(stats));
        self.memory.start_call();
        self.stats = Arc::clone(stats);
        self.owed = 0;
    }

    /// Gives back what the call was given.
    pub(crate) fn end_call(&mut self) {
        self.held.release();
        self.process = None;
    }

    /// What is left of the fuel that the store has. Without fuel there would be no limit to speak of; every engine of this host has it.
    pub(crate) fn left(&self, in_store: wasmtime::Result<u64>) -> u64 {
        in_store.unwrap_or_default().saturating_sub(self.owed)
    }

    pub(crate) fn config(&mut self) -> WasiConfig<'_> {
        WasiConfig::from(&self.env.config)
    }

    fn build_wasi(env: &GuestEnv, stats: &Arc<CallStats>) -> WasiCtx {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&env.args)
            .envs(&env.env)
            .stdout(LogStream::new("stdout", Arc::clone(stats)))
            .stderr(LogStream::new("stderr", Arc::clone(stats)))
            .max_random_size(RANDOM_BYTES_MAX)
            .monotonic_clock(HostClock)
            .allow_tcp(false)
            .allow_udp(false);
        for files in &env.files {
            let perms = if files.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            // The folder was there when the revision was loaded; one that is gone since is missing to the guest too.
            if let Err(error) = builder.preopened_dir(&files.host, &files.guest, perms) {
                tracing::warn!(
                    plugin = %stats.plugin(),
                    request_id = %stats.request_id(),
                    folder = %files.host.display(),
                    %error,
                    "a granted folder cannot be opened"
                );
            }
        }
        builder.build()
    }
}

/// The host's monotonic time, from one start for all calls: an instance may live longer than a call, and compare the times of two.
struct HostClock;

impl HostMonotonicClock for HostClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(now);
        u64::try_from(now().saturating_duration_since(*START).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (env, stats) = (&self.env, &self.stats);
        let ctx = self.wasi.get_or_insert_with(|| Self::build_wasi(env, stats));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl IoView for CallState {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

impl context::Host for CallState {
    fn current(&mut self) -> context::Info {
        let info = context::Info {
            plugin: self.env.plugin.clone(),
            revision: self.env.revision.clone(),
            node: self.env.node.clone(),
            request_id: self.stats.request_id().to_string(),
            traceparent: self.stats.traceparent.clone().unwrap_or_else(new_traceparent),
            deadline: unix_millis(self.stats.deadline_wall()),
        };
        let copied = info.plugin.len() + info.revision.len() + info.node.len() + info.request_id.len();
        self.stats.owe(copied + info.traceparent.len());
        info
    }

    fn client(&mut self) -> Option<String> {
        let client = self.stats.call().client;
        if client.is_unspecified() {
            return None;
        }
        let client = client.to_string();
        self.stats.owe(client.len());
        Some(client)
    }
}

impl context::HostWithStore<CallState> for HasSelf<CallState> {
    fn fuel_left(mut host: Access<'_, CallState, Self>) -> u64 {
        let store = host.as_context_mut();
        store.data().left(store.get_fuel())
    }
}

/// A W3C trace context for a request that came without one: random ids, not sampled.
fn new_traceparent() -> String {
    format!("00-{:032x}-{:016x}-00", fastrand::u128(1..), fastrand::u64(1..))
}

fn unix_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
