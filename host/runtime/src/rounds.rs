//! Answers leave in rounds.
//!
//! A worker that writes each answer as soon as it has it goes from a guest to a socket and back for every request, with the caches
//! of one cold for the other, and each write wakes a client. One that runs the guests of all requests at hand and then writes all
//! answers does either once for all of them (Larus and Parkes, "Using cohort scheduling to enhance server performance", 2002).

use crate::slice::TURN_FUEL;
use crate::stats::CallStats;

/// Lets the worker bring its other requests as far, and look at its sockets, before the answer of a call is written.
///
/// Tokio looks at sockets after 61 tasks at the latest. A call that was longer than a slice has let the others go ahead already, and
/// what it would save is little beside what it took; nor does one plugin's answer to another go through a socket.
pub(crate) async fn after_the_others(stats: &CallStats) {
    if stats.call().hops == 0 && stats.fuel_used() < TURN_FUEL {
        tokio::task::yield_now().await;
    }
}
