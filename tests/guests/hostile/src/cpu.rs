//! Work for so long, measured by the host's clock.

use wasip2::clocks::monotonic_clock;

use crate::Call;

/// Between two looks at the clock, so that spinning is nearly all wasm and hardly any host call.
const ROUNDS_PER_LOOK: u64 = 10_000;

pub(crate) fn spin_ms(call: Call) {
    spin_for(call.query.number("ms", 100));
    call.out.text(200, "spun");
}

/// Burns fuel for so long.
pub(crate) fn spin_for(ms: u64) {
    let until = monotonic_clock::now().saturating_add(ms.saturating_mul(1_000_000));
    while monotonic_clock::now() < until {
        hostile_common::rounds(ROUNDS_PER_LOOK);
    }
}
