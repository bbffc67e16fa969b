//! The port to the store: how processes are kept that are to survive the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use skep_store::{Error, Timestamp};
use skep_types::PluginName;

use crate::address::{Number, Pid};
use crate::behaviour::{Saved, Staged};

/// An operation on its way. Writes run to their end even if nobody waits for them any more.
pub type Keeping<T, E = Error> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Keeps processes durably. A write has answered only when it is durable. All of it sees what was answered before.
pub trait Keeper: Send + Sync + 'static {
    /// The process of this name, if one is kept.
    fn find_name(&self, plugin: PluginName, name: Arc<str>) -> Keeping<Option<Record>>;

    /// The process of this number, if it is kept.
    fn find(&self, plugin: PluginName, number: Number) -> Keeping<Option<Record>>;

    /// Processes with names that begin so, in the order of the names' bytes, behind `after`.
    fn list_names(
        &self,
        plugin: PluginName,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Keeping<Vec<KeptName>>;

    /// Events of a process from this index on, in order, at most `limit`; fewer where their bytes would be too many for
    /// one answer, but at least one if there is one.
    fn events(&self, plugin: PluginName, number: Number, from: u64, limit: usize) -> Keeping<Vec<Bytes>>;

    /// Mail that is due to a process, by its number or its name, in the order of its arrival: that behind `after`, at most
    /// `limit`.
    fn mail(&self, pid: Pid, name: Option<Arc<str>>, after: MailId, now: Timestamp, limit: usize)
    -> Keeping<Vec<Mail>>;

    /// Kept processes whose [`Record::wake_at`] has come, those behind `after` in the order of their numbers, at most `limit`.
    fn due(&self, now: Timestamp, after: Option<Number>, limit: usize) -> Keeping<DuePids>;

    /// All mail that is due, as [`mail`](Self::mail).
    fn due_mail(&self, now: Timestamp, after: MailId, limit: usize) -> Keeping<DueMail>;

    /// Deletes mail that nobody is there for, or that somebody got who is not kept.
    fn delete_mail(&self, ids: Vec<MailId>) -> Keeping<()>;

    /// All or nothing.
    fn commit(&self, commit: TurnCommit) -> Keeping<(), CommitFailure>;

    /// Takes mail to a process that is kept. Answers its id; ids grow.
    fn post(&self, mail: NewMail) -> Keeping<MailId>;
}

/// A process as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who it is.
    pub pid: Pid,
    /// Its name, which no other kept process of the plugin has.
    pub name: Option<Arc<str>>,
    /// What it was started with.
    pub args: Bytes,
    /// Its state; none where an event log begins with `init`.
    pub saved: Option<Saved>,
    /// Its state before the last upgrade, until its probation ends.
    pub before: Option<Saved>,
    /// The first event that is not in `saved`.
    pub events_from: u64,
    /// One behind its last event.
    pub events_to: u64,
    /// What the engine keeps beside: timers, subscriptions, monitors, links. Nobody else reads it.
    pub extra: Bytes,
    /// When it has something to do next, by the wall clock: its first timer.
    pub wake_at: Option<Timestamp>,
    /// Why it is quarantined, if it is.
    pub quarantined: Option<Arc<str>>,
    /// Counts its commits, from 1. A commit carries the one that it follows, so one who lost the process cannot write.
    pub seq: u64,
}

/// A kept process in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName {
    /// Its name.
    pub name: Arc<str>,
    /// Who it is.
    pub pid: Pid,
}

/// Kept processes that have something to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DuePids {
    /// Who.
    pub pids: Vec<Pid>,
    /// The first [`Record::wake_at`] behind `now`.
    pub next: Option<Timestamp>,
}

/// Mail that is to be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueMail {
    /// In the order of its arrival.
    pub mail: Vec<Mail>,
    /// When the first is due that is not yet.
    pub next: Option<Timestamp>,
}

/// What is written after a message, all or nothing.
#[derive(Clone, Debug)]
pub struct TurnCommit {
    /// Which process, and whose quota it counts against.
    pub pid: Pid,
    /// Wall time.
    pub now: Timestamp,
    /// The [`Record::seq`] that it follows; 0: the process must not be kept yet, and its name be free.
    pub expect: u64,
    /// What becomes of its record.
    pub change: Change,
    /// Events that are added behind the last one.
    pub append: Vec<Bytes>,
    /// Mail that was handled, and is deleted.
    pub handled: Vec<MailId>,
    /// What the guest wants to be committed with it.
    pub staged: Option<Box<Staged>>,
}

/// What becomes of a record.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is written; events below its `events_from` are deleted. Its `seq` is `expect` and one.
    Put(Box<Record>),
    /// It is deleted with its events and its mail.
    Delete,
}

/// A commit was not carried out, or it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitFailure {
    /// The check at this place does not hold, or a unique job is there already.
    #[error("check {0} does not hold")]
    Conflict(usize),
    /// The process is not at the expected `seq`, or gone: somebody else has it.
    #[error("another owner has written this process")]
    Fenced,
    /// Another kept process has the name.
    #[error("the name is taken by {0}")]
    NameTaken(Pid),
    /// [`Error::OutcomeUnknown`]: it may or may not have been carried out. Anything else: it was not.
    #[error(transparent)]
    Store(#[from] Error),
}

/// The number of a message that is kept, in the order of their arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailId(pub u64);

/// Whom mail is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailTo {
    /// This process.
    Number(Number),
    /// Whoever has this name. A process of this name gets the mail that its number has, too.
    Name(Arc<str>),
}

/// A message to a kept process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// Whose process, and whose quota it counts against.
    pub plugin: PluginName,
    /// For whom.
    pub to: MailTo,
    /// The message.
    pub data: Bytes,
    /// When it is due; none: at once.
    pub at: Option<Timestamp>,
    /// Wall time.
    pub now: Timestamp,
}

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its number.
    pub id: MailId,
    /// Whose process it is for.
    pub plugin: PluginName,
    /// For whom.
    pub to: MailTo,
    /// The message.
    pub data: Bytes,
}
