//! What is said over the wire.

use serde::{Deserialize, Serialize};

pub use caches::{BucketStatus, Cleared, Deleted, EntryStatus, KeyPage, SecondTierStatus, ValueText};
pub use dead::{DeadLetter, PREVIEW_BYTES_MAX, Retried};
pub use events::EventStatus;
pub use figures::{NodeFigures, PluginFigures};
pub use jobs::{
    AttemptStatus, DataStatus, Enqueued, JobDetail, JobFilter, JobOp, JobPage, JobState, JobStatus, LeaseStatus,
    Operated, UnknownState, WaitingFor,
};
pub use lines::Line;
pub use processes::{
    KindStatus, MonitorStatus, ProcessCounts, ProcessDetail, ProcessDone, ProcessFilter, ProcessOp, ProcessPage,
    ProcessSort, ProcessState, ProcessStatus, ProcessTotals, TimerStatus,
};
pub use queues::{JobCounts, QueueStatus, RateStatus, ScheduleStatus};
pub use sockets::{Disconnected, SocketFilter, SocketPage, SocketStatus, SocketTotals};
pub use sql::{DatabaseAnswer, DatabaseErrors, DatabaseQuestion, DatabaseStatus, MigrationState, MigrationStatus};
pub use store::{BackedUp, StoreUsage, StoredItem, StoredKey, StoredKeyPage};
pub use topics::{MemberCount, MemberPage, MemberStatus, MessageStatus, MetaStatus, Published, TopicPage, TopicStatus};
pub use tree::{BreakerStatus, NodeKind, Resumed, TreeNode};
pub use words::UnknownWord;

mod caches;
mod dead;
mod events;
mod figures;
mod jobs;
mod lines;
mod processes;
mod queues;
mod sockets;
mod sql;
mod store;
mod topics;
mod tree;
mod words;

/// A node as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// The version of skep.
    pub version: String,
    /// Where it listens for clients.
    pub listen: Vec<String>,
    /// How instances get their memory: `pooled` or `on-demand`.
    pub allocation: String,
    /// Its plugins, by name.
    pub plugins: Vec<PluginStatus>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// `running`, `skipped` or `failed`.
    pub state: String,
    /// Why it is not running, or why its newest build is not.
    pub note: Option<String>,
    /// The revision that serves.
    pub revision: Option<String>,
    /// Where that came from: `source`, `deploy` or `rollback`.
    pub origin: Option<String>,
    /// The handler's export.
    pub handler: Option<String>,
    /// Instances at work.
    pub running: usize,
    /// Calls that wait for an instance.
    pub waiting: usize,
    /// Its routes.
    pub routes: Vec<String>,
}

/// One revision of a plugin's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionStatus {
    /// Its id.
    pub revision: String,
    /// Where it came from.
    pub origin: String,
    /// When it was put in service, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whether it serves now.
    pub current: bool,
}

/// The outcome of a deploy or a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// The plugin.
    pub plugin: String,
    /// What serves now.
    pub revision: String,
    /// What served before, if it was another one.
    pub previous: Option<String>,
}

/// The outcome of a manifest reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Plugins that are new.
    pub added: Vec<String>,
    /// Plugins that have a new revision.
    pub changed: Vec<String>,
    /// Plugins that are gone.
    pub removed: Vec<String>,
    /// Whether `[host]` has changed, of which a running node takes up `cache_memory` only.
    #[serde(default)]
    pub needs_restart: bool,
}

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong and what to do.
    pub error: String,
}
