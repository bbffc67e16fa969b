//! The file: what is none, one that is full, one that others use.

use std::time::Duration;

use skep_sql::{Error, SessionLimits, Value};
use skep_types::ByteSize;

use crate::fixture::{READ_WRITE, all, blob, eventually, int, numbers, one, run, sqlite, sqlite_with};

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    for content in [&b"PNG"[..], &[7; 100_000], b"SQLite format 3\0 but nothing behind it that makes sense"] {
        let fixture = sqlite();
        let path = fixture.folder.path().join("test.db");
        std::fs::write(&path, content).unwrap();
        for error in [fixture.database.check().await.err(), all(&fixture.session(), "SELECT 1", vec![]).await.err()] {
            assert!(matches!(&error, Some(Error::Unavailable(why)) if why.contains("test.db")), "{error:?}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), content);
        // Once it is out of the way, all is well.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fixture.database.check().await, Ok(()));
        assert_eq!(one(&fixture.session(), "SELECT 1", vec![]).await, Ok(int(1)));
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let fixture = sqlite_with(|options| options.path = "/nowhere/at/all/test.db".into());
    let refused = fixture.database.check().await;
    assert!(matches!(&refused, Err(Error::Unavailable(why)) if why.contains("/nowhere/at/all")), "{refused:?}");
}

#[tokio::test]
async fn a_full_database_says_so_and_reads_on() {
    let fixture = sqlite_with(|options| options.size_max = ByteSize::mib(1));
    let session = fixture.session();
    run(&session, "CREATE TABLE bytes (id INTEGER PRIMARY KEY, b BLOB)", vec![]).await.unwrap();
    let insert = "INSERT INTO bytes (b) VALUES ($1)";
    let mut rows = 0;
    let full = loop {
        match run(&session, insert, vec![blob(&[7; 50_000])]).await {
            Ok(_) => rows += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, Error::Full);
    assert!((15..=21).contains(&rows), "{rows}");
    assert_eq!(one(&session, "SELECT count(*) FROM bytes", vec![]).await, Ok(int(rows)));
    session.begin(skep_sql::TransactionMode::default()).await.unwrap();
    assert_eq!(run(&session, insert, vec![blob(&[7; 500_000])]).await, Err(Error::Full));
    assert_eq!(session.commit().await, Err(Error::Full));
    // What is deleted makes room.
    assert_eq!(run(&session, "DELETE FROM bytes WHERE id <= 5", vec![]).await, Ok(5));
    assert_eq!(run(&session, insert, vec![blob(&[7; 50_000])]).await, Ok(1));
    assert!(std::fs::metadata(fixture.folder.path().join("test.db")).unwrap().len() <= 1 << 20);
    assert!(fixture.database.stats().errors.full >= 2);
}

#[tokio::test]
async fn another_program_may_hold_the_file() {
    let fixture = sqlite();
    numbers(&fixture, 1).await;
    let other = rusqlite::Connection::open(fixture.folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO numbers VALUES (2)").unwrap();
    let session = fixture.session();
    assert_eq!(run(&session, "INSERT INTO numbers VALUES (3)", vec![]).await, Err(Error::Busy));
    assert_eq!(session.begin(skep_sql::TransactionMode::default()).await, Err(Error::Busy));
    assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(1)));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(run(&session, "INSERT INTO numbers VALUES (3)", vec![]).await, Ok(1));
    assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
}

/// After a reload a database is open twice, while calls go on that began before.
#[tokio::test]
async fn who_opens_the_file_anew_stands_in_line_for_the_writer() {
    let fixture = sqlite();
    numbers(&fixture, 1).await;
    let before = fixture.session();
    before.begin(skep_sql::TransactionMode::default()).await.unwrap();
    run(&before, "INSERT INTO numbers VALUES (2)", vec![]).await.unwrap();
    let anew = fixture.another();
    let limits = SessionLimits { wait: Duration::from_secs(60), ..SessionLimits::default() };
    let session = anew.session(READ_WRITE, limits);
    let waits = tokio::spawn(async move { run(&session, "INSERT INTO numbers VALUES (3)", vec![]).await });
    eventually(|| anew.stats().waiting == 1).await;
    before.commit().await.unwrap();
    assert_eq!(waits.await.unwrap(), Ok(1));
    assert_eq!(one(&before, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let fixture = sqlite_with(|options| options.idle = Duration::from_millis(100));
    numbers(&fixture, 3).await;
    let session = fixture.session();
    assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
    eventually(|| fixture.database.stats().connections == 0).await;
    // They come back when they are needed; one that is held is not closed.
    let cursor = session.query("SELECT n FROM numbers", vec![], 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(fixture.database.stats().connections, 1);
    assert_eq!(crate::fixture::drain(cursor).await.unwrap().len(), 3);
    assert_eq!(run(&session, "DELETE FROM numbers", vec![]).await, Ok(3));
}

#[tokio::test]
async fn what_is_no_text_is_said_to_be_none() {
    let fixture = sqlite();
    let session = fixture.session();
    let refused = one(&session, "SELECT CAST(x'ff' AS TEXT)", vec![]).await;
    assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("UTF-8")), "{refused:?}");
    assert_eq!(one(&session, "SELECT x'ff'", vec![]).await, Ok(blob(&[255])));
    assert_eq!(one(&session, "SELECT $1", vec![Value::Real(f64::NAN)]).await, Ok(Value::Null));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_database_that_is_dropped_closes_its_file() {
    let fixture = sqlite();
    numbers(&fixture, 3).await;
    let session = fixture.session();
    let cursor = session.query("SELECT n FROM numbers", vec![], 1).await.unwrap();
    let path = fixture.folder.path().join("test.db");
    let is_open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap();
        files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()).any(|file| file == path)
    };
    assert!(is_open());
    let crate::fixture::Fixture { database, another, folder, .. } = fixture;
    drop((database, another));
    // The session has it still.
    assert!(is_open());
    drop(session);
    eventually(|| !is_open()).await;
    drop((cursor, folder));
}
