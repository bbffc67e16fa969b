//! Work that runs into a limit, or stops short of it.
//!
//! What dies is never inlined, so that its name stands in the stack that the host reports.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::answer;
use crate::generated::exports::skep::plugin::http_handler::Response;
use crate::generated::skep::plugin::context;
use crate::query::Query;

const MIB: usize = 1 << 20;
const OS_PAGE: usize = 4096;
/// A 32-bit memory in MiB.
const MIB_MAX: usize = 4096;

#[inline(never)]
pub(crate) fn spin() -> ! {
    loop {
        black_box(0_u64);
    }
}

/// Spins a known number of rounds and answers what they cost.
pub(crate) fn spin_fuel(query: &Query) -> Response {
    let before = context::fuel_left();
    rounds(query.number("n", 1_000_000));
    answer::text(format!("{}", before.saturating_sub(context::fuel_left())))
}

/// Rounds of a handful of instructions each.
pub(crate) fn rounds(n: u64) {
    for round in 0..n {
        black_box(round);
    }
}

pub(crate) fn recurse() -> Response {
    answer::text(deeper(1).to_string())
}

/// Uses the result of its own call and the address of a local, so that no optimiser makes a loop of it.
#[inline(never)]
#[allow(unconditional_recursion, reason = "this is what the route is for")]
fn deeper(depth: u64) -> u64 {
    let mut frame = [depth; 16];
    black_box(&mut frame);
    black_box(deeper(depth + 1)) + frame[0]
}

/// Allocates until the allocator gives up, which aborts. Every page is touched, so that the memory is real.
pub(crate) fn bomb() -> Response {
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() <= MIB_MAX {
        let mut block = vec![0_u8; MIB];
        block.iter_mut().step_by(OS_PAGE).for_each(|byte| *byte = 1);
        held.push(black_box(block));
    }
    Response { status: 500, ..answer::text("the allocations were optimised away") }
}

#[inline(never)]
pub(crate) fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[inline(never)]
pub(crate) fn panic() -> ! {
    panic!("the route asked for a panic")
}

/// Waits in the host, where fuel does not count.
#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
pub(crate) fn sleep(query: &Query) -> Response {
    std::thread::sleep(Duration::from_millis(query.number("ms", 100)));
    answer::text("slept")
}

/// 1 on every call of a fresh instance; a reused one counts on.
pub(crate) fn counter() -> Response {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    answer::text((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

/// Logs exactly so many bytes, in numbered lines.
pub(crate) fn log_flood(query: &Query) -> Response {
    const LINE_BYTES: usize = 100;
    let bytes = usize::try_from(query.number("bytes", 1 << 20)).unwrap_or(usize::MAX);
    let mut left = bytes;
    let mut number = 0_u64;
    while left > 0 {
        number += 1;
        let mut line = format!("flood line {number} ");
        line.extend(std::iter::repeat_n('x', LINE_BYTES.saturating_sub(line.len() + 1)));
        line.push('\n');
        let piece = &line.as_bytes()[..line.len().min(left)];
        // What the host drops is its business; a stream that it closes ends the flood.
        if let Err(error) = std::io::stdout().write_all(piece) {
            let said = format!("the log was closed with {left} bytes left: {error}");
            return Response { status: 500, ..answer::text(said) };
        }
        left -= piece.len();
    }
    let _ = std::io::stdout().flush();
    answer::text(bytes.to_string())
}
