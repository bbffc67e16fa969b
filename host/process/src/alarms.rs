//! What is to happen when: timers of processes, and what the engine itself wants to do for one later.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::behaviour::TimerId;
use crate::cell::Cell;
use crate::time::Tick;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Timer(TimerId),
    /// Its snapshot is to be written.
    Write,
    /// It is to be tried again.
    Again,
    /// It has been well for long.
    Heal,
}

type Due = BTreeMap<(Tick, u64, Alarm), Arc<Cell>>;

/// All alarms, ordered by their time. Bounded by the timers of each process.
#[derive(Default)]
pub(crate) struct Alarms {
    due: Mutex<Due>,
    /// For the driver: something is due earlier than it thinks.
    pub(crate) earlier: Notify,
}

impl Alarms {
    pub(crate) fn set(&self, at: Tick, cell: &Arc<Cell>, alarm: Alarm) {
        let mut due = self.due.lock();
        due.insert((at, cell.number.0, alarm), Arc::clone(cell));
        let first = due.first_key_value().is_some_and(|((first, ..), _)| *first == at);
        drop(due);
        if first {
            self.earlier.notify_one();
        }
    }

    pub(crate) fn clear(&self, at: Tick, cell: &Cell, alarm: Alarm) {
        self.due.lock().remove(&(at, cell.number.0, alarm));
    }

    pub(crate) fn first(&self) -> Option<Tick> {
        self.due.lock().first_key_value().map(|((at, ..), _)| *at)
    }

    /// What is due by now, the earliest first, at most `max`.
    pub(crate) fn pop(&self, now: Tick, max: usize) -> Vec<(Tick, Alarm, Arc<Cell>)> {
        let mut due = self.due.lock();
        let mut popped = Vec::new();
        while popped.len() < max
            && let Some(first) = due.first_entry().filter(|first| first.key().0 <= now)
        {
            let ((at, _, alarm), cell) = first.remove_entry();
            popped.push((at, alarm, cell));
        }
        popped
    }

    pub(crate) fn len(&self) -> usize {
        self.due.lock().len()
    }
}
