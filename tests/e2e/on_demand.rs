//! Where the machine has no room for a pool, instances are allocated one by one, and everything else stays the same.

use http_body_util::BodyExt as _;
use skep_runtime::{Allocation, Runtime};
use skep_tests::{events, guests};

use crate::direct::{get, load, runtime};

/// What the guest answers to `GET /`.
async fn greeting(runtime: &Runtime, wasm: &std::path::Path) -> String {
    let response = get(&load(runtime, wasm).await, "/").await.unwrap();
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
