//! What few processes have: kept in a box of its own, so that the others do not pay for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::address::{Number, Pid};
use crate::behaviour::{Answered, CallRef, MonitorRef, Saved, TimerId};
use crate::budget::Budget;
use crate::error::{Failure, StartFailure};
use crate::keeper::MailId;
use crate::kind::Revision;
use crate::letter::Answer;
use crate::reason::Reason;
use crate::time::Tick;

#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) timers: BTreeMap<TimerId, Timer>,
    pub(crate) monitors: BTreeMap<MonitorRef, Monitor>,
    /// Who is told of its end.
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) links: BTreeMap<Number, Pid>,
    pub(crate) traps_exits: bool,
    pub(crate) subscriptions: BTreeSet<Arc<str>>,
    /// Calls that it answers later.
    pub(crate) late: BTreeMap<CallRef, Answer>,
    /// Answers that leave when the turn is committed.
    pub(crate) outbox: Vec<(Answer, Answered)>,
    /// The last number given to a timer or a monitor.
    pub(crate) last_ref: u64,
    pub(crate) budget: Budget,
    /// Who waits for its `init`.
    pub(crate) born: Vec<oneshot::Sender<Result<(), StartFailure>>>,
    pub(crate) stop: Option<StopOrder>,
    /// A link tells it to end, for this reason.
    pub(crate) doom: Option<Reason>,
    /// Its state before the last upgrade.
    pub(crate) before: Option<Before>,
    /// Why the last upgrade failed.
    pub(crate) upgrade_failed: Option<Reason>,
    /// Why it crashed last, gave up or is quarantined.
    pub(crate) trouble: Option<Reason>,
    /// Mail of the store that is in the mailbox, or in hand.
    pub(crate) mail: BTreeSet<MailId>,
    /// Of mail up to this one the store has told: it is, or was, in the mailbox, or is looked for in the store.
    pub(crate) heard: u64,
    /// When it is tried again.
    pub(crate) again_at: Tick,
    /// Failures of the store, or of the host, in a row.
    pub(crate) pauses: u32,
    /// Whether timers or the like were changed since the last commit.
    pub(crate) changed: bool,
}

/// A timer.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    pub(crate) message: Bytes,
    /// 0: once.
    pub(crate) interval: u64,
    pub(crate) due: Tick,
    /// Its message is in the mailbox.
    pub(crate) fired: bool,
    /// `init` set it, and sets it again if it runs again.
    pub(crate) by_init: bool,
}

/// A process that it monitors.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) pid: Pid,
    /// Its `down` is in the mailbox.
    pub(crate) fired: bool,
    /// As for a timer.
    pub(crate) by_init: bool,
}

/// Who is told of an end.
pub(crate) enum Watcher {
    Process(Pid, MonitorRef),
    Host(oneshot::Sender<Reason>),
}

/// Somebody wants it to end.
pub(crate) struct StopOrder {
    pub(crate) reason: Reason,
    /// What is kept of it stays in the store.
    pub(crate) keeps: bool,
    pub(crate) done: VecDeque<oneshot::Sender<Result<(), Failure>>>,
}

/// A state from before an upgrade.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) saved: Saved,
    /// Which revision it was upgraded to.
    pub(crate) upgraded_to: u64,
    /// What saved it; none after the host was started anew.
    pub(crate) revision: Option<Arc<Revision>>,
    /// The record has it.
    pub(crate) written: bool,
}

impl Rare {
    /// Whether all of it is as if it were not there.
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
            && self.monitors.is_empty()
            && self.watchers.is_empty()
            && self.links.is_empty()
            && !self.traps_exits
            && self.subscriptions.is_empty()
            && self.late.is_empty()
            && self.outbox.is_empty()
            && self.last_ref == 0
            && self.budget.rounds == 0
            && self.born.is_empty()
            && self.stop.is_none()
            && self.doom.is_none()
            && self.before.is_none()
            && self.upgrade_failed.is_none()
            && self.trouble.is_none()
            && self.mail.is_empty()
            && self.heard == 0
    }

    pub(crate) fn next_ref(&mut self) -> u64 {
        self.last_ref += 1;
        self.last_ref
    }
}
