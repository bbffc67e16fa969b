//! Who is told of attempts, for counters and logs.

use std::time::Duration;

use skep_store::{JobId, QueueRef};
use skep_types::HandlerName;

use crate::outcome::OutcomeKind;

/// An attempt that ended.
#[derive(Clone, Debug)]
pub struct AttemptEnded<'a> {
    /// Where.
    pub queue: &'a QueueRef,
    /// Which job.
    pub id: JobId,
    /// Its name.
    pub name: &'a HandlerName,
    /// Which attempt, from 1.
    pub attempt: u16,
    /// What came of it; it is durable.
    pub outcome: OutcomeKind,
    /// From when it could have begun until it began.
    pub waited: Duration,
    /// From its begin to its end; nothing if it never began.
    pub ran: Duration,
}

/// Is told of attempts. It runs in the loop of a queue: it must not wait.
pub trait JobObserver: Send + Sync + 'static {
    /// An attempt begins.
    fn begins(&self, queue: &QueueRef, name: &HandlerName) {
        let _ = (queue, name);
    }

    /// An attempt has ended, and what came of it is durable.
    fn ended(&self, attempt: &AttemptEnded<'_>) {
        let _ = attempt;
    }

    /// A tick of a schedule became so many jobs; none, if it was missed and is skipped.
    fn ticked(&self, plugin: &skep_types::PluginName, schedule: &HandlerName, jobs: usize) {
        let _ = (plugin, schedule, jobs);
    }
}

/// Tells nobody.
pub(crate) struct Silent;

impl JobObserver for Silent {}
