//! What an instance holds: linear memory, handles of the host, and state that outlives a call.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;

use crate::Call;

const MIB: usize = 1 << 20;
const OS_PAGE: usize = 4096;
const WASM_PAGES_PER_MIB: u64 = 16;
/// Further away than any test runs.
const FAR_NS: u64 = 3_600_000_000_000;

/// Allocates until the allocator gives up, which aborts. Every page is touched, so that the memory is real.
pub(crate) fn bomb(call: Call) {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = vec![0_u8; MIB];
        block.iter_mut().step_by(OS_PAGE).for_each(|byte| *byte = 1);
        held.push(black_box(block));
        if held.len() > 4096 {
            // More than a 32-bit memory has: the blocks were never real, and the test would prove nothing.
            return call.out.text(500, "the allocations were optimised away");
        }
    }
}

/// Asks for memory as an allocator does, and survives a refusal.
pub(crate) fn grow(call: Call) {
    let pages = call.query.number("mib", 1).saturating_mul(WASM_PAGES_PER_MIB);
    let pages = usize::try_from(pages).unwrap_or(usize::MAX);
    let before = core::arch::wasm32::memory_grow::<0>(pages);
    call.out.text(200, if before == usize::MAX { "refused" } else { "grew" });
}

/// Leaks handles until the host refuses (it traps the call), or until there are `n`.
pub(crate) fn handles(call: Call) {
    let n = call.query.number("n", u64::MAX);
    let pollables = call.query.get("kind") == Some("pollables");
    for _ in 0..n {
        if pollables {
            std::mem::forget(monotonic_clock::subscribe_duration(FAR_NS));
        } else {
            std::mem::forget(Fields::new());
        }
    }
    call.out.text(200, &format!("{n} handles leaked"));
}

/// 1 on every call of a fresh instance; a reused one counts on.
pub(crate) fn counter(call: Call) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    call.out.text(200, &calls.to_string());
}
