//! Work without end: fuel, the deadline and the stack are what stops it.
//!
//! What dies is never inlined, so that its name stands in the stack that the host reports.

use std::hint::black_box;

use wasip2::clocks::monotonic_clock;

use crate::Call;

/// Between two looks at the clock, so that spinning is nearly all wasm and hardly any host call.
const ROUNDS_PER_LOOK: u64 = 10_000;

#[inline(never)]
pub(crate) fn spin() -> ! {
    loop {
        black_box(0_u64);
    }
}

pub(crate) fn spin_ms(call: Call) {
    spin_for(call.query.number("ms", 100));
    call.out.text(200, "spun");
}

/// Burns fuel for so long.
pub(crate) fn spin_for(ms: u64) {
    let until = monotonic_clock::now().saturating_add(ms.saturating_mul(1_000_000));
    while monotonic_clock::now() < until {
        for round in 0..ROUNDS_PER_LOOK {
            black_box(round);
        }
    }
}

pub(crate) fn recurse(call: Call) {
    let depth = deeper(1);
    call.out.text(200, &depth.to_string());
}

/// Uses the result of its own call and the address of a local, so that no optimiser makes a loop of it.
#[inline(never)]
#[allow(unconditional_recursion, reason = "this is what the route is for")]
fn deeper(depth: u64) -> u64 {
    let mut frame = [depth; 16];
    black_box(&mut frame);
    black_box(deeper(depth + 1)) + frame[0]
}
