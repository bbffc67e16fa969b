//! One live topic.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use parking_lot::Mutex;
use skep_types::{Clock, TopicId};

use crate::log::Log;
use crate::logs::Logs;
use crate::members::Members;
use crate::prefixes::{Group, Prefixes};
use crate::retention::Retention;

/// A topic that somebody listens to or that has a log; others are not known to the engine.
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    /// Held for a whole publish, so that every listener sees messages in one order. Subscribers do not need it.
    pub(crate) order: Mutex<Order>,
    /// Held for a moment: what makes a publish and a subscription one after the other.
    pub(crate) state: Mutex<State>,
    /// What its log holds; written under `state`.
    pub(crate) retained: AtomicU64,
    /// Where it is in the list of logs; read and written under that list's lock.
    pub(crate) listed: AtomicUsize,
    /// It could not be forgotten because a publish was on its way, which does that in the end.
    pub(crate) orphan: AtomicBool,
}

pub(crate) struct Order {
    groups: Vec<Arc<Group>>,
    generation: u64,
    pub(crate) published: u64,
}

impl Order {
    /// The prefixes that hear the topic, looked up again only when some came or went.
    pub(crate) fn groups(&mut self, id: &TopicId, prefixes: &Prefixes) -> &[Arc<Group>] {
        let generation = prefixes.generation();
        if self.generation != generation {
            self.groups = prefixes.matching(id);
            self.generation = generation;
        }
        &self.groups
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) members: Members,
    pub(crate) log: Option<Log>,
    /// Of the retention table that `log` follows.
    generation: u64,
    /// It is no longer in the map: who found it there before must look again.
    pub(crate) forgotten: bool,
}

impl Topic {
    pub(crate) fn new(id: TopicId) -> Arc<Self> {
        Arc::new(Self {
            id,
            // No prefix was ever found: that is right at generation 0.
            order: Mutex::new(Order { groups: Vec::new(), generation: 0, published: 0 }),
            state: Mutex::default(),
            retained: AtomicU64::new(0),
            listed: AtomicUsize::new(0),
            orphan: AtomicBool::new(false),
        })
    }

    /// Follows the table: opens, changes or drops the log.
    pub(crate) fn follow(self: &Arc<Self>, state: &mut State, table: &Retention, logs: &Logs, clock: &dyn Clock) {
        if state.generation >= table.generation {
            return;
        }
        state.generation = table.generation;
        match (table.of(&self.id), &mut state.log) {
            (Some(retain), Some(log)) => {
                log.retain = retain;
                log.trim(clock.now());
                self.account(state, logs);
            }
            (Some(retain), None) => {
                state.log = Some(Log::new(retain, logs.base(clock)));
                logs.enter(self);
            }
            (None, _) => self.close_log(state, logs),
        }
    }

    /// To be called whenever the log changed.
    pub(crate) fn account(&self, state: &State, logs: &Logs) {
        let bytes = state.log.as_ref().map_or(0, Log::bytes);
        let before = self.retained.swap(bytes, Relaxed);
        if bytes >= before {
            logs.bytes.fetch_add(bytes - before, Relaxed);
        } else {
            logs.bytes.fetch_sub(before - bytes, Relaxed);
        }
    }

    fn close_log(&self, state: &mut State, logs: &Logs) {
        if let Some(log) = state.log.take() {
            self.account(state, logs);
            logs.leave(self, log.next());
        }
    }

    /// Drops what is too old; returns how many messages.
    pub(crate) fn expire(&self, logs: &Logs, clock: &dyn Clock) -> usize {
        let mut state = self.state.lock();
        let Some(log) = &mut state.log else { return 0 };
        let dropped = log.trim(clock.now());
        if dropped > 0 {
            self.account(&state, logs);
        }
        dropped
    }

    /// Drops the oldest messages while the host's budget is passed.
    pub(crate) fn shed(&self, logs: &Logs) {
        let mut state = self.state.lock();
        let Some(log) = &mut state.log else { return };
        let (excess, mut shed) = (logs.excess(), 0);
        while shed < excess && log.len() > 0 {
            shed += log.evict();
        }
        self.account(&state, logs);
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn idle(&self) -> bool {
        self.state.lock().idle()
    }

    /// Closes it for good, if nothing would be lost with it. No publish may be on its way, and the map must be locked.
    pub(crate) fn retire(&self, logs: &Logs) -> bool {
        let mut state = self.state.lock();
        if !state.idle() {
            return false;
        }
        self.close_log(&mut state, logs);
        state.forgotten = true;
        true
    }
}

impl State {
    fn idle(&self) -> bool {
        self.members.len() == 0 && self.log.as_ref().is_none_or(|log| log.len() == 0)
    }
}
