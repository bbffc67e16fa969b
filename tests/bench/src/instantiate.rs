//! How long an instance takes by itself: a store with its limits armed, the component instantiated in it, and both
//! dropped again. Prints the median in nanoseconds of each component that it is given, by `skep-runtime`'s own means.

#![allow(clippy::print_stdout)] // A benchmark prints.

use std::sync::{Arc, Weak};
use std::time::Instant;

use anyhow::Context as _;
use skep_node::Node;
use skep_runtime::{Allocation, CodeCache, Internal, PluginSpec, Runtime, RuntimeOptions};
use skep_types::{Call, CallObserver, Failure, PluginName, RequestId, Usage};

// As in `skep`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Instances before the first one that counts: the pool's slots are touched, caches are warm.
const WARM_UP: usize = 2_000;
const COUNT: usize = 20_000;

struct Deaf;

impl CallObserver for Deaf {
    fn ended(&self, _call: &Call, _outcome: Result<u16, &Failure>, _usage: Usage) {}
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let runtime = Runtime::new(RuntimeOptions {
        node: "bench".to_owned(),
        instances: 1000,
        processes: 0,
        memory_max: 1 << 30,
        cache: CodeCache::disabled(),
    })?;
    anyhow::ensure!(runtime.allocation() == Allocation::Pooled, "there is no room for a pool");
    for wasm in std::env::args_os().skip(1) {
        let wasm = std::fs::read(&wasm).with_context(|| format!("reading {}", wasm.display()))?;
        println!("{}", median(&runtime, wasm).await?);
    }
    Ok(())
}

async fn median(runtime: &Runtime, wasm: Vec<u8>) -> anyhow::Result<u64> {
    let spec = PluginSpec::new(PluginName::new("bench")?, wasm.into(), Arc::new(Deaf));
    let nobody: Internal = Weak::<Node>::new();
    let revision = runtime.load(spec, nobody, None).await?;
    let id = RequestId::from_bits(1);
    let call = Call { id, client: [127, 0, 0, 1].into(), secure: false, captures: Vec::new(), hops: 0 };
    // On a worker of the runtime, where guests run.
    let work = tokio::spawn(async move {
        let mut took = Vec::with_capacity(COUNT);
        for at in 0..WARM_UP + COUNT {
            let call = call.clone();
            #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
            let started = Instant::now();
            revision.try_out(call).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            if at >= WARM_UP {
                took.push(started.elapsed());
            }
        }
        took.sort_unstable();
        let middle = took.get(COUNT / 2).context("nothing was measured")?;
        anyhow::Ok(u64::try_from(middle.as_nanos())?)
    });
    work.await?
}
