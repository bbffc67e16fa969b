//! Where the machine has no room for a pool, instances are allocated one by one, and everything else stays the same.

use std::sync::Weak;

use http_body_util::BodyExt as _;
use skep_node::Node;
use skep_runtime::{Allocation, CodeCache, Internal, PluginSpec, RequestBody, Runtime, RuntimeOptions};
use skep_tests::{events, guests};
use skep_types::{Call, CallObserver, Failure, PluginName, RequestId, Usage};

struct Deaf;

impl CallObserver for Deaf {
    fn ended(&self, _call: &Call, _outcome: Result<u16, &Failure>, _usage: Usage) {}
}

fn runtime(memory_max: usize) -> Runtime {
    let cache = CodeCache::new(guests::code_cache());
    Runtime::new(RuntimeOptions { node: "test".to_owned(), instances: 16, processes: 4, memory_max, cache }).unwrap()
}

fn spec(wasm: &std::path::Path) -> PluginSpec {
    let name = PluginName::new("on-demand").unwrap();
    PluginSpec::new(name, std::fs::read(wasm).unwrap().into(), std::sync::Arc::new(Deaf))
}

/// What the guest answers to `GET /`.
async fn greeting(runtime: &Runtime, wasm: &std::path::Path) -> String {
    let nobody: Internal = Weak::<Node>::new();
    let revision = runtime.load(spec(wasm), nobody, None).await.unwrap();
    let id = RequestId::from_bits(1);
    let call = Call { id, client: [127, 0, 0, 1].into(), secure: false, captures: Vec::new(), hops: 0 };
    let request = http::Request::get("http://x/").header("host", "x").body(RequestBody::default()).unwrap();
    let response = revision.handle(call, request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_both_engines_run_without_a_pool() {
    events::catch();
    // Slots that a 64-bit address space cannot hold: wasmtime refuses the pool before it asks the kernel.
    let on_demand = runtime(1 << 46);
    assert_eq!(on_demand.allocation(), Allocation::OnDemand);
    assert!(events::any_says("instances are allocated on demand"), "the operator is told");
    let pooled = runtime(1 << 30);
    assert_eq!(pooled.allocation(), Allocation::Pooled);
    for (wasm, expected) in [(guests::wstd(), "hello from wstd"), (guests::wasip3(), "hello from wasip3")] {
        for runtime in [&on_demand, &pooled] {
            assert_eq!(greeting(runtime, &wasm).await.trim(), expected, "{:?}", runtime.allocation());
        }
    }
}
