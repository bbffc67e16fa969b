//! Hosts whose store is in PostgreSQL: one after the other, and two at once.
//!
//! Without PostgreSQL's programs they say so and pass; with `SKEP_TEST_POSTGRES=required` they fail.

use std::collections::BTreeSet;

use skep_node::Mode;
use skep_test_postgres::Server;
use skep_tests::{Host, eventually};
use tempfile::TempDir;

use crate::cache::{get, ok};
use crate::jobs;
use crate::processes;

/// A folder of a host whose store is there. The URL is a secret, since it has a password.
fn folder(url: &str, name: &str, more: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), url).unwrap();
    std::fs::create_dir_all(dir.path().join(".skep")).unwrap();
    std::os::unix::fs::symlink(skep_tests::guests::code_cache(), dir.path().join(".skep/cache")).unwrap();
    let manifest = format!("[host]\nname = '{name}'\n[host.store]\nurl = {{ file = 'url' }}\n{more}");
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    dir
}

async fn start(url: &str, name: &str, more: &str) -> Host {
    Host::in_folder(folder(url, name, more), Mode::Production).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_belongs_to_no_host() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let manifest = jobs::probe("pg1", "");
    let one = start(&url, "one", &manifest).await;
    let done = jobs::enqueue(&one, "pg1", "name=echo&args=honey").await;
    jobs::becomes(&one, "pg1", done, "completed").await;
    let put_off = jobs::enqueue(&one, "pg1", "name=echo&args=milk&in_ms=3600000").await;
    drop(one.stop().await);
    // Another folder, as on another machine.
    let two = start(&url, "two", &manifest).await;
    assert!(ok(&two, "pg1", &format!("/get?id={done}")).await.starts_with("completed 1/20 \"honey\""));
    assert!(ok(&two, "pg1", &format!("/get?id={put_off}")).await.starts_with("scheduled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_share_the_jobs_of_a_queue_and_do_each_once() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let manifest = jobs::probe("pg2", "queues = { slow = { concurrency = 2 } }");
    let (one, two) = (start(&url, "one", &manifest).await, start(&url, "two", &manifest).await);
    let lines = ok(&one, "pg2", "/enqueue-many?name=sleep&args=50&same=1&n=120").await;
    let ids = jobs::ids(&lines);
    assert_eq!(ids.len(), 120);
    let mut workers = BTreeSet::new();
    eventually("both work", async || {
        for id in &ids {
            let lease = one.admin().job(*id, false).await.unwrap().job.lease;
            workers.extend(lease.map(|lease| lease.worker));
        }
        workers.len() == 2
    })
    .await;
    for id in &ids {
        jobs::becomes(&two, "pg2", *id, "completed 1/").await;
    }
    assert_eq!(jobs::runs(&one, "pg2").await.len(), 120, "each was begun once");
    // What is enqueued by one that goes is done by the other.
    let lines = ok(&one, "pg2", "/enqueue-many?name=sleep&args=100&same=1&n=20").await;
    drop(one.stop().await);
    for id in jobs::ids(&lines) {
        jobs::becomes(&two, "pg2", id, "completed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_queue_with_one_place_no_two_jobs_overlap_on_two_hosts() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let manifest = jobs::probe("pg5", "queues = { slow = { concurrency = 4, global_concurrency = 1 } }");
    let (one, two) = (start(&url, "one", &manifest).await, start(&url, "two", &manifest).await);
    let lines = ok(&one, "pg5", "/enqueue-many?name=alone&args=20&same=1&n=60").await;
    let ids = jobs::ids(&lines);
    // The host that has the place goes in the middle of it; the other one goes on.
    jobs::becomes(&two, "pg5", ids[20], "completed").await;
    drop(one.stop().await);
    for id in &ids {
        jobs::becomes(&two, "pg5", *id, "completed").await;
    }
    // Each line has a number that one commit gave, so their order is that of what happened.
    let runs = jobs::runs(&two, "pg5").await;
    let mut at_work: Option<&str> = None;
    let mut ended = BTreeSet::new();
    for run in &runs {
        let (what, of) = run.split_once(' ').unwrap();
        match (what, at_work.take()) {
            ("alone", None) => at_work = Some(of),
            ("alone-ended", Some(begun)) if begun == of => _ = ended.insert(of),
            _ => panic!("two at once: {run} in {runs:#?}"),
        }
    }
    assert_eq!((ended.len(), at_work), (60, None));
    let queues = two.admin().queues(None).await.unwrap();
    let slow = queues.iter().find(|queue| queue.plugin == "pg5" && queue.queue == "slow").unwrap();
    assert_eq!((slow.concurrency, slow.global_concurrency), (4, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_process_is_the_same_for_two_hosts() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let manifest = processes::probe("pg3", "processes = { counter = { persistence = 'durable' } }");
    let one = start(&url, "one", &manifest).await;
    let pid = processes::start(&one, "pg3", "counter", "a").await;
    assert_eq!(processes::call(&one, "pg3", "a", "add 2").await, "2");
    drop(one.stop().await);
    let two = start(&url, "two", &manifest).await;
    assert_eq!(ok(&two, "pg3", "/whereis?to=a").await, pid);
    assert_eq!(processes::call(&two, "pg3", "a", "add 3").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_an_error_for_a_while_and_nothing_is_lost() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    let host = start(&url, "one", &jobs::probe("pg4", "")).await;
    let before = jobs::enqueue(&host, "pg4", "name=echo&args=a").await;
    jobs::becomes(&host, "pg4", before, "completed").await;
    server.kill();
    let mut told = BTreeSet::new();
    eventually("the guest is told", async || {
        let (status, body) = get(&host, "pg4", "/enqueue?name=echo&args=b").await;
        told.insert(body.clone());
        status == 409 && (body.starts_with("Unavailable") || body.starts_with("OutcomeUnknown"))
    })
    .await;
    assert!(told.iter().all(|body| server.secrets().iter().all(|secret| !body.contains(secret))), "{told:?}");
    server.start_again();
    eventually("it goes on", async || get(&host, "pg4", "/enqueue?name=echo&args=c").await.0 == 200).await;
    assert!(ok(&host, "pg4", &format!("/get?id={before}")).await.starts_with("completed 1/20 \"a\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_says_why_it_cannot_use_its_store() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let wrong = url.replace(server.secrets()[1], "wrong");
    let refused = Host::in_folder(folder(&wrong, "one", ""), Mode::Production).await.err().unwrap();
    let refused = format!("{refused:#}");
    assert!(refused.contains("host.store") && refused.contains("password authentication failed"), "{refused}");
    assert!(!refused.contains("wrong"), "{refused}");
    server.ask(&url, "CREATE SCHEMA skep; CREATE TABLE skep.theirs(id int)");
    let foreign = format!("{:#}", Host::in_folder(folder(&url, "one", ""), Mode::Production).await.err().unwrap());
    assert!(foreign.contains("another program") && foreign.contains("name another schema"), "{foreign}");
}
