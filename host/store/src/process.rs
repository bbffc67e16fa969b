//! Processes as they are kept: a record each, and for some what has happened to them.

use bytes::Bytes;
use skep_types::{HandlerName, PluginName};

use crate::Timestamp;
use crate::mail::MailId;

/// A process. Whoever starts one gives it a number that no other of the plugin ever had, or will have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Whose it is, and against whose quota its record and its events count.
    pub plugin: PluginName,
    /// Any number.
    pub number: u64,
}

/// A state as its process wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What the process says of the form; the store does not look at it.
    pub version: u32,
    /// The bytes.
    pub state: Bytes,
}

/// A process as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecord {
    /// Which one.
    pub id: ProcessId,
    /// What it is of.
    pub kind: HandlerName,
    /// Its name, which no other process of the plugin has.
    pub name: Option<String>,
    /// What it was started with.
    pub args: Bytes,
    /// Its state; none: none was ever saved.
    pub saved: Option<Saved>,
    /// What its state was before an upgrade that may still be taken back.
    pub before: Option<Saved>,
    /// What whoever runs it keeps beside the state.
    pub extra: Bytes,
    /// How many changes of it were committed. Whoever changes it says which one it saw last, see [`ProcessChange::seq`].
    pub seq: u64,
    /// The first of its events that is kept; one more than `last_event` if there is none.
    pub first_event: u64,
    /// The event that was appended last, 0 before the first one. Numbers grow by one, and are never given again.
    pub last_event: u64,
    /// When its next timer is due.
    pub wake_at: Option<Timestamp>,
    /// Why it is not to be run; its timers are not due meanwhile.
    pub quarantined: Option<String>,
}

/// A change of one process, in a commit with whatever else its turn brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessChange {
    /// Which process.
    pub id: ProcessId,
    /// The record's [`seq`](ProcessRecord::seq) as its owner knows it, 0 where there is to be none. The commit is refused as
    /// [`Stale`](crate::CommitError::Stale) if it is another one: whoever lost the process without knowing changes nothing.
    pub seq: u64,
    /// What becomes of the record. Whatever it is, its seq grows by one.
    pub record: RecordChange,
    /// Events to append, numbered from [`last_event`](ProcessRecord::last_event) + 1 on.
    pub append: Vec<Bytes>,
    /// Events with a lower number are not needed any more; those of this commit are not among them. 0: all are.
    pub events_below: u64,
    /// Mail that the turn has handled, and that is deleted by the commit. If one is not there any more, it was handled before,
    /// and the commit is refused as [`Handled`](crate::CommitError::Handled).
    pub handled: Vec<MailId>,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// There is one from now on. The commit is refused as [`NameTaken`](crate::CommitError::NameTaken) if another process of
    /// the plugin has the name.
    Begin(NewProcess),
    /// What a turn leaves. One that was quarantined has been run, and is not any more.
    Turn(ProcessTurn),
    /// Why it is not to be run; none: it is to be run again.
    Quarantine(Option<String>),
    /// The process has ended: its record, its events and the mail to its number are deleted. Mail to its name is for whoever
    /// has the name next, but for what is [`handled`](ProcessChange::handled) here.
    End,
}

/// A process that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProcess {
    /// What it is of.
    pub kind: HandlerName,
    /// 1 to 256 bytes without control characters.
    pub name: Option<String>,
    /// What it is started with.
    pub args: Bytes,
    /// Its first state; none, if its args say all.
    pub saved: Option<Saved>,
    /// What whoever runs it keeps beside the state.
    pub extra: Bytes,
    /// When its first timer is due.
    pub wake_at: Option<Timestamp>,
}

/// What a turn leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTurn {
    /// Its new state; none: what it was.
    pub saved: Option<Saved>,
    /// The state that an upgrade may be taken back to.
    pub before: BeforeChange,
    /// What whoever runs it keeps beside the state; none: what it was.
    pub extra: Option<Bytes>,
    /// When its next timer is due; none: it has none.
    pub wake_at: Option<Timestamp>,
}

/// What becomes of the state before an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BeforeChange {
    /// It stays what it is.
    #[default]
    Keep,
    /// It is this one.
    Put(Saved),
    /// It is deleted.
    Clear,
}

impl ProcessChange {
    const fn new(id: ProcessId, seq: u64, record: RecordChange) -> Self {
        Self { id, seq, record, append: Vec::new(), events_below: 0, handled: Vec::new() }
    }

    /// A process that begins.
    #[must_use]
    pub const fn begin(id: ProcessId, process: NewProcess) -> Self {
        Self::new(id, 0, RecordChange::Begin(process))
    }

    /// What a turn leaves.
    #[must_use]
    pub const fn turn(id: ProcessId, seq: u64, turn: ProcessTurn) -> Self {
        Self::new(id, seq, RecordChange::Turn(turn))
    }

    /// A process that is not to be run, or is again.
    #[must_use]
    pub const fn quarantine(id: ProcessId, seq: u64, why: Option<String>) -> Self {
        Self::new(id, seq, RecordChange::Quarantine(why))
    }

    /// A process that has ended.
    #[must_use]
    pub const fn end(id: ProcessId, seq: u64) -> Self {
        Self::new(id, seq, RecordChange::End)
    }
}

/// What a commit made of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessDone {
    /// What the next change has to say.
    pub seq: u64,
    /// The event that was appended last.
    pub last_event: u64,
}

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// Its place among the process's events, from 1 on.
    pub number: u64,
    /// What happened.
    pub data: Bytes,
}

/// Some of a process's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// In their order.
    pub events: Vec<ProcessEvent>,
    /// There are more behind the last one.
    pub more: bool,
}

/// A process without what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessHead {
    /// Which one.
    pub id: ProcessId,
    /// What it is of.
    pub kind: HandlerName,
    /// Its name.
    pub name: Option<String>,
    /// How many changes of it were committed.
    pub seq: u64,
    /// When its next timer is due.
    pub wake_at: Option<Timestamp>,
    /// Why it is not to be run.
    pub quarantined: Option<String>,
    /// What it counts for, without its events and what was before an upgrade.
    pub bytes: u64,
}

/// Some processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessPage {
    /// In the order that was asked for.
    pub processes: Vec<ProcessHead>,
    /// There are more behind the last one.
    pub more: bool,
}
