//! The port to what the node keeps: jobs, queues, schedules and the store.

use std::path::PathBuf;

use super::ControlFuture;
use crate::api::{
    Enqueued, JobDetail, JobFilter, JobOp, JobPage, Operated, QueueStatus, ScheduleStatus, StoreUsage, StoredItem,
    StoredKeyPage,
};

/// A store with jobs that can be administered.
///
/// Each answers [`Unavailable`](super::ControlError::Unavailable) while the store fails or has too much to do, and says so
/// if it is not known whether something was written.
pub trait DurableControl: Send + Sync + 'static {
    /// A page of the jobs that pass, the newest first, from before this number on: no more than `limit`, and no more than
    /// the node gives at once. A name that nothing has is no error, but a text that cannot be a name may be refused.
    fn jobs(&self, filter: JobFilter, before: Option<u64>, limit: usize) -> ControlFuture<JobPage>;

    /// A job. Its arguments and its output are previews ([`DataStatus::of`](crate::api::DataStatus::of)), unless they are
    /// asked for in full. Not found if there is none of this number: it was pruned, deleted, or never was.
    fn job(&self, id: u64, full: bool) -> ControlFuture<JobDetail>;

    /// Does this with the jobs that pass, the newest first, from before this number on, in one bounded step; a filter with an
    /// `id` takes no more than one. Jobs in a state that the operation is not for are left, which is no error, and neither is
    /// it that none passes: the server says what is the matter with a single one.
    fn operate(&self, filter: JobFilter, op: JobOp, before: Option<u64>) -> ControlFuture<Operated>;

    /// All queues, in the order of plugin and name: those that the node serves, and those in which there are jobs.
    fn queues(&self) -> ControlFuture<Vec<QueueStatus>>;

    /// Pauses a queue, on all nodes and over restarts, or lets it go on. What runs runs on. Not found if there is no such
    /// queue; the error says which there are.
    fn pause_queue(&self, plugin: String, queue: String, paused: bool) -> ControlFuture<()>;

    /// Sets how many jobs of a queue may be at work at once on each node, over restarts; none: what the manifest says. What
    /// runs runs on. Not found as [`pause_queue`](Self::pause_queue); refused if the number is beyond what a queue may have.
    fn scale_queue(&self, plugin: String, queue: String, concurrency: Option<u32>) -> ControlFuture<()>;

    /// All schedules, in the order of plugin and name.
    fn schedules(&self) -> ControlFuture<Vec<ScheduleStatus>>;

    /// Inserts the job of a schedule now, as at a tick. Its ticks stay as they are. Not found if there is no such schedule;
    /// the error says which there are.
    fn run_schedule(&self, plugin: String, name: String) -> ControlFuture<Enqueued>;

    /// What each plugin uses, by name.
    fn store_usage(&self) -> ControlFuture<Vec<StoreUsage>>;

    /// A page of a plugin's keys with a prefix, behind the page that gave the cursor: no more than `limit`, and no more than
    /// the node gives at once. Not found if there is no such plugin and nothing of one.
    fn store_keys(
        &self,
        plugin: String,
        prefix: String,
        cursor: Option<String>,
        limit: usize,
    ) -> ControlFuture<StoredKeyPage>;

    /// A value, in full. Not found if there is no such plugin or key.
    fn store_item(&self, plugin: String, key: String) -> ControlFuture<StoredItem>;

    /// Writes a copy of the store as it is at one moment to a new file, and answers its bytes. The path is absolute; refused
    /// if there is a file already, or it cannot be written.
    fn backup(&self, to: PathBuf) -> ControlFuture<u64>;
}
