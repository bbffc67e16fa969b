//! A PgBouncer in between, which gives a connection to each transaction: to fewer of them at once than a host has connections.

use std::sync::Arc;

use skep_store::{CommitError, Error, JobState, PostgresOpenError, PostgresOptions};
use skep_test_postgres::{AtCommit, Pooler, Proxy, Server};

use crate::alive::{eventually, host, message, write};
use crate::child::{job, open, options, plugin, queue};
use crate::two::{Host, NOW, Told};

fn pooled(url: &str) -> PostgresOptions {
    PostgresOptions { pooled: true, ..options(url) }
}

/// Two hosts on a new database, through the pooler, and the database's own URL.
async fn two() -> Option<([Host; 2], String)> {
    let (pooler, url) = (Pooler::shared()?, Server::shared()?.database());
    let through = pooler.through(&url);
    Some(([host(pooled(&through)).await, host(pooled(&through)).await], url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_work_behind_a_pooler() {
    let Some(([a, b], url)) = two().await else { return };
    for host in [&a, &b] {
        host.store.commit(write()).await.unwrap();
        host.store.commit(message("told")).await.unwrap();
    }
    let found = a.store.get(plugin(), vec!["sum".to_owned()], NOW).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().value, "2");
    assert_eq!((a.told.publishes().len(), b.told.publishes().len()), (1, 1));
    // What one does the other sees when it looks.
    let id = a.insert(vec![job("it")]).await[0];
    b.told.of(|changes| changes.available.contains(&queue())).await;
    let leased = b.lease(1, NOW).await;
    assert_eq!((leased[0].id, a.store.job(id).await.unwrap().0.state), (id, JobState::Executing));
    a.told.forget();
    b.store.settle_and_lease(vec![], None).await.unwrap();
    drop(a);
    eventually(&url, "SELECT count(*) FROM hosts", "1").await;
    // Nothing is left on connections that others have next.
    let through = Pooler::shared().unwrap().through(&url);
    let ask = |sql| Server::shared().unwrap().ask(&through, sql);
    let left = "SELECT current_setting('search_path') || ' ' || current_setting('lock_timeout'),
                  (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels())";
    let left = tokio::task::block_in_place(|| ask(left));
    assert_eq!(left, "\"$user\", public 0|0|0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_told_of_a_pooler_finds_it_and_leaves_everything_as_it_is() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    for settings in ["", "server_round_robin = 1", "default_pool_size = 1"] {
        let Some(pooler) = Pooler::with(&url, settings) else { return };
        let through = pooler.through(&url);
        // One that has connections to choose from.
        let psql = || server.ask(&through, "SELECT pg_sleep(0.1)");
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(psql);
                }
            });
        });
        let Err(error) = open(options(&through), Arc::new(Told::default())).await else { panic!("{settings}") };
        assert!(matches!(error, PostgresOpenError::Pooled), "{settings}: {error}");
        assert!(error.to_string().contains("set `pooled = true`"), "{error}");
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'skep'";
        assert_eq!(tokio::task::block_in_place(|| server.ask(&url, schemas)), "0");
        // The connections are as they were.
        let path = || server.ask(&through, "SELECT current_setting('search_path'), pg_sleep(0.1)");
        let said = std::thread::scope(|scope| [scope.spawn(path), scope.spawn(path)].map(|said| said.join().unwrap()));
        assert_eq!(said, ["\"$user\", public|"; 2]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_keeps_a_connection_for_each_client_needs_no_setting() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let Some(pooler) = Pooler::with(&url, "pool_mode = session\ndefault_pool_size = 20") else { return };
    let through = pooler.through(&url);
    let (a, b) = (Host::open(&through).await, Host::open(&through).await);
    a.insert(vec![job("it")]).await;
    b.told.of(|changes| changes.available.contains(&queue())).await;
}

/// The connection between the pooler and the server breaks behind a COMMIT that the server has got: the pooler tells of it
/// in the place of the first answer, before that of the COMMIT.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_pooler_did_not_hear_the_end_of_is_not_taken_for_undone() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let Some(pooler) = Pooler::before(proxy.url()) else { return };
    let host = host(pooled(&pooler.through(&url))).await;
    let (mut unknown, mut at) = (0, 0);
    while unknown < 5 {
        at += 1;
        let name = format!("{at}");
        host.set_at_last("before").await;
        // It may meet another one, of whoever says that the host lives.
        proxy.at_commit([AtCommit::CutBehind]);
        let set = host.set(&name).await;
        // Whatever was on its way then has come to its end.
        host.set_at_last("after").await;
        let is_there = host.has(&name).await;
        match set {
            Ok(_) => assert!(is_there),
            Err(CommitError::Store(Error::Unavailable(why))) => assert!(!is_there, "{why}"),
            Err(CommitError::Store(Error::OutcomeUnknown)) => unknown += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(at < 200, "no COMMIT breaks");
    }
}
