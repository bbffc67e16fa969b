//! Copies of a SQLite file that do not come to their end: the database is as it was, the file too, and the next one succeeds.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skep_store::{Copied, CopyError, PostgresOpenError, PostgresOptions, copy};
use skep_test_postgres::{AtCommit, Proxy, Server};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::child::{open, options};
use crate::faults::{TRIES, pause};
use crate::moved::{fill, open_file, seen};
use crate::two::{Host, Told};

/// A file with something of everything, a server of its own and a database on it.
struct Site {
    folder: TempDir,
    server: Arc<Server>,
    url: String,
    proxy: Proxy,
    seen: Vec<String>,
    bytes: Vec<u8>,
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("store.sqlite")
}

fn copies(from: &Path, url: &str) -> JoinHandle<Result<Copied, CopyError>> {
    // It waits for whoever locks a table for as long as the test lets it.
    let options = PostgresOptions { lock_timeout: Duration::from_secs(60), ..options(url) };
    let from = from.to_owned();
    tokio::task::spawn_blocking(move || copy(&from, options))
}

impl Site {
    /// None if there is no PostgreSQL here, which is said.
    async fn new() -> Option<Self> {
        let server = Arc::new(Server::start()?);
        let (url, folder) = (server.database(), TempDir::new().unwrap());
        let file = open_file(&path(&folder));
        fill(&file).await;
        let seen = seen(&*file.store).await;
        file.store.close().await.unwrap();
        drop(file);
        let bytes = std::fs::read(path(&folder)).unwrap();
        let proxy = Proxy::before(&url).await;
        Some(Self { folder, server, url, proxy, seen, bytes })
    }

    /// Of a database in which a host was, and left nothing.
    async fn with_tables() -> Option<Self> {
        let site = Self::new().await?;
        Host::open(&site.url).await.store.close().await.unwrap();
        Some(site)
    }

    async fn ask(&self, sql: &'static str) -> String {
        let (server, url) = (Arc::clone(&self.server), self.url.clone());
        tokio::task::spawn_blocking(move || server.ask(&url, sql)).await.unwrap()
    }

    /// A copy that has come to mail, behind most other tables, which somebody has locked.
    async fn halfway(&self) -> (JoinHandle<Result<Copied, CopyError>>, Child) {
        let mut psql = self.server.program("psql", &self.url);
        psql.args(["-X", "-q", "-c", "BEGIN; LOCK TABLE skep.mail; SELECT pg_sleep(600)"]);
        let locker = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let locks = |granted| match granted {
            true => "SELECT count(*) FROM pg_locks WHERE relation = 'skep.mail'::regclass AND granted",
            false => "SELECT count(*) FROM pg_locks WHERE relation = 'skep.mail'::regclass AND NOT granted",
        };
        self.eventually(locks(true)).await;
        let copying = copies(&path(&self.folder), self.proxy.url());
        self.eventually(locks(false)).await;
        (copying, locker)
    }

    async fn eventually(&self, one: &'static str) {
        for _ in 0..TRIES {
            if self.ask(one).await == "1" {
                return;
            }
            pause().await;
        }
        panic!("{one}: never");
    }

    /// Nothing has arrived, the file has what it had, and a copy moves all of it.
    async fn is_as_before(&self) {
        let rows = "SELECT (SELECT count(*) FROM skep.plugins) + (SELECT count(*) FROM skep.queues)
                      + (SELECT count(*) FROM skep.items) + (SELECT count(*) FROM skep.jobs)
                      + (SELECT count(*) FROM skep.plugin_counts) + (SELECT last_value FROM skep.job_ids)";
        assert_eq!(self.ask(rows).await, "1");
        self.goes_on().await;
    }

    async fn goes_on(&self) {
        assert!(std::fs::read(path(&self.folder)).unwrap() == self.bytes, "the file is another one");
        copies(&path(&self.folder), &self.url).await.unwrap().unwrap();
        let host = Host::open(&self.url).await;
        assert!(seen(&*host.store).await == self.seen);
    }
}

fn says(error: &CopyError, what: &str) {
    let text = error.to_string();
    assert!(text.contains(what), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_has_nothing_of_it() {
    let Some(site) = Site::with_tables().await else { return };
    let (copying, mut locker) = site.halfway().await;
    let server = Arc::clone(&site.server);
    tokio::task::spawn_blocking(move || {
        server.kill();
        server.start_again();
    })
    .await
    .unwrap();
    locker.wait().unwrap();
    says(&copying.await.unwrap().unwrap_err(), "the table mail cannot be written");
    site.is_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_in_the_middle_leaves_nothing() {
    let Some(site) = Site::with_tables().await else { return };
    let (copying, mut locker) = site.halfway().await;
    // Whoever starts meanwhile is told why he cannot.
    let Err(error) = open(options(&site.url), Arc::new(Told::default())).await else { panic!("it opens") };
    assert!(error.to_string().contains("or a copy of a store: try again"), "{error}");
    site.proxy.cut();
    let error = copying.await.unwrap().unwrap_err();
    says(&error, "the table mail cannot be written");
    says(&error, "nothing was copied: see to that, and copy again");
    // It sleeps, and would not notice that nobody asks any more.
    site.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'").await;
    locker.wait().unwrap();
    site.is_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_is_said_and_leaves_nothing() {
    let Some(site) = Site::with_tables().await else { return };
    let full = "CREATE FUNCTION skep.refuse() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON skep.mail FOR EACH ROW EXECUTE FUNCTION skep.refuse()";
    site.ask(full).await;
    let error = copies(&path(&site.folder), &site.url).await.unwrap().unwrap_err();
    says(&error, "make room on the server's disk");
    site.ask("DROP TRIGGER refuse ON skep.mail").await;
    site.is_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_commit_is_lost_says_that_nobody_knows() {
    let Some(site) = Site::new().await else { return };
    let (file, through) = (path(&site.folder), site.proxy.url());
    site.proxy.at_commit([AtCommit::CutBefore]);
    let error = copies(&file, through).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::OutcomeUnknown(_)), "{error}");
    says(&error, "copy again");
    // The tables are not there either.
    site.eventually("SELECT 1 - count(*) FROM pg_namespace WHERE nspname = 'skep'").await;
    site.proxy.at_commit([AtCommit::CutAfter]);
    let error = copies(&file, through).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::OutcomeUnknown(_)), "{error}");
    let error = copies(&file, through).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::NotEmpty { .. }), "{error}");
    assert!(seen(&*Host::open(&site.url).await.store).await == site.seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_no_empty_one_of_this_version_is_left_as_it_is() {
    let Some(site) = Site::new().await else { return };
    let file = path(&site.folder);
    site.ask("CREATE SCHEMA skep; CREATE TABLE skep.orders(id int); INSERT INTO skep.orders VALUES (7)").await;
    let error = copies(&file, &site.url).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::Postgres(PostgresOpenError::Foreign { .. })), "{error}");
    assert_eq!(site.ask("SELECT id FROM skep.orders").await, "7");
    site.ask("DROP SCHEMA skep CASCADE").await;
    // A host that works there, and has written nothing.
    let host = Host::open(&site.url).await;
    let error = copies(&file, &site.url).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::NotEmpty { .. }), "{error}");
    host.store.close().await.unwrap();
    site.ask("UPDATE skep.skep_schema SET version = version + 1").await;
    let error = copies(&file, &site.url).await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::Postgres(PostgresOpenError::Newer { .. })), "{error}");
    says(&error, "start a newer host");
    site.ask("UPDATE skep.skep_schema SET version = version - 1").await;
    site.is_as_before().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_said_and_nothing_of_it_arrives() {
    let Some(site) = Site::new().await else { return };
    let damaged = site.folder.path().join("damaged.sqlite");
    for (kept, what) in [(site.bytes.len() / 2, "the file is damaged"), (100, "damaged"), (10, "not a SQLite database")]
    {
        std::fs::write(&damaged, &site.bytes[..kept]).unwrap();
        let error = copies(&damaged, &site.url).await.unwrap().unwrap_err();
        says(&error, what);
        assert_eq!(std::fs::read(&damaged).unwrap().len(), kept);
        assert_eq!(site.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'skep'").await, "0");
    }
    site.goes_on().await;
}
