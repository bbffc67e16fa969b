//! Who is at work on which key: one writer at a time, one lookup for all, and nothing stored that was overtaken.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::read::Looked;

/// A lookup that several callers wait for. Whoever waits drives it, so it ends when nobody does.
pub(super) type Lookup = Shared<Looking>;
type Looking = BoxFuture<'static, Arc<HashMap<Box<str>, Looked>>>;

/// A key's state, and how many are at work on it.
type Visited = (usize, Arc<Busy>);

/// All keys that somebody is at work on. There are as many as there are operations under way, which are calls of guests.
#[derive(Default)]
pub(super) struct Traffic {
    keys: Mutex<HashMap<Box<str>, Visited>>,
}

#[derive(Default)]
struct Busy {
    turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Changes of the entry since somebody came, whoever made them.
    changes: u64,
    lookup: Option<WeakShared<Looking>>,
}

/// Being at work on a key.
pub(super) struct Visit {
    traffic: Arc<Traffic>,
    key: Box<str>,
    busy: Arc<Busy>,
}

/// How many changes there were when somebody asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Traffic {
    pub(super) fn enter(self: &Arc<Self>, key: &str) -> Visit {
        let mut keys = self.keys.lock();
        let (visits, busy) = keys.entry(key.into()).or_default();
        *visits += 1;
        Visit { traffic: Arc::clone(self), key: key.into(), busy: Arc::clone(busy) }
    }

    /// Somebody else changed the entry: what is on its way is out of date. `then` runs before anything is settled.
    pub(super) fn changed(&self, key: &str, then: impl FnOnce()) {
        let busy = self.keys.lock().get(key).cloned();
        match busy {
            Some((_, busy)) => {
                let mut state = busy.state.lock();
                state.change();
                then();
            }
            None => then(),
        }
    }

    /// The same for all entries.
    pub(super) fn all_changed(&self) {
        let all: Vec<_> = self.keys.lock().values().cloned().collect();
        all.iter().for_each(|(_, busy)| busy.state.lock().change());
    }
}

impl State {
    fn change(&mut self) {
        self.changes += 1;
        // Whoever comes now must see the change.
        self.lookup = None;
    }
}

impl Visit {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Waits for the turn to write.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.busy.turn).lock_owned().await
    }

    /// To be taken before asking.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.busy.state.lock().changes)
    }

    /// Joins the lookup that is under way, or makes this one it.
    pub(super) fn join_or(&self, own: &Lookup) -> Option<Lookup> {
        let mut state = self.busy.state.lock();
        if let Some(other) = state.lookup.as_ref().and_then(WeakShared::upgrade) {
            return Some(other);
        }
        state.lookup = own.downgrade();
        None
    }

    /// Does what follows from an answer to a question; `settle` is told whether nothing has changed since.
    pub(super) fn settle_read<R>(&self, mark: Mark, settle: impl FnOnce(bool) -> R) -> R {
        let mut state = self.busy.state.lock();
        let undisturbed = state.changes == mark.0;
        if undisturbed {
            state.lookup = None;
        }
        settle(undisturbed)
    }

    /// Does what follows from a change that was made.
    pub(super) fn settle_write<R>(&self, mark: Mark, settle: impl FnOnce(bool) -> R) -> R {
        let mut state = self.busy.state.lock();
        let undisturbed = state.changes == mark.0;
        state.change();
        settle(undisturbed)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut keys = self.traffic.keys.lock();
        if let Some((visits, _)) = keys.get_mut(&self.key) {
            *visits -= 1;
            if *visits == 0 {
                keys.remove(&self.key);
            }
        }
    }
}
