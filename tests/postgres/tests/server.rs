//! What happens to a server of a test's own is what the test says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skep_test_postgres::{AtCommit, Proxy, Server};

const OWNER: &str = "SKEP_TEST_POSTGRES_OWNER";

#[test]
fn what_was_committed_survives_a_kill_and_nothing_else_does() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    server.ask(&url, "CREATE TABLE t (n int)");
    server.ask(&url, "INSERT INTO t VALUES (1)");
    // One that is in the middle of it.
    let mut open = server.program("psql", &url);
    open.args(["-X", "-q", "-c", "BEGIN", "-c", "INSERT INTO t VALUES (2)", "-c", "SELECT pg_sleep(600)"]);
    let mut open = open.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
    while server.ask(&url, sleeps) != "1" {}
    server.kill();
    assert!(!open.wait().unwrap().success());
    server.start_again();
    assert_eq!(server.ask(&url, "SELECT n FROM t"), "1");
    assert!(server.log().contains("database system was interrupted"), "{}", server.log());
}

#[test]
fn a_frozen_server_answers_when_it_goes_on() {
    let Some(server) = Server::start() else { return };
    let server = Arc::new(server);
    let url = server.database();
    let thawed = Arc::new(AtomicBool::new(false));
    server.freeze();
    let asks = {
        let (server, thawed) = (Arc::clone(&server), Arc::clone(&thawed));
        std::thread::spawn(move || (server.ask(&url, "SELECT 1"), thawed.load(Ordering::SeqCst)))
    };
    pause(200);
    assert!(!asks.is_finished());
    thawed.store(true, Ordering::SeqCst);
    server.thaw();
    assert_eq!(asks.join().unwrap(), ("1".to_owned(), true));
}

#[test]
fn each_database_is_empty_and_orders_texts_as_people_do() {
    let Some(server) = Server::shared() else { return };
    let urls = [server.database(), server.database()];
    assert_ne!(urls[0], urls[1]);
    for url in &urls {
        server.ask(url, "CREATE TABLE t (n int)");
        // By bytes it would be the other way round.
        assert_eq!(server.ask(url, "SELECT x FROM (VALUES ('B'), ('a')) AS v (x) ORDER BY x"), "a\nB");
    }
}

#[test]
fn a_server_does_not_outlive_a_test_that_is_killed() {
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["--exact", "owner", "--nocapture", "--test-threads=1"]).env(OWNER, "1");
    let mut owner = owner.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix('@').map(str::to_owned));
    let Some(folder) = said else {
        assert!(owner.wait().unwrap().success());
        return;
    };
    let first = std::fs::read_to_string(Path::new(&folder).join("data/postmaster.pid")).unwrap();
    let first = Path::new("/proc").join(first.lines().next().unwrap());
    assert!(first.exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    for _ in 0..1_000 {
        // What has ended may be left in the table of processes, but not as one that runs a program.
        if !Path::new(&folder).exists() && std::fs::read_link(first.join("exe")).is_err() {
            return;
        }
        pause(20);
    }
    panic!("{folder} is still there");
}

/// Not a test: what the one above kills.
#[test]
fn owner() {
    if std::env::var_os(OWNER).is_some()
        && let Some(server) = Server::start()
    {
        println(server.folder());
        loop {
            pause(1_000);
        }
    }
}

#[expect(clippy::print_stdout, reason = "whoever started this reads it")]
fn println(folder: &Path) {
    println!("\n@{}", folder.display());
}

#[expect(clippy::disallowed_methods, reason = "other programs go on meanwhile")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Inserts a row in a transaction, through the relay. Answers whether it was told that it is there.
async fn insert(server: &'static Server, proxy: &Proxy, row: u64) -> bool {
    let (url, insert) = (proxy.url().to_owned(), format!("INSERT INTO t VALUES ({row})"));
    let run = move || {
        let mut psql = server.program("psql", &url);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "BEGIN", "-c", &insert, "-c", "COMMIT", &url]);
        psql.stderr(Stdio::null()).status().unwrap().success()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn a_commit_is_cut_before_it_or_behind_it() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    server.ask(&url, "CREATE TABLE t (n int)");
    let proxy = Proxy::before(&url).await;
    proxy.at_commit([AtCommit::Pass, AtCommit::CutBefore, AtCommit::CutAfter]);
    assert!(insert(server, &proxy, 1).await);
    assert!(!insert(server, &proxy, 2).await);
    assert!(!insert(server, &proxy, 3).await);
    assert!(insert(server, &proxy, 4).await && proxy.commits_are_through());
    assert_eq!(proxy.commits(), 4);
    assert_eq!(server.ask(&url, "SELECT n FROM t ORDER BY n"), "1\n3\n4");
    proxy.at_commit([AtCommit::CutBehind]);
    assert!(!insert(server, &proxy, 6).await);
    // It comes to its end all the same.
    while server_has(server, &url, 6).await == "0" {}
    // One that hears nothing any more until it is cut off.
    proxy.at_commit([AtCommit::StallAfter]);
    let (told, ()) = tokio::join!(insert(server, &proxy, 5), async {
        while server_has(server, &url, 5).await == "0" {}
        assert_eq!(proxy.connections(), 1);
        proxy.cut();
    });
    assert!(!told);
}

async fn server_has(server: &'static Server, url: &str, row: u64) -> String {
    let url = url.to_owned();
    let ask = move || server.ask(&url, &format!("SELECT count(*) FROM t WHERE n = {row}"));
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn a_relay_refuses_stalls_and_flows_again() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    server.ask(&url, "CREATE TABLE t (n int)");
    let proxy = Proxy::before(&url).await;
    proxy.refuse();
    assert!(!insert(server, &proxy, 1).await);
    proxy.stall();
    let flows = AtomicBool::new(false);
    let (told, ()) = tokio::join!(
        async {
            let told = insert(server, &proxy, 2).await;
            assert!(flows.load(Ordering::SeqCst));
            told
        },
        async {
            while proxy.connections() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            flows.store(true, Ordering::SeqCst);
            proxy.flow();
        }
    );
    assert!(told);
    assert_eq!(server.ask(&url, "SELECT n FROM t"), "2");
}
