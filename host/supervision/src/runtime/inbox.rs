//! What waits for a driver. Written without waiting, so that a drop guard can report the end of a child.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::child::Child;
use crate::exit::ExitReason;
use crate::tree::{ChildId, Command, Refused, Run};

/// Commands that may wait for one supervisor; one more is refused with [`Refused::Busy`].
const COMMANDS_MAX: usize = 1024;

pub(super) enum Letter {
    Started(Run),
    /// A run is over. Whether it had started is known to the driver.
    Over(Run, ExitReason),
    Command(Command, Option<Child>, oneshot::Sender<Result<(), Refused>>),
    Monitor(ChildId, Down),
    Resume,
    Shutdown,
    Look,
}

impl Letter {
    /// Reports of children are bounded by the runs, two each; whatever else is asked for has a limit.
    fn is_limited(&self) -> bool {
        matches!(self, Self::Command(..) | Self::Monitor(..) | Self::Resume | Self::Look)
    }
}

/// The duty to tell somebody of an end. Kept even when it is dropped.
pub(super) struct Down {
    tell: Option<oneshot::Sender<ExitReason>>,
    /// What a drop tells.
    unless_told: ExitReason,
}

impl Down {
    pub(super) fn new() -> (Self, oneshot::Receiver<ExitReason>) {
        let (tell, told) = oneshot::channel();
        (Self { tell: Some(tell), unless_told: ExitReason::NoProcess }, told)
    }

    /// It watches a run: should its supervisor go without a word, that run was killed.
    pub(super) fn watching(self) -> Self {
        let mut down = self;
        down.unless_told = ExitReason::Killed;
        down
    }

    /// Whether somebody still listens.
    pub(super) fn is_heard(&self) -> bool {
        self.tell.as_ref().is_some_and(|tell| !tell.is_closed())
    }

    pub(super) fn tell(mut self, reason: ExitReason) {
        self.unless_told = reason;
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            // Nobody listens any more: fine.
            let _ = tell.send(self.unless_told.clone());
        }
    }
}

#[derive(Default)]
struct Letters {
    waiting: VecDeque<Letter>,
    limited: usize,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Inbox {
    // Held for a push or a pop, never over an await.
    letters: Mutex<Letters>,
    arrived: Notify,
}

impl Inbox {
    pub(super) fn post(&self, letter: Letter) -> Result<(), Refused> {
        let mut letters = self.letters.lock();
        if letters.closed {
            return Err(Refused::Ended);
        }
        if letter.is_limited() {
            if letters.limited == COMMANDS_MAX {
                return Err(Refused::Busy);
            }
            letters.limited += 1;
        }
        letters.waiting.push_back(letter);
        drop(letters);
        self.arrived.notify_one();
        Ok(())
    }

    pub(super) fn take(&self) -> Option<Letter> {
        let mut letters = self.letters.lock();
        let letter = letters.waiting.pop_front()?;
        letters.limited -= usize::from(letter.is_limited());
        Some(letter)
    }

    /// Waits until a letter has come since the last wait.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Refuses whatever comes from now on; what was waiting is dropped, which tells those who asked.
    pub(super) fn close(&self) {
        let waiting = {
            let mut letters = self.letters.lock();
            letters.closed = true;
            std::mem::take(&mut letters.waiting)
        };
        // Outside of the lock: a dropped letter may hold anything.
        drop(waiting);
    }
}
