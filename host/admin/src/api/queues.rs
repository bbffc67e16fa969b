//! Queues and schedules, over the wire.

use serde::{Deserialize, Serialize};

use super::JobState;

/// Jobs by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// They wait for other jobs, or for a revision that knows their name.
    pub suspended: u64,
    /// They wait for their time.
    pub scheduled: u64,
    /// They begin when there is room.
    pub available: u64,
    /// They are at work, on any node.
    pub executing: u64,
    /// They failed, and wait for their next attempt.
    pub retryable: u64,
    /// They are done, and not pruned yet.
    pub completed: u64,
    /// They should not be done, and are not pruned yet.
    pub cancelled: u64,
    /// They failed for the last time, and are not pruned yet.
    pub discarded: u64,
}

impl JobCounts {
    /// From counts in the order of [`JobState::ALL`].
    #[must_use]
    pub const fn of(counts: [u64; 8]) -> Self {
        let [suspended, scheduled, available, executing, retryable, completed, cancelled, discarded] = counts;
        Self { suspended, scheduled, available, executing, retryable, completed, cancelled, discarded }
    }

    /// How many are in a state.
    #[must_use]
    pub const fn get(&self, state: JobState) -> u64 {
        match state {
            JobState::Suspended => self.suspended,
            JobState::Scheduled => self.scheduled,
            JobState::Available => self.available,
            JobState::Executing => self.executing,
            JobState::Retryable => self.retryable,
            JobState::Completed => self.completed,
            JobState::Cancelled => self.cancelled,
            JobState::Discarded => self.discarded,
        }
    }
}

/// How often jobs of a queue may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateStatus {
    /// So many,
    pub jobs: u32,
    /// in any time of so many milliseconds.
    pub per_ms: u64,
}

/// A queue: what is in it, and how much of that is done at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Whose.
    pub plugin: String,
    /// Its name there.
    pub queue: String,
    /// Its jobs, on all nodes.
    pub counts: JobCounts,
    /// Whether its plugin is here; otherwise its jobs wait.
    pub served: bool,
    /// Whether nothing of it begins, by an operator's word or the manifest's.
    pub paused: bool,
    /// The most jobs that are at work at once on this node.
    pub concurrency: u64,
    /// Whether an operator set that, in place of the manifest.
    pub scaled: bool,
    /// The most jobs that are at work at once on all nodes; none: as many as the nodes' own.
    #[serde(default)]
    pub global_concurrency: Option<u64>,
    /// How often jobs may begin, on all nodes; none: as often as they are let by how many may be at work.
    pub rate: Option<RateStatus>,
    /// Jobs that run on this node.
    pub running: u64,
    /// Jobs on lease to this node that have not begun.
    pub prefetched: u64,
    /// Jobs of this node that ended, and whose ends are not durable yet.
    pub settling: u64,
}

/// A schedule: a job that the calendar inserts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Whose.
    pub plugin: String,
    /// Its name there.
    pub name: String,
    /// When, as it is written: `0 3 * * *`, `@daily`.
    pub schedule: String,
    /// Whose clock it is read by: `Europe/Berlin`.
    pub time_zone: String,
    /// Which of the plugin's jobs is inserted.
    pub job: String,
    /// The queue that it goes to; none: the one that the component says.
    pub queue: Option<String>,
    /// The last tick that was acted on, in milliseconds since the Unix epoch.
    pub last_tick_ms: Option<u64>,
    /// The next one.
    pub next_tick_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_the_order_of_the_states() {
        let counts = JobCounts::of([0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(JobState::ALL.map(|state| counts.get(state)), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
