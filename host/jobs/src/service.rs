//! The service: what a host holds.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{Attempt, Commit, Inserted, Job, JobFilter, JobId, NewJob, Op, OpReport, QueueRef, QueueState, Store};
use skep_types::{Clock, HandlerName, PluginName};
use tokio::runtime::Handle;

use crate::attempt::{Performer, StopReason};
use crate::core::{Core, Phase};
use crate::definition::{Definitions, PluginJobs};
use crate::ear::Ear;
use crate::enqueue::{JobSpec, Prepare};
use crate::error::Error;
use crate::options::Options;
use crate::schedules::Scheduled;
use crate::time::Time;
use crate::{leases, pruner, schedules, staging, upkeep};

/// For so long the ends of what was stopped may take to be written when the service stops.
const SETTLE_GRACE: Duration = Duration::from_secs(5);

/// The jobs of a host. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub struct Jobs(Arc<Core>);

/// A job, and how its last attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// The job.
    pub job: Job,
    /// How its last attempt failed, if one did.
    pub last_error: Option<Attempt>,
}

/// What a service left behind when it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Attempts that were told to stop because the grace was over.
    pub interrupted: usize,
    /// Jobs whose ends could not be written: they are taken over when their leases run out.
    pub left: usize,
}

impl Jobs {
    /// Starts to work on a store that was opened with this ear, on the current tokio runtime. No plugin is configured yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the ear is another service's, or there is no runtime.
    pub fn start(store: Arc<dyn Store>, ear: &Ear, clock: Arc<dyn Clock>, options: Options) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|error| Error::Invalid(error.to_string()))?;
        let core = Arc::new(Core::new(store, Time::new(clock), options, runtime));
        if !ear.belongs_to(&core) {
            return Err(Error::Invalid("the ear hears for another service".to_owned()));
        }
        core.chores.spawn(upkeep::run(Arc::clone(&core)));
        core.chores.spawn(staging::run(Arc::clone(&core)));
        core.chores.spawn(leases::run(Arc::clone(&core)));
        core.chores.spawn(schedules::run(Arc::clone(&core)));
        core.chores.spawn(pruner::run(Arc::clone(&core)));
        Ok(Self(core))
    }

    /// A plugin comes, or another revision of it takes over: jobs that begin from now on are performed by this one, those at
    /// work end with the one that they began with. All or nothing.
    ///
    /// # Errors
    /// As [`PluginJobs::check`], also for the arguments of schedules; [`Error::Stopping`].
    pub fn configure(&self, plugin: &PluginName, jobs: PluginJobs, performer: Arc<dyn Performer>) -> Result<(), Error> {
        let core = &self.0;
        jobs.check()?;
        self.check_schedules(&jobs)?;
        if core.phase() != Phase::Running {
            return Err(Error::Stopping);
        }
        let mut registry = core.registry.lock();
        registry.put(plugin, jobs, performer);
        let Some(entry) = registry.plugins.get(plugin) else { return Ok(()) };
        let named: Vec<_> = entry.queues.iter().map(|(name, options)| (name.clone(), entry.setup(*options))).collect();
        let rest = entry.setup(crate::QueueOptions::default());
        for (queue, setup) in named {
            core.open(&mut registry, QueueRef { plugin: plugin.clone(), queue }, setup);
        }
        // Queues that only the revision before named are emptied by this one.
        let entry = registry.plugins.get(plugin).map(|entry| &entry.queues);
        for (id, queue) in registry.queues.iter().filter(|(id, _)| id.plugin == *plugin) {
            if entry.is_some_and(|queues| !queues.contains_key(&id.queue)) {
                queue.set_up(Arc::clone(&rest));
            }
        }
        registry.to_resume.insert(plugin.clone());
        drop(registry);
        core.wakes.upkeep.notify_one();
        core.wakes.schedules.notify_one();
        Ok(())
    }

    fn check_schedules(&self, jobs: &PluginJobs) -> Result<(), Error> {
        let definitions = Definitions::new(jobs.definitions.clone());
        let limits = &self.0.options.limits;
        let prepare = Prepare { definitions: &definitions, knows_queue: &|_| true, limits, now: 0 };
        for (name, schedule) in &jobs.schedules {
            Scheduled::new(schedule.clone()).jobs(name, &[0], &prepare)?;
        }
        Ok(())
    }

    /// A plugin goes: nothing of it begins any more, and its schedules stand still. What runs may end.
    pub fn detach(&self, plugin: &PluginName) {
        let mut registry = self.0.registry.lock();
        registry.plugins.remove(plugin);
        for (_, queue) in registry.queues.iter().filter(|(id, _)| id.plugin == *plugin) {
            queue.detach();
        }
    }

    /// Fills in what the plugin's definitions say, and checks it, for a [`Commit`] of this plugin.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::TooLarge`], as [`JobSpec`] says.
    pub fn prepare(&self, plugin: &PluginName, jobs: Vec<JobSpec>) -> Result<Vec<NewJob>, Error> {
        let registry = self.0.registry.lock();
        let entry = registry.plugins.get(plugin);
        let nothing = Definitions::default();
        let prepare = Prepare {
            definitions: entry.map_or(&nothing, |entry| &entry.definitions),
            // One of a plugin that is not here yet is not known.
            knows_queue: &|queue: &HandlerName| entry.is_none_or(|entry| entry.queues.contains_key(queue)),
            limits: &self.0.options.limits,
            now: self.0.time.wall(),
        };
        prepare.all(jobs)
    }

    /// Inserts jobs, all or none; durable when it returns. Cancelling the wait does not cancel the insertion.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare); what the store says.
    pub async fn enqueue(&self, plugin: &PluginName, jobs: Vec<JobSpec>) -> Result<Vec<Inserted>, Error> {
        let mut commit = Commit::new(plugin.clone(), self.0.time.wall());
        commit.jobs = self.prepare(plugin, jobs)?;
        Ok(self.0.store.commit(commit).await?.jobs)
    }

    /// A job, with the error of its last attempt. `owner`: whose it has to be; none: anybody's.
    ///
    /// # Errors
    /// [`Error::NotFound`]; what the store says.
    pub async fn get(&self, id: JobId, owner: Option<&PluginName>) -> Result<JobStatus, Error> {
        let (job, attempts) = self.0.store.job(id).await?;
        if owner.is_some_and(|owner| *owner != job.queue.plugin) {
            return Err(Error::NotFound);
        }
        Ok(JobStatus { job, last_error: attempts.into_iter().next_back() })
    }

    /// As [`get`](Self::get), when the job has ended, whatever its end. Cancelling the wait changes nothing.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it has not ended by then, [`Error::Full`] if too many wait, [`Error::Stopping`], and as `get`.
    pub async fn await_end(&self, id: JobId, owner: Option<&PluginName>, wait: Duration) -> Result<JobStatus, Error> {
        let core = &self.0;
        // Before the job is looked at, so that no end is missed.
        let waiter = core.waiters.wait(id).ok_or(Error::Full(core.options.limits.waiters_max))?;
        let over = core.time.sleep(wait);
        tokio::pin!(over);
        loop {
            let status = self.get(id, owner).await?;
            if status.job.state.is_final() {
                return Ok(status);
            }
            tokio::select! {
                biased;
                () = waiter.ended() => {}
                () = &mut over => return Err(Error::Timeout),
                () = core.stopped.cancelled() => return Err(Error::Stopping),
                // It may have ended on another node.
                () = core.time.sleep(core.options.poll) => {}
            }
        }
    }

    /// Cancels a job; an attempt that runs is told to stop. False if it had ended already.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn cancel(&self, id: JobId, owner: Option<&PluginName>) -> Result<bool, Error> {
        let filter = JobFilter { plugin: owner.cloned(), ids: vec![id], ..JobFilter::default() };
        let report = self.operate(filter, Op::Cancel, None).await?;
        if report.changed == 0 {
            self.get(id, owner).await?;
        }
        Ok(report.changed > 0)
    }

    /// Carries out an operator's word on jobs, the newest first, in one bounded step; the report says where to go on.
    ///
    /// # Errors
    /// What the store says.
    pub async fn operate(&self, filter: JobFilter, op: Op, before: Option<JobId>) -> Result<OpReport, Error> {
        Ok(self.0.store.operate(filter, op, before, self.0.time.wall()).await?)
    }

    /// Pauses a queue, on all nodes and over restarts, or lets it go on. What runs runs on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody serves such a queue; what the store says.
    pub async fn pause(&self, queue: &QueueRef, paused: bool) -> Result<(), Error> {
        self.say(queue, |state| QueueState { paused, ..state }).await
    }

    /// Sets the concurrency of a queue on each node, over restarts; none: what its plugin says. 0 pauses it; it is at most
    /// [`CONCURRENCY_MAX`](crate::CONCURRENCY_MAX). Of what runs nothing is stopped.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn scale(&self, queue: &QueueRef, concurrency: Option<u32>) -> Result<(), Error> {
        self.say(queue, |state| QueueState { concurrency, ..state }).await
    }

    async fn say(&self, queue: &QueueRef, change: impl FnOnce(QueueState) -> QueueState) -> Result<(), Error> {
        let core = &self.0;
        // One word after the other, and none between the store's answer and its reader.
        let _one = core.operating.lock().await;
        let known = core.registry.lock().queues.get(queue).map(|queue| queue.operator());
        let state = change(known.ok_or(Error::NotFound)?);
        core.store.set_queue_state(queue.clone(), state).await?;
        core.operate(queue, state);
        Ok(())
    }

    /// Looks at the clock at once. For clocks that are set by hand.
    pub fn look(&self) {
        self.0.time.look();
    }

    /// Stops: nothing new begins, what is prefetched is given back, what runs has the grace to end, and is then told to stop;
    /// what does not is given back, as if it had never begun. It returns when all that is written, at the latest 6 s after the
    /// grace (its `stop_grace` and 5 s for the store). Called again, it waits for the same. Cancelling the wait leaves the
    /// service draining.
    pub async fn stop(&self) -> Stopped {
        let core = &self.0;
        core.stopping.cancel();
        core.enter(Phase::Draining);
        core.workers.close();
        core.chores.close();
        let mut interrupted = 0;
        if !self.ended_within(core.options.grace).await {
            interrupted = core.registry.lock().queues.values().map(|queue| queue.at_work().running).sum();
            core.held.stop_all(StopReason::Shutdown);
            if !self.ended_within(core.options.stop_grace + SETTLE_GRACE).await {
                core.enter(Phase::Abandoned);
                core.workers.wait().await;
            }
        }
        core.stopped.cancel();
        core.chores.wait().await;
        Stopped { interrupted, left: core.held.len() }
    }

    async fn ended_within(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.0.workers.wait() => true,
            () = self.0.time.sleep(time) => false,
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0
    }
}
