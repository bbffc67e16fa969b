//! From the manifest and a component's definitions to queues and schedules.

use std::num::NonZeroU32;

use anyhow::Context as _;
use skep_jobs::{Missed, PluginJobs, QueueOptions, RateLimit, Schedule, When};
use skep_manifest::{CronConfig, QueueConfig};
use skep_runtime::Revision;

use crate::spec::Settings;

pub(super) fn jobs(settings: &Settings, revision: &Revision) -> anyhow::Result<PluginJobs> {
    let config = &settings.config;
    let mut schedules = std::collections::BTreeMap::new();
    for (name, cron) in &config.cron {
        let known = &revision.declared().jobs;
        anyhow::ensure!(
            known.iter().any(|definition| definition.name == cron.job),
            "the manifest's cron entry `{name}` is for the job `{}`, and the component has: {}",
            cron.job,
            known.iter().map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ")
        );
        schedules.insert(name.clone(), schedule(cron).with_context(|| format!("the cron entry `{name}`"))?);
    }
    let queues = config.queues.iter().map(|(name, queue)| (name.clone(), options(queue)));
    Ok(PluginJobs { queues: queues.collect(), definitions: revision.declared().jobs.clone(), schedules })
}

fn options(queue: &QueueConfig) -> QueueOptions {
    QueueOptions {
        concurrency: NonZeroU32::new(queue.concurrency).unwrap_or(NonZeroU32::MIN),
        global_concurrency: queue.global_concurrency.and_then(NonZeroU32::new),
        rate: queue
            .rate_limit
            .map(|rate| RateLimit { count: NonZeroU32::new(rate.jobs).unwrap_or(NonZeroU32::MIN), period: rate.per }),
        paused: queue.paused,
    }
}

fn schedule(cron: &CronConfig) -> anyhow::Result<Schedule> {
    Ok(Schedule {
        when: When::new(&cron.schedule, Some(&cron.time_zone))?,
        job: cron.job.clone(),
        args: cron.args.clone().into(),
        queue: cron.queue.clone(),
        priority: None,
        missed: match cron.missed {
            skep_manifest::Missed::Skip => Missed::Skip,
            skep_manifest::Missed::Once => Missed::Once,
            skep_manifest::Missed::All => Missed::All,
        },
    })
}
