//! Queues, as the manifest and operators want them: how many at once, how often, in which order, and not at all.

use std::time::Duration;

use skep_admin::api::{JobFilter, JobOp, JobState, QueueStatus};
use skep_tests::{Host, eventually};

use crate::cache::{get, ok, reload};
use crate::jobs::{becomes, enqueue, ids, probe, runs};

async fn queue(host: &Host, plugin: &str, queue: &str) -> QueueStatus {
    let queues = host.admin().queues(Some(plugin)).await.unwrap();
    queues.into_iter().find(|known| known.queue == queue).unwrap_or_default()
}

async fn completed(host: &Host, plugin: &str, queue_name: &str, count: u64) {
    eventually(&format!("{count} jobs of {plugin}/{queue_name} are done"), async || {
        queue(host, plugin, queue_name).await.counts.completed == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_jobs_of_a_queue_are_at_work_at_once_and_a_reload_changes_it() {
    let of = |concurrency: u32| probe("que1", &format!("queues = {{ slow = {{ concurrency = {concurrency} }} }}"));
    let host = Host::start(&of(2)).await;
    let revision = host.node.plugin("que1").unwrap().current().unwrap().id().clone();
    let jobs = ids(&ok(&host, "que1", "/enqueue-many?name=sleep&args=3600000&same=1&n=7").await);
    eventually("two run", async || runs(&host, "que1").await.len() == 2).await;
    // Other queues have their own places.
    assert_eq!(ok(&host, "que1", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
    assert_eq!(queue(&host, "que1", "slow").await.running, 2);
    reload(&host, &of(4)).await.unwrap();
    eventually("four run", async || queue(&host, "que1", "slow").await.running == 4).await;
    // Of what runs nothing is stopped.
    reload(&host, &of(1)).await.unwrap();
    assert_eq!(ok(&host, "que1", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
    assert_eq!((queue(&host, "que1", "slow").await.running, queue(&host, "que1", "slow").await.concurrency), (4, 1));
    ok(&host, "que1", &format!("/cancel?id={}", jobs[0])).await;
    eventually("three run", async || queue(&host, "que1", "slow").await.running == 3).await;
    assert_eq!(*host.node.plugin("que1").unwrap().current().unwrap().id(), revision, "queues make no revision");

    // The operator's word is over the manifest's, until it is taken back.
    host.admin().scale_queue("que1/slow", Some(5)).await.unwrap();
    eventually("five run", async || queue(&host, "que1", "slow").await.running == 5).await;
    let slept = async || runs(&host, "que1").await.iter().filter(|run| run.starts_with("sleep")).count();
    eventually("six have begun in all", async || slept().await == 6).await;
    let all = JobFilter { plugin: Some("que1".into()), name: Some("sleep".into()), ..JobFilter::default() };
    assert_eq!(host.admin().operate_jobs(&all, JobOp::Cancel).await.unwrap(), 6);
    eventually("none runs", async || queue(&host, "que1", "slow").await.running == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_jobs_begin_in_any_minute() {
    let limit = "queues = { default = { rate_limit = { jobs = 2, per = '1m' } } }";
    let keep = "[host]\njobs = { keep_completed = '1h' }\n";
    let (host, clock) = Host::with_clock(&format!("{keep}{}", probe("que2", limit))).await;
    ok(&host, "que2", "/enqueue-many?args=x&n=7").await;
    completed(&host, "que2", "default", 2).await;
    // Another queue goes on meanwhile, and time does not.
    let other = enqueue(&host, "que2", "name=mail&args=x").await;
    becomes(&host, "que2", other, "completed").await;
    assert_eq!(queue(&host, "que2", "default").await.counts.completed, 2);
    host.advance(&clock, Duration::from_secs(30));
    becomes(&host, "que2", enqueue(&host, "que2", "name=mail&args=x").await, "completed").await;
    assert_eq!(queue(&host, "que2", "default").await.counts.completed, 2, "half a minute is none");
    host.advance(&clock, Duration::from_secs(31));
    completed(&host, "que2", "default", 4).await;
    assert_eq!(queue(&host, "que2", "default").await.counts.available, 3);
    reload(&host, &format!("{keep}{}", probe("que2", ""))).await.unwrap();
    completed(&host, "que2", "default", 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_takes_jobs_and_begins_none_and_urgent_ones_go_first() {
    let of = |paused: bool| {
        let more =
            format!("queues = {{ default = {{ concurrency = 1, paused = {paused} }}, mail = {{ concurrency = 1 }} }}");
        probe("que3", &more)
    };
    let host = Host::start(&of(true)).await;
    for (args, priority) in [("last", 9), ("first", 0), ("middle", 5), ("second", 0)] {
        enqueue(&host, "que3", &format!("args={args}&priority={priority}")).await;
    }
    becomes(&host, "que3", enqueue(&host, "que3", "name=mail&args=x").await, "completed").await;
    let status = queue(&host, "que3", "default").await;
    assert!(status.paused && status.counts.available == 4 && status.running == 0, "{status:?}");
    let refused = host.admin().pause_queue("que3/default", false).await.unwrap_err().to_string();
    assert!(refused.contains("write `plugins.que3.queues.default.paused = false`"), "{refused}");
    reload(&host, &of(false)).await.unwrap();
    completed(&host, "que3", "default", 4).await;
    let order = runs(&host, "que3").await;
    let order: Vec<_> = order.iter().skip(1).filter_map(|run| run.split(' ').nth(1)).collect();
    assert_eq!(order, ["first", "second", "middle", "last"]);
    let (status, body) = get(&host, "que3", "/enqueue?args=x&priority=10").await;
    assert!(status == 409 && body.contains("0 to 9"), "{status} {body}");
    let (status, body) = get(&host, "que3", "/enqueue?args=x&queue=nowhere").await;
    assert!(status == 409 && body.contains("no queue `nowhere`"), "{status} {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_paused_stays_so_over_a_restart() {
    let host = Host::start(&probe("que4", "")).await;
    host.admin().pause_queue("que4/default", true).await.unwrap();
    let id = enqueue(&host, "que4", "args=x").await;
    let host = Host::in_folder(host.stop().await, skep_node::Mode::Production).await.unwrap();
    becomes(&host, "que4", enqueue(&host, "que4", "name=mail&args=x").await, "completed").await;
    assert_eq!(ok(&host, "que4", &format!("/get?id={id}")).await, "available 0/20 - -");
    host.admin().pause_queue("que4/default", false).await.unwrap();
    becomes(&host, "que4", id, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_plugin_leaves_its_neighbours_alone() {
    let host = Host::start(&format!("{}{}", probe("que5", ""), probe("que5-neighbour", ""))).await;
    for _ in 0..5 {
        ok(&host, "que5", "/enqueue-many?name=quiet&args=x&same=1&n=200").await;
    }
    assert_eq!(ok(&host, "que5-neighbour", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
    completed(&host, "que5", "default", 1000).await;
    let filter = JobFilter { plugin: Some("que5".into()), state: Some(JobState::Completed), ..JobFilter::default() };
    let page = host.admin().jobs(&filter, None, 1000).await.unwrap();
    assert!(page.jobs.len() == 1000 && page.jobs.iter().all(|job| job.attempt == 1));
}
