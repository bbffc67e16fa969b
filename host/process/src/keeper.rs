//! The port to the store: how processes are kept that are to survive the host.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
pub use skep_store::{DueCursor, MailId, MailPlace};
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

    /// Mail to any of these, a process's number and its name, that is due: behind `after`, in the order of their places, at
    /// most `limit`.
    fn mail(
        &self,
        plugin: PluginName,
        to: Vec<MailTo>,
        after: Option<MailPlace>,
        now: Timestamp,
        limit: usize,
    ) -> Keeping<MailPage>;

    /// Whoever has mail that is due, or a [`Record::wake_at`] that has come and is not quarantined: behind `after`, at most
    /// `limit` of each.
    fn due(&self, now: Timestamp, after: DueCursor, limit: usize) -> Keeping<DuePage>;

    /// Deletes mail that nobody is there for, or that somebody got who is not kept.
    fn delete_mail(&self, ids: Vec<MailId>) -> Keeping<()>;

    /// All or nothing.
    fn commit(&self, commit: TurnCommit) -> Keeping<(), CommitFailure>;

    /// Takes mail to a process that is kept. Answers its id; ids grow.
    fn post(&self, mail: NewMail) -> Keeping<MailId>;

    /// Deletes what the states of a plugin's processes were before an upgrade.
    fn settle_upgrade(&self, plugin: PluginName) -> Keeping<()>;
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

/// Who has something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose process it is.
    pub plugin: PluginName,
    /// Which one.
    pub to: MailTo,
    /// Mail for it is due, and not a timer of it.
    pub mail: bool,
}

/// Some of those who have something to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DuePage {
    /// Who. The same one may be there several times.
    pub due: Vec<Due>,
    /// Where the next page begins.
    pub cursor: DueCursor,
    /// There are more behind it.
    pub more: bool,
    /// When somebody has something to do next who has not now.
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
    /// Parts of a record that need not be written.
    pub same: Same,
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
    /// It is written, and is not quarantined; events below its `events_from` are deleted. Its `seq` is `expect` and one.
    Put(Box<Record>),
    /// It is quarantined, for this reason; all else of it stays, but for its `seq`.
    Quarantine(Arc<str>),
    /// It is deleted with its events and the mail to its number.
    Delete,
}

/// Parts of a record that are what they were in the commit that this one follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Same {
    /// [`Record::saved`] is.
    pub saved: bool,
    /// [`Record::before`] is.
    pub before: bool,
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
    /// This mail was handled before.
    #[error("mail {0} was handled before")]
    Handled(MailId),
    /// Another kept process has the name.
    #[error("the name is taken by {0}")]
    NameTaken(Pid),
    /// [`Error::OutcomeUnknown`]: it may or may not have been carried out. Anything else: it was not.
    #[error(transparent)]
    Store(#[from] Error),
}

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
    /// When it was due, or when it was posted if it was due then.
    pub at: Timestamp,
}

impl Mail {
    /// Where it stands among others: by when it is due, then by its number.
    #[must_use]
    pub const fn place(&self) -> MailPlace {
        MailPlace { at: self.at, id: self.id }
    }
}

/// Some mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailPage {
    /// In the order of their places.
    pub mail: Vec<Mail>,
    /// There is more behind the last one.
    pub more: bool,
}
