//! Answers leave in rounds.
//!
//! A worker that writes each answer as soon as it has it goes from a guest to a socket and back for every request, with the caches
//! of one cold for the other, and each write wakes a client. One that runs the guests of all requests at hand and then writes all
//! answers does either once for all of them (Larus and Parkes, "Using cohort scheduling to enhance server performance", 2002).

use std::task::Poll;

use crate::slice::TURN_FUEL;
use crate::stats::CallStats;

/// Lets the worker bring the requests that it has as far before the answer of a call is written.
///
/// A call that was longer than a slice has let the others go ahead already, and what it would save is little beside what it took; nor
/// does one plugin's answer to another go through a socket.
pub(crate) async fn after_the_others(stats: &CallStats) {
    if stats.call().hops == 0 && stats.fuel_used() < TURN_FUEL {
        to_the_end_of_the_queue().await;
    }
}

/// Lets the tasks run that are ready. Behind tokio's own `yield_now` a worker looks at its sockets first, which is a call of the system
/// more for each round; it does so all the same when no task is ready, and after 61.
async fn to_the_end_of_the_queue() {
    let mut is_there = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut is_there, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a worker does first when a call that took so much fuel ends while another task is ready.
    async fn first(fuel: u64, hops: u8) -> &'static str {
        let stats = CallStats::of_some_call(hops);
        stats.record(fuel, 0, false);
        let done = Arc::new(Mutex::new(Vec::new()));
        let (ours, theirs) = (Arc::clone(&done), Arc::clone(&done));
        let answer = tokio::spawn(async move {
            after_the_others(&stats).await;
            ours.lock().unwrap().push("answer");
        });
        let other = tokio::spawn(async move { theirs.lock().unwrap().push("other") });
        let _ = tokio::join!(answer, other);
        done.lock().unwrap()[0]
    }

    #[tokio::test]
    async fn only_the_answer_of_a_short_call_to_a_client_waits() {
        assert_eq!(first(TURN_FUEL - 1, 0).await, "other");
        assert_eq!(first(TURN_FUEL, 0).await, "answer", "a call of a whole slice");
        assert_eq!(first(0, 1).await, "answer", "to another plugin");
    }
}
