//! Files: other programs', newer ones, damaged ones, copies.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use skep_store::{
    Durability, ListRequest, Mail, MailId, NewProcess, OpenError, Outgoing, ProcessChange, ProcessId, ProcessStore,
    Publish, Receiver, Saved, SqliteOptions, SqliteStore, Store, Write,
};
use tempfile::TempDir;

use crate::{NOW, Told, commit, job, key, name, plugin, set};

pub(crate) struct Fixture {
    pub(crate) store: SqliteStore,
    told: Arc<Told>,
    folder: TempDir,
}

pub(crate) fn fixture() -> Fixture {
    let folder = TempDir::new().unwrap();
    let told = Arc::new(Told::default());
    let store = SqliteStore::open(options(&folder), Arc::clone(&told) as Arc<_>).unwrap();
    Fixture { store, told, folder }
}

pub(crate) fn options(folder: &TempDir) -> SqliteOptions {
    SqliteOptions::new(folder.path().join("store.sqlite"))
}

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
    // Nothing is written over.
    assert!(f.store.backup(copy).await.is_err());
}

#[tokio::test]
async fn a_copy_has_processes_and_mail() {
    let f = fixture();
    let id = ProcessId { plugin: plugin("shop"), number: 1 };
    let new = NewProcess {
        kind: name("cart"),
        name: Some("a".into()),
        args: "args".into(),
        saved: Some(Saved { version: 1, state: "s".into() }),
        extra: "".into(),
        wake_at: None,
    };
    let begin = ProcessChange { append: vec!["e".into()], ..ProcessChange::begin(id.clone(), new) };
    f.store.commit(skep_store::Commit { process: Some(begin), ..commit(NOW) }).await.unwrap();
    let to = Receiver::Name(plugin("shop"), "a".into());
    let letter = || Mail { to: to.clone(), data: "m".into(), at: None };
    f.store.post_mail(plugin("shop"), vec![letter()], NOW).await.unwrap();
    let copy = f.folder.path().join("copy.sqlite");
    f.store.backup(copy.clone()).await.unwrap();
    let copied = open(&copy).unwrap();
    let record = copied.process_by_name(plugin("shop"), "a".into()).await.unwrap().unwrap();
    assert_eq!((record.seq, record.saved.unwrap().state, record.last_event), (1, "s".into(), 1));
    assert_eq!(copied.process_events(id, 0, 9).await.unwrap().events[0].data, "e");
    assert_eq!(copied.mail_for(vec![to.clone()], None, NOW, 9).await.unwrap().mail[0].id, MailId(1));
    assert_eq!(copied.post_mail(plugin("shop"), vec![letter()], NOW).await.unwrap(), [MailId(2)]);
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
