//! `skep:plugin/tasks`: work beside the call, in instances of its own.
//!
//! Mapped tasks are children of their call and live in its store's [`Held`](super::Held): whatever ends the call ends
//! them. Detached ones are handed to whoever supervises them, through a port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_bindings::tasks::{self, Failure as TaskFailure, Finished, Order};
use skep_bindings::types::Error;
use skep_types::{Call, HandlerName, RequestId};
use tokio::task::{Id, JoinError, JoinSet};
use wasmtime::component::Resource;

use crate::admission::TASK_LEVELS;
use crate::body::now;
use crate::revision::Revision;
use crate::state::CallState;

/// What a plugin's tasks may use.
#[derive(Clone)]
pub struct TaskGrant {
    /// Who runs what nobody waits for.
    pub detached: Arc<dyn DetachedTasks>,
    /// Tasks that one call may start or map.
    pub per_call: usize,
    /// The time of one task. A mapped one has what is left to its caller, if that is less.
    pub deadline: Duration,
    /// Tasks of the plugin that may run at once.
    pub concurrency: usize,
    /// Tasks of the plugin that may wait for their turn.
    pub queue: usize,
}

/// A task that nobody waits for.
pub struct DetachedTask {
    /// The revision that runs it: the one that started it, even if another is in service by then.
    pub revision: Arc<Revision>,
    /// The call that started it.
    pub parent: Call,
    /// The handler.
    pub name: HandlerName,
    /// What it is given.
    pub args: Vec<u8>,
}

/// Runs tasks that nobody waits for.
pub trait DetachedTasks: Send + Sync + 'static {
    /// Takes a task, which begins when what is returned is dropped. `None` if too much waits already.
    fn take(&self, task: DetachedTask) -> Option<Box<dyn Send + Sync>>;
}

/// Nobody: every task is refused.
pub(crate) struct NoTasks;

impl DetachedTasks for NoTasks {
    fn take(&self, _: DetachedTask) -> Option<Box<dyn Send + Sync>> {
        None
    }
}

/// The call of a task: the parent's, under an id of its own, without a client who waits.
#[must_use]
pub fn call_of_task(parent: &Call) -> Call {
    Call {
        id: RequestId::from_bits(fastrand::u64(..)),
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        secure: false,
        captures: Vec::new(),
        hops: parent.hops,
    }
}

/// Mapped tasks that a call waits for. Dropping it ends them.
pub(crate) struct Mapping {
    revision: Arc<Revision>,
    parent: Call,
    name: HandlerName,
    waiting: std::iter::Enumerate<std::vec::IntoIter<Vec<u8>>>,
    level: usize,
    concurrency: usize,
    /// The caller's, which no task outlives.
    until: std::time::Instant,
    /// The time of one task.
    deadline: Duration,
    at_work: JoinSet<(u32, Outcome)>,
    /// Which argument a task is about, should it end without saying so.
    indices: BTreeMap<Id, u32>,
    order: Order,
    /// Out of their turn, where order is asked for.
    early: BTreeMap<u32, Outcome>,
    next: u32,
}

type Outcome = Result<Vec<u8>, TaskFailure>;

/// How much longer than the call that waits for it a task has, so that what ends both is the call's deadline: its tasks end with it.
/// At the same moment a call could be told that all of its tasks were too late, and make an answer of that.
const AFTER_CALL: Duration = Duration::from_millis(100);

impl Mapping {
    async fn next(&mut self) -> Option<Finished> {
        loop {
            self.fill();
            if let Some(outcome) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(Finished { index: self.next - 1, outcome });
            }
            let joined = self.at_work.join_next_with_id().await?;
            let (index, outcome) = self.ended(joined);
            match self.order {
                Order::Unordered => return Some(Finished { index, outcome }),
                Order::Ordered => self.early.insert(index, outcome),
            };
        }
    }

    /// Keeps as many at work as may be.
    fn fill(&mut self) {
        while self.at_work.len() < self.concurrency
            && let Some((index, args)) = self.waiting.next()
        {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let (revision, name) = (Arc::clone(&self.revision), self.name.clone());
            let (call, level) = (call_of_task(&self.parent), self.level);
            let time = self.deadline.min(self.until.saturating_duration_since(now()) + AFTER_CALL);
            let home = self.revision.home().clone();
            let task = async move {
                let ended = revision.run_mapped_task(call, time, level, (name.as_str(), &args)).await;
                let outcome = match ended {
                    Ok(answer) => answer.map_err(TaskFailure::Failed),
                    Err(failure) => Err(TaskFailure::Crashed(failure.kind.code().to_owned())),
                };
                (index, outcome)
            };
            // Where there are several workers, they are at several of them at once.
            let task = self.at_work.spawn_on(task, home.handle());
            self.indices.insert(task.id(), index);
        }
    }

    fn ended(&mut self, joined: Result<(Id, (u32, Outcome)), JoinError>) -> (u32, Outcome) {
        match joined {
            Ok((id, ended)) => {
                self.indices.remove(&id);
                ended
            }
            // The host's own code panicked; the guest's cannot.
            Err(error) => {
                let index = self.indices.remove(&error.id()).unwrap_or_default();
                tracing::error!(plugin = %self.revision.plugin(), task = %self.name, "a task ended in the host: {error}");
                (index, Err(TaskFailure::Crashed("internal".to_owned())))
            }
        }
    }
}

/// The tasks that a call started or waits for.
#[derive(Default)]
pub(crate) struct HeldTasks {
    /// They begin when they are dropped.
    started: Vec<Box<dyn Send + Sync>>,
    mapped: Vec<(u32, Mapping)>,
    count: usize,
}

impl HeldTasks {
    pub(crate) fn release(&mut self) {
        self.mapped.clear();
        self.started.clear();
        self.count = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.mapped.len()
    }

    fn reserve(&mut self, tasks: usize, max: usize) -> Result<(), Error> {
        let count = self.count.saturating_add(tasks);
        if count > max {
            return Err(Error::Full);
        }
        self.count = count;
        Ok(())
    }
}

impl CallState {
    fn task(&self, name: &str) -> Result<(Arc<Revision>, HandlerName), Error> {
        // It lives as long as its calls.
        let revision =
            self.env.this.upgrade().ok_or_else(|| Error::Unavailable("the plugin is stopping".to_owned()))?;
        let known = revision.declared().tasks.iter().find(|known| known.as_str() == name).cloned();
        Ok((revision, known.ok_or(Error::NotFound)?))
    }
}

impl tasks::Host for CallState {
    fn start(&mut self, name: String, args: Vec<u8>) -> Result<(), Error> {
        self.stats.owe(name.len() + args.len());
        let (revision, name) = self.task(&name)?;
        self.held.tasks.reserve(1, self.env.tasks.per_call)?;
        let task = DetachedTask { revision, parent: self.stats.call().clone(), name, args };
        let started = self.env.tasks.detached.take(task).ok_or(Error::Full)?;
        self.held.tasks.started.push(started);
        Ok(())
    }

    fn map_all(
        &mut self,
        name: String,
        args: Vec<Vec<u8>>,
        concurrency: u32,
        order: Order,
    ) -> Result<Resource<tasks::Running>, Error> {
        self.stats.owe(name.len() + args.iter().map(Vec::len).sum::<usize>());
        let (revision, name) = self.task(&name)?;
        let grant = &self.env.tasks;
        let at_once = if concurrency == 0 { grant.concurrency } else { (concurrency as usize).min(grant.concurrency) };
        if self.task_level >= TASK_LEVELS {
            return Err(Error::Full);
        }
        let number = self.held.number(self.env.handles_max)?;
        self.held.tasks.reserve(args.len(), grant.per_call)?;
        let mut mapping = Mapping {
            revision,
            parent: self.stats.call().clone(),
            name,
            waiting: args.into_iter().enumerate(),
            level: self.task_level,
            concurrency: at_once.max(1),
            until: self.stats.deadline,
            deadline: grant.deadline,
            at_work: JoinSet::new(),
            indices: BTreeMap::new(),
            order,
            early: BTreeMap::new(),
            next: 0,
        };
        mapping.fill();
        self.held.tasks.mapped.push((number, mapping));
        Ok(Resource::new_own(number))
    }
}

impl tasks::HostRunning for CallState {
    async fn next(&mut self, this: Resource<tasks::Running>) -> Option<Finished> {
        // Gone with the call that it was given to.
        let (_, mapping) = self.held.tasks.mapped.iter_mut().find(|(number, _)| *number == this.rep())?;
        let finished = mapping.next().await?;
        let bytes = match &finished.outcome {
            Ok(value) => value.len(),
            Err(TaskFailure::Failed(why) | TaskFailure::Crashed(why)) => why.len(),
        };
        self.stats.owe(bytes);
        Some(finished)
    }

    fn drop(&mut self, this: Resource<tasks::Running>) -> wasmtime::Result<()> {
        drop(super::take(&mut self.held.tasks.mapped, this.rep()));
        Ok(())
    }
}
