//! Time that passes in the host, where fuel does not count.

use wasip2::clocks::{monotonic_clock, wall_clock};

use crate::Call;

pub(crate) fn sleep(call: Call) {
    sleep_ms(call.query.number("ms", 100));
    call.out.text(200, "slept");
}

/// Waits without burning fuel.
pub(crate) fn sleep_ms(ms: u64) {
    monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
}

/// Waits for a moment that no clock reaches.
pub(crate) fn never_returns_from_host(call: Call) {
    forever();
    call.out.text(200, "the end of time");
}

pub(crate) fn forever() {
    monotonic_clock::subscribe_duration(u64::MAX).block();
}

pub(crate) fn clock(call: Call) {
    let wall = wall_clock::now();
    let text = format!("wall {}.{:09}\nmonotonic_ns {}\n", wall.seconds, wall.nanoseconds, monotonic_clock::now());
    call.out.text(200, &text);
}
