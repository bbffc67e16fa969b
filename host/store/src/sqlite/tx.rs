//! What a write sees: the transaction of its group.

use foldhash::{HashMap, HashSet};
use parking_lot::RwLock;
use rusqlite::Connection;
use skep_types::PluginName;

use super::state::State;
use crate::Timestamp;
use crate::commit::Publish;
use crate::job::{Fence, JobId, JobState};
use crate::mail::KeptMail;
use crate::store::Changes;

/// Quotas by plugin, in bytes.
pub(super) type Quotas = RwLock<HashMap<PluginName, u64>>;

/// The transaction of a group.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) state: &'a mut State,
    pub(super) effects: &'a mut Effects,
    pub(super) quotas: &'a Quotas,
}

/// What a group changes, to be told when it is durable.
#[derive(Default)]
pub(super) struct Effects {
    available: HashSet<i64>,
    next_due: Option<Timestamp>,
    pub(super) ended: Vec<(JobId, JobState)>,
    pub(super) taken: Vec<(JobId, Fence)>,
    pub(super) publishes: Vec<Publish>,
    /// The outbox's rows of these publishes: the first, and the one behind the last.
    pub(super) outbox: Option<(u64, u64)>,
    /// Mail that is due now.
    pub(super) mail: Vec<KeptMail>,
    mail_due: Option<Timestamp>,
    /// Jobs ended whose dependants wait to be told, or there is more to delete than was deleted.
    pub(super) unresolved: bool,
}

impl Effects {
    /// A job of this queue became available.
    pub(super) fn available(&mut self, queue: i64) {
        self.available.insert(queue);
    }

    /// A job was put off until then.
    pub(super) fn due(&mut self, at: Timestamp) {
        self.next_due = Some(self.next_due.map_or(at, |next| next.min(at)));
    }

    /// A mail was put off until then.
    pub(super) fn mail_due(&mut self, at: Timestamp) {
        self.mail_due = Some(self.mail_due.map_or(at, |next| next.min(at)));
    }

    /// For the observer, if there is anything to tell.
    pub(super) fn into_changes(self, state: &State) -> Option<Changes> {
        let mut available: Vec<_> =
            self.available.iter().filter_map(|id| Some(state.queue(*id)?.queue.clone())).collect();
        available.sort_unstable();
        let changes = Changes {
            available,
            next_due: self.next_due,
            ended: self.ended,
            taken: self.taken,
            publishes: self.publishes,
            mail: self.mail,
            mail_due: self.mail_due,
            reopened: false,
        };
        let Changes { available, next_due, ended, taken, publishes, mail, mail_due, reopened: _ } = &changes;
        let of_jobs = available.is_empty() && next_due.is_none() && ended.is_empty() && taken.is_empty();
        let nothing = of_jobs && publishes.is_empty() && mail.is_empty() && mail_due.is_none();
        (!nothing).then_some(changes)
    }
}
