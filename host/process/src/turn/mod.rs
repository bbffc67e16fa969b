//! A turn: a process works through its mailbox. At most one turn of a process is under way, and it alone has the instance.

mod bring;
mod commit;
mod conclude;
mod crash;
mod end;
mod guard;
mod mail;
mod next;
mod sleep;
mod upgrade;

use std::sync::Arc;

use crate::cell::{Cell, Running, Stage};
use crate::core::Core;
use crate::observe::Happened;
use crate::reason::{Crash, Fault};
use next::Step;

/// After so many messages the others of the host have their turn.
const MESSAGES_MAX: usize = 64;

/// Works until there is nothing to do.
pub(crate) async fn run(core: Arc<Core>, cell: Arc<Cell>, stage: Stage) {
    Turn { core, cell, at: stage, rested: false }.work(MESSAGES_MAX).await;
}

/// The same on the task of a caller, whose own message is not to wait for those that come behind it.
pub(crate) async fn run_for_caller(core: Arc<Core>, cell: Arc<Cell>, stage: Stage) {
    Turn { core, cell, at: stage, rested: false }.work(1).await;
}

struct Turn {
    core: Arc<Core>,
    cell: Arc<Cell>,
    /// Where the state of the process is; the cell says `Working`.
    at: Stage,
    /// It was given back to the cell.
    rested: bool,
}

impl Turn {
    /// Yields after so many messages, and then after each [`MESSAGES_MAX`].
    async fn work(mut self, mut left: usize) {
        loop {
            // Before a message is in hand: who is killed or stopped meanwhile has not begun it.
            if left == 0 && !self.cell.lock().mailbox.is_empty() {
                left = MESSAGES_MAX;
                tokio::task::yield_now().await;
            }
            match self.next() {
                Step::Rest => return,
                Step::Handle(handed) => {
                    self.handle(*handed).await;
                    left = left.saturating_sub(1);
                }
                // In boxes of their own, so that what a turn usually needs is small: it is moved when it is spawned.
                Step::Bring => Box::pin(self.bring_up()).await,
                Step::Die => Box::pin(self.crash(Crash::new(Fault::Killed, "killed"))).await,
                Step::End(reason) => Box::pin(self.end_in_order(reason)).await,
                Step::Doomed(reason) => Box::pin(self.end_for_good(reason)).await,
                Step::Move => Box::pin(self.upgrade()).await,
                Step::Mail => Box::pin(self.read_mail()).await,
                Step::Ties => Box::pin(self.look_up_ties()).await,
                Step::Write => Box::pin(self.write_snapshot()).await,
                Step::Sleep => Box::pin(self.sleep()).await,
                Step::Leave => Box::pin(self.leave_memory()).await,
            }
            if self.rested {
                return;
            }
        }
    }

    fn running(&mut self) -> Option<&mut Running> {
        match &mut self.at {
            Stage::Live(running) => Some(running),
            _ => None,
        }
    }

    fn tell(&self, what: &Happened) {
        self.core.tell(&self.cell, what);
    }
}

impl Drop for Turn {
    /// A panic of the engine, or the end of its runtime, in the middle of a turn: whoever waits is told all the same.
    fn drop(&mut self) {
        if !self.rested {
            self.broke_off();
        }
    }
}
