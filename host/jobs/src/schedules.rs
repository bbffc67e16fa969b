//! Acts on the ticks of schedules, each of them once, whoever else may try.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_store::{Commit, CommitError, NewJob, Tick, Timestamp};
use skep_types::{HandlerName, PluginName};

use crate::core::Core;
use crate::definition::{Schedule, When};
use crate::enqueue::{JobSpec, Prepare};
use crate::error::Error;
use crate::missed;
use crate::registry::Plugin;
use crate::retry::Retry;

/// The longest pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The pause after a tick that the store refuses for good, as when the plugin's quota is used up.
const REFUSED: Duration = Duration::from_secs(60);
/// The names in a job's meta that say which schedule it is of, and of which tick.
pub const META: [&str; 2] = ["cron", "tick"];

/// A schedule and where it is.
pub(crate) struct Scheduled {
    pub(crate) schedule: Schedule,
    state: State,
    not_before: Option<Instant>,
    retry: Retry,
}

#[derive(Clone, Copy)]
enum State {
    /// Its last tick is to be read; after a change of its expression it begins anew.
    Unread { anew: bool },
    /// The last tick, and the next one.
    Known { last: Timestamp, next: Option<Timestamp> },
    /// It had its job, or was read and has none.
    Done,
}

/// Which schedule.
type Place = (PluginName, HandlerName);

impl Scheduled {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self { schedule, state: State::Unread { anew: false }, not_before: None, retry: Retry::default() }
    }

    /// As another revision has it.
    pub(crate) fn changed(self, schedule: Schedule) -> Self {
        if self.schedule.when == schedule.when {
            return Self { schedule, ..self };
        }
        Self { state: State::Unread { anew: true }, ..Self::new(schedule) }
    }

    pub(crate) fn last(&self) -> Option<Timestamp> {
        match self.state {
            State::Known { last, .. } => Some(last),
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        match self.state {
            State::Known { next, .. } => next,
            _ => None,
        }
    }

    fn ticked(&mut self, last: Timestamp) {
        let next = match &self.schedule.when {
            When::Cron(cron) => cron.next_after(last),
            When::Reboot => None,
        };
        self.state = State::Known { last, next };
        self.not_before = None;
        self.retry.succeeded();
    }

    /// The jobs of these ticks, as its plugin's definitions have them.
    pub(crate) fn jobs(
        &self,
        name: &HandlerName,
        ticks: &[Timestamp],
        prepare: &Prepare<'_>,
    ) -> Result<Vec<NewJob>, Error> {
        let spec = |tick: &Timestamp| {
            let Schedule { job, args, queue, priority, .. } = self.schedule.clone();
            let meta = META.into_iter().zip([name.to_string(), rfc3339(*tick)]);
            let meta = meta.map(|(name, value)| (name.to_owned(), value)).collect();
            JobSpec { queue, priority, meta, ..JobSpec::new(job, args) }
        };
        prepare.all(ticks.iter().map(spec).collect())
    }
}

fn rfc3339(time: Timestamp) -> String {
    let time = i64::try_from(time).ok().and_then(|time| jiff::Timestamp::from_millisecond(time).ok());
    time.map(|time| time.to_string()).unwrap_or_default()
}

/// What is to be committed now.
struct Due {
    place: Place,
    commit: Commit,
    ticks: usize,
    at: Timestamp,
    reboot: bool,
}

/// Runs until the service stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut retry = Retry::default();
    loop {
        let mut pause = match read(&core).await {
            Ok(()) => {
                retry.succeeded();
                LOOK_AGAIN
            }
            Err(error) => {
                let pause = retry.failed();
                tracing::warn!(%error, again_in = ?pause, "the ticks of schedules cannot be read");
                pause
            }
        };
        for due in due(&core) {
            if core.stopping.is_cancelled() {
                return;
            }
            act(&core, due).await;
        }
        pause = pause.min(until_next(&core).unwrap_or(pause));
        if !core.pause(pause, &core.wakes.schedules, &core.stopping).await {
            return;
        }
    }
}

/// Reads the last ticks of those schedules that are new, or that somebody else acted on.
async fn read(core: &Core) -> Result<(), skep_store::Error> {
    let unread: Vec<PluginName> = {
        let registry = core.registry.lock();
        let new = |plugin: &Plugin| {
            plugin.schedules.values().any(|scheduled| {
                matches!(scheduled.state, State::Unread { .. }) && matches!(scheduled.schedule.when, When::Cron(_))
            })
        };
        registry.plugins.iter().filter(|(_, plugin)| new(plugin)).map(|(name, _)| name.clone()).collect()
    };
    for plugin in unread {
        let ticks: HashMap<String, Timestamp> = core.store.ticks(plugin.clone()).await?.into_iter().collect();
        for (schedule, tick) in begin(core, &plugin, &ticks) {
            // From now on ticks are missed, also if the host stops before the first one.
            let mut commit = Commit::new(plugin.clone(), tick.at);
            let at = tick.at;
            commit.ticks.push(tick);
            match core.store.commit(commit).await {
                Ok(_) => with(core, &(plugin.clone(), schedule), |scheduled| scheduled.ticked(at)),
                // Another node was first.
                Err(CommitError::Conflict(_)) => core.wakes.schedules.notify_one(),
                Err(CommitError::Store(error)) => return Err(error),
                // It has no jobs, and is no process's.
                Err(error) => return Err(skep_store::Error::Invalid(error.to_string())),
            }
        }
    }
    Ok(())
}

/// Where the schedules of a plugin are that were read; answers those that begin now.
fn begin(core: &Core, plugin: &PluginName, ticks: &HashMap<String, Timestamp>) -> Vec<(HandlerName, Tick)> {
    let now = core.time.wall();
    let mut registry = core.registry.lock();
    let Some(entry) = registry.plugins.get_mut(plugin) else { return Vec::new() };
    let mut beginning = Vec::new();
    for (name, scheduled) in &mut entry.schedules {
        let State::Unread { anew } = scheduled.state else { continue };
        if scheduled.schedule.when == When::Reboot {
            continue;
        }
        match ticks.get(name.as_str()).copied() {
            Some(last) if !anew || last >= now => scheduled.ticked(last),
            last => {
                let tick = Tick { plugin: plugin.clone(), schedule: name.to_string(), last, at: now };
                beginning.push((name.clone(), tick));
            }
        }
    }
    beginning
}

fn due(core: &Core) -> Vec<Due> {
    let (now, instant) = (core.time.wall(), core.time.now());
    let registry = core.registry.lock();
    let mut all = Vec::new();
    for (plugin, entry) in &registry.plugins {
        let knows_queue = |_: &HandlerName| true;
        let prepare =
            Prepare { definitions: &entry.definitions, knows_queue: &knows_queue, limits: &core.options.limits, now };
        for (name, scheduled) in &entry.schedules {
            if scheduled.not_before.is_some_and(|at| at > instant) {
                continue;
            }
            let place = (plugin.clone(), name.clone());
            if let Some(due) = one(place, scheduled, &prepare) {
                all.push(due);
            }
        }
    }
    all
}

fn one(place: Place, scheduled: &Scheduled, prepare: &Prepare<'_>) -> Option<Due> {
    let now = prepare.now;
    let mut commit = Commit::new(place.0.clone(), now);
    let (ticks, at, reboot) = match (&scheduled.schedule.when, scheduled.state) {
        (When::Reboot, State::Unread { .. }) => (vec![now], now, true),
        (When::Cron(cron), State::Known { last, next: Some(next) }) if next <= now => {
            let (ticks, at) = missed::due(cron, scheduled.schedule.missed, last, now)?;
            commit.ticks.push(Tick { plugin: place.0.clone(), schedule: place.1.to_string(), last: Some(last), at });
            (ticks, at, false)
        }
        _ => return None,
    };
    // That they can be prepared was checked when they came.
    commit.jobs = scheduled.jobs(&place.1, &ticks, prepare).ok()?;
    Some(Due { place, commit, ticks: ticks.len(), at, reboot })
}

async fn act(core: &Core, due: Due) {
    let Due { place, commit, ticks, at, reboot } = due;
    let (plugin, schedule) = &place;
    match core.store.commit(commit).await {
        Ok(_) => {
            with(core, &place, |scheduled| if reboot { scheduled.state = State::Done } else { scheduled.ticked(at) });
            core.options.observer.ticked(plugin, schedule, ticks);
        }
        // Somebody else has acted on it.
        Err(CommitError::Conflict(_)) => {
            with(core, &place, |scheduled| scheduled.state = State::Unread { anew: false });
            core.wakes.schedules.notify_one();
        }
        Err(error) => {
            let now = core.time.now();
            let mut pause = REFUSED;
            with(core, &place, |scheduled| {
                if is_passing(&error) {
                    pause = scheduled.retry.failed();
                }
                scheduled.not_before = now.checked_add(pause);
            });
            tracing::warn!(%plugin, %schedule, %error, again_in = ?pause, "a tick cannot be acted on");
        }
    }
}

fn is_passing(error: &CommitError) -> bool {
    use skep_store::Error::{Busy, OutcomeUnknown, Unavailable};
    matches!(error, CommitError::Store(Busy | Unavailable(_) | OutcomeUnknown))
}

/// Does something with a schedule, if it is still there.
fn with(core: &Core, (plugin, name): &Place, change: impl FnOnce(&mut Scheduled)) {
    let mut registry = core.registry.lock();
    if let Some(scheduled) = registry.plugins.get_mut(plugin).and_then(|plugin| plugin.schedules.get_mut(name)) {
        change(scheduled);
    }
}

fn until_next(core: &Core) -> Option<Duration> {
    let now = core.time.now();
    let registry = core.registry.lock();
    let scheduled = registry.plugins.values().flat_map(|plugin| plugin.schedules.values());
    let waits = scheduled.filter_map(|scheduled| match (scheduled.not_before, scheduled.next()) {
        (Some(at), _) if at > now => Some(at.saturating_duration_since(now)),
        (_, Some(next)) => Some(core.time.until(next)),
        _ => None,
    });
    waits.min()
}
