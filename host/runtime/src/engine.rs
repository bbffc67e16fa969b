//! The wasmtime engines.
//!
//! There are two, because the machinery that WASI 0.3 needs (concurrent calls into one instance) slows down every call
//! of every other component: components are compiled for the engine that their imports and exports
//! ask for, and never for both.

use std::sync::Arc;

use anyhow::Context as _;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Which engine a component needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EngineKind {
    /// WASI 0.2 and `skep:plugin`: one call at a time, the fast engine.
    Sync,
    /// WASI 0.3: concurrent calls, streams and futures.
    Concurrent,
}

impl EngineKind {
    /// The kind's name in cache paths and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Concurrent => "concurrent",
        }
    }
}

/// How instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of reserved slots: the fast way.
    Pooled,
    /// By `mmap` for each instance: where the kernel or the address space does not allow a pool.
    OnDemand,
}

/// What the engines are built from.
#[derive(Clone, Debug)]
pub(crate) struct EngineOptions {
    /// Instances that may be live at once on the sync engine; the concurrent one gets a quarter. Every pool total is
    /// derived from this number.
    pub instances: u32,
    /// The largest memory that any plugin's limit asks for.
    pub memory_max: usize,
}

/// Wasm stack of a call. The rest of the fiber's stack is for host functions.
const WASM_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 1 << 20;
/// Pages that stay mapped in a slot between two instances: more than a small guest touches, so that the next one faults none in.
const MEMORY_RESIDENT: usize = 128 << 10;
const TABLE_RESIDENT: usize = 16 << 10;
const STACK_RESIDENT: usize = 64 << 10;
/// JavaScript engines compiled to wasm have tables of some ten thousand entries.
const TABLE_ELEMENTS: usize = 100_000;
/// Mappings of a pooled live instance: memory before, image, after and tail, and two of its stack.
const MAPS_PER_INSTANCE: u64 = 6;
/// Mappings left to everything that is not an instance: code, libraries, threads, sockets' buffers.
const MAPS_RESERVED: u64 = 10_000;
/// What a component may bring: adapters and shims make most of these.
const CORE_INSTANCES_PER_COMPONENT: u32 = 40;
const MEMORIES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 40;

/// The two engines and how they allocate.
#[derive(Clone)]
pub(crate) struct Engines {
    sync: Engine,
    concurrent: Engine,
    allocation: Allocation,
    instances: u32,
}

impl Engines {
    /// Builds both engines, pooled where possible. Says so in the log where it is not.
    ///
    /// # Errors
    /// When not even on-demand engines can be built.
    pub(crate) fn new(options: &EngineOptions) -> anyhow::Result<Self> {
        let instances = fit_to_kernel(options.instances.max(1));
        let pooled = || -> anyhow::Result<Self> {
            Ok(Self {
                sync: pooled_engine(EngineKind::Sync, instances, options.memory_max)?,
                concurrent: pooled_engine(EngineKind::Concurrent, instances.div_ceil(4), options.memory_max)?,
                allocation: Allocation::Pooled,
                instances,
            })
        };
        match pooled() {
            Ok(engines) => Ok(engines),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    instances,
                    "no address space for an instance pool, instances are allocated on demand, which is \
                     slower: lower `host.instances` or raise `ulimit -v`"
                );
                let engine = |kind| Engine::new(&config(kind)).map_err(anyhow::Error::from);
                Ok(Self {
                    sync: engine(EngineKind::Sync).context("building the engine")?,
                    concurrent: engine(EngineKind::Concurrent).context("building the engine for WASI 0.3")?,
                    allocation: Allocation::OnDemand,
                    instances,
                })
            }
        }
    }

    /// The engine of a kind.
    #[must_use]
    pub(crate) fn get(&self, kind: EngineKind) -> &Engine {
        match kind {
            EngineKind::Sync => &self.sync,
            EngineKind::Concurrent => &self.concurrent,
        }
    }

    /// How instances get their memory.
    #[must_use]
    pub(crate) fn allocation(&self) -> Allocation {
        self.allocation
    }

    /// Instances that may be live at once on an engine, warm ones included.
    #[must_use]
    pub(crate) fn instances(&self, kind: EngineKind) -> u32 {
        match kind {
            EngineKind::Sync => self.instances,
            EngineKind::Concurrent => self.instances.div_ceil(4),
        }
    }
}

fn config(kind: EngineKind) -> Config {
    let mut config = Config::new();
    let concurrent = kind == EngineKind::Concurrent;
    config.concurrency_support(concurrent);
    if concurrent {
        config.wasm_component_model_async(true);
    }
    config.consume_fuel(true);
    config.max_wasm_stack(WASM_STACK);
    config.async_stack_size(FIBER_STACK);
    config
}

fn pooled_engine(kind: EngineKind, instances: u32, memory_max: usize) -> anyhow::Result<Engine> {
    // A component of a plain toolchain brings three core instances (program, adapter, shim) and one memory; what a
    // bigger one needs beyond the pool's total waits for nothing and is refused, so the totals are generous: an unused
    // slot costs address space only.
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(4))
        .total_memories(instances + instances / 4 + MEMORIES_PER_COMPONENT)
        .total_tables(instances.saturating_mul(3))
        .total_stacks(instances)
        .total_gc_heaps(instances / 4 + 1)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(8)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(memory_max)
        .linear_memory_keep_resident(MEMORY_RESIDENT)
        .table_keep_resident(TABLE_RESIDENT)
        .async_stack_keep_resident(STACK_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = config(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(anyhow::Error::from).context("building a pooled engine")
}

/// Lowers the number of instances to what the kernel has mappings for, and says so.
fn fit_to_kernel(instances: u32) -> u32 {
    let Some(maps) = max_map_count() else { return instances };
    // The concurrent engine's quarter counts as well.
    let most = maps.saturating_sub(MAPS_RESERVED) / MAPS_PER_INSTANCE * 4 / 5;
    let most = u32::try_from(most).unwrap_or(u32::MAX).max(16);
    if instances > most {
        let wanted = u64::from(instances) * MAPS_PER_INSTANCE * 5 / 4 + MAPS_RESERVED;
        tracing::warn!(
            asked = instances,
            granted = most,
            "the kernel allows this process {maps} memory mappings: `host.instances` is lowered; \
             `sysctl vm.max_map_count={wanted}` would allow it"
        );
    }
    instances.min(most)
}

/// The kernel's limit on mappings of a process; `None` where there is no such limit to read.
fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

/// A short hash of everything in an engine that compiled code depends on: its settings and wasmtime's version.
pub(crate) fn compatibility_hash(engine: &Engine) -> String {
    struct Blake(blake3::Hasher);
    impl std::hash::Hasher for Blake {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Blake(blake3::Hasher::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    let hex: Arc<str> = hasher.0.finalize().to_hex().as_str().into();
    hex.get(..16).unwrap_or_default().to_owned()
}
