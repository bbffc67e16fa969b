//! Jobs outlive what does them: revisions, plugins, hosts.

use std::time::Duration;

use skep_admin::api::WaitingFor;
use skep_node::Mode;
use skep_tests::{Host, events, eventually, guests};

use crate::cache::{ok, reload};
use crate::jobs::{becomes, enqueue, ids, probe, runs};

async fn deploy(host: &Host, plugin: &str, wasm: &std::path::Path) {
    host.admin().deploy(plugin, std::fs::read(wasm).unwrap().into()).await.unwrap();
}

async fn waiting(host: &Host, id: u64) -> Option<WaitingFor> {
    host.admin().job(id, false).await.unwrap().job.waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_on_the_revision_that_they_began_with_and_new_ones_begin_on_the_new_one() {
    // Its drain time is over long before the job.
    let host = Host::start(&format!("[host]\ndrain = '1s'\n{}", probe("life1", "limits = { deadline = '1s' }"))).await;
    let old = enqueue(&host, "life1", "name=sleep&args=4000").await;
    eventually("it runs", async || runs(&host, "life1").await.len() == 1).await;
    // A component that knows other jobs: `keep`, and not `sleep`.
    deploy(&host, "life1", &guests::store_probe()).await;
    let new = ok(&host, "life1", "/commit?ops=enqueue+keep+new;enqueue+sleep+0").await;
    let (_, new) = new.split_once(" jobs ").unwrap();
    let new: Vec<u64> = new.split(',').map(|id| id.parse().unwrap()).collect();
    eventually("the new revision works", async || ok(&host, "life1", "/done").await == " new").await;
    eventually("the old name waits", async || waiting(&host, new[1]).await == Some(WaitingFor::Revision)).await;
    let job = host.admin().job(old, false).await.unwrap().job;
    assert_eq!((job.state.as_str(), job.attempt), ("executing", 1), "the old one is still at it");
    eventually("it ends", async || host.admin().job(old, false).await.unwrap().job.state.as_str() == "completed").await;

    deploy(&host, "life1", &guests::jobs_probe()).await;
    assert_eq!(becomes(&host, "life1", old, "completed").await, "completed 1/20 \"4000\" -");
    assert_eq!(becomes(&host, "life1", new[1], "completed").await, "completed 1/20 \"0\" -");
    assert_eq!(runs(&host, "life1").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_knows_waits_for_a_revision_that_does() {
    let host = Host::start(&probe("life2", "")).await;
    let id = enqueue(&host, "life2", "name=keep&args=late&max=7").await;
    becomes(&host, "life2", id, "suspended 0/7").await;
    assert_eq!(waiting(&host, id).await, Some(WaitingFor::Revision));
    // A reload that brings nothing new changes nothing, nor does a restart.
    reload(&host, &probe("life2", "env = { A = 'b' }")).await.unwrap();
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    becomes(&host, "life2", enqueue(&host, "life2", "args=x").await, "completed").await;
    becomes(&host, "life2", id, "suspended 0/7").await;
    deploy(&host, "life2", &guests::store_probe()).await;
    eventually("it is done", async || ok(&host, "life2", "/done").await.contains("late")).await;
    let status = async || host.admin().job(id, false).await.unwrap().job;
    eventually("it is completed", async || status().await.state.as_str() == "completed").await;
    assert_eq!((status().await.attempt, status().await.max_attempts), (1, 7));
    let unknown = host.counter("skep_job_attempts_total", &[("plugin", "life2"), ("job", "unknown")]);
    assert!(unknown >= 1, "a guest's word is no label");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_plugin_that_is_gone_wait_for_it() {
    let (away, here) = (probe("life3-other", ""), probe("life3", ""));
    let host = Host::start(&format!("{here}{away}")).await;
    let running = enqueue(&host, "life3", "name=sleep&args=1000").await;
    let later = enqueue(&host, "life3", "args=x&in_ms=1500").await;
    eventually("it runs", async || runs(&host, "life3").await.len() == 1).await;
    reload(&host, &away).await.unwrap();
    let state = async |id: u64| host.admin().job(id, false).await.unwrap().job.state.as_str().to_owned();
    eventually("what ran may end", async || state(running).await == "completed").await;
    eventually("its time comes", async || state(later).await == "available").await;
    assert_eq!(ok(&host, "life3-other", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
    assert_eq!(state(later).await, "available");
    reload(&host, &format!("{here}{away}")).await.unwrap();
    becomes(&host, "life3", later, "completed 1/20").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_jobs_end_and_the_next_start_does_what_did_not() {
    let grace = |grace: &str| format!("[host]\njobs = {{ shutdown_grace = '{grace}' }}\n{}", probe("life4", ""));
    let host = Host::start(&grace("15s")).await;
    let ends = enqueue(&host, "life4", "name=sleep&args=500").await;
    eventually("it runs", async || runs(&host, "life4").await.len() == 1).await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "life4", &format!("/get?id={ends}")).await, "completed 1/20 \"500\" -");

    let dir = host.stop().await;
    std::fs::write(dir.path().join("skep.toml"), grace("50ms")).unwrap();
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    let cut = enqueue(&host, "life4", "name=sleep&args=1500").await;
    let last = enqueue(&host, "life4", "name=sleep&args=1501&max=1").await;
    let waits = ids(&ok(&host, "life4", "/enqueue-many?name=sleep&args=1&same=1&n=2&in_ms=1000").await);
    eventually("they run", async || runs(&host, "life4").await.len() == 3).await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert!(events::any_says("jobs were interrupted by the shutdown"));
    assert_eq!(becomes(&host, "life4", cut, "completed").await, "completed 1/20 \"1500\" -", "it does not count");
    assert_eq!(becomes(&host, "life4", last, "completed").await, "completed 1/1 \"1501\" -", "nor for the last one");
    for id in waits {
        becomes(&host, "life4", id, "completed 1/20").await;
    }
    let of = |runs: &[String], id: u64| runs.iter().filter(|run| run.contains(&format!(" {id} 1"))).count();
    let runs = runs(&host, "life4").await;
    assert_eq!((of(&runs, ends), of(&runs, cut), of(&runs, last)), (1, 2, 2), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_longer_than_its_lease_runs_once() {
    let host = Host::start(&format!("[host]\njobs = {{ lease = '1s' }}\n{}", probe("life5", ""))).await;
    let id = enqueue(&host, "life5", "name=sleep&args=3500").await;
    assert_eq!(becomes(&host, "life5", id, "completed").await, "completed 1/20 \"3500\" -");
    assert_eq!(runs(&host, "life5").await, [format!("sleep 3500 {id} 1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_kept_for_its_time() {
    let keep = "[host]\njobs = { keep_completed = '1m', keep_failed = '1h' }\n";
    let (host, clock) = Host::with_clock(&format!("{keep}{}", probe("life6", ""))).await;
    let done = enqueue(&host, "life6", "args=x").await;
    let failed = enqueue(&host, "life6", "name=fail&args=x&max=1").await;
    becomes(&host, "life6", done, "completed").await;
    becomes(&host, "life6", failed, "discarded").await;
    host.advance(&clock, Duration::from_secs(50));
    becomes(&host, "life6", enqueue(&host, "life6", "args=y").await, "completed").await;
    becomes(&host, "life6", done, "completed").await;
    host.advance(&clock, Duration::from_secs(50));
    becomes(&host, "life6", done, "none").await;
    becomes(&host, "life6", failed, "discarded").await;
    host.advance(&clock, Duration::from_secs(3600));
    becomes(&host, "life6", failed, "none").await;
    let line = "skep_jobs{plugin=\"life6\",queue=\"default\",state=\"discarded\"} 0\n";
    eventually("the gauge follows", async || skep_tests::host::metrics()().contains(line)).await;
}
