//! What is written all or nothing.

use bytes::Bytes;
use skep_types::{PluginName, TopicId};

use crate::Timestamp;
use crate::area::Area;
use crate::job::{Inserted, NewJob};
use crate::mail::{Mail, MailId};
use crate::process::{ProcessChange, ProcessDone};

/// A key of somebody's data, as its area allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Whose data, and against whose quota it counts.
    pub space: PluginName,
    /// Whether the plugin writes it, or the host does.
    pub area: Area,
    /// The key there.
    pub key: String,
}

impl Key {
    /// A key that the plugin writes.
    #[must_use]
    pub fn of_plugin(space: PluginName, key: impl Into<String>) -> Self {
        Self { space, area: Area::Plugin, key: key.into() }
    }
}

/// What has to be so, for the commit to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which item.
    pub key: Key,
    /// Its version; none: it must not be there, or have ended.
    pub version: Option<u64>,
}

/// A change of key-value data. Those of a commit are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Whatever was there.
    Set {
        /// Where.
        key: Key,
        /// What.
        value: Bytes,
        /// When it ends; none: never.
        expires: Option<Timestamp>,
    },
    /// It need not be there.
    Delete(Key),
    /// Adds to a number, which is a decimal text as the cache's counters are. One that is not there is 0; when it ends does
    /// not change. Anything but a number there, or a sum beyond 64 bits, makes the commit [`Invalid`](crate::Error::Invalid).
    Sum {
        /// Where.
        key: Key,
        /// How much.
        by: i64,
    },
}

/// A message that leaves when the commit is durable, and not otherwise; at least once, also after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// To a topic.
    Publish(Publish),
    /// To a process. It is kept until a turn of the process has handled it.
    Mail(Mail),
}

/// A message to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where to.
    pub topic: TopicId,
    /// What happened.
    pub event: Option<String>,
    /// What it says.
    pub data: Bytes,
}

/// A tick of a schedule that was acted on: the commit is refused as a conflict (behind all checks) if `last` is not the
/// last one, so that no tick is taken twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Whose schedule.
    pub plugin: PluginName,
    /// Its name there.
    pub schedule: String,
    /// The last tick that was acted on, as it was read.
    pub last: Option<Timestamp>,
    /// The one that is acted on now.
    pub at: Timestamp,
}

/// All of it is written, or nothing.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Who commits. Jobs and messages count against its quota until they are gone.
    pub plugin: PluginName,
    /// Wall time: what has ended by now is not there, and jobs to run by now are available.
    pub now: Timestamp,
    /// All of them have to hold, before anything is written.
    pub checks: Vec<Check>,
    /// In their order.
    pub writes: Vec<Write>,
    /// In their order.
    pub jobs: Vec<NewJob>,
    /// In their order.
    pub messages: Vec<Outgoing>,
    /// Ticks that it acts on.
    pub ticks: Vec<Tick>,
    /// The process whose turn it is.
    pub process: Option<ProcessChange>,
}

impl Commit {
    /// A commit of nothing yet.
    #[must_use]
    pub const fn new(plugin: PluginName, now: Timestamp) -> Self {
        Self {
            plugin,
            now,
            checks: Vec::new(),
            writes: Vec::new(),
            jobs: Vec::new(),
            messages: Vec::new(),
            ticks: Vec::new(),
            process: None,
        }
    }
}

/// It is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The version of all items that it wrote; it grows from commit to commit.
    pub version: u64,
    /// The sums, in their order.
    pub sums: Vec<i64>,
    /// The jobs, in their order.
    pub jobs: Vec<Inserted>,
    /// The mails among the messages, in their order.
    pub mail: Vec<MailId>,
    /// What became of the process, if the commit is one of its turns.
    pub process: Option<ProcessDone>,
}
