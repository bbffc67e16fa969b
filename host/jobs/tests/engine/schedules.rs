use skep_jobs::{Missed, Options, PluginJobs, Schedule, ScheduleView, When};
use skep_store::JobFilter;

use crate::ground::Fault;
use crate::{Rig, name, plugin, quiet_options, secs, two_jobs};

/// 2023-11-14T22:13:20Z is when the clock starts.
fn every(expression: &str, missed: Missed) -> PluginJobs {
    let when = When::new(expression, None).unwrap();
    let schedule = Schedule { when, job: name("a"), args: "tick".into(), queue: None, priority: None, missed };
    PluginJobs { schedules: [(name("often"), schedule)].into(), ..two_jobs(100) }
}

async fn ticks(rig: &Rig) -> Vec<String> {
    rig.settle().await;
    let jobs = rig.store.jobs(JobFilter::default(), None, 1000).await.unwrap().jobs;
    let mut ticks = Vec::new();
    for job in jobs.into_iter().rev() {
        let meta = rig.job(job.id).await.meta;
        ticks.extend(meta.into_iter().find(|(name, _)| name == "tick").map(|(_, tick)| tick));
    }
    ticks
}

#[tokio::test]
async fn a_tick_becomes_a_job() {
    let rig = Rig::bare(quiet_options());
    rig.configure(every("*/5 * * * *", Missed::Once), 1);
    rig.pass(secs(99)).await;
    rig.nothing_begins().await;
    rig.pass(secs(1)).await;
    let attempt = rig.begun().await;
    assert_eq!((attempt.job.args.as_ref(), attempt.job.name.as_str()), (b"tick".as_ref(), "a"));
    assert_eq!(attempt.job.meta, [("cron".into(), "often".into()), ("tick".into(), "2023-11-14T22:15:00Z".into())]);
    rig.pass(secs(300)).await;
    assert_eq!(ticks(&rig).await, ["2023-11-14T22:15:00Z", "2023-11-14T22:20:00Z"]);
    let ScheduleView { last, next, .. } = rig.jobs.schedules().remove(0);
    assert_eq!((last, next), (Some(crate::START_MS + 400_000), Some(crate::START_MS + 700_000)));
}

/// A host runs for a minute, is away, and comes back.
async fn away(missed: Missed, seconds: u64) -> Vec<String> {
    let rig = Rig::bare(quiet_options());
    rig.configure(every("*/5 * * * *", missed), 1);
    rig.pass(secs(60)).await;
    rig.jobs.stop().await;
    rig.clock.advance(secs(seconds));
    let next = Rig::on(rig.ground.clone(), rig.clock.clone(), quiet_options());
    next.configure(every("*/5 * * * *", missed), 1);
    ticks(&next).await
}

#[tokio::test]
async fn missed_ticks_are_as_the_policy_says() {
    // Away until 22:34:20, which is 4 minutes and 20 seconds after the fourth tick.
    assert!(away(Missed::Skip, 1200).await.is_empty());
    assert_eq!(away(Missed::Once, 1200).await, ["2023-11-14T22:30:00Z"]);
    let all = away(Missed::All, 1200).await;
    assert_eq!(all, [15, 20, 25, 30].map(|minute| format!("2023-11-14T22:{minute}:00Z")));
    assert_eq!(away(Missed::All, 30 * 24 * 3600).await.len(), 100, "and no more");
    // Hardly late.
    assert_eq!(away(Missed::Skip, 60).await, ["2023-11-14T22:15:00Z"]);
    assert!(away(Missed::Once, 30).await.is_empty());
}

#[tokio::test]
async fn two_nodes_take_each_tick_once() {
    let shared = Options { alone: false, ..quiet_options() };
    let one = Rig::bare(shared.clone());
    let two = Rig::on(one.ground.clone(), one.clock.clone(), shared);
    one.configure(every("* * * * *", Missed::All), 1);
    two.configure(every("* * * * *", Missed::All), 1);
    one.settle().await;
    for _ in 0..30 {
        one.clock.advance(secs(20));
        one.jobs.look();
        two.jobs.look();
        one.settle().await;
    }
    let ticks = ticks(&one).await;
    assert_eq!(ticks.len(), 10);
    let distinct: std::collections::BTreeSet<_> = ticks.into_iter().collect();
    assert_eq!(distinct.len(), 10);
}

#[tokio::test]
async fn a_store_that_fails_costs_no_tick_and_doubles_none() {
    for fault in [Fault::Unavailable, Fault::UnknownWritten, Fault::UnknownLost] {
        let rig = Rig::bare(quiet_options());
        rig.configure(every("*/5 * * * *", Missed::All), 1);
        rig.pass(secs(99)).await;
        rig.ground.faults.lock().extend([fault; 6]);
        rig.pass(secs(30)).await;
        assert_eq!(ticks(&rig).await, ["2023-11-14T22:15:00Z"], "{fault:?}");
    }
}

#[tokio::test]
async fn another_expression_begins_anew_and_the_same_goes_on() {
    let rig = Rig::bare(quiet_options());
    rig.configure(every("30 22 * * *", Missed::All), 1);
    rig.pass(secs(1_000)).await;
    assert_eq!(ticks(&rig).await.len(), 1);
    rig.pass(secs(600)).await;
    // Ticks that it would have had lie behind.
    rig.configure(every("*/5 * * * *", Missed::All), 2);
    assert_eq!(ticks(&rig).await.len(), 1);
    rig.configure(every("*/5 * * * *", Missed::All), 3);
    rig.pass(secs(300)).await;
    assert_eq!(ticks(&rig).await.len(), 2);
}

#[tokio::test]
async fn a_reboot_is_a_tick_once_per_start() {
    let rig = Rig::bare(quiet_options());
    rig.configure(every("@reboot", Missed::Once), 1);
    rig.pass(secs(60)).await;
    rig.begun().await.done();
    rig.configure(every("@reboot", Missed::Once), 2);
    rig.pass(secs(60)).await;
    assert_eq!(ticks(&rig).await.len(), 1);
    rig.jobs.stop().await;
    let next = Rig::on(rig.ground.clone(), rig.clock.clone(), quiet_options());
    next.configure(every("@reboot", Missed::Once), 1);
    assert_eq!(ticks(&next).await.len(), 2);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused() {
    let rig = Rig::bare(quiet_options());
    let mut jobs = every("@daily", Missed::Once);
    jobs.schedules.values_mut().for_each(|schedule| schedule.args = vec![0; (1 << 20) + 1].into());
    let refused = rig.jobs.configure(&plugin(), jobs, rig.stage.performer(1));
    assert_eq!(refused, Err(skep_jobs::Error::TooLarge(1 << 20)));
}

#[tokio::test]
async fn a_night_in_spring() {
    let rig = Rig::bare(quiet_options());
    // To 2024-03-31T00:59:00Z, a minute before clocks in Berlin go from 02:00 to 03:00.
    rig.clock.advance(std::time::Duration::from_millis(1_711_846_740_000 - crate::START_MS));
    let mut jobs = every("@daily", Missed::Once);
    jobs.schedules.values_mut().for_each(|schedule| {
        schedule.when = When::new("30 2 * * *", Some("Europe/Berlin")).unwrap();
    });
    rig.configure(jobs, 1);
    rig.pass(secs(59)).await;
    assert!(ticks(&rig).await.is_empty());
    rig.pass(secs(1)).await;
    assert_eq!(ticks(&rig).await, ["2024-03-31T01:00:00Z"]);
}
