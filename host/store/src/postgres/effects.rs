//! What a group changes, to be told when it is durable.

use std::collections::BTreeSet;

use super::names::Names;
use crate::Timestamp;
use crate::commit::Publish;
use crate::job::{Fence, JobId, JobState};
use crate::mail::KeptMail;
use crate::store::Changes;

/// What a group changes.
#[derive(Default)]
pub(super) struct Effects {
    /// Queues by their numbers.
    pub(super) available: BTreeSet<i64>,
    /// Queues in which a place came free, for other hosts.
    pub(super) freed: BTreeSet<i64>,
    pub(super) next_due: Option<Timestamp>,
    pub(super) ended: Vec<(JobId, JobState)>,
    pub(super) taken: Vec<(JobId, Fence)>,
    pub(super) publishes: Vec<Publish>,
    /// The outbox's rows of these publishes.
    pub(super) outbox: Vec<i64>,
    /// Mail that is due now.
    pub(super) mail: Vec<KeptMail>,
    pub(super) mail_due: Option<Timestamp>,
    /// Jobs ended whose dependants wait to be told, or there is more to delete than was deleted.
    pub(super) unresolved: bool,
}

/// The earlier one of two that may be none.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

impl Effects {
    /// A job of this queue became available.
    pub(super) fn available(&mut self, queue: i64) {
        self.available.insert(queue);
    }

    /// A job was put off until then.
    pub(super) fn due(&mut self, at: Timestamp) {
        self.next_due = earlier(self.next_due, Some(at));
    }

    /// A mail was put off until then.
    pub(super) fn mail_due(&mut self, at: Timestamp) {
        self.mail_due = earlier(self.mail_due, Some(at));
    }

    /// These too.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.available.append(&mut other.available);
        self.freed.append(&mut other.freed);
        self.next_due = earlier(self.next_due, other.next_due);
        self.ended.append(&mut other.ended);
        self.taken.append(&mut other.taken);
        self.publishes.append(&mut other.publishes);
        self.outbox.append(&mut other.outbox);
        self.mail.append(&mut other.mail);
        self.mail_due = earlier(self.mail_due, other.mail_due);
        self.unresolved |= other.unresolved;
    }

    /// For the observer.
    pub(super) fn into_changes(self, names: &Names) -> Changes {
        let mut available: Vec<_> = self.available.iter().filter_map(|id| names.queue_name(*id).cloned()).collect();
        available.sort_unstable();
        Changes {
            available,
            next_due: self.next_due,
            ended: self.ended,
            taken: self.taken,
            publishes: self.publishes,
            mail: self.mail,
            mail_due: self.mail_due,
            reopened: false,
        }
    }
}
