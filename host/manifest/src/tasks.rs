//! `[plugins.NAME.tasks]`: the work that a plugin does beside its calls.

use std::time::Duration;

use crate::read::{Item, Read, Section};

const MILLISECOND: Duration = Duration::from_millis(1);
/// A task that takes longer than a day is a process, not a task.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// All tasks of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TasksConfig {
    /// Tasks of the plugin that may run at once, each in an instance of its own. Default 10, 1 to 10,000.
    pub concurrency: usize,
    /// Detached tasks that may wait to begin. Default 1,000, at most 1,000,000. Over it `start` says `full`.
    pub queue: usize,
    /// Tasks that one call may start or map in all. Default 100, 1 to 100,000. Over it the guest gets `full`.
    pub per_call: usize,
    /// The wall time of one task. A mapped one has no more than what is left to its caller. Default 1 m, 1 ms to a day.
    pub deadline: Duration,
    /// Whether a detached task is tried again. Default: it is not.
    pub restart: TaskRestart,
}

/// Whether a detached task is tried again; the words are OTP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskRestart {
    /// Never.
    #[default]
    Temporary,
    /// After an abnormal end, within the plugin's restart intensity.
    Transient,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            concurrency: 10,
            queue: 1000,
            per_call: 100,
            deadline: Duration::from_secs(60),
            restart: TaskRestart::default(),
        }
    }
}

impl TasksConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut tasks = Self::default();
        table.bounded("concurrency", &mut tasks.concurrency, 1..=10_000);
        // Zero is legitimate here: a detached task begins at once or not at all.
        table.bounded("queue", &mut tasks.queue, 0..=1_000_000);
        table.bounded("per_call", &mut tasks.per_call, 1..=100_000);
        table.bounded("deadline", &mut tasks.deadline, MILLISECOND..=DAY);
        table.set("restart", &mut tasks.restart);
        (tasks, table.finish())
    }
}

impl Read for TaskRestart {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("temporary", Self::Temporary), ("transient", Self::Transient)])
    }
}
