//! Panics of the host's own code: one ends the call that it happened in, with a reason, and nothing else.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;
use skep_types::{Failure, FailureKind};

use crate::stats::CallStats;

/// Runs the work of a call. A panic in it is the call's failure: the guest's store is dropped with the work, as after a
/// trap, so nothing half done is seen again.
///
/// The work stays where it was made: a guest's future is large, and each move is a copy of it.
pub(crate) fn caught<T>(
    stats: &CallStats,
    work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
) -> impl Future<Output = Result<T, Failure>> {
    AssertUnwindSafe(work).catch_unwind().map(|ended| {
        ended.unwrap_or_else(|panic| {
            let detail = format!("the host's own code panicked: {}", said(panic.as_ref()));
            let failure = Failure::new(FailureKind::Internal, stats.phase(), detail);
            // Whoever reads a body of this call learns that it broke off.
            stats.cut_off(failure.clone());
            Err(failure)
        })
    })
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
