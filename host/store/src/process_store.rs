//! The port for whoever runs processes. Their turns are [commits](crate::Store::commit).

use skep_types::PluginName;

use crate::Timestamp;
use crate::mail::{DueCursor, DuePage, Mail, MailId, MailPage, MailPlace, Receiver};
use crate::process::{EventPage, ProcessId, ProcessPage, ProcessRecord};
use crate::store::{Store, StoreFuture};

/// What is kept of processes, and mail to them.
///
/// A page ends early, with more behind it, where what it holds would pass some megabytes; its first entry is always in it.
pub trait ProcessStore: Store {
    /// A process, if there is a record of it.
    fn process(&self, id: ProcessId) -> StoreFuture<Option<ProcessRecord>>;

    /// The process that has this name.
    fn process_by_name(&self, plugin: PluginName, name: String) -> StoreFuture<Option<ProcessRecord>>;

    /// A plugin's processes that have names, by how these begin, in the order of their bytes, behind this name.
    fn process_names(
        &self,
        plugin: PluginName,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<ProcessPage>;

    /// A plugin's processes, with names or without, in an order that the backend chooses, behind this one.
    fn processes(&self, plugin: PluginName, after: Option<u64>, limit: usize) -> StoreFuture<ProcessPage>;

    /// A process's events with a higher number than this, in their order.
    fn process_events(&self, id: ProcessId, after: u64, limit: usize) -> StoreFuture<EventPage>;

    /// Mail to any of these, a process's number and its name, that is due by now: behind this place, in the order of their places.
    fn mail_for(
        &self,
        to: Vec<Receiver>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> StoreFuture<MailPage>;

    /// Whoever has timers or mail that are due by now, behind this cursor, at most `limit` of each. Quarantined ones have no
    /// timers. A look that goes on from the cursor of the last one sees what has become due since then; what is posted
    /// meanwhile and due at once is told to the [`Observer`](crate::Observer).
    fn processes_due(&self, after: DueCursor, now: Timestamp, limit: usize) -> StoreFuture<DuePage>;

    /// Keeps mail, all or nothing, and answers the numbers in their order. It counts against the quota of `from`. The observer
    /// is told of what is due now, before this answers, and also if nobody waits for the answer any more.
    fn post_mail(&self, from: PluginName, mail: Vec<Mail>, now: Timestamp) -> StoreFuture<Vec<MailId>>;

    /// Deletes mail that nobody will handle. Answers how many there were.
    fn delete_mail(&self, ids: Vec<MailId>) -> StoreFuture<u64>;

    /// Deletes a process with its events and the mail to its number, whoever has it; that one finds its next change refused as
    /// [`Stale`](crate::CommitError::Stale). Answers whether there was one.
    fn remove_process(&self, id: ProcessId) -> StoreFuture<bool>;

    /// Deletes what the states of a plugin's processes were before an upgrade. Answers how many there were.
    fn settle_upgrade(&self, plugin: PluginName) -> StoreFuture<u64>;
}
