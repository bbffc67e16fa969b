//! What stands between the engine and a behaviour: its panics, its time, and the wish to cut it off.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::Turn;
use crate::behaviour::Working;
use crate::cell::Cell;
use crate::core::Core;
use crate::reason::{Crash, Fault};

/// Runs work of a behaviour to its end, which it always has, if it awaits now and then. Work that is done at once costs
/// nothing but the call: the engine's timer and the way to be cut off are set up only when it has to be waited for.
pub(super) async fn guarded<'a, T>(
    core: &Core,
    cell: &Cell,
    begin: impl FnOnce() -> Working<'a, T>,
) -> Result<T, Crash> {
    let mut work = match catch_unwind(AssertUnwindSafe(begin)) {
        Ok(work) => work,
        Err(panic) => return Err(panicked(panic.as_ref())),
    };
    let mut over = None;
    poll_fn(move |cx| {
        if cell.cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(cut()));
        }
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(done)) => return Poll::Ready(done),
            Err(panic) => return Poll::Ready(Err(panicked(panic.as_ref()))),
            Ok(Poll::Pending) => {}
        }
        {
            let mut state = cell.lock();
            // Under the lock: whoever cuts it off does so before, and is seen now, or finds the waker.
            if cell.cut.load(Ordering::Acquire) {
                return Poll::Ready(Err(cut()));
            }
            match &mut state.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        let over = over.get_or_insert_with(|| {
            let deadline = cell.kind.setup.load().options.deadline.saturating_mul(2);
            Box::pin(core.time.sleep(deadline))
        });
        match over.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Crash::new(Fault::Deadline, "it did not end in twice its time"))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

impl Turn {
    /// The same for one function of the instance. Without an instance nothing is done.
    pub(super) async fn guarded<T>(
        &mut self,
        call: impl for<'a> FnOnce(&'a mut dyn crate::Instance) -> Working<'a, T>,
    ) -> Result<T, Crash> {
        let (core, cell) = (&self.core, &self.cell);
        match &mut self.at {
            crate::cell::Stage::Live(running) => guarded(core, cell, || call(running.instance.as_mut())).await,
            _ => Err(Crash::new(Fault::Host, "it has no instance")),
        }
    }
}

fn cut() -> Crash {
    Crash::new(Fault::Killed, "killed")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Crash {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Crash::new(Fault::Panicked, &format!("the host panicked: {}", text.unwrap_or("without a word")))
}
