//! What is to be done once in a while: names that became known, queues that nobody named, words of operators elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use skep_store::{Error, JobState, QueueCounts, QueueRef};

use crate::core::Core;
use crate::definition::{QUEUES_MAX, QueueOptions};
use crate::retry::Retry;

/// Runs until the service stops. Nothing is leased before its first look.
pub(crate) async fn run(core: Arc<Core>) {
    let mut retry = Retry::default();
    let mut others = core.options.alone;
    loop {
        let pause = match look(&core, &mut others).await {
            Ok(()) => {
                retry.succeeded();
                core.options.poll
            }
            Err(error) => {
                let pause = retry.failed();
                tracing::warn!(%error, again_in = ?pause, "the jobs in the store cannot be looked at");
                pause
            }
        };
        if !core.pause(pause, &core.wakes.upkeep, &core.stopping).await {
            return;
        }
    }
}

async fn look(core: &Arc<Core>, others: &mut bool) -> Result<(), Error> {
    if *others {
        let taken = core.store.reclaim_others(core.worker.clone(), core.time.wall()).await?;
        *others = false;
        if taken > 0 {
            tracing::info!(jobs = taken, "jobs of the host before are taken over");
        }
    }
    {
        let _one = core.operating.lock().await;
        let states = core.store.queue_states().await?;
        core.registry.lock().set_operators(states);
    }
    resume(core).await?;
    let counts = core.store.queue_counts().await?;
    serve(core, &counts);
    Ok(())
}

/// Brings back jobs that waited for a revision which knows their names.
async fn resume(core: &Core) -> Result<(), Error> {
    let plugins: Vec<_> = core.registry.lock().to_resume.drain().collect();
    for plugin in plugins {
        let names = core.registry.lock().plugins.get(&plugin).map(|plugin| plugin.definitions.names());
        let Some(names) = names.filter(|names| !names.is_empty()) else { continue };
        if let Err(error) = core.store.resume(plugin.clone(), names, core.time.wall()).await {
            core.registry.lock().to_resume.insert(plugin);
            return Err(error);
        }
    }
    Ok(())
}

/// Serves queues that a plugin does not name while the store has jobs in them, and wakes up those that have something to do.
fn serve(core: &Arc<Core>, counts: &[QueueCounts]) {
    let mut registry = core.registry.lock();
    let waiting: HashMap<&QueueRef, u64> = counts.iter().map(|counts| (&counts.queue, in_life(counts))).collect();
    let orphans = waiting.iter().filter(|(queue, jobs)| {
        let named = registry.plugins.get(&queue.plugin).map(|plugin| plugin.queues.contains_key(&queue.queue));
        **jobs > 0 && named == Some(false) && !registry.queues.contains_key(**queue)
    });
    let orphans: Vec<QueueRef> = orphans.map(|(queue, _)| (*queue).clone()).collect();
    for queue in orphans {
        // As many of these as of named ones; the others wait until one of them is empty.
        let served = registry.queues.keys().filter(|served| served.plugin == queue.plugin).count();
        let setup = registry.plugins.get(&queue.plugin).map(|plugin| plugin.setup(QueueOptions::default()));
        if let Some(setup) = setup.filter(|_| served < 2 * QUEUES_MAX) {
            core.open(&mut registry, queue, setup);
        }
    }
    for (id, queue) in &registry.queues {
        let named = registry.plugins.get(&id.plugin).is_some_and(|plugin| plugin.queues.contains_key(&id.queue));
        if !named && waiting.get(id).is_none_or(|jobs| *jobs == 0) {
            queue.detach();
        } else if counts.iter().any(|counts| counts.queue == *id && count(counts, JobState::Available) > 0) {
            queue.wake();
        }
    }
}

fn in_life(counts: &QueueCounts) -> u64 {
    JobState::ALL.into_iter().filter(|state| !state.is_final()).map(|state| count(counts, state)).sum()
}

fn count(counts: &QueueCounts, state: JobState) -> u64 {
    JobState::ALL.iter().zip(counts.counts).find(|(at, _)| **at == state).map_or(0, |(_, count)| count)
}
