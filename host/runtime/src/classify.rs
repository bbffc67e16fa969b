//! What became of a call that wasmtime ended with an error: one kind, one sentence, and the guest's stack by symbol.

use std::fmt;

use skep_types::{Failure, FailureKind, Limits};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::stats::CallStats;

/// Frames of a stack that are kept; the innermost are the ones that tell.
const FRAMES_MAX: usize = 32;

/// Functions that stand on top of the stack of every panic and abort, and say nothing about the guest's own code.
const PLUMBING: [&str; 10] = [
    "abort",
    "__rust_start_panic",
    "rust_panic",
    "panic_abort::",
    "std::panicking::",
    "std::sys::",
    "core::panicking::",
    "__rustc::",
    "__wasi",
    "std::process::abort",
];

/// The guest was stopped in a call of the host's, because its time was over.
#[derive(Debug)]
pub(crate) struct PastDeadline;

impl fmt::Display for PastDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("past the deadline")
    }
}

impl std::error::Error for PastDeadline {}

/// Turns an error of wasmtime into a failure. `export` names the handler for traps without a guest stack.
pub(crate) fn classify(error: &wasmtime::Error, stats: &CallStats, limits: &Limits, export: &str) -> Failure {
    let stack = stack(error);
    let function = stack.iter().find(|frame| !is_plumbing(frame)).or(stack.first()).cloned();
    let (kind, detail) = kind(error, stats, limits);
    let mut failure = Failure::new(kind, stats.phase(), detail);
    failure.function = Some(function.unwrap_or_else(|| export.to_owned()));
    failure.stack = stack;
    if kind == FailureKind::Overloaded {
        failure.retry_after = Some(std::time::Duration::from_secs(1));
    }
    failure
}

fn kind(error: &wasmtime::Error, stats: &CallStats, limits: &Limits) -> (FailureKind, String) {
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return (FailureKind::Overloaded, "no instance slot is free".to_owned());
    }
    let memory = || {
        let detail = format!("memories and tables wanted more than {}", limits.memory);
        (FailureKind::MemoryExhausted, detail)
    };
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            return (FailureKind::FuelExhausted, format!("burnt all of its {} fuel", limits.fuel));
        }
        Some(Trap::StackOverflow) => {
            return (FailureKind::StackOverflow, "the call stack is exhausted".to_owned());
        }
        _ if stats.memory_denied() => return memory(),
        Some(trap) => return (FailureKind::Trap, trap.to_string()),
        None => {}
    }
    if error.downcast_ref::<PastDeadline>().is_some() {
        let deadline = stats.deadline.saturating_duration_since(stats.started);
        return (FailureKind::Deadline, format!("no answer within {deadline:?}"));
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return (FailureKind::Trap, format!("the guest exited with status {}", exit.0));
    }
    let root = error.root_cause().to_string();
    if root.contains("fuel allocated for hostcalls") {
        let detail = format!("gave more than {} to one host call", limits.host_memory);
        return (FailureKind::HostMemory, detail);
    }
    if let Some(wasmtime::component::ResourceTableError::Full) = error.downcast_ref() {
        return (FailureKind::HostMemory, format!("holds more than {} handles", limits.handles));
    }
    // wasmtime-wasi-http has no type for it.
    if root.contains("total size of fields exceeds limit") {
        let detail = format!("headers over {}", limits.response_headers);
        return (FailureKind::ResponseTooLarge, detail);
    }
    (FailureKind::Trap, root)
}

fn stack(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter().take(FRAMES_MAX);
    frames
        .map(|frame| match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {} of {}", frame.func_index(), frame.module().name().unwrap_or("a module")),
        })
        .collect()
}

fn is_plumbing(function: &str) -> bool {
    PLUMBING.iter().any(|prefix| function.trim_start_matches('<').starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_function_is_named_not_the_panic_machinery() {
        for plumbing in ["std::panicking::begin_panic", "abort", "rust_panic", "core::panicking::panic_fmt"] {
            assert!(is_plumbing(plumbing), "{plumbing}");
        }
        for own in ["shop::checkout", "main", "my_abort"] {
            assert!(!is_plumbing(own), "{own}");
        }
    }
}
