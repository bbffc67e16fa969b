//! Work of a known size, and waiting.

use std::time::Duration;

use hostile_common::{Query, flood, rounds};

use crate::answer;
use crate::generated::exports::skep::plugin::http_handler::Response;
use crate::generated::skep::plugin::context;

/// Spins a known number of rounds and answers what they cost.
pub(crate) fn spin_fuel(query: &Query) -> Response {
    let before = context::fuel_left();
    rounds(query.number("n", 1_000_000));
    answer::text(format!("{}", before.saturating_sub(context::fuel_left())))
}

/// Waits in the host, where fuel does not count.
#[allow(clippy::disallowed_methods, reason = "a guest has one thread, and this is its way to wait in the host")]
pub(crate) fn sleep(query: &Query) -> Response {
    std::thread::sleep(Duration::from_millis(query.number("ms", 100)));
    answer::text("slept")
}

/// Logs exactly so many bytes, in numbered lines.
pub(crate) fn log_flood(query: &Query) -> Response {
    let bytes = usize::try_from(query.number("bytes", 1 << 20)).unwrap_or(usize::MAX);
    match flood(std::io::stdout(), bytes) {
        Ok(()) => answer::text(bytes.to_string()),
        Err(error) => Response { status: 500, ..answer::text(error.to_string()) },
    }
}
