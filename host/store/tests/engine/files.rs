//! Files: other programs', newer ones, damaged ones, those of before, copies.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use skep_store::{
    After, Durability, JobFilter, JobId, JobState, ListRequest, OpenError, Outgoing, Publish, QueueState, Settle,
    Settled, SqliteOptions, SqliteStore, StateSet, Store, Tick, Unique, Write,
};
use tempfile::TempDir;

use crate::{NOW, Told, commit, fixture, job, key, lease, name, options, plugin, queue, set};

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(SqliteOptions::new(path), Arc::new(Told::default()))
}

/// Opening is refused with these words, and changes nothing.
fn refused(path: &Path, words: &str) {
    let before = fs::read(path).unwrap();
    let error = open(path).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(path).unwrap(), before);
}

#[test]
fn what_is_no_database_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.sqlite");
    fs::write(&path, "dear diary").unwrap();
    refused(&path, "is not a SQLite database");
    fs::write(&path, [&b"SQLite format 3\0"[..], &[0xff; 4096]].concat()).unwrap();
    refused(&path, "store.sqlite");
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.sqlite");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs(name TEXT)").unwrap();
    refused(&path, "the database of another program");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let f = fixture();
    f.store.close().await.unwrap();
    let path = f.folder.path().join("store.sqlite");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99; PRAGMA journal_mode = delete").unwrap();
    refused(&path, "schema version 99");
}

#[tokio::test]
async fn a_damaged_file_says_what_to_do_and_is_kept() {
    let f = fixture();
    for number in 0..200 {
        let mut one = commit(NOW);
        one.writes.push(set(&format!("key {number}"), &"x".repeat(400)));
        f.store.commit(one).await.unwrap();
    }
    f.store.close().await.unwrap();
    let path = f.folder.path().join("store.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    // All but the head: opening may be the moment that it is noticed, or reading.
    bytes[4096..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let why = match open(&path) {
        Err(error) => error.to_string(),
        Ok(store) => {
            let list = ListRequest {
                space: plugin("shop"),
                area: skep_store::Area::Plugin,
                prefix: String::new(),
                after: None,
                limit: 1000,
                bytes_max: 1 << 20,
                keys_only: false,
                now: NOW,
            };
            let error = store.list(list).await.unwrap_err().to_string();
            // A write is told as well, and does not hang.
            let mut one = commit(NOW);
            one.writes.push(set("new", "1"));
            assert!(store.commit(one).await.is_err());
            error
        }
    };
    assert!(why.contains("the file is damaged") && why.contains("backup"), "{why}");
    assert_eq!(fs::read(&path).unwrap()[4096..8192], [0xa5; 4096]);
}

/// The file of a schema holds one of everything. The test below wrote it when the schema was new, with
/// `SKEP_STORE_WRITE_GOLDEN=1`; once a schema is released, its file is never written again.
async fn fill(store: &SqliteStore) {
    let mut one = commit(NOW);
    one.writes = vec![
        set("cart", "1 pear"),
        Write::Set { key: key("session"), value: "x".repeat(3000).into(), expires: Some(NOW + 1000) },
        Write::Sum { key: key("orders"), by: 5 },
    ];
    one.jobs = vec![job("first"), job(&"large ".repeat(200)), job("last")];
    one.jobs[0].meta = vec![("trace".into(), "abc".into())];
    one.jobs[0].unique = Some(Unique {
        key: [7; 16],
        until: Some(NOW + 60_000),
        states: StateSet::of(&JobState::ALL),
        conflict: skep_store::Conflict::Existing,
        replace: skep_store::Replace::default(),
    });
    one.jobs[2].after = vec![After::Place(1)];
    one.ticks = vec![Tick { plugin: plugin("shop"), schedule: "nightly".into(), last: None, at: NOW }];
    store.commit(one).await.unwrap();
    let (_, leased) = store.settle_and_lease(vec![], Some(lease(2, NOW + 1))).await.unwrap();
    let fence = leased[0].lease.as_ref().unwrap().fence;
    let failed = Settled::Retryable { error: "no route".into(), run_at: NOW + 500 };
    store.settle(vec![Settle { id: leased[0].id, fence, now: NOW + 2, as_: failed }]).await.unwrap()[0].unwrap();
    store.set_queue_state(queue("mail"), QueueState { paused: true, concurrency: Some(3) }).await.unwrap();
    let mut last = commit(NOW);
    let topic = "shop/orders".parse().unwrap();
    last.messages = vec![Outgoing::Publish(Publish { topic, event: Some("new".into()), data: "hello".into() })];
    store.commit(last).await.unwrap();
}

#[tokio::test]
async fn the_file_of_every_schema_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store-v1.sqlite");
    if std::env::var_os("SKEP_STORE_WRITE_GOLDEN").is_some() {
        let f = fixture();
        fill(&f.store).await;
        // The message stays in the outbox: the copy is made before the next write.
        f.store.backup(golden.clone()).await.unwrap();
    }
    let folder = TempDir::new().unwrap();
    fs::copy(&golden, folder.path().join("store.sqlite")).unwrap();
    let told = Arc::new(Told::default());
    let store = SqliteStore::open(options(&folder), Arc::clone(&told) as Arc<_>).unwrap();
    assert_eq!(told.publishes(), ["hello"], "what was not told is told when it opens");
    let keys = ["cart", "orders", "session"].map(str::to_owned).to_vec();
    let items = store.get(plugin("shop"), keys, NOW).await.unwrap();
    let lens: Vec<_> = items.iter().map(|item| item.as_ref().unwrap().value.len()).collect();
    assert_eq!(lens, [6, 1, 3000]);
    let states: Vec<_> = store.jobs(JobFilter::default(), None, 10).await.unwrap().jobs;
    let states: Vec<_> = states.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Suspended, JobState::Executing, JobState::Retryable]);
    let (first, attempts) = store.job(JobId(1)).await.unwrap();
    assert_eq!((&first.meta[0].1[..], &attempts[0].error[..], first.run_at), ("abc", "no route", NOW + 500));
    assert_eq!(store.job(JobId(2)).await.unwrap().0.args.len(), 1200);
    assert_eq!(store.ticks(plugin("shop")).await.unwrap(), [("nightly".to_owned(), NOW)]);
    let said = QueueState { paused: true, concurrency: Some(3) };
    assert_eq!(store.queue_states().await.unwrap(), [(queue("mail"), said)]);
    // It goes on: the unique job is known, the dependant waits for its own, the numbers grow.
    let mut again = commit(NOW);
    again.jobs = vec![job("again"), job("new")];
    again.jobs[0].unique = Some(Unique {
        key: [7; 16],
        until: None,
        states: StateSet::of(&JobState::ALL),
        conflict: skep_store::Conflict::Existing,
        replace: skep_store::Replace::default(),
    });
    let done = store.commit(again).await.unwrap();
    assert_eq!((done.jobs[0].was_there, done.jobs[0].id, done.jobs[1].id), (true, JobId(1), JobId(4)));
    assert_eq!(store.reclaim(NOW + 60_000, 10).await.unwrap().0, [JobId(2)]);
}

#[tokio::test]
async fn a_copy_is_whole_while_writes_go_on() {
    let f = fixture();
    let copy = f.folder.path().join("copy.sqlite");
    let writes = async {
        for number in 0..300 {
            let mut one = commit(NOW);
            one.writes = vec![Write::Sum { key: key("a"), by: 1 }, Write::Sum { key: key("b"), by: 1 }];
            one.jobs.push(job(&format!("{number}")));
            f.store.commit(one).await.unwrap();
        }
    };
    let (bytes, ()) = tokio::join!(f.store.backup(copy.clone()), writes);
    assert_eq!(bytes.unwrap(), fs::metadata(&copy).unwrap().len());
    let copied = open(&copy).unwrap();
    let found = copied.get(plugin("shop"), vec!["a".into(), "b".into()], NOW).await.unwrap();
    let value = |at: usize| found[at].as_ref().map(|item| item.value.clone());
    assert_eq!(value(0), value(1));
    let jobs: u64 = copied.queue_counts().await.unwrap().iter().flat_map(|queue| queue.counts).sum();
    assert_eq!(value(0).map_or("0".into(), |value| String::from_utf8(value.to_vec()).unwrap()), jobs.to_string());
    assert!(!f.folder.path().join("copy.sqlite.partial").exists());
}

#[tokio::test]
async fn a_message_that_was_told_is_not_told_again() {
    let f = fixture();
    let mut one = commit(NOW);
    let topic = "shop/orders".parse().unwrap();
    one.messages = vec![Outgoing::Publish(Publish { topic, event: None, data: "once".into() })];
    f.store.commit(one).await.unwrap();
    assert_eq!(f.told.publishes(), ["once"]);
    f.store.close().await.unwrap();
    let again = SqliteStore::open(options(&f.folder), Arc::clone(&f.told) as Arc<_>).unwrap();
    assert!(f.told.publishes().is_empty());
    assert_eq!(again.usage().await.unwrap()[0].bytes, 0);
}

#[tokio::test]
async fn both_durabilities_write_and_say_so_in_the_file() {
    for durability in [Durability::Full, Durability::Normal] {
        let folder = TempDir::new().unwrap();
        let options = SqliteOptions { durability, ..options(&folder) };
        let store = SqliteStore::open(options, Arc::new(Told::default())).unwrap();
        let mut one = commit(NOW);
        one.jobs.push(job("a"));
        one.jobs[0].name = name("other");
        store.commit(one).await.unwrap();
        store.close().await.unwrap();
        assert!(!folder.path().join("store.sqlite-wal").exists(), "the last one out brings the log over");
    }
}
