//! A store that came from a SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use skep_store::{
    After, Area, BeforeChange, Caps, Conflict, Copied, CopyError, Ends, JobFilter, JobId, JobState, LeaseRequest,
    ListRequest, Mail, NewJob, NewProcess, ProcessChange, ProcessId, ProcessStore, ProcessTurn, QueueState, Receiver,
    Replace, Saved, Settle, Settled, SqliteOptions, SqliteStore, StateSet, Tick, Unique, Write, copy,
};
use skep_test_postgres::Server;
use skep_types::HandlerName;

use crate::child::{job, key, options, plugin, queue};
use crate::two::{Host, NOW, Told, commit};

fn large(byte: u8) -> Bytes {
    vec![byte; 700_000].into()
}

fn process(number: u64) -> ProcessId {
    ProcessId { plugin: plugin(), number }
}

fn unique() -> NewJob {
    let states = StateSet::of(&[JobState::Available, JobState::Scheduled, JobState::Executing]);
    let unique =
        Unique { key: [7; 16], until: None, states, conflict: Conflict::Existing, replace: Replace::default() };
    NewJob { unique: Some(unique), run_at: Some(NOW + 50_000), ..job("only") }
}

pub(crate) fn open_file(path: &Path) -> Host {
    let told = Arc::new(Told::default());
    let store = SqliteStore::open(SqliteOptions::new(path), Arc::clone(&told) as Arc<_>).unwrap();
    Host { store: Arc::new(store), told }
}

/// Something of everything. Answers a parent that is on lease, and the job that waits for it.
pub(crate) async fn fill(host: &Host) -> [JobId; 2] {
    let store = &host.store;
    // Jobs with every end, all but two on the way to it from one lease.
    let failing = NewJob { max_attempts: 9, meta: vec![("who".into(), "m".repeat(500))], ..job("fails") };
    let waiting = NewJob { after: vec![After::Place(0)], ..job("child") };
    let hidden = NewJob { queue: HandlerName::new("other").unwrap(), args: large(1), ends: Ends::Any, ..job("") };
    let ids = host.insert(vec![job("parent"), failing, job("done"), job("cancelled"), waiting, hidden, unique()]).await;
    let leased = host.lease(4, NOW).await;
    assert_eq!(leased.len(), 4);
    let settle = |at: usize, as_| {
        let fence = leased.iter().find(|job| job.id == ids[at]).unwrap().lease.as_ref().unwrap().fence;
        Settle { id: ids[at], fence, now: NOW + 1, as_ }
    };
    let ends = vec![
        settle(1, Settled::Retryable { error: "a zero: \0".into(), run_at: NOW + 9_000 }),
        settle(2, Settled::Completed { output: Some(large(2)) }),
        settle(3, Settled::Discarded { error: "no".into() }),
    ];
    assert!(store.settle(ends).await.unwrap().iter().all(Result::is_ok));
    store.set_queue_state(queue(), QueueState { paused: false, concurrency: Some(3) }).await.unwrap();

    let mut one = commit();
    let set = |at: usize, value: Bytes, expires| Write::Set { key: key(&format!("item:{at:04}")), value, expires };
    one.writes = (0..900).map(|at| set(at, format!("{at}").into(), (at % 3 == 0).then_some(NOW + at as u64))).collect();
    one.ticks.push(Tick { plugin: plugin(), schedule: "at \0 night".into(), last: None, at: NOW });
    store.commit(one).await.unwrap();
    for at in 900..908 {
        let mut one = commit();
        one.writes = vec![set(at, large(at as u8), None), set(0, "again".into(), Some(NOW + 1))];
        store.commit(one).await.unwrap();
    }

    for (number, name) in [(1, Some("cart:1")), (2, None), (u64::MAX, Some("cart:max"))] {
        let saved = Some(Saved { version: 1, state: if number == 1 { large(3) } else { "s".into() } });
        let new = NewProcess {
            kind: HandlerName::new("cart").unwrap(),
            name: name.map(str::to_owned),
            args: if number == 2 { large(4) } else { "a".into() },
            saved,
            extra: Bytes::new(),
            wake_at: Some(NOW + 70_000),
        };
        let begin = ProcessChange { append: vec!["e1".into()], ..ProcessChange::begin(process(number), new) };
        store.commit(skep_store::Commit { process: Some(begin), ..commit() }).await.unwrap();
    }
    let before = BeforeChange::Put(Saved { version: 1, state: large(5) });
    let turn = ProcessTurn { saved: Some(Saved { version: 2, state: "t".into() }), before, ..ProcessTurn::default() };
    let turn = ProcessChange { append: vec![large(6), "e3".into()], ..ProcessChange::turn(process(1), 1, turn) };
    store.commit(skep_store::Commit { process: Some(turn), ..commit() }).await.unwrap();
    let quarantine = ProcessChange::quarantine(process(2), 1, Some("a zero: \0".into()));
    store.commit(skep_store::Commit { process: Some(quarantine), ..commit() }).await.unwrap();
    let mail = |to, at| Mail { to, data: "mail".into(), at };
    let to = [Receiver::Process(process(u64::MAX)), Receiver::Name(plugin(), "cart:1".into())];
    let mail = vec![mail(to[0].clone(), None), mail(to[1].clone(), None), mail(to[1].clone(), Some(NOW + 80_000))];
    store.post_mail(plugin(), mail, NOW).await.unwrap();
    [ids[0], ids[4]]
}

/// All that can be read.
pub(crate) async fn seen(store: &dyn ProcessStore) -> Vec<String> {
    let mut seen = Vec::new();
    let list = ListRequest {
        space: plugin(),
        area: Area::Plugin,
        prefix: String::new(),
        after: None,
        limit: 2_000,
        bytes_max: 1 << 30,
        keys_only: false,
        now: NOW,
    };
    seen.push(format!("{:?}", store.list(list).await.unwrap()));
    let page = store.jobs(JobFilter::default(), None, 100).await.unwrap();
    assert_eq!(page.jobs.len(), 7);
    for job in &page.jobs {
        seen.push(format!("{:?}", store.job(job.id).await.unwrap()));
    }
    seen.push(format!("{page:?}"));
    seen.push(format!("{:?}", store.queue_counts().await.unwrap()));
    seen.push(format!("{:?}", store.queue_states().await.unwrap()));
    seen.push(format!("{:?}", store.usage().await.unwrap()));
    seen.push(format!("{:?}", store.ticks(plugin()).await.unwrap()));
    seen.push(format!("{:?}", store.processes(plugin(), None, 100).await.unwrap()));
    seen.push(format!("{:?}", store.process_names(plugin(), "cart".into(), None, 100).await.unwrap()));
    for number in [1, 2, u64::MAX] {
        seen.push(format!("{:?}", store.process(process(number)).await.unwrap().unwrap()));
        seen.push(format!("{:?}", store.process_events(process(number), 0, 100).await.unwrap()));
    }
    for to in [Receiver::Process(process(u64::MAX)), Receiver::Name(plugin(), "cart:1".into())] {
        seen.push(format!("{:?}", store.mail_for(vec![to], None, NOW + 90_000, 100).await.unwrap()));
    }
    seen
}

pub(crate) async fn copied(from: &Path, url: &str) -> Result<Copied, CopyError> {
    let (from, options): (PathBuf, _) = (from.to_owned(), options(url));
    tokio::task::spawn_blocking(move || copy(&from, options)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_from_a_file_and_goes_on() {
    let Some(server) = Server::shared() else { return };
    let (url, folder) = (server.database(), tempfile::TempDir::new().unwrap());
    let path = folder.path().join("store.sqlite");
    assert!(matches!(copied(&path, &url).await, Err(CopyError::Missing { .. })));
    assert!(!path.exists());
    let file = open_file(&path);
    let [parent, child] = fill(&file).await;
    let before = seen(&*file.store).await;
    let in_use = copied(&path, &url).await.unwrap_err();
    assert!(matches!(in_use, CopyError::InUse { .. }) && in_use.to_string().contains("stop it"), "{in_use}");
    let version = file.store.commit(commit()).await.unwrap().version;
    file.store.close().await.unwrap();

    let done = copied(&path, &url).await.unwrap();
    let of = |name: &str| done.tables.iter().find(|(table, _)| *table == name).unwrap().1;
    assert_eq!((of("items"), of("jobs"), of("processes"), of("process_events"), of("mail")), (908, 7, 3, 5, 3));
    assert_eq!((of("attempts"), of("uniques"), of("waits"), of("ticks")), (2, 1, 1, 1));
    assert!(matches!(copied(&path, &url).await, Err(CopyError::NotEmpty { .. })));

    let host = Host::open(&url).await;
    let after = seen(&*host.store).await;
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after, "{}\n{}", &before[..before.len().min(3_000)], &after[..after.len().min(3_000)]);
    }
    // Numbers go on.
    assert!(host.store.commit(commit()).await.unwrap().version > version);
    let ids = host.insert(vec![job("new"), unique()]).await;
    assert!(ids[0] > child);
    assert_eq!(ids[1], JobId(7), "it is the one that was there");
    // The lease is as it was: whoever had it could settle it, and so the child begins.
    let (job, _) = host.store.job(parent).await.unwrap();
    let fence = job.lease.unwrap().fence;
    assert!(host.lease(1, NOW).await[0].lease.as_ref().unwrap().fence > fence);
    let settle = Settle { id: parent, fence, now: NOW + 2, as_: Settled::Completed { output: None } };
    assert!(host.store.settle(vec![settle]).await.unwrap()[0].is_ok());
    assert_eq!(host.store.job(child).await.unwrap().0.state, JobState::Available);
    // The file has what it had.
    let file = open_file(&path);
    assert!(seen(&*file.store).await == before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_host_left_moves_too() {
    let Some(server) = Server::shared() else { return };
    let (url, folder) = (server.database(), tempfile::TempDir::new().unwrap());
    let path = folder.path().join("store.sqlite");
    let file = open_file(&path);
    let ids = file.insert(vec![job("left")]).await;
    let lease = LeaseRequest {
        queue: queue(),
        limit: 1,
        worker: "gone".into(),
        now: NOW,
        until: NOW + 10,
        caps: Caps::default(),
    };
    file.store.settle_and_lease(vec![], Some(lease)).await.unwrap();
    file.store.close().await.unwrap();
    {
        let raw = rusqlite::Connection::open(&path).unwrap();
        let left =
            "INSERT INTO outbox(id, plugin, topic, event, data) VALUES (7, 1, 'shop/orders', 'new', x'6c656674')";
        raw.execute(left, []).unwrap();
        raw.execute("UPDATE plugins SET bytes = bytes + 64 + 11 + 3 + 4 WHERE id = 1", []).unwrap();
        raw.execute("UPDATE counters SET message = 7", []).unwrap();
    }
    copied(&path, &url).await.unwrap();
    let host = Host::open(&url).await;
    host.told.of(|changes| !changes.publishes.is_empty()).await;
    assert_eq!(host.told.publishes(), ["left"]);
    // It is rescued when its lease runs out.
    assert_eq!(host.store.reclaim(NOW + 9, 10).await.unwrap().0, []);
    assert_eq!(host.store.reclaim(NOW + 10, 10).await.unwrap().0, ids);
    // What was told is deleted with another write.
    for _ in 0..3_000 {
        host.store.stage(0, 1).await.unwrap();
        let url = url.clone();
        let ask = move || Server::shared().unwrap().ask(&url, "SELECT count(*) FROM skep.outbox");
        if tokio::task::spawn_blocking(ask).await.unwrap() == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the message stays");
}
