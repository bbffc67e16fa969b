//! What the store answers on a disk that is full, or fails, and that it recovers by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE};
use skep_store::{
    Changes, Commit, CommitError, Durability, Error, Mail, MailId, Observer, ProcessChange, ProcessStore, ProcessTurn,
    Receiver, SqliteStore, Store, Write,
};
use tempfile::TempDir;

use crate::child::{NOW, Speaker, key, options, plugin};
use crate::turns;
use crate::vfs::{self, Faults};

struct Fixture {
    store: Arc<SqliteStore>,
    faults: &'static Faults,
    folder: TempDir,
}

fn fixture() -> Fixture {
    vfs::register();
    let folder = TempDir::new().unwrap();
    // As SQLite names it.
    let faults = vfs::faults(&folder.path().canonicalize().unwrap());
    let path = folder.path().join("store.sqlite");
    let store = Arc::new(SqliteStore::open(options(&path, Durability::Full), Arc::new(Speaker)).unwrap());
    Fixture { store, faults, folder }
}

impl Fixture {
    async fn set(&self, at: &str) -> Result<u64, CommitError> {
        let mut commit = Commit::new(plugin(), NOW);
        commit.writes.push(Write::Set { key: key(at), value: "x".into(), expires: None });
        self.store.commit(commit).await.map(|done| done.version)
    }

    async fn has(&self, at: &str) -> bool {
        self.store.get(plugin(), vec![at.to_owned()], NOW).await.unwrap()[0].is_some()
    }

    /// Tries until it is answered; a disk that is well again is found within some tries.
    async fn set_at_last(&self, at: &str) {
        for _ in 0..200 {
            if self.set(at).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not recover");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let f = fixture();
    f.set("before").await.unwrap();
    f.faults.write.store(SQLITE_FULL, Ordering::SeqCst);
    let refused = f.set("during").await.unwrap_err();
    let CommitError::Store(Error::Unavailable(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("the disk is full"), "{why}");
    assert!(f.has("before").await && !f.has("during").await);
    f.faults.write.store(0, Ordering::SeqCst);
    // There is room again: at once.
    f.set("after").await.unwrap();
    assert!(f.has("before").await && !f.has("during").await && f.has("after").await);
}

#[tokio::test]
async fn a_failed_fsync_is_not_known_to_be_written() {
    let f = fixture();
    f.set("before").await.unwrap();
    f.faults.sync.store(SQLITE_IOERR_FSYNC, Ordering::SeqCst);
    assert_eq!(f.set("during").await.unwrap_err(), CommitError::Store(Error::OutcomeUnknown));
    // Whoever comes now is told at once, and not kept waiting.
    let soon = tokio::time::timeout(Duration::from_secs(2), f.set("meanwhile")).await.unwrap();
    assert!(matches!(soon, Err(CommitError::Store(Error::Unavailable(_) | Error::OutcomeUnknown))), "{soon:?}");
    assert!(f.has("before").await);
    f.faults.sync.store(0, Ordering::SeqCst);
    f.set_at_last("after").await;
    assert!(f.has("before").await && f.has("after").await);
    f.store.close().await.unwrap();
    let path = f.folder.path().join("store.sqlite");
    let again = SqliteStore::open(options(&path, Durability::Full), Arc::new(Speaker)).unwrap();
    let found = again.get(plugin(), vec!["before".into(), "after".into()], NOW).await.unwrap();
    assert!(found.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_failed_write_refuses_and_recovers() {
    let f = fixture();
    f.set("before").await.unwrap();
    f.faults.write.store(SQLITE_IOERR_WRITE, Ordering::SeqCst);
    assert!(f.set("during").await.is_err());
    f.faults.write.store(0, Ordering::SeqCst);
    f.set_at_last("after").await;
    assert!(f.has("before").await && f.has("after").await);
}

#[derive(Default)]
struct Reopened(AtomicU64);

impl Observer for Reopened {
    fn changed(&self, changes: Changes) {
        self.0.fetch_add(u64::from(changes.reopened), Ordering::SeqCst);
    }
}

/// Whoever runs a process learns from its seq what became of a turn, and from the observer that it has to look for mail.
#[tokio::test]
async fn a_turn_that_ended_in_the_unknown_was_committed_or_not() {
    vfs::register();
    let (folder, told) = (TempDir::new().unwrap(), Arc::new(Reopened::default()));
    let faults = vfs::faults(&folder.path().canonicalize().unwrap());
    let path = folder.path().join("store.sqlite");
    let store = SqliteStore::open(options(&path, Durability::Full), Arc::clone(&told) as Arc<_>).unwrap();
    let id = turns::id(1);
    let of = |process| Commit { process: Some(process), ..Commit::new(plugin(), NOW) };
    store.commit(of(ProcessChange::begin(id.clone(), turns::begin("1".to_owned())))).await.unwrap();
    let to = Receiver::Process(id.clone());
    let letter = || Mail { to: to.clone(), data: "x".into(), at: None };
    let mut mail = store.post_mail(plugin(), vec![letter()], NOW).await.unwrap();
    let turn = |seq, handled: &[MailId]| {
        let turn = ProcessChange::turn(id.clone(), seq, ProcessTurn::default());
        of(ProcessChange { handled: handled.to_owned(), append: vec!["x".into()], ..turn })
    };
    for seq in 1..6 {
        faults.sync.store(SQLITE_IOERR_FSYNC, Ordering::SeqCst);
        let unknown = store.commit(turn(seq, &mail)).await.unwrap_err();
        assert_eq!(unknown, CommitError::Store(Error::OutcomeUnknown));
        faults.sync.store(0, Ordering::SeqCst);
        while store.stage(NOW, 0).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(told.0.load(Ordering::SeqCst), seq, "once for each time that it failed");
        let record = store.process(id.clone()).await.unwrap().unwrap();
        let left = store.mail_for(vec![to.clone()], None, NOW, 9).await.unwrap().mail;
        assert!(record.seq == seq || record.seq == seq + 1, "{} behind {seq}", record.seq);
        assert_eq!(record.last_event + 1, record.seq);
        assert_eq!(left.len() as u64, seq + 1 - record.seq, "the mail went with the turn");
        if record.seq == seq {
            store.commit(turn(seq, &mail)).await.unwrap();
        }
        mail = store.post_mail(plugin(), vec![letter()], NOW).await.unwrap();
    }
}

/// Concurrent writers on a disk that comes and goes: what was answered is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_comes_and_goes_loses_nothing_that_was_answered() {
    let f = Arc::new(fixture());
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let f = Arc::clone(&f);
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for number in 0..60 {
                    let at = format!("{writer}/{number}");
                    match f.set(&at).await {
                        Ok(_) => answered.push(at),
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
                answered
            })
        })
        .collect();
    for round in 0..12 {
        let (faults, error) = match round % 3 {
            0 => (&f.faults.write, SQLITE_FULL),
            1 => (&f.faults.sync, SQLITE_IOERR_FSYNC),
            _ => (&f.faults.write, SQLITE_IOERR_WRITE),
        };
        tokio::time::sleep(Duration::from_millis(15)).await;
        faults.store(error, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        faults.store(0, Ordering::SeqCst);
    }
    let mut answered = Vec::new();
    for writer in writers {
        answered.extend(writer.await.unwrap());
    }
    f.set_at_last("after").await;
    assert!(answered.len() > 8, "{answered:?}");
    let found = f.store.get(plugin(), answered.clone(), NOW).await.unwrap();
    let lost: Vec<_> = answered.iter().zip(&found).filter(|(_, found)| found.is_none()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let used = f.store.usage().await.unwrap();
    let listed = f.store.list(skep_store::ListRequest {
        space: plugin(),
        area: skep_store::Area::Plugin,
        prefix: String::new(),
        after: None,
        limit: 10_000,
        bytes_max: 1 << 20,
        keys_only: true,
        now: NOW,
    });
    assert_eq!(used[0].items, listed.await.unwrap().items.len() as u64);
}
