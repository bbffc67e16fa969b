//! Queues whose leases are capped: hosts never pass the caps together, whatever happens to one of them.
//!
//! The database itself sees to it: a trigger looks at each commit, one after the other, how many are on lease, and writes down
//! what began.

use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skep_store::{
    Caps, Error, HeldBack, LeaseRequest, Leased, RateCap, Settle, Settled, SqliteOptions, SqliteStore, copy,
};
use skep_test_postgres::Server;

use crate::child::{Host, job, now, open, options, queue};
use crate::two::{self, NOW};
use crate::{CHILD_CAPPED, CHILD_URL};

const RUNNING: u32 = 3;
const RATE: RateCap = RateCap { count: NonZeroU32::new(20).unwrap(), period_ms: 300 };
/// How long a lease lasts, in milliseconds.
pub(crate) const LEASE: u64 = 2_000;
/// A host gets on if so many jobs have begun.
const ENOUGH: usize = 30;

const CAPS: Caps = Caps { running_max: NonZeroU32::new(RUNNING), rate: Some(RATE) };

/// A commit waits for the one before it here, when all is decided, so that each is seen, and in their order.
const TRIGGER: &str = "
CREATE TABLE watched(n bigserial, running bigint, began bigint);
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(77);
  INSERT INTO skep.watched(running, began) SELECT count(*), NEW.attempted FROM skep.jobs WHERE state = 3;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER watch AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (OLD.state <> 3 AND NEW.state = 3) EXECUTE FUNCTION watch();
";

async fn ask(url: &str, sql: &str) -> String {
    let (url, sql) = (url.to_owned(), format!("SET search_path = skep; {sql}"));
    tokio::task::spawn_blocking(move || Server::shared().unwrap().ask(&url, &sql)).await.unwrap()
}

fn under(caps: Caps, limit: usize, worker: &str, now: u64) -> LeaseRequest {
    LeaseRequest { queue: queue(), limit, worker: worker.to_owned(), now, until: now + LEASE, caps }
}

fn put_off(leased: &Leased, now: u64) -> Vec<Settle> {
    let settle = |job: &skep_store::Job| Settle {
        id: job.id,
        fence: job.lease.as_ref().unwrap().fence,
        now,
        as_: Settled::Snoozed { run_at: now },
    };
    leased.jobs.iter().map(settle).collect()
}

/// Works until it is killed: each job is put off until now, so that there is always one.
pub(crate) fn work(url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let host = loop {
            match open(options(url), Arc::new(two::Told::default())).await {
                Ok(store) => break store,
                Err(_) => pause(20).await,
            }
        };
        let worker = format!("{:08x}", fastrand::u32(..));
        let tasks: Vec<_> =
            (0..2).map(|at| tokio::spawn(perform(Arc::clone(&host), format!("{worker}/{at}")))).collect();
        tokio::spawn(async move {
            loop {
                _ = host.reclaim(now(), 100).await;
                pause(50).await;
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn perform(host: Host, worker: String) {
    let mut settles = Vec::new();
    loop {
        match host.settle_and_lease(std::mem::take(&mut settles), Some(under(CAPS, 2, &worker, now()))).await {
            Ok((_, leased)) => {
                pause(fastrand::u64(0..8)).await;
                settles = put_off(&leased, now());
            }
            // What it had goes back when its lease is over.
            Err(Error::Unavailable(_) | Error::Busy | Error::OutcomeUnknown) => pause(20).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// A host in a process of its own. It does not outlive this.
struct Worker(Child);

impl Worker {
    fn start(url: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process", "--nocapture", "--test-threads=1"])
            .env(CHILD_URL, url)
            .env(CHILD_CAPPED, "yes")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Also one that is stopped dies of this.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What began, in the order of the commits; and none was too many.
async fn watched(url: &str) -> usize {
    let rows = ask(url, "SELECT coalesce(string_agg(running || ':' || began, ' ' ORDER BY n), '') FROM watched").await;
    let rows = rows.split_whitespace().map(|row| row.split_once(':').unwrap());
    let rows: Vec<(u32, u64)> = rows.map(|(running, at)| (running.parse().unwrap(), at.parse().unwrap())).collect();
    let (mut begun, mut latest): (Vec<u64>, u64) = (Vec::new(), 0);
    for (running, at) in &rows {
        assert!(*running <= RUNNING, "{running} on lease");
        begun.push(*at);
        // What a host says is now may be older than what another one has said.
        latest = latest.max(*at);
        let lately = begun.iter().rev().take(200).filter(|at| **at + RATE.period_ms > latest).count();
        assert!(lately <= RATE.count.get() as usize, "{lately} began in {} ms", RATE.period_ms);
    }
    rows.len()
}

/// More begin than have begun.
async fn get_on(url: &str, why: &str) {
    let before = watched(url).await;
    for _ in 0..1_500 {
        if watched(url).await >= before + ENOUGH {
            return;
        }
        pause(40).await;
    }
    panic!("{why}: {before} began, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_killed_and_frozen_never_pass_a_cap_nor_keep_a_place() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let watcher = two::Host::open(&url).await;
    ask(&url, TRIGGER).await;
    watcher.insert((0..30).map(|number| job(&number.to_string())).collect()).await;
    let mut workers = [Worker::start(&url), Worker::start(&url)];
    get_on(&url, "they start").await;
    for round in 0..4 {
        let at = round % 2;
        pause(fastrand::u64(0..100)).await;
        if round < 2 {
            workers[at].signal("-STOP");
            // Longer than its lease, and than it lives for the others.
            pause(2_500).await;
            get_on(&url, "one is frozen").await;
            workers[at].signal("-CONT");
            get_on(&url, "it goes on").await;
        } else {
            workers[at] = Worker::start(&url);
            get_on(&url, "one was killed").await;
        }
    }
    drop(workers);
    // All places are there when what was on lease has been taken back.
    let mut places = 0;
    // These do not come back while it looks.
    let last = || LeaseRequest { until: now() + 600_000, ..under(CAPS, 9, "last", now()) };
    for _ in 0..1_500 {
        watcher.store.reclaim(now(), 100).await.unwrap();
        let leased = watcher.store.settle_and_lease(vec![], Some(last())).await.unwrap().1;
        places += leased.jobs.len();
        if places == RUNNING as usize {
            let full = watcher.store.settle_and_lease(vec![], Some(last())).await.unwrap().1;
            assert!(full.jobs.is_empty() && full.held_back.is_some());
            return;
        }
        pause(40).await;
    }
    panic!("{places} places are left");
}

pub(crate) fn running(max: u32) -> Caps {
    Caps { running_max: NonZeroU32::new(max), rate: None }
}

pub(crate) async fn lease(host: &two::Host, settles: Vec<Settle>, caps: Caps, now: u64) -> Leased {
    host.store.settle_and_lease(settles, Some(under(caps, 5, "worker", now))).await.unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_of_all_hosts() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let (a, b) = (two::Host::open(&url).await, two::Host::open(&url).await);
    a.insert((0..9).map(|number| job(&number.to_string())).collect()).await;
    let rate = RateCap { count: NonZeroU32::new(6).unwrap(), period_ms: 1_000 };
    let caps = Caps { running_max: None, rate: Some(rate) };
    assert_eq!(lease(&a, vec![], caps, NOW).await.jobs.len(), 5);
    let one = lease(&b, vec![], caps, NOW + 100).await;
    assert_eq!((one.jobs.len(), one.held_back), (1, Some(HeldBack::Rate { again: NOW + 1_000 })));
    // Also of one that was not there then.
    a.store.close().await.unwrap();
    b.store.close().await.unwrap();
    let next = two::Host::open(&url).await;
    let none = lease(&next, vec![], caps, NOW + 999).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Rate { again: NOW + 1_000 })));
    assert_eq!(lease(&next, vec![], caps, NOW + 1_000).await.jobs.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_queue_that_another_host_is_at() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let host = two::Host::open(&url).await;
    host.insert((0..9).map(|number| job(&number.to_string())).collect()).await;
    let holds = "SET search_path = skep; BEGIN; SELECT 1 FROM queues FOR NO KEY UPDATE; SELECT pg_sleep(600)";
    let mut other = server.program("psql", &url).args(["-c", holds]).stdout(Stdio::null()).spawn().unwrap();
    let locked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND wait_event = 'PgSleep'";
    for _ in 0..1_500 {
        if ask(&url, locked).await == "1" {
            break;
        }
        pause(40).await;
    }
    let none = lease(&host, vec![], running(2), NOW).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Elsewhere)));
    // Whoever keeps to no caps is not kept either, and has not lost sight of any job.
    assert_eq!(lease(&host, vec![], Caps::default(), NOW).await.jobs.len(), 5);
    // Where there is no room it is not looked at.
    let none = lease(&host, vec![], running(2), NOW).await;
    assert_eq!((none.jobs.len(), none.held_back), (0, Some(HeldBack::Running)));
    ask(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    other.wait().unwrap();
    assert_eq!(lease(&host, vec![], running(6), NOW).await.jobs.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_began_moves_with_its_store() {
    let Some(server) = Server::shared() else { return };
    let (url, folder) = (server.database(), tempfile::TempDir::new().unwrap());
    let path = folder.path().join("store.sqlite");
    let told = Arc::new(two::Told::default());
    let file = SqliteStore::open(SqliteOptions::new(&path), Arc::clone(&told) as Arc<_>).unwrap();
    let file = two::Host { store: Arc::new(file), told };
    file.insert((0..9).map(|number| job(&number.to_string())).collect()).await;
    let rate = RateCap { count: NonZeroU32::new(6).unwrap(), period_ms: 1_000 };
    let caps = Caps { running_max: None, rate: Some(rate) };
    assert_eq!(lease(&file, vec![], caps, NOW).await.jobs.len(), 5);
    file.store.close().await.unwrap();
    let (from, to) = (path.clone(), options(&url));
    tokio::task::spawn_blocking(move || copy(&from, to)).await.unwrap().unwrap();
    let host = two::Host::open(&url).await;
    let one = lease(&host, vec![], caps, NOW + 1).await;
    assert_eq!((one.jobs.len(), one.held_back), (1, Some(HeldBack::Rate { again: NOW + 1_000 })));
}
