//! What the service is told when it starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use skep_types::ByteSize;

use crate::observe::{JobObserver, Silent};

/// What the service is told when it starts.
#[derive(Clone)]
pub struct Options {
    /// The node's name, for people who look at a lease.
    pub node: String,
    /// How long a job stays with a worker that is not heard of any more; a live one extends it three times in that. Default:
    /// 6 s, so that a dead worker's job is taken over within 10 s.
    pub lease: Duration,
    /// How often everything is looked at, in case a wake-up was missed: as where another node changed the store. Default: 5 s.
    pub poll: Duration,
    /// How long what runs may run on when the service stops. Default: 15 s, as Oban's.
    pub grace: Duration,
    /// How long an attempt may take to stop after its [`Stop`](crate::Stop) was raised; then it is dropped. Default: 1 s.
    pub stop_grace: Duration,
    /// How often what has ended is deleted. Default: 30 s, as Oban's.
    pub prune_every: Duration,
    /// How long jobs stay that have ended.
    pub retention: Retention,
    /// Whether nobody else works on the store: then the leases of others are of a host that is dead, and are taken over at the
    /// start; and a lease that cannot be extended, because the store fails, stays. Default: true.
    pub alone: bool,
    /// What bounds it.
    pub limits: Limits,
    /// Who is told of attempts. Default: nobody.
    pub observer: Arc<dyn JobObserver>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: "skep".to_owned(),
            lease: Duration::from_secs(6),
            poll: Duration::from_secs(5),
            grace: Duration::from_secs(15),
            stop_grace: Duration::from_secs(1),
            prune_every: Duration::from_secs(30),
            retention: Retention::default(),
            alone: true,
            limits: Limits::default(),
            observer: Arc::new(Silent),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("node", &self.node).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How long jobs stay that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Default: 60 s, as Oban's.
    pub completed: Duration,
    /// Default: 7 days, so that people can look at them.
    pub cancelled: Duration,
    /// Default: 7 days, so that people can look at them, and try them again.
    pub discarded: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        Self { completed: Duration::from_secs(60), cancelled: week, discarded: week }
    }
}

/// What bounds the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest arguments of a job; longer ones are refused. Default: 1 MiB.
    pub args_bytes_max: ByteSize,
    /// The longest output of a job; one with a longer output is discarded. Default: 1 MiB.
    pub output_bytes_max: ByteSize,
    /// Those who wait for the end of a job; one more is refused. Default: 10,000.
    pub waiters_max: usize,
    /// Jobs that a queue has on lease before there is room for them, so that short ones do not wait for the disk: as many as
    /// it can be expected to begin within 10 ms, at most these, and none of a queue that has a global concurrency or a rate.
    /// Default: 1,024.
    pub prefetch_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            args_bytes_max: ByteSize::mib(1),
            output_bytes_max: ByteSize::mib(1),
            waiters_max: 10_000,
            prefetch_max: 1024,
        }
    }
}
