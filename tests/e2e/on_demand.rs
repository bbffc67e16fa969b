//! Where the machine has no room for a pool, instances are allocated one by one, and everything else stays the same.

use skep_runtime::Allocation;
use skep_tests::{events, guests};

use crate::direct::{body, load, runtime};

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
            assert_eq!(body(&load(runtime, &wasm).await, "/").await, expected, "{:?}", runtime.allocation());
        }
    }
}
