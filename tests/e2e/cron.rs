//! Jobs by the calendar, by a clock that the test moves.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use skep_admin::api::JobFilter;
use skep_tests::{Host, eventually};
use skep_types::ManualClock;

use crate::cache::reload;
use crate::jobs::{becomes, enqueue, runs};

/// The last Sunday of March 2026, 00:30 UTC: in Berlin it is 01:30, and half an hour later 03:00.
const BEFORE_SUMMER_TIME: u64 = 1_774_744_200;

/// A plugin with schedules, whose jobs are still there when days have passed.
fn probe(name: &str, more: &str) -> String {
    format!("[host]\njobs = {{ keep_completed = '720h' }}\n{}", crate::jobs::probe(name, more))
}

async fn at(seconds: u64, manifest: &str) -> (Host, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(seconds)));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    (Host::in_folder_at(dir, &clock).await.unwrap(), clock)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What the schedules made so far: `ENTRY TICK`, the oldest first.
async fn ticks(host: &Host, plugin: &str) -> Vec<String> {
    let filter = JobFilter { plugin: Some(plugin.to_owned()), ..JobFilter::default() };
    let mut ticks = Vec::new();
    for job in host.admin().jobs(&filter, None, 1000).await.unwrap().jobs.iter().rev() {
        let meta = host.admin().job(job.id, false).await.unwrap().job.meta;
        let value = |name: &str| meta.iter().find(|(known, _)| known == name).map_or("-", |(_, value)| value.as_str());
        ticks.push(format!("{} {}", value("cron"), value("tick")));
    }
    ticks
}

async fn ticked(host: &Host, plugin: &str, wanted: &[&str]) {
    eventually(&format!("{plugin} has {wanted:?}"), async || ticks(host, plugin).await.len() >= wanted.len()).await;
    assert_eq!(ticks(host, plugin).await, wanted);
}

/// Waits until the schedules of a plugin have begun: from then on its ticks are missed.
async fn begun(host: &Host, plugin: &str) {
    eventually("the schedules have begun", async || {
        let schedules = host.admin().schedules(Some(plugin)).await.unwrap();
        !schedules.is_empty() && schedules.iter().all(|schedule| schedule.next_tick_ms.is_some())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_makes_its_job_at_each_tick_with_its_arguments() {
    let entry = |schedule: &str, args: &str| {
        let cron =
            format!("cron.report = {{ schedule = '{schedule}', job = 'ticked', args = {args}, queue = 'slow' }}");
        probe("cron1", &cron)
    };
    let (host, clock) = at(BEFORE_SUMMER_TIME + 7, &entry("*/10 * * * *", "{ of = 'maja', n = [1, 2] }")).await;
    begun(&host, "cron1").await;
    assert_eq!(
        host.admin().schedules(Some("cron1")).await.unwrap()[0].next_tick_ms,
        Some((BEFORE_SUMMER_TIME + 600) * 1000)
    );
    host.advance(&clock, minutes(10));
    ticked(&host, "cron1", &["report 2026-03-29T00:40:00Z"]).await;
    eventually("it ran", async || runs(&host, "cron1").await.len() == 1).await;
    let run = &runs(&host, "cron1").await[0];
    assert!(
        run.starts_with("ticked {\"n\":[1,2],\"of\":\"maja\"} ")
            || run.starts_with("ticked {\"of\":\"maja\",\"n\":[1,2]} "),
        "{run}"
    );
    let job = host.admin().jobs(&JobFilter { plugin: Some("cron1".into()), ..JobFilter::default() }, None, 1).await;
    let job = &job.unwrap().jobs[0];
    assert_eq!((job.queue.as_str(), job.name.as_str()), ("slow", "ticked"));
    host.advance(&clock, minutes(10));
    ticked(&host, "cron1", &["report 2026-03-29T00:40:00Z", "report 2026-03-29T00:50:00Z"]).await;

    // Another schedule begins anew, and the same one with other arguments goes on.
    reload(&host, &entry("*/10 * * * *", "'text'")).await.unwrap();
    host.advance(&clock, minutes(10));
    eventually("it ran", async || runs(&host, "cron1").await.len() == 3).await;
    assert!(runs(&host, "cron1").await[2].starts_with("ticked \"text\" "));
    reload(&host, &entry("30 * * * *", "{}")).await.unwrap();
    eventually("the other one is in force", async || {
        host.admin().schedules(Some("cron1")).await.unwrap()[0].next_tick_ms == Some((BEFORE_SUMMER_TIME + 3600) * 1000)
    })
    .await;
    host.advance(&clock, minutes(30));
    eventually("it ran", async || runs(&host, "cron1").await.len() == 4).await;
    let by_hand = host.admin().run_schedule("cron1/report").await.unwrap();
    becomes(&host, "cron1", by_hand.id, "completed").await;
    reload(&host, &probe("cron1", "")).await.unwrap();
    assert!(host.admin().schedules(Some("cron1")).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_at_which_no_host_ran_are_made_up_for_as_the_manifest_says() {
    let entry =
        |missed: &str| format!("cron.{missed} = {{ schedule = '0 * * * *', job = 'ticked', missed = '{missed}' }}");
    let entries = ["skip", "once", "all"].map(entry).join("\n");
    let (host, clock) = at(BEFORE_SUMMER_TIME, &probe("cron2", &entries)).await;
    begun(&host, "cron2").await;
    let dir = host.stop().await;
    clock.advance(minutes(3 * 60));
    let host = Host::in_folder_at(dir, &clock).await.unwrap();
    // It is 03:30.
    let mut all = Vec::new();
    eventually("they are made up for", async || {
        all = ticks(&host, "cron2").await;
        all.len() >= 4
    })
    .await;
    all.sort();
    let expected = [
        "all 2026-03-29T01:00:00Z",
        "all 2026-03-29T02:00:00Z",
        "all 2026-03-29T03:00:00Z",
        "once 2026-03-29T03:00:00Z",
    ];
    assert_eq!(all, expected);
    // From here on all three go on, and nothing is made up for twice.
    let host = Host::in_folder_at(host.stop().await, &clock).await.unwrap();
    begun(&host, "cron2").await;
    host.advance(&clock, minutes(30));
    eventually("the next ticks", async || {
        ticks(&host, "cron2").await.iter().filter(|tick| tick.ends_with("04:00:00Z")).count() == 3
    })
    .await;
    eventually("the first ones are done", async || runs(&host, "cron2").await.len() == 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_keeps_the_time_of_its_zone() {
    let entry = |name: &str, schedule: &str| {
        format!("cron.{name} = {{ schedule = '{schedule}', time_zone = 'Europe/Berlin', job = 'ticked' }}")
    };
    let entries = [entry("early", "0 8 * * *"), entry("never", "30 2 29 3 *")].join("\n");
    let (host, clock) = at(BEFORE_SUMMER_TIME - 24 * 3600, &probe("cron3", &entries)).await;
    begun(&host, "cron3").await;
    host.advance(&clock, minutes(7 * 60));
    ticked(&host, "cron3", &["early 2026-03-28T07:00:00Z"]).await;
    host.advance(&clock, minutes(24 * 60));
    eventually("summer time", async || ticks(&host, "cron3").await.contains(&"early 2026-03-29T06:00:00Z".to_owned()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_for_a_job_that_is_not_there_is_refused_and_says_which_are() {
    let wrong = probe("cron4", "cron.report = { schedule = '@daily', job = 'reprot' }");
    let error = Host::try_start(&wrong, skep_node::Mode::Production).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("`reprot`") && error.contains("ticked") && error.contains("`report`"), "{error}");
    let host = Host::start(&probe("cron4", "")).await;
    let error = reload(&host, &wrong).await.unwrap_err().to_string();
    assert!(error.contains("`reprot`"), "{error}");
    assert!(host.admin().schedules(None).await.unwrap().is_empty(), "nothing is changed");
    let unread = probe("cron4", "cron.report = { schedule = '61 * * * *', job = 'ticked' }");
    let error = reload(&host, &unread).await.unwrap_err().to_string();
    assert!(error.contains("61") || error.contains("minute"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_entry_makes_one_job_for_each_start() {
    let (host, clock) =
        at(BEFORE_SUMMER_TIME, &probe("cron5", "cron.boot = { schedule = '@reboot', job = 'ticked' }")).await;
    eventually("the first", async || runs(&host, "cron5").await.len() == 1).await;
    reload(&host, &probe("cron5", "env = { A = 'b' }\ncron.boot = { schedule = '@reboot', job = 'ticked' }"))
        .await
        .unwrap();
    let host = Host::in_folder_at(host.stop().await, &clock).await.unwrap();
    eventually("the second", async || runs(&host, "cron5").await.len() == 2).await;
    becomes(&host, "cron5", enqueue(&host, "cron5", "args=x").await, "completed").await;
    assert_eq!(runs(&host, "cron5").await.len(), 3);
}
