//! What an instance holds: linear memory, and handles of the host.

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::Fields;

use crate::Call;

const WASM_PAGES_PER_MIB: u64 = 16;
/// Further away than any test runs.
const FAR_NS: u64 = 3_600_000_000_000;

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
