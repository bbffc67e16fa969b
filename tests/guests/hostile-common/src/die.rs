//! Work that runs into a limit, and plain deaths.
//!
//! What dies is never inlined, so that its name stands in the stack that the host reports.

use std::hint::black_box;

const MIB: usize = 1 << 20;
const OS_PAGE: usize = 4096;
/// A 32-bit memory in MiB.
const MIB_MAX: usize = 4096;

/// Burns fuel without end.
#[inline(never)]
pub fn spin() -> ! {
    loop {
        black_box(0_u64);
    }
}

/// Rounds of a handful of instructions each.
pub fn rounds(n: u64) {
    for round in 0..n {
        black_box(round);
    }
}

/// Calls itself until the stack is used up.
#[must_use]
pub fn recurse() -> u64 {
    deeper(1)
}

/// Uses the result of its own call and the address of a local, so that no optimiser makes a loop of it.
#[inline(never)]
#[allow(unconditional_recursion, reason = "this is what the route is for")]
fn deeper(depth: u64) -> u64 {
    let mut frame = [depth; 16];
    black_box(&mut frame);
    black_box(deeper(depth + 1)) + frame[0]
}

/// Allocates until the allocator gives up, which aborts. Every page is touched, so that the memory is real. Returns only
/// where the blocks were never real, and a test would prove nothing.
#[inline(never)]
pub fn bomb() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() <= MIB_MAX {
        let mut block = vec![0_u8; MIB];
        block.iter_mut().step_by(OS_PAGE).for_each(|byte| *byte = 1);
        held.push(black_box(block));
    }
}

/// An `unreachable`.
#[inline(never)]
pub fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    // The guests' own tests are native, and never come here.
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

/// Prints the line at which the harness makes the host panic, in the middle of the host's own code.
#[inline(never)]
pub fn host_panic() {
    println!("panic in the host");
}

/// A panic, which prints and aborts.
#[inline(never)]
pub fn panic() -> ! {
    panic!("the route asked for a panic")
}
