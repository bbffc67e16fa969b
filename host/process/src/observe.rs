//! Who is told of what happens to processes, for counters, events and logs.

use std::time::Duration;

use crate::address::Pid;
use crate::reason::{Crash, Reason};

/// What happened to a process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happened {
    /// It began, and its `init` returned.
    Started,
    /// It came back from the store, where another host, or this one before, left it.
    Returned,
    /// It has ended for good.
    Ended(Reason),
    /// It failed.
    Crashed(Crash),
    /// It is started again after a crash.
    Restarted,
    /// It is started again later.
    BackingOff {
        /// Which failed round this is, from 1.
        round: u32,
        /// After how long.
        delay: Duration,
    },
    /// It stayed well for so long that its crashes are forgotten.
    Healed,
    /// It is not started again until an operator or a new revision says so.
    GaveUp {
        /// After so many failed rounds.
        rounds: u32,
    },
    /// It went to sleep.
    Hibernated {
        /// Bytes of its state.
        bytes: u64,
    },
    /// It woke up.
    Woke {
        /// From the wish to its first message.
        took: Duration,
    },
    /// Its state left the memory; it is in the store.
    LeftMemory,
    /// It moved to another revision.
    Upgraded {
        /// The version of its state before.
        from: u32,
        /// And now.
        to: u32,
    },
    /// It did not move to another revision, and goes on with the old one.
    UpgradeFailed(Crash),
    /// It went back to the revision before, with the state that it had then.
    RolledBack,
    /// What is kept of it does not load. It stays in the store.
    Quarantined(Reason),
    /// It said that a message failed which nobody waits for, and goes on.
    MessageFailed(String),
    /// Calls were skipped, because nobody waited for them any more when their turn came.
    Skipped,
    /// A message was refused, because its mailbox is full.
    MailboxFull,
    /// A message of a topic was dropped, because its mailbox is full.
    PublishedDropped,
    /// What a message did was not committed, because a check did not hold.
    Conflict,
    /// The store refused or failed, and what a message did was not committed.
    NotCommitted(skep_store::Error),
}

/// Is told of what happens. It runs in the middle of a process's work: it must not wait, and not call the engine.
pub trait ProcessObserver: Send + Sync + 'static {
    /// Something happened to a process.
    fn happened(&self, pid: &Pid, what: &Happened) {
        let _ = (pid, what);
    }

    /// A message was handled by the behaviour, which took so long; what the store takes after it is not in it.
    fn handled(&self, pid: &Pid, took: Duration) {
        let _ = (pid, took);
    }

    /// Whether [`handled`](Self::handled) is to be told: it costs two looks at the clock for each message. Asked once.
    fn wants_handled(&self) -> bool {
        false
    }
}

/// Tells nobody.
pub(crate) struct Silent;

impl ProcessObserver for Silent {}
